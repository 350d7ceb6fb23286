//! What happens to a session when its path does: noise on it, a change of address, a cut, another session beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::relay::{Relay, Relayed, connect};
use support::{loopback, numbered};
use webrtc_session::{CloseReason, Endpoint, SessionConfig};

fn endpoints() -> (Endpoint, Endpoint) {
    (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    )
}

async fn exchange(relayed: &mut Relayed, number: u32) {
    relayed.client_peer.send(None, [numbered(number, 20_000)]);
    relayed
        .server_peer
        .send(None, [numbered(number + 1, 20_000)]);
    assert_eq!(
        relayed.server_peer.message().await.1,
        numbered(number, 20_000)
    );
    assert_eq!(
        relayed.client_peer.message().await.1,
        numbered(number + 1, 20_000)
    );
}

#[tokio::test]
async fn noise_from_the_peers_own_address_is_shrugged_off() {
    let (server, client) = endpoints();
    let relay = Relay::to(server.local_addr()).await;
    let mut relayed = connect(&server, &client, &relay, SessionConfig::browser()).await;
    for first in 0..=255u8 {
        let mut datagram = vec![first; 100];
        relay.inject(&datagram).await;
        // As a DTLS record of the current epoch, and as one of a handshake.
        datagram[1..13].copy_from_slice(&[254, 253, 0, 1, 0, 0, 0, 0, first, 1, 0, 87]);
        relay.inject(&datagram).await;
        datagram[4] = 0;
        relay.inject(&datagram).await;
        relay.inject(&datagram[..first as usize % 20]).await;
    }
    exchange(&mut relayed, 1).await;
    assert!(
        server
            .stats(relayed.server_session)
            .await
            .unwrap()
            .packets_unusable
            > 0
    );
}

#[tokio::test]
async fn a_session_follows_its_peer_to_another_address() {
    let (server, client) = endpoints();
    let relay = Relay::to(server.local_addr()).await;
    let mut relayed = connect(&server, &client, &relay, SessionConfig::browser()).await;
    exchange(&mut relayed, 1).await;
    let session = relayed.server_session;
    let address = async || server.stats(session).await.unwrap().remote_address;
    let before = address().await;
    relay.move_to_another_address().await;
    // The peer's next connectivity check comes from the new address.
    while address().await == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    exchange(&mut relayed, 3).await;
}

#[tokio::test]
async fn sessions_behind_one_address_are_told_apart() {
    let (server, client) = endpoints();
    let relay = Relay::to(server.local_addr()).await;
    let mut first = connect(&server, &client, &relay, SessionConfig::browser()).await;
    let mut second = connect(&server, &client, &relay, SessionConfig::browser()).await;
    let mut third = connect(&server, &client, &relay, SessionConfig::browser()).await;
    for (number, relayed) in [&mut first, &mut second, &mut third]
        .into_iter()
        .enumerate()
    {
        let address = server
            .stats(relayed.server_session)
            .await
            .unwrap()
            .remote_address;
        assert!(address.is_some());
        exchange(relayed, number as u32 * 100).await;
    }
    server.close(second.server_session).await.unwrap();
    assert_eq!(second.server_peer.closed().await, CloseReason::Local);
    exchange(&mut first, 1000).await;
    exchange(&mut third, 2000).await;
}

#[tokio::test]
async fn a_cut_path_disconnects_and_then_closes_the_session() {
    let (server, client) = endpoints();
    let relay = Relay::to(server.local_addr()).await;
    let config = SessionConfig {
        silence_timeout: Duration::from_millis(50),
        disconnect_timeout: Duration::from_millis(50),
        ..SessionConfig::browser()
    };
    let mut relayed = connect(&server, &client, &relay, config).await;
    relay.cut();
    assert!(matches!(
        relayed.server_peer.closed().await,
        CloseReason::Silent(_)
    ));
}
