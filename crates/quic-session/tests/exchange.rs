//! Messages cross whole and intact, each frame on a stream of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use datachannel_transport::wire::{Message, decode};
use quic_session::{ChannelId, CloseReason, ConnectError, InviteError};
use support::{Peer, Seen, frame, pair, pair_through_a_link, ping, scripted, trusting, wait_until};
use testkit::LinkConfig;
use testkit::driver::Ways;

const FIRST: ChannelId = ChannelId(0);
const SECOND: ChannelId = ChannelId(1);

/// The messages of each frame in the order they came, and the others.
#[derive(Default)]
struct Heard {
    frames: BTreeMap<(ChannelId, u64), Vec<Vec<u8>>>,
    others: Vec<(ChannelId, Vec<u8>)>,
}

async fn hear(peer: &mut Peer, messages: usize) -> Heard {
    let mut heard = Heard::default();
    for _ in 0..messages {
        let (channel, message) = peer.message().await;
        match decode(&message).unwrap().message {
            Message::Chunk(chunk) => {
                let frame = heard.frames.entry((channel, chunk.sequence)).or_default();
                frame.push(message);
            }
            _ => heard.others.push((channel, message)),
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_cross_both_ways_whole() {
    let mut pair = pair(&["frames", "inference"]).await;
    let sizes = [0, 1, 999, 16_384, 100_000, 1_000_000];
    let mut said = BTreeMap::new();
    let mut messages = 0;
    for (sequence, size) in (0..).zip(sizes.iter().cycle().take(40)) {
        for channel in [FIRST, SECOND] {
            let chunks = frame(sequence, *size, 60_000);
            messages += chunks.len() + 1;
            for peer in [&pair.at_client, &pair.at_server] {
                chunks
                    .iter()
                    .for_each(|chunk| peer.say(channel, chunk.clone()));
                peer.say(channel, ping(sequence));
            }
            said.insert((channel, sequence), chunks);
        }
    }
    let (server, client) = tokio::join!(
        hear(&mut pair.at_server, messages),
        hear(&mut pair.at_client, messages)
    );
    for heard in [&server, &client] {
        assert!(
            heard.frames == said,
            "each frame's messages, in order, unchanged"
        );
        for channel in [FIRST, SECOND] {
            let pings = heard.others.iter().filter(|(on, _)| *on == channel);
            let expected: Vec<_> = (0..40).map(ping).collect();
            assert!(
                pings.map(|(_, ping)| ping).eq(&expected),
                "control is in order"
            );
        }
    }
    let stats = pair.client.stats(pair.client_session).unwrap();
    assert_eq!(
        (stats.frame_streams_sent, stats.frame_streams_received),
        (80, 80)
    );
    assert_eq!(stats.messages_sent, messages as u64);
    assert_eq!(stats.messages_received, messages as u64);
    assert_eq!((stats.streams_reset, stats.streams_refused), (0, 0));
    assert_eq!(stats.channels, 2);
    assert!(stats.bytes_sent > 10_000_000 && stats.cwnd_bytes > 0);
}

#[tokio::test]
async fn a_stale_frame_is_reset_and_the_next_arrives() {
    let mut pair = pair(&["frames"]).await;
    // Nobody reads it, so that not all of it can arrive.
    pair.at_server.pause(true);
    let chunks = frame(0, 8_000_000, 200_000);
    chunks
        .iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    let stats = |pair: &support::Pair| pair.client.stats(pair.client_session).unwrap();
    wait_until("the first chunks are sent", || {
        stats(&pair).message_bytes_sent > 1_000_000
    })
    .await;
    pair.at_client.stale(0);
    wait_until("the stream is reset", || stats(&pair).streams_reset == 1).await;
    let next = frame(1, 100_000, 60_000);
    next.iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    wait_until("all is said", || pair.at_client.unsaid() == 0).await;
    pair.at_server.pause(false);
    let mut heard = Vec::new();
    while heard.len() < next.len() {
        let (_, message) = pair.at_server.message().await;
        if matches!(decode(&message).unwrap().message, Message::Chunk(chunk) if chunk.sequence == 1)
        {
            heard.push(message);
        }
    }
    assert!(heard == next);
    let at_server = pair.server.stats(pair.server_session).unwrap();
    assert_eq!(at_server.streams_reset_by_peer, 1);
    let sent = stats(&pair).message_bytes_sent;
    assert!(
        sent < 8_000_000,
        "{sent} bytes: the rest of the frame was not sent"
    );
}

#[tokio::test]
async fn a_frame_that_was_finished_can_be_reset_until_it_is_delivered() {
    let (mut pair, link) = pair_through_a_link(&["frames"], LinkConfig::datagrams()).await;
    // Sent whole, and lost.
    link.control().cut(Ways::Both, false);
    let chunks = frame(3, 100_000, 60_000);
    chunks
        .iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    let stats = |pair: &support::Pair| pair.client.stats(pair.client_session).unwrap();
    wait_until("all is said", || stats(&pair).messages_sent == 2).await;
    pair.at_client.say(FIRST, ping(0));
    wait_until("and written", || stats(&pair).messages_sent == 3).await;
    pair.at_client.stale(2);
    pair.at_client.stale(3);
    wait_until("the stream is reset", || stats(&pair).streams_reset == 1).await;
    link.control().restore();
    assert_eq!(pair.at_server.message().await, (FIRST, ping(0)));
    let next = frame(4, 100_000, 60_000);
    next.iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    for chunk in next {
        assert_eq!(pair.at_server.message().await, (FIRST, chunk));
    }
}

#[tokio::test]
async fn a_handler_that_takes_no_frames_still_hears_control() {
    let mut pair = pair(&["frames"]).await;
    pair.at_server.pause(true);
    let chunks = frame(0, 100_000, 60_000);
    chunks
        .iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    pair.at_client.say(FIRST, ping(1));
    assert_eq!(pair.at_server.message().await, (FIRST, ping(1)));
    pair.at_server.pause(false);
    for chunk in chunks {
        assert_eq!(pair.at_server.message().await, (FIRST, chunk));
    }
}

#[tokio::test]
async fn what_was_said_before_a_gentle_close_arrives() {
    let mut pair = pair(&["frames"]).await;
    let chunks = frame(0, 1_000_000, 60_000);
    chunks
        .iter()
        .for_each(|chunk| pair.at_client.say(FIRST, chunk.clone()));
    pair.at_client.say(FIRST, ping(9));
    pair.client
        .close_after_drain(pair.client_session, support::PATIENCE)
        .unwrap();
    let mut heard = Vec::new();
    let reason = loop {
        match pair.at_server.next().await {
            Seen::Message(_, message) => heard.push(message),
            Seen::ChannelClosed(_) => {}
            Seen::State(quic_session::SessionState::Closed { reason }) => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(
        matches!(reason, CloseReason::Peer { code: 0, .. }),
        "{reason:?}"
    );
    assert_eq!(heard.len(), chunks.len() + 1);
    assert_eq!(pair.at_client.closed().await, CloseReason::Local);
    assert!(pair.client.stats(pair.client_session).is_err());
}

#[tokio::test]
async fn an_endpoint_that_shuts_down_tells_everybody() {
    let mut pair = pair(&["frames"]).await;
    let (handler, mut awaiting) = scripted();
    let invitation = pair.server.invite(handler).unwrap();
    pair.server.shutdown().await;
    assert_eq!(awaiting.closed().await, CloseReason::EndpointClosed);
    assert_eq!(pair.at_server.closed().await, CloseReason::EndpointClosed);
    let reason = pair.at_client.closed().await;
    assert!(
        matches!(reason, CloseReason::Peer { code: 1, .. }),
        "{reason:?}"
    );
    let refused = pair.server.invite(scripted().0);
    assert_eq!(refused, Err(InviteError::EndpointClosed));
    let config = trusting(&pair.server);
    let url = format!("https://127.0.0.1:9{}", invitation.path);
    let connecting = pair.server.connect(&url, config, scripted().0, &[]);
    assert!(matches!(
        connecting.await,
        Err(ConnectError::EndpointClosed)
    ));
}

#[tokio::test]
async fn an_endpoint_that_is_dropped_ends_its_sessions() {
    let mut pair = pair(&["frames"]).await;
    drop(pair.server);
    assert_eq!(pair.at_server.closed().await, CloseReason::EndpointClosed);
    let reason = pair.at_client.closed().await;
    assert_ne!(reason, CloseReason::Local, "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_frame_lost_goes_before_newer_frames() {
    // 24 ms a frame, of which one in three loses a packet, and all of them wait when the first does.
    let link = LinkConfig {
        rate_bytes_per_s: Some(2_500_000),
        delay: Duration::from_millis(10),
        loss: 0.01,
        queue_bytes: 60_000,
        ..LinkConfig::datagrams()
    };
    let (mut pair, _link) = pair_through_a_link(&["frames"], link).await;
    const FRAMES: u64 = 60;
    for sequence in 0..FRAMES {
        for message in frame(sequence, 60_000, 60_000) {
            pair.at_client.say(FIRST, message);
        }
    }
    for whole in 0..FRAMES {
        let (_, message) = pair.at_server.message().await;
        let Message::Chunk(chunk) = decode(&message).unwrap().message else {
            panic!("not a frame");
        };
        let late = whole.saturating_sub(chunk.sequence);
        assert!(
            late <= 6,
            "frame {} after {late} newer ones",
            chunk.sequence
        );
    }
}
