//! Frames come to the page by QUIC, by data channel or by WebSocket, whichever passes; the page says which, and a person can
//! choose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::browser::{Chromium, Tab};
use testkit::driver::{BadLink, BadLinkConfig, Ways};

const PATTERN: [&str; 3] = ["--source", "pattern=test:?size=640x360&fps=30", "--loop"];

/// A server, and a network before it that can be blocked.
struct Watched {
    server: Server,
    link: BadLink,
}

impl Watched {
    fn new() -> Self {
        let server = Server::serve(&PATTERN);
        let http = server.address().strip_prefix("http://").unwrap();
        let link = BadLink::to_http(http.parse().unwrap(), BadLinkConfig::default()).unwrap();
        Self { server, link }
    }

    fn page(&self) -> String {
        format!("http://{}/?stream=pattern", self.link.address())
    }
}

/// Waits until frames come by that kind of lane, and a second's worth more of them.
async fn plays_by(tab: &Tab, kind: &str) {
    tab.until(&format!("frameway.stats().page.lane === '{kind}'"))
        .await;
    let before: u64 = tab.value("window.seen.length").await;
    tab.until(&format!("window.seen.length >= {}", before + 30))
        .await;
    let lane: String = tab.value("frameway.stats().page.lane").await;
    assert_eq!(lane, kind);
}

/// What the card says of a lane: the badge and the line below it.
async fn said_of(tab: &Tab, kind: &str) -> String {
    tab.value(&format!(
        "document.querySelector('[data-lane={kind}]').innerText"
    ))
    .await
}

async fn says_of(tab: &Tab, kind: &str, words: &str) {
    tab.until(&format!(
        "document.querySelector('[data-lane={kind}]').innerText.includes('{words}')"
    ))
    .await;
}

/// No frame twice, none backwards, but for the start of another round of the loop.
async fn assert_forwards(tab: &Tab) {
    let seen: Vec<u64> = tab.value("window.seen").await;
    for pair in seen.windows(2) {
        assert!(
            pair[1] > pair[0] || pair[1] == 0,
            "frame {} after frame {}",
            pair[1],
            pair[0]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_plays_by_quic_and_counts_as_one_viewer() {
    let server = Server::demo();
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/")).await;
    plays_by(&tab, "quic").await;
    says_of(&tab, "quic", "Carries").await;
    says_of(&tab, "data", "Stands by").await;
    says_of(&tab, "websocket", "Not needed").await;
    let seen: Vec<u64> = tab.value("window.seen").await;
    assert_eq!(seen[0], 0, "the stream waits for its first viewer");
    assert_forwards(&tab).await;

    let metrics = server
        .until("/api/v1/streams/demo/metrics", |metrics| {
            metrics["viewers"][0]["client"].is_object()
        })
        .await;
    let viewers = metrics["viewers"].as_array().unwrap();
    assert_eq!(viewers.len(), 1, "two lanes are one viewer: {metrics:#}");
    assert_eq!(viewers[0]["lane"], "quic");
    assert_eq!(viewers[0]["state"], "streaming");
    assert!(viewers[0]["frames_acked"].as_u64() > Some(20));
    assert!(viewers[0]["rtt_ms"].as_f64().is_some());
    let id = viewers[0]["id"].as_str().unwrap();
    let closed = server
        .delete(&format!("/api/v1/streams/demo/connections/{id}"))
        .await;
    assert_eq!(closed.status, 204);
    tab.until("frameway.state === 'closed'").await;
    server
        .until("/api/v1/streams/demo/connections", |all| {
            all["connections"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_at_localhost_plays_by_quic_though_the_server_has_no_ipv6() {
    let server = Server::demo();
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let page = server.url("/").replace("127.0.0.1", "localhost");
    let tab = browser.open(&page).await;
    let host: String = tab.value("location.hostname").await;
    assert_eq!(host, "localhost");
    plays_by(&tab, "quic").await;
    says_of(&tab, "quic", "Carries").await;
    assert_forwards(&tab).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_quic_is_blocked_from_the_start_the_data_channel_plays_and_the_page_says_so() {
    let watched = Watched::new();
    watched.link.control().block_webtransport(true);
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&watched.page()).await;
    plays_by(&tab, "data").await;
    says_of(&tab, "data", "Carries").await;
    says_of(&tab, "quic", "Blocked").await;
    let said = said_of(&tab, "quic").await;
    assert!(said.contains("No QUIC packet gets through"), "{said}");
    assert_forwards(&tab).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_that_is_blocked_in_mid_stream_hands_over_and_takes_up_again() {
    let watched = Watched::new();
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&watched.page()).await;
    plays_by(&tab, "quic").await;
    tab.run(
        "window.stall = 0; let last = performance.now();
         document.addEventListener('frameway:frame', () => {
           window.stall = Math.max(window.stall, performance.now() - last); last = performance.now();
         }, true)",
    )
    .await;
    watched.link.control().block_webtransport(true);
    plays_by(&tab, "data").await;
    let stall: f64 = tab.value("window.stall").await;
    eprintln!("the picture stood for {stall:.0} ms");
    let phase: String = tab.value("frameway.state").await;
    assert_eq!(phase, "playing", "the page never left its link");
    watched.link.control().block_webtransport(false);
    plays_by(&tab, "quic").await;
    says_of(&tab, "quic", "Carries").await;
    assert_forwards(&tab).await;
    let viewers = watched
        .server
        .get("/api/v1/streams/pattern/connections")
        .await
        .json();
    assert_eq!(
        viewers["connections"].as_array().unwrap().len(),
        1,
        "{viewers:#}"
    );
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_udp_passes_a_websocket_plays_until_it_does() {
    let watched = Watched::new();
    watched.link.control().cut(Ways::Both, false);
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&watched.page()).await;
    plays_by(&tab, "websocket").await;
    says_of(&tab, "websocket", "Carries").await;
    says_of(&tab, "quic", "Blocked").await;
    says_of(&tab, "data", "Blocked").await;
    watched.link.control().restore();
    tab.until("['quic', 'data'].includes(frameway.stats().page.lane)")
        .await;
    assert_forwards(&tab).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_chooses_the_way_and_the_page_remembers_it() {
    let server = Server::demo();
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/")).await;
    plays_by(&tab, "quic").await;
    for kind in ["websocket", "data", "quic"] {
        tab.run(&format!(
            "document.querySelector('input[name=lane][value={kind}]').click()"
        ))
        .await;
        plays_by(&tab, kind).await;
        let open: Vec<String> = tab
            .value(
                "frameway.stats().page.lanes.filter((l) => l.state === 'open').map((l) => l.kind)",
            )
            .await;
        assert_eq!(open, [kind]);
    }
    let tab = browser.open(&server.url("/")).await;
    plays_by(&tab, "quic").await;
    let choice: String = tab.value("frameway.stats().page.lane_choice").await;
    assert_eq!(choice, "quic");
    says_of(&tab, "data", "Not chosen").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_quic_says_so_and_plays_by_data_channel() {
    let server = Server::serve(&[&PATTERN[..], &["--no-quic"]].concat());
    let asked = server
        .send(
            reqwest::Method::POST,
            "/lanes/webtransport/pattern",
            "text/plain",
            "",
        )
        .await;
    asked.problem(404, "--quic HOST:PORT");
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/?stream=pattern")).await;
    plays_by(&tab, "data").await;
    says_of(&tab, "quic", "Not served").await;
    browser.close().await;
}

#[tokio::test]
async fn pages_of_other_origins_get_no_lane() {
    let server = Server::serve(&PATTERN);
    let client = reqwest::Client::new();
    for (origin, status) in [("http://example.com", 403), (server.address(), 201)] {
        let asked = client
            .post(server.url("/lanes/webtransport/pattern?link=1"))
            .header("origin", origin)
            .send();
        assert_eq!(asked.await.unwrap().status().as_u16(), status, "{origin}");
    }
    let upgrade = client
        .get(server.url("/lanes/websocket/pattern?link=2"))
        .header("origin", "http://example.com")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send();
    assert_eq!(upgrade.await.unwrap().status().as_u16(), 403);
}
