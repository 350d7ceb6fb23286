//! Peers that misuse their channels: far too many of them, and one that takes nothing. Each costs its own session at most.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::relay::{self, Relay};
use support::{connect, loopback, numbered, scripted};
use webrtc_session::{ChannelSpec, CloseReason, Endpoint, SessionConfig};

/// As many as an endpoint of ours can ask for; after 16 and 64 more the session is over, so thousands are no more.
const MANY: usize = 256;

#[tokio::test]
async fn channels_without_end_cost_the_session_that_opens_them() {
    let (server, honest) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let mut beside = connect(&server, &honest, &[ChannelSpec::reliable("data")]).await;

    let mut config = loopback();
    config.session.max_channels = MANY;
    let flooder = Endpoint::bind(config).unwrap();
    let channels: Vec<_> = (0..MANY)
        .map(|number| ChannelSpec::reliable(&format!("channel {number}")))
        .collect();
    let (client_handler, _client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, pending) = flooder.connect(client_handler, &channels).await.unwrap();
    let accepted = server.accept(&offer, server_handler).await.unwrap();
    pending.accept_answer(&accepted.answer_sdp).await.unwrap();

    let max_channels = SessionConfig::browser().max_channels;
    assert_eq!(
        server_peer.closed().await,
        CloseReason::TooManyChannels { max_channels }
    );
    assert!(server.stats(accepted.session).await.is_err());

    beside.client_peer.send(None, [numbered(1, 20_000)]);
    beside.server_peer.send(None, [numbered(2, 20_000)]);
    assert_eq!(beside.server_peer.message().await.1, numbered(1, 20_000));
    assert_eq!(beside.client_peer.message().await.1, numbered(2, 20_000));
}

#[tokio::test]
async fn what_waits_for_a_peer_that_takes_nothing_is_bounded_until_it_is_given_up() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let relay = Relay::to(server.local_addr()).await;
    let config = SessionConfig::browser();
    let buffered_bytes = config.sctp_buffered_bytes;
    let mut relayed = relay::connect(&server, &client, &relay, config).await;

    relay.cut();
    let messages = 100;
    relayed
        .server_peer
        .send(None, (0..messages).map(|number| numbered(number, 16_000)));
    // The session goes on asking its handler until its buffer is full, and no further.
    let most = buffered_bytes / 16_000;
    loop {
        let Ok(stats) = server.stats(relayed.server_session).await else {
            break;
        };
        assert!(stats.buffered_bytes <= buffered_bytes, "{stats:?}");
        assert!(relayed.server_peer.unsent() >= messages as usize - most);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let reason = relayed.server_peer.closed().await;
    assert!(matches!(reason, CloseReason::Silent(_)), "{reason:?}");
    assert_eq!(relayed.server_peer.unsent(), messages as usize - most);
}
