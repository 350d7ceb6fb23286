//! A person opens the page: it plays without a click, every frame is drawn once, and the controls act.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::Server;
use support::browser::{Chromium, Tab};

/// Ten seconds at 30 frames a second.
const TEN_SECONDS: usize = 300;

async fn numbers(tab: &Tab, at_least: usize) -> Vec<u64> {
    tab.until(&format!("window.seen.length >= {at_least}"))
        .await;
    assert_eq!(
        tab.value::<u64>("window.unreadable").await,
        0,
        "a frame's number could not be read from its pixels"
    );
    tab.value("window.seen").await
}

/// The demo, playing in a browser of its own; `None` where there is no browser.
async fn watched_demo() -> Option<(Server, Chromium, Tab)> {
    let server = Server::demo();
    let browser = Chromium::start(1280, 800).await?;
    let tab = browser.open(&server.url("/")).await;
    numbers(&tab, 30).await;
    Some((server, browser, tab))
}

fn assert_without_gap(numbers: &[u64], why: &str) {
    for pair in numbers.windows(2) {
        assert_eq!(
            pair[1],
            pair[0] + 1,
            "{why}: frame {} was followed by {}",
            pair[0],
            pair[1]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_draws_each_frame_once_for_ten_seconds_and_the_buffer_slider_acts() {
    let server = Server::demo();
    let Some(browser) = Chromium::start(1440, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/")).await;

    let seen = numbers(&tab, TEN_SECONDS).await;
    assert_without_gap(&seen, "plain playing");
    assert_eq!(seen[0], 0, "the stream waits for its first viewer");

    // The sliders are what a person would move.
    for (size, threshold) in [(60, 0.3), (5, 0.8)] {
        tab.run(&format!(
            "const move = (label, value) => {{
               const slider = [...document.querySelectorAll('input[type=range]')].find((i) => i.labels[0].textContent.includes(label));
               slider.value = value;
               slider.dispatchEvent(new Event('input', {{ bubbles: true }}));
               slider.dispatchEvent(new Event('change', {{ bubbles: true }}));
             }};
             move('Buffer size', {size}); move('Prefetch', {threshold})"
        ))
        .await;
        let holds = |m: &serde_json::Value| {
            let buffer = &m["buffer"];
            buffer["size"] == size
                && buffer["fill"].as_u64() >= Some(size - 1)
                && buffer["fill"].as_u64() <= Some(size)
                && buffer["prefetch_threshold"] == threshold
        };
        server.until("/api/v1/streams/demo/metrics", holds).await;
    }
    let before = seen.len();
    let seen = numbers(&tab, before + 60).await;
    assert_without_gap(&seen, "a buffer that grew to 60 and shrank to 5");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_stream_says_so_and_plays_again_when_it_is_back() {
    let server = Server::serve(&["--source", "pattern=test:?size=640x360&fps=30", "--loop"]);
    let Some(browser) = Chromium::start(1280, 800).await else {
        return;
    };
    let tab = browser.open(&server.url("/?stream=pattern")).await;
    numbers(&tab, 30).await;

    assert_eq!(server.delete("/api/v1/streams/pattern").await.status, 204);
    tab.until("['gone', 'closed'].includes(frameway.state)")
        .await;
    let said: String = tab.value("document.body.innerText").await;
    assert!(
        said.contains("stopped"),
        "nothing on the page says that the stream was stopped: {said}"
    );

    let uri = "test:?size=640x360&fps=30";
    let created = server
        .post(
            "/api/v1/streams",
            &json!({ "uri": uri, "name": "pattern", "loop": true }),
        )
        .await;
    assert_eq!(
        (created.status, created.json()["id"].as_str()),
        (201, Some("pattern"))
    );
    tab.run("window.seen.length = 0").await;
    let seen = numbers(&tab, 60).await;
    assert_without_gap(&seen, "started again");
    assert_eq!(seen[0], 0, "a new stream starts at its first frame");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_operator_closed_can_be_taken_up_again() {
    let Some((server, browser, tab)) = watched_demo().await else {
        return;
    };
    let connections = server.get("/api/v1/streams/demo/connections").await.json();
    let id = connections["connections"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // The page is told goodbye: it may stay closed until a person asks for more, which the space key does.
    tab.run("window.seen.length = 0").await;
    assert_eq!(
        server
            .delete(&format!("/api/v1/streams/demo/connections/{id}"))
            .await
            .status,
        204
    );
    tab.until("window.seen.length >= 30 || frameway.state === 'closed'")
        .await;
    if tab.value::<String>("frameway.state").await == "closed" {
        tab.run("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true }))").await;
        tab.until("window.seen.length >= 30").await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_died_and_came_back_is_watched_again_without_a_click() {
    let Some((server, browser, tab)) = watched_demo().await else {
        return;
    };
    record_phases(&tab).await;

    let server = server.killed_and_back("demo", &[]);
    tab.until("window.phases.includes('reconnecting')").await;
    // A new process numbers its frames from the start.
    tab.until("window.seen.lastIndexOf(0) > 0").await;
    tab.run("window.seen.splice(0, window.seen.lastIndexOf(0))")
        .await;
    let seen = numbers(&tab, 60).await;
    assert_without_gap(&seen, "the server came back");
    assert_eq!(seen[0], 0);
    drop(server);
    browser.close().await;
}

/// The connection stays, but nothing comes through it, and HTTP accepts and does not answer either.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_and_goes_on_is_watched_again_without_a_click() {
    let Some((server, browser, tab)) = watched_demo().await else {
        return;
    };
    record_phases(&tab).await;

    server.signal("STOP");
    tab.until("window.phases.includes('reconnecting')").await;
    let last = numbers(&tab, 30).await.into_iter().next_back().unwrap();
    tab.run("window.seen.length = 0").await;
    server.signal("CONT");
    let seen = numbers(&tab, 60).await;
    assert!(seen[0] > last, "frame {} after frame {last}", seen[0]);
    // What was on its way when the server stopped may still come through the old connection.
    let joined = seen.windows(2).position(|pair| pair[1] > pair[0] + 1);
    let seen = &seen[joined.map_or(0, |at| at + 1)..];
    assert_without_gap(seen, "the server goes on");
    browser.close().await;
}

/// From now on the page notes each state that it is in.
async fn record_phases(tab: &Tab) {
    tab.run(
        "window.phases = []; setInterval(() => {
           if (window.phases.at(-1) !== frameway.state) window.phases.push(frameway.state);
         }, 20)",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_scrolls_sideways_on_a_phone() {
    let server = Server::demo();
    for (width, height) in [(360, 740), (1440, 900)] {
        let Some(browser) = Chromium::start(width, height).await else {
            return;
        };
        let tab = browser.open(&server.url("/")).await;
        tab.until("frameway.state === 'playing' && frameway.stats().page.frames.drawn > 30")
            .await;
        let scroll: u32 = tab.value("document.documentElement.scrollWidth").await;
        assert!(
            scroll <= width,
            "the page is {scroll} px wide on a screen of {width}"
        );
        let below: bool = tab
            .value("document.querySelector('#video').getBoundingClientRect().bottom > innerHeight")
            .await;
        assert!(
            !below,
            "the video does not fit the first screen at {width}x{height}"
        );
        let picture = tab.screenshot().await;
        if let Some(folder) = std::env::var_os("FRAMEWAY_SCREENSHOTS") {
            std::fs::write(
                std::path::Path::new(&folder).join(format!("page-{width}.png")),
                picture,
            )
            .unwrap();
        }
        browser.close().await;
    }
}
