//! Eight streams on one page: more than a browser opens connections to one host, each drawn from its own session.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::Server;
use support::browser::Chromium;

const STREAMS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_page_shows_eight_streams_each_over_a_session_of_its_own() {
    let sources: Vec<String> = (1..=STREAMS)
        .map(|number| format!("Camera {number}=test:?size=320x180&fps=10"))
        .collect();
    let mut arguments = vec!["--loop"];
    arguments.extend(sources.iter().flat_map(|source| ["--source", source]));
    let server = Server::serve(&arguments);
    for (width, height) in [(1280, 800), (360, 740)] {
        let Some(browser) = Chromium::start(width, height).await else {
            return;
        };
        let tab = browser.open(&server.url("/?streams=all")).await;
        tab.until(&format!(
            "window.frameway && frameway.stats().length === {STREAMS} && frameway.stats().every((tile) => tile.phase === 'playing' && tile.drawn > 20)"
        ))
        .await;
        assert_eq!(
            tab.value::<u64>("window.unreadable").await,
            0,
            "pictures are whole"
        );
        let overflow =
            "document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert!(
            !tab.value::<bool>(overflow).await,
            "{width} px are wide enough"
        );
        let canvases =
            "new Set([...document.querySelectorAll('canvas')].map((it) => it.dataset.stream)).size";
        assert_eq!(tab.value::<usize>(canvases).await, STREAMS);
        if let Some(folder) = std::env::var_os("FRAMEWAY_SCREENSHOTS") {
            let file = std::path::Path::new(&folder).join(format!("wall-{width}.png"));
            std::fs::write(file, tab.screenshot().await).unwrap();
        }
        browser.close().await;
    }

    // Named ones alone, one of which there is not: it says so, and the others play.
    let Some(browser) = Chromium::start(800, 600).await else {
        return;
    };
    let tab = browser
        .open(&server.url("/?streams=camera-2,nowhere,camera-1"))
        .await;
    tab.until("window.frameway && frameway.stats().filter((tile) => tile.drawn > 5).length === 2")
        .await;
    let tiles: Vec<Value> = tab.value("frameway.stats()").await;
    let ids: Vec<_> = tiles
        .iter()
        .map(|tile| tile["stream"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["camera-2", "nowhere", "camera-1"]);
    tab.until("document.body.innerText.includes('There is no stream “nowhere”')")
        .await;
    browser.close().await;
    let left = |stream: &Value| stream["viewers"] == 0;
    server.until("/api/v1/streams/camera-1", left).await;
}
