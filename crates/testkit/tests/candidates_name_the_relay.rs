//! Answers of WebRTC peers, with the addresses in them exchanged for a relay's.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use testkit::rewrite_candidates;

const ANSWER: &str = include_str!("answer.sdp");

#[test]
fn host_candidates_on_loopback_are_rewritten_and_others_dropped() {
    assert!(ANSWER.contains("\r\n"), "the file has lost its line ends");
    let relay: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let mut asked = Vec::new();
    let out = rewrite_candidates(ANSWER, |server| {
        asked.push(server.to_string());
        Some(relay)
    });
    assert_eq!(asked, ["127.0.0.1:40000", "127.0.0.1:40001"]);
    assert_eq!((out.rewritten, out.dropped), (2, 6));
    let candidates: Vec<_> = out.sdp.lines().filter(|it| it.contains("cand")).collect();
    assert_eq!(
        candidates,
        [
            "a=candidate:1 1 UDP 2130706175 127.0.0.1 9 typ host ufrag 7T3p",
            "a=candidate:2 1 udp 2130706175 127.0.0.1 9 typ host",
            "a=end-of-candidates"
        ]
    );
    let others = |sdp: &str| {
        sdp.split_inclusive("\r\n")
            .filter(|line| !line.starts_with("a=candidate:"))
            .collect::<String>()
    };
    assert_eq!(others(&out.sdp), others(ANSWER));
    assert_eq!(
        out.sdp.matches('\n').count(),
        out.sdp.matches("\r\n").count()
    );
}

#[test]
fn a_server_without_a_relay_is_not_named() {
    let out = rewrite_candidates(ANSWER, |_| None);
    assert_eq!((out.rewritten, out.dropped), (0, 8));
    assert!(!out.sdp.contains("a=candidate:"));
}

#[test]
fn malformed_candidates_are_dropped_and_text_without_any_is_kept() {
    for line in [
        "a=candidate:",
        "a=candidate:1 1 udp 1 127.0.0.1 70000 typ host",
        "a=candidate:1 1 udp 1 127.0.0.1",
        "a=candidate:1 1 udp 1 127.0.0.1 x typ host\r\n",
    ] {
        assert_eq!(rewrite_candidates(line, Some).sdp, "", "{line}");
    }
    for text in ["", "v=0", "v=0\n\n", "\r\n"] {
        assert_eq!(rewrite_candidates(text, Some).sdp, text);
    }
}
