//! Who may open a lane, and what `/metrics` says of those who tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::UdpSocket;

use support::Server;

const PATTERN: [&str; 3] = ["--source", "pattern=test:?size=320x240&fps=30", "--loop"];
/// "correct horse" is no token: it has a space.
const TOKEN: &str = "correct-horse~battery";
/// The same in URL-safe base64, as the page offers it.
const OFFERED: &str = "bearer.Y29ycmVjdC1ob3JzZX5iYXR0ZXJ5";

/// Asks for a WebSocket as a browser does; the status, and the sub-protocol that was chosen.
async fn upgrade(server: &Server, protocols: &str, origin: Option<&str>) -> (u16, Option<String>) {
    let mut request = reqwest::Client::new()
        .get(server.url("/lanes/websocket/pattern?link=2"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", protocols);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = request.send().await.unwrap();
    let chosen = answer.headers().get("sec-websocket-protocol");
    let chosen = chosen.map(|it| it.to_str().unwrap().to_owned());
    (answer.status().as_u16(), chosen)
}

#[tokio::test]
async fn a_page_names_its_token_as_a_sub_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let token = ["--token-file", file.to_str().unwrap()];
    let server = Server::serve(&[&PATTERN[..], &token].concat());
    let ours = "frameway.lane.1";
    let (status, chosen) = upgrade(&server, &format!("{ours}, {OFFERED}"), None).await;
    assert_eq!(
        (status, chosen.as_deref()),
        (101, Some(ours)),
        "the token is not said again"
    );
    for protocols in [
        ours.to_owned(),
        format!("{ours}, {OFFERED}x"),
        format!("{ours}, bearer."),
        format!("{ours}, bearer.%%%"),
        format!("{ours}, {}", OFFERED.to_uppercase()),
        format!("{ours}, bearer.{TOKEN}"),
    ] {
        let (status, _) = upgrade(&server, &protocols, None).await;
        assert_eq!(status, 401, "{protocols}");
    }
    // The right token does not make another's page ours.
    let both = format!("{ours}, {OFFERED}");
    let (status, _) = upgrade(&server, &both, Some("http://example.com")).await;
    assert_eq!(status, 403);
    let (status, _) = upgrade(&server, &both, Some(server.address())).await;
    assert_eq!(status, 101);
}

#[tokio::test]
async fn metrics_count_what_quic_let_in_and_refused() {
    let server = Server::serve(&PATTERN);
    let place = server
        .send(
            reqwest::Method::POST,
            "/lanes/webtransport/pattern?link=1",
            "text/plain",
            "",
        )
        .await
        .json();
    let text = server.get("/metrics").await.text();
    for line in [
        "frameway_quic_sessions 0",
        "frameway_quic_invitations 1",
        "frameway_quic_sessions_started_total 0",
        "frameway_quic_refused_total{reason=\"token\"} 0",
        "frameway_quic_closed_total{reason=\"not_reading\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    let port = u16::try_from(place["port"].as_u64().unwrap()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..5 {
        socket
            .send_to(b"no packet of QUIC's", ("127.0.0.1", port))
            .unwrap();
    }
    let started = std::time::Instant::now();
    loop {
        let text = server.get("/metrics").await.text();
        if text.contains("frameway_quic_datagrams_dropped_total 5") {
            break;
        }
        assert!(started.elapsed() < support::DEADLINE, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
