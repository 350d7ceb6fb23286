//! Peers that do what is allowed, far too often: held to their limits, counted, and nobody else notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use quic_session::{ChannelId, CloseReason, SessionConfig};
use support::raw::{RawClient, framed, session};
use support::{Peer, endpoint, endpoint_with, frame, ping, scripted, trusting, url, wait_until};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use web_transport_quinn::SendStream;

const CHANNEL: ChannelId = ChannelId(0);

/// The session, as its peer sees it, goes on.
async fn still_talks(control: &mut SendStream, at_server: &mut Peer) {
    control.write_all(&framed(&ping(1))).await.unwrap();
    assert_eq!(at_server.message().await, (CHANNEL, ping(1)));
}

#[tokio::test]
async fn a_flood_of_first_packets_has_addresses_proved_and_is_not_amplified() {
    const STRANGERS: usize = 200;
    let server = endpoint_with(|config| config.handshake_timeout = Duration::from_secs(600));
    // Sent before the flood, it lives through it.
    let (_session, mut control, mut at_server) =
        session(&server, &RawClient::new(), SessionConfig::browser()).await;
    // First packets of honest clients that never hear an answer; from one port, as if that were a victim's.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    stranger.connect(address).await.unwrap();
    let (mut sent, mut packet) = (0, vec![0; 2000]);
    for strangers in 1..=STRANGERS {
        let nowhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = RawClient::new();
        let connecting = client.begin(nowhere.local_addr().unwrap());
        let (len, _) = nowhere.recv_from(&mut packet).await.unwrap();
        drop(connecting);
        stranger.send(&packet[..len]).await.unwrap();
        sent += len;
        // One at a time, so that loopback loses none.
        wait_until("it is looked at", || {
            let totals = server.totals();
            totals.handshakes + totals.retries_sent == strangers as u64
        })
        .await;
    }
    let totals = server.totals();
    assert_eq!(
        totals.handshakes, 33,
        "beyond 32 addresses are proved first"
    );
    assert_eq!(totals.retries_sent as usize, STRANGERS - 33);
    let (mut received, mut answer) = (0, vec![0; 65_536]);
    // Ends when the server has had time to repeat itself.
    while let Ok(read) = timeout(Duration::from_secs(3), stranger.recv(&mut answer)).await {
        received += read.unwrap();
    }
    assert!(
        received > 0 && received <= 3 * sent,
        "{received} for {sent}"
    );
    still_talks(&mut control, &mut at_server).await;
    // And an honest newcomer, who can prove its address, is let in.
    let (handler, mut newcomer) = scripted();
    let invitation = server.invite(handler).unwrap();
    let client = endpoint();
    let lane = url(&server, &invitation);
    let connecting = client.connect(&lane, trusting(&server), scripted().0, &[]);
    connecting.await.unwrap();
    newcomer.connected().await;
}

#[tokio::test]
async fn thousands_of_streams_that_are_reset_at_once_cost_a_count() {
    const STREAMS: u64 = 3_000;
    let server = endpoint();
    let mut config = SessionConfig::browser();
    config.max_frame_streams = 16;
    let (session, mut control, mut at_server) = session(&server, &RawClient::new(), config).await;
    for at in 0..STREAMS {
        let mut stream = session.open_uni().await.unwrap();
        // Some say how they begin, some do not come as far.
        if at % 2 == 0 {
            stream.write_all(&[1, 0, 0, 0]).await.unwrap();
        }
        stream.reset(7).unwrap();
    }
    still_talks(&mut control, &mut at_server).await;
    let stats = server.totals();
    assert_eq!((stats.sessions, stats.closed_protocol), (1, 0));
}

#[tokio::test]
async fn a_channel_whose_beginning_never_comes_is_refused() {
    let server = endpoint();
    let mut config = SessionConfig::browser();
    config.stream_idle_timeout = Duration::from_millis(200);
    let (session, mut control, mut at_server) = session(&server, &RawClient::new(), config).await;
    for beginning in [&[1][..], &[1, 1, 60, b'x']] {
        let (mut send, mut receive) = session.open_bi().await.unwrap();
        send.write_all(beginning).await.unwrap();
        assert!(receive.read(&mut [0; 1]).await.is_err(), "refused");
    }
    wait_until("they are counted", || server.totals().streams_refused == 2).await;
    still_talks(&mut control, &mut at_server).await;
}

#[tokio::test]
async fn capsules_that_nobody_knows_are_passed_over_while_they_are_short() {
    let server = endpoint();
    let client = RawClient::new();
    let (handler, mut at_server) = scripted();
    let invitation = server.invite(handler).unwrap();
    let mut stream = client.bare_session(&server, &invitation).await;
    at_server.connected().await;
    // A hundred of a type kept free for this (RFC 9297 §5.4), and then the session's proper end.
    let unknown = [&[0x17, 40][..], &[9; 40]].concat();
    for _ in 0..100 {
        let data = [&[0x00, unknown.len() as u8][..], &unknown].concat();
        stream.0.write_all(&data).await.unwrap();
    }
    let close = [0x68, 0x43, 4, 0, 0, 0, 9];
    let data = [&[0x00, close.len() as u8][..], &close].concat();
    stream.0.write_all(&data).await.unwrap();
    let reason = at_server.closed().await;
    assert!(
        matches!(reason, CloseReason::Peer { code: 9, .. }),
        "{reason:?}"
    );
    // One that claims a gigabyte is not waited for.
    let (handler, mut at_server) = scripted();
    let invitation = server.invite(handler).unwrap();
    let mut stream = client.bare_session(&server, &invitation).await;
    at_server.connected().await;
    let endless = [0x00, 9, 0x17, 0xc0, 0, 0, 0, 0x40, 0, 0, 0];
    stream.0.write_all(&endless).await.unwrap();
    let reason = at_server.closed().await;
    assert!(matches!(reason, CloseReason::Transport(_)), "{reason:?}");
    assert_eq!(server.totals().closed_transport, 1);
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_no_more_than_its_path_wants() {
    const FRAMES: usize = 200;
    const FRAME_BYTES: usize = 20_000;
    const GRANTED_BYTES: u32 = 100_000;
    let server = endpoint();
    let mut config = SessionConfig::browser();
    config.not_reading_timeout = Duration::from_secs(1);
    config.send_buffer_bytes = 1 << 20;
    config.least_send_buffer_bytes = 256 << 10;
    // However late a busy machine answers, the path is short.
    config.send_bytes_per_millisecond = 1_000;
    let client = RawClient::with(|transport| {
        transport.receive_window(quinn::VarInt::from_u32(GRANTED_BYTES));
    });
    let (held_open, _control, mut at_server) = session(&server, &client, config).await;
    for sequence in 0..FRAMES {
        for chunk in frame(sequence as u64, FRAME_BYTES, FRAME_BYTES) {
            at_server.say(CHANNEL, chunk);
        }
    }
    let closed = at_server.closed().await;
    assert!(
        matches!(closed, CloseReason::PeerDoesNotRead(_)),
        "{closed:?}"
    );
    // What was taken of the frames is with the peer, in the send buffer, or the one message that waits for room in it.
    let taken = (FRAMES - at_server.unsaid()) * FRAME_BYTES;
    let most = GRANTED_BYTES as usize + (256 << 10) + 2 * FRAME_BYTES;
    assert!((100_000..=most).contains(&taken), "{taken} of {most}");
    drop(held_open);
}
