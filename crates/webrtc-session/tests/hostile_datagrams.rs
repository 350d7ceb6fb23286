//! Datagrams from strangers at the shared socket: counted, dropped, and the sessions go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::UdpSocket;

use support::{numbered, pair};
use webrtc_session::{Endpoint, EndpointStats};

/// A connectivity check for this ufrag, with an integrity that is not.
fn check(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:me");
    let mut body = vec![0, 6, 0, username.len() as u8];
    body.extend(username.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
    body.extend([0, 8, 0, 20]);
    body.extend([0xaa; 20]);
    let mut out = vec![0, 1, 0, body.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    out.extend([9; 12]);
    out.extend(body);
    out
}

/// Sends until the endpoint has counted `wanted` of them: UDP may lose some.
async fn send_until(
    endpoint: &Endpoint,
    datagrams: &[Vec<u8>],
    counted: impl Fn(&EndpointStats) -> u64,
    wanted: u64,
) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = counted(&endpoint.totals());
    while counted(&endpoint.totals()) < before + wanted {
        for datagram in datagrams {
            socket.send_to(datagram, endpoint.local_addr()).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_counted_and_the_session_goes_on() {
    let mut pair = pair().await;
    let ufrag = "nobody".to_owned();
    send_until(
        &pair.server,
        &[check(&ufrag)],
        |stats| stats.dropped_unknown_ufrag,
        1000,
    )
    .await;
    let junk: Vec<Vec<u8>> = (0..=255u8)
        .map(|first| vec![first; 1 + usize::from(first) * 5])
        .collect();
    send_until(
        &pair.server,
        &junk,
        |stats| stats.dropped_unknown_address,
        1000,
    )
    .await;
    pair.client_peer.send(None, [numbered(1, 5000)]);
    assert_eq!(pair.server_peer.message().await.1, numbered(1, 5000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_for_a_known_ufrag_with_a_forged_integrity_teaches_no_address() {
    let server = Endpoint::bind(support::loopback()).unwrap();
    let (handler, _peer) = support::scripted();
    let accepted = server
        .accept(include_str!("browser_offer.sdp"), handler)
        .await
        .unwrap();
    let ufrag = accepted
        .answer_sdp
        .lines()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"))
        .unwrap();
    send_until(
        &server,
        &[check(ufrag)],
        |stats| stats.dropped_unverified,
        10,
    )
    .await;
    assert_eq!(
        server.stats(accepted.session).await.unwrap().remote_address,
        None
    );
}
