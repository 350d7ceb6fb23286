//! Sessions over real sockets on loopback: connecting, exchanging, sharing a socket, closing, and what is told about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{
    Peer, Seen, connect, connect_with_offer, loopback, numbered, pair, scripted, scripted_refusing,
};
use webrtc_session::{
    AcceptError, ChannelSpec, CloseReason, Endpoint, SessionError, SessionId, SessionState,
};

#[tokio::test]
async fn messages_arrive_whole_and_in_order_both_ways() {
    let mut pair = pair().await;
    let messages: Vec<Vec<u8>> = (0..300)
        .map(|number| numbered(number, 4 + (number as usize * 97) % 16_000))
        .collect();
    pair.client_peer.send(None, messages.clone());
    pair.server_peer.send(None, messages.clone());
    for expected in &messages {
        assert_eq!(&pair.server_peer.message().await.1, expected);
        assert_eq!(&pair.client_peer.message().await.1, expected);
    }
}

#[tokio::test]
async fn the_handler_sees_connecting_then_connected_then_the_channel() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let (client_handler, _client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, pending) = client
        .connect(client_handler, &[ChannelSpec::reliable("frames")])
        .await
        .unwrap();
    let accepted = server.accept(&offer, server_handler).await.unwrap();
    pending.accept_answer(&accepted.answer_sdp).await.unwrap();
    assert_eq!(
        server_peer.seen.recv().await,
        Some(Seen::State(SessionState::Connecting))
    );
    assert_eq!(
        server_peer.seen.recv().await,
        Some(Seen::State(SessionState::Connected))
    );
    let Some(Seen::Opened(info)) = server_peer.seen.recv().await else {
        panic!("no channel")
    };
    assert_eq!(
        (info.label.as_str(), info.ordered, info.max_message_bytes),
        ("frames", true, 64 * 1024)
    );
}

#[tokio::test]
async fn twenty_sessions_share_one_socket() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let mut pairs = Vec::new();
    for _ in 0..20 {
        pairs.push(connect(&server, &client, &[ChannelSpec::reliable("data")]).await);
    }
    for (number, pair) in pairs.iter().enumerate() {
        pair.server_peer.send(
            None,
            (0..50).map(|step| numbered((number * 1000 + step) as u32, 9000)),
        );
    }
    for (number, pair) in pairs.iter_mut().enumerate() {
        for step in 0..50 {
            assert_eq!(
                pair.client_peer.message().await.1,
                numbered((number * 1000 + step) as u32, 9000)
            );
        }
    }
    assert_eq!(server.totals().sessions, 20);
    let ports: std::collections::HashSet<_> = futures_of(&pairs).await;
    assert_eq!(
        ports.len(),
        20,
        "each connecting session has a socket of its own"
    );
}

async fn futures_of(pairs: &[support::Pair]) -> std::collections::HashSet<std::net::SocketAddr> {
    let mut addresses = std::collections::HashSet::new();
    for pair in pairs {
        addresses.extend(
            pair.server
                .stats(pair.server_session)
                .await
                .unwrap()
                .remote_address,
        );
    }
    addresses
}

#[tokio::test]
async fn stats_tell_what_was_moved() {
    let mut pair = pair().await;
    pair.server_peer
        .send(None, (0..100).map(|number| numbered(number, 10_000)));
    for _ in 0..100 {
        pair.client_peer.message().await;
    }
    let sent = pair.server.stats(pair.server_session).await.unwrap();
    let received = pair.client.stats(pair.client_session).await.unwrap();
    assert_eq!(
        (sent.messages_sent, sent.message_bytes_sent),
        (100, 1_000_000)
    );
    assert_eq!(
        (received.messages_received, received.message_bytes_received),
        (100, 1_000_000)
    );
    assert!(sent.bytes_sent > 1_000_000 && received.bytes_received > 1_000_000);
    assert!(sent.packets_sent >= 1_000_000 / 1500 && received.packets_received > 0);
    assert_eq!(
        (sent.state.clone(), sent.channels),
        (SessionState::Connected, 1)
    );
    assert!(sent.rtt.is_some(), "acknowledged messages were timed");
    assert_eq!(
        sent.remote_address.map(|address| address.ip()),
        Some("127.0.0.1".parse().unwrap())
    );
    let totals = pair.server.totals();
    assert!(
        totals.datagrams_sent >= sent.packets_sent && totals.send_calls <= totals.datagrams_sent
    );
    assert_eq!(totals.dropped_unsent, 0);
}

#[tokio::test]
async fn closing_tells_both_sides_and_frees_the_session() {
    let mut pair = pair().await;
    pair.server.close(pair.server_session).await.unwrap();
    assert_eq!(pair.server_peer.closed().await, CloseReason::Local);
    assert_eq!(pair.client_peer.closed().await, CloseReason::Peer);
    let unknown = SessionError::Unknown {
        session: pair.server_session,
    };
    assert_eq!(
        pair.server.stats(pair.server_session).await,
        Err(unknown.clone())
    );
    assert_eq!(pair.server.close(pair.server_session).await, Err(unknown));
    assert_eq!(
        pair.server_peer.seen.recv().await,
        None,
        "the handler is dropped, nothing follows the close"
    );
    assert_eq!(pair.server.totals().sessions, 0);
}

#[tokio::test]
async fn a_goodbye_queued_before_the_close_arrives() {
    let mut pair = pair().await;
    pair.server_peer
        .send(None, (0..200).map(|number| numbered(number, 16_000)));
    pair.server_peer.send(None, [b"goodbye".to_vec()]);
    pair.server
        .close_after_drain(pair.server_session, Duration::from_secs(30))
        .await
        .unwrap();
    for number in 0..200 {
        assert_eq!(pair.client_peer.message().await.1, numbered(number, 16_000));
    }
    assert_eq!(pair.client_peer.message().await.1, b"goodbye");
    assert_eq!(pair.client_peer.closed().await, CloseReason::Peer);
    assert_eq!(pair.server_peer.closed().await, CloseReason::Local);
}

#[tokio::test]
async fn a_session_that_never_connects_is_closed() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let (client_handler, _client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, _never_answered) = client
        .connect(client_handler, &[ChannelSpec::reliable("data")])
        .await
        .unwrap();
    let mut config = webrtc_session::SessionConfig::browser();
    config.connect_timeout = Duration::from_millis(50);
    server
        .accept_with(&offer, server_handler, config)
        .await
        .unwrap();
    assert_eq!(
        server_peer.closed().await,
        CloseReason::ConnectTimeout(Duration::from_millis(50))
    );
    while server.totals().sessions > 0 {
        tokio::task::yield_now().await;
    }
}

/// The mean over everything that the answering side sends, bytes a datagram, with this as its MTU on loopback.
async fn mean_datagram_bytes(loopback_mtu_bytes: usize) -> u64 {
    let mut config = loopback();
    config.session.loopback_mtu_bytes = loopback_mtu_bytes;
    let (server, client) = (
        Endpoint::bind(config).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let mut pair = connect(&server, &client, &[ChannelSpec::reliable("frames")]).await;
    let messages: Vec<Vec<u8>> = (0..200).map(|number| numbered(number, 16_000)).collect();
    pair.server_peer.send(None, messages.clone());
    for expected in &messages {
        assert_eq!(&pair.client_peer.message().await.1, expected);
    }
    let stats = pair.server.stats(pair.server_session).await.unwrap();
    stats.bytes_sent / stats.packets_sent
}

#[tokio::test]
async fn a_peer_on_loopback_gets_loopbacks_larger_datagrams() {
    let (usual, large) = (
        mean_datagram_bytes(1200).await,
        mean_datagram_bytes(1500).await,
    );
    assert!(usual <= 1200, "{usual}");
    assert!((1201..=1500).contains(&large), "{large}");
}

#[tokio::test]
async fn a_peer_that_reads_several_records_of_a_datagram_gets_them() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let says = |offer: String| offer.replacen("\r\nm=", "\r\na=x-max-datagram-size:6000\r\nm=", 1);
    let channels = [ChannelSpec::reliable("frames")];
    let mut pair = connect_with_offer(&server, &client, &channels, says).await;
    let messages: Vec<Vec<u8>> = (0..200).map(|number| numbered(number, 16_000)).collect();
    pair.server_peer.send(None, messages.clone());
    for expected in &messages {
        assert_eq!(&pair.client_peer.message().await.1, expected);
    }
    let stats = pair.server.stats(pair.server_session).await.unwrap();
    let mean = stats.bytes_sent / stats.packets_sent;
    assert!((2000..=6000).contains(&mean), "{mean}");
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_sessions() {
    let mut pair = pair().await;
    drop(pair.server);
    assert_eq!(pair.client_peer.closed().await, CloseReason::Peer);
    assert_eq!(pair.server_peer.closed().await, CloseReason::EndpointClosed);
}

#[tokio::test]
async fn after_shutdown_everything_says_so() {
    let mut pair = pair().await;
    pair.server.shutdown().await;
    assert_eq!(pair.server_peer.closed().await, CloseReason::EndpointClosed);
    assert_eq!(
        pair.server.close(pair.server_session).await,
        Err(SessionError::EndpointClosed)
    );
    let (handler, _peer) = scripted();
    let (offer, _pending) = pair
        .client
        .connect(handler, &[ChannelSpec::reliable("x")])
        .await
        .unwrap();
    let (handler, _peer) = scripted();
    assert_eq!(
        pair.server.accept(&offer, handler).await,
        Err(AcceptError::EndpointClosed)
    );
}

#[tokio::test]
async fn one_session_too_many_is_refused_as_busy() {
    let mut config = loopback();
    config.max_sessions = 1;
    let (server, client) = (
        Endpoint::bind(config).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let pair = connect(&server, &client, &[ChannelSpec::reliable("data")]).await;
    let (handler, _peer) = scripted();
    let (offer, _pending) = client
        .connect(handler, &[ChannelSpec::reliable("data")])
        .await
        .unwrap();
    let (handler, _peer) = scripted();
    assert_eq!(
        server.accept(&offer, handler).await,
        Err(AcceptError::Busy { max_sessions: 1 })
    );
    pair.server.close(pair.server_session).await.unwrap();
    let (handler, _peer) = scripted();
    server
        .accept(&offer, handler)
        .await
        .expect("a place is free again");
}

#[tokio::test]
async fn a_refused_channel_closes_and_the_others_go_on() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let (client_handler, mut client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted_refusing(Some("unwanted"));
    let channels = [
        ChannelSpec::reliable("unwanted"),
        ChannelSpec::reliable("wanted"),
    ];
    let (offer, pending) = client.connect(client_handler, &channels).await.unwrap();
    let accepted = server.accept(&offer, server_handler).await.unwrap();
    pending.accept_answer(&accepted.answer_sdp).await.unwrap();
    let unwanted = client_peer
        .wait_for("closed channel", |seen| match seen {
            Seen::ChannelClosed(channel) => Some(channel),
            _ => None,
        })
        .await;
    let wanted = webrtc_session::ChannelId(1 - unwanted.0);
    client_peer.send(Some(wanted), [b"still here".to_vec()]);
    assert_eq!(server_peer.message().await.1, b"still here");
}

#[tokio::test]
async fn a_channel_that_always_sends_does_not_starve_another() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let channels = [
        ChannelSpec::reliable("bulk"),
        ChannelSpec::reliable("urgent"),
    ];
    let (client_handler, mut client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, pending) = client.connect(client_handler, &channels).await.unwrap();
    let accepted = server.accept(&offer, server_handler).await.unwrap();
    pending.accept_answer(&accepted.answer_sdp).await.unwrap();
    let (mut bulk, mut urgent) = (None, None);
    while bulk.is_none() || urgent.is_none() {
        let info = server_peer
            .wait_for("channels", |seen| {
                if let Seen::Opened(info) = seen {
                    Some(info)
                } else {
                    None
                }
            })
            .await;
        if info.label == "bulk" {
            bulk = Some(info.id);
        } else {
            urgent = Some(info.id);
        }
    }
    server_peer.send(bulk, (0..2000).map(|number| numbered(number, 16_000)));
    client_peer.message().await;
    server_peer.send(urgent, [b"now".to_vec()]);
    let mut bulk_before = 0;
    while client_peer.message().await.1 != b"now" {
        bulk_before += 1;
    }
    assert!(
        bulk_before < 1000,
        "the urgent message waited behind {bulk_before} bulk ones"
    );
}

#[tokio::test]
async fn an_ice_restart_keeps_the_channel_and_changes_the_credentials() {
    let mut pair = pair().await;
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
        line.map(str::to_owned).unwrap()
    };
    let mut seen = std::collections::HashSet::new();
    for round in 0..3 {
        let (offer, pending) = pair
            .client
            .offer_restart(pair.client_session)
            .await
            .unwrap();
        let answer = pair
            .server
            .restart(pair.server_session, &offer)
            .await
            .unwrap();
        assert!(
            seen.insert(ufrag(&offer)) && seen.insert(ufrag(&answer)),
            "fresh credentials"
        );
        pending.accept_answer(&answer).await.unwrap();
        pair.server_peer.send(None, [numbered(round, 30_000)]);
        pair.client_peer.send(None, [numbered(round, 30_000)]);
        assert_eq!(pair.client_peer.message().await.1, numbered(round, 30_000));
        assert_eq!(pair.server_peer.message().await.1, numbered(round, 30_000));
    }
}

#[tokio::test]
async fn a_restart_that_cannot_be_used_leaves_the_session_as_it_was() {
    let mut pair = pair().await;
    let refused = pair.server.restart(pair.server_session, "v=0").await;
    assert!(matches!(refused, Err(SessionError::Sdp(_))), "{refused:?}");
    pair.server_peer.send(None, [b"still here".to_vec()]);
    assert_eq!(pair.client_peer.message().await.1, b"still here");
}

/// Packets that a message of so many bytes takes, on either side of a session.
async fn packets_for(
    peer: &mut Peer,
    other: &mut Peer,
    end: (&Endpoint, SessionId),
    bytes: usize,
) -> f64 {
    const MESSAGES: u32 = 100;
    let (endpoint, session) = end;
    let before = endpoint.stats(session).await.unwrap().packets_sent;
    peer.send(None, (0..MESSAGES).map(|number| numbered(number, bytes)));
    for number in 0..MESSAGES {
        assert_eq!(other.message().await.1, numbered(number, bytes));
    }
    let sent = endpoint.stats(session).await.unwrap().packets_sent - before;
    sent as f64 / f64::from(MESSAGES)
}

#[tokio::test]
async fn messages_of_whole_fragments_leave_no_datagram_short() {
    let server = Endpoint::bind(loopback()).unwrap();
    let client = Endpoint::bind(loopback()).unwrap();
    let (client_handler, mut client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let channels = [ChannelSpec::reliable("frames")];
    let (offer, pending) = client.connect(client_handler, &channels).await.unwrap();
    let accepted = server.accept(&offer, server_handler).await.unwrap();
    let client_session = pending.accept_answer(&accepted.answer_sdp).await.unwrap();
    // The one that answers knows that its peer is on this machine, the one that offers does not.
    let small = client_peer.channel("frames").await.fragment_bytes;
    let large = server_peer.channel("frames").await.fragment_bytes;
    assert!(small < large, "{small} and {large}");

    let end = (&client, client_session);
    let whole = packets_for(&mut client_peer, &mut server_peer, end, 8 * small).await;
    let more = packets_for(&mut client_peer, &mut server_peer, end, 8 * small + 1).await;
    assert!((8.0..8.5).contains(&whole), "{whole} packets each");
    assert!(more >= 9.0, "{more} packets each");

    let end = (&server, accepted.session);
    let whole = packets_for(&mut server_peer, &mut client_peer, end, 8 * large).await;
    let more = packets_for(&mut server_peer, &mut client_peer, end, 8 * large + 1).await;
    assert!((8.0..8.5).contains(&whole), "{whole} packets each");
    assert!(more >= 9.0, "{more} packets each");
}
