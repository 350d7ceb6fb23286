//! Peers that break every rule: refused or closed with a reason and a counter, that session at most.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use quic_session::{
    AddressValidation, ChannelId, CloseReason, ConnectError, Endpoint, Invitation, SessionConfig,
    SessionState,
};
use quinn::VarInt;
use support::raw::{RawClient, control_preamble, framed, session};
use support::{
    PATIENCE, Seen, chunk, endpoint, endpoint_with, frame, pair, ping, scripted, trusting, url,
    wait_until,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use web_transport_quinn::proto::Settings;

const CHANNEL: ChannelId = ChannelId(0);

/// The endpoint is as good as new.
async fn still_serves(server: &Endpoint) {
    let (handler, mut at_server) = scripted();
    let invitation = server.invite(handler).unwrap();
    let client = endpoint();
    let url = url(server, &invitation);
    let connecting = client.connect(&url, trusting(server), scripted().0, &[]);
    connecting.await.unwrap();
    at_server.connected().await;
}

#[tokio::test]
async fn garbage_on_the_port_is_counted_and_ignored() {
    let server = endpoint();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    for byte in 0..=255_u8 {
        stranger.send_to(&[byte; 100], address).await.unwrap();
    }
    stranger.send_to(b"", address).await.unwrap();
    stranger
        .send_to(b"GET / HTTP/1.1\r\n\r\n", address)
        .await
        .unwrap();
    // Those without QUIC's fixed bit, and the two short ones; loopback loses none of so few.
    wait_until("garbage is counted", || {
        server.totals().dropped_not_quic == 130
    })
    .await;
    assert_eq!(server.totals().sessions_started, 0);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_stranger_gets_no_more_than_three_times_what_it_sends() {
    let server = endpoint_with(|config| config.handshake_timeout = Duration::from_millis(700));
    let (sent, received) = hello_from_nowhere(&server).await;
    assert!(
        received > sent,
        "the handshake is answered: {received} bytes"
    );
    assert!(received <= 3 * sent, "{received} bytes for {sent}");
    assert_eq!(server.totals().handshakes_timed_out, 1);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_stranger_that_must_prove_its_address_gets_less_than_it_sends() {
    let server = endpoint_with(|config| config.address_validation = AddressValidation::Always);
    let (sent, received) = hello_from_nowhere(&server).await;
    assert!(
        received > 0 && received < sent,
        "{received} bytes for {sent}"
    );
    let totals = server.totals();
    assert!(totals.retries_sent >= 1);
    assert_eq!(
        (totals.handshakes, totals.handshakes_failed),
        (0, 0),
        "nothing was begun for it"
    );
    // An honest peer proves it and gets in.
    still_serves(&server).await;
}

/// One first packet by an honest client, whose answers nobody hears: bytes sent to the server, and got from it.
async fn hello_from_nowhere(server: &Endpoint) -> (usize, usize) {
    let nowhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = RawClient::new();
    let connecting = client.begin(nowhere.local_addr().unwrap());
    let mut packet = vec![0; 2000];
    let (sent, _) = nowhere.recv_from(&mut packet).await.unwrap();
    drop(connecting);
    // A port of its own, so that only the server's answers come to it.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger
        .connect(server.local_addr().unwrap())
        .await
        .unwrap();
    stranger.send(&packet[..sent]).await.unwrap();
    let mut received = 0;
    let mut answer = vec![0; 65_536];
    // Ends when the server has had time to repeat itself, and given up.
    while let Ok(read) =
        tokio::time::timeout(Duration::from_secs(2), stranger.recv(&mut answer)).await
    {
        received += read.unwrap();
    }
    (sent, received)
}

#[tokio::test]
async fn too_many_handshakes_are_refused() {
    let server = endpoint_with(|config| {
        config.max_handshakes = 3;
        config.handshake_timeout = Duration::from_secs(600);
        config.idle_timeout = Duration::from_secs(600);
    });
    let client = RawClient::new();
    // QUIC's handshake is done, and HTTP/3 never begins.
    let mut half_open = Vec::new();
    for _ in 0..3 {
        half_open.push(client.connect(&server).await);
    }
    wait_until("they are under way", || server.totals().handshakes == 3).await;
    assert!(client.try_connect(&server).await.is_err());
    assert_eq!(server.totals().refused_busy, 1);
    for connection in half_open {
        connection.close(VarInt::from_u32(0), b"");
    }
    wait_until("there is room again", || server.totals().handshakes == 0).await;
    still_serves(&server).await;
}

#[tokio::test]
async fn a_connection_that_makes_no_session_is_closed_in_time() {
    let server = endpoint_with(|config| config.handshake_timeout = Duration::from_millis(300));
    let connection = RawClient::new().connect(&server).await;
    connection.closed().await;
    wait_until("it is counted", || {
        server.totals().handshakes_timed_out == 1
    })
    .await;
    assert_eq!(server.totals().handshakes, 0);
}

#[tokio::test]
async fn malformed_http3_is_refused() {
    let server = endpoint();
    let client = RawClient::new();
    let huge = [0x04, 0x80, 0xff, 0xff, 0xff];
    let mut valid = Vec::new();
    Settings::default().encode(&mut valid);
    let beginnings: [&[u8]; 5] = [
        // No control stream; no SETTINGS first; a frame of 16 MB; nonsense; no WebTransport in the settings.
        &[0x3f],
        &[0x00, 0x00, 0x01, 0x61],
        &[&[0x00][..], &huge].concat(),
        &[0xff; 40],
        &valid,
    ];
    for (refused, beginning) in (1..).zip(beginnings) {
        let connection = client.connect(&server).await;
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(beginning).await.unwrap();
        // Fails where the server has closed the connection already.
        let _ = stream.finish();
        let reason = connection.closed().await;
        assert!(
            matches!(reason, quinn::ConnectionError::ApplicationClosed(_)),
            "{reason:?}"
        );
        assert_eq!(server.totals().refused_malformed, refused, "{beginning:x?}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_malformed_request_is_refused() {
    let server = endpoint();
    let client = RawClient::new();
    let connection = client.connect(&server).await;
    let mut settings = Settings::default();
    settings.enable_webtransport(1);
    let mut bytes = Vec::new();
    settings.encode(&mut bytes);
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(&bytes).await.unwrap();
    let (mut request, _response) = connection.open_bi().await.unwrap();
    // HEADERS of ten bytes that are no QPACK.
    request
        .write_all(&[0x01, 10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])
        .await
        .unwrap();
    connection.closed().await;
    assert_eq!(server.totals().refused_malformed, 1);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_wrong_missing_or_used_token_is_not_found() {
    let server = endpoint();
    let client = endpoint();
    let invitation = server.invite(scripted().0).unwrap();
    let lane = url(&server, &invitation);
    let connect = |url: String| {
        let (client, config) = (client.clone(), trusting(&server));
        async move { client.connect(&url, config, scripted().0, &[]).await }
    };
    connect(lane.clone()).await.unwrap();
    let wrong = lane.replace(&invitation.token.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    for (refused, url) in (1..).zip([lane.clone(), wrong]) {
        let error = connect(url).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Refused { status: 404, .. }),
            "{error}"
        );
        assert_eq!(server.totals().refused_token, refused);
    }
    // No token at all: our own client does not even ask.
    let address = server.local_addr().unwrap();
    let error = connect(format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Url { .. }), "{error}");
    let raw = RawClient::new();
    for (refused, path) in (1..).zip(["/", "/lane/", "/lane/short", "/lane/AAAA/AAAA"]) {
        assert!(raw.try_session(&server, path).await.is_err());
        assert_eq!(server.totals().refused_path, refused, "{path}");
    }
    assert_eq!(server.totals().sessions_started, 1);
}

#[tokio::test]
async fn an_invitation_that_nobody_takes_ends() {
    let lifetime = Duration::from_millis(50);
    let server = endpoint_with(|config| config.invitation_lifetime = lifetime);
    let (handler, mut awaiting) = scripted();
    let invitation = server.invite(handler).unwrap();
    assert_eq!(server.totals().invitations, 1);
    // Time is what this is about: after it, the token is good no more.
    tokio::time::sleep(lifetime).await;
    let lane = url(&server, &invitation);
    let late = endpoint();
    let late = late
        .connect(&lane, trusting(&server), scripted().0, &[])
        .await;
    assert!(
        matches!(late, Err(ConnectError::Refused { status: 404, .. })),
        "{late:?}"
    );
    // Looked after at the next invitation at the latest.
    server.invite(scripted().0).unwrap();
    let reason = CloseReason::NotTaken(lifetime);
    assert_eq!(
        awaiting.next().await,
        Seen::State(SessionState::Closed { reason })
    );
    assert_eq!(server.totals().invitations_expired, 1);
}

#[tokio::test]
async fn a_broken_capsule_ends_that_session() {
    let server = endpoint();
    let mut other = pair(&["frames"]).await;
    let (handler, mut at_server) = scripted();
    let invitation = server.invite(handler).unwrap();
    let client = RawClient::new();
    // A CLOSE_WEBTRANSPORT_SESSION (0x2843) that claims a gigabyte; and one that is cut short.
    for (ended, capsule) in (1..).zip([
        &[0x68, 0x43, 0xc0, 0, 0, 0, 0x40, 0, 0, 0][..],
        &[0x68, 0x43, 0x08, 0],
    ]) {
        let (handler, mut at_server) = scripted();
        let invitation = server.invite(handler).unwrap();
        let mut stream = client.bare_session(&server, &invitation).await;
        at_server.connected().await;
        let mut data = vec![0x00, capsule.len() as u8];
        data.extend_from_slice(capsule);
        stream.0.write_all(&data).await.unwrap();
        let _ = stream.0.finish();
        let reason = at_server.closed().await;
        assert!(matches!(reason, CloseReason::Transport(_)), "{reason:?}");
        assert_eq!(server.totals().closed_transport, ended);
    }
    drop(client.session(&server, &invitation).await);
    at_server.connected().await;
    other.at_client.say(CHANNEL, ping(1));
    assert_eq!(other.at_server.message().await, (CHANNEL, ping(1)));
}

#[tokio::test]
async fn streams_that_break_the_framing_end_their_session() {
    let server = endpoint();
    let client = RawClient::new();
    let whole = frame(0, 1000, 1000).remove(0);
    let part = chunk(0, 1000, 0, &[1; 500]);
    let (one, two) = (framed(&part), framed(&chunk(1, 1000, 500, &[1; 500])));
    let frames: Vec<(Vec<u8>, bool)> = vec![
        (vec![9, 0], false),                                // another version
        (vec![1, 16], false),                               // a channel that cannot be
        ([&[1, 0][..], &[0, 4, 0, 1]].concat(), false),     // a message of 256 KiB and a byte
        ([&[1, 0][..], &[0xff; 4]].concat(), false),        // of 4 GiB
        ([&[1, 0][..], &[0; 4]].concat(), false),           // of nothing
        ([&[1, 0][..], &framed(b"\xc1")].concat(), false),  // no message
        ([&[1, 0][..], &framed(&ping(1))].concat(), false), // no chunk
        ([&[1, 0][..], &one, &two].concat(), false),        // two frames
        (
            [&[1, 0][..], &framed(&whole), &framed(&whole)].concat(),
            false,
        ), // more than the frame
        ([&[1, 0][..], &one].concat(), true),               // less than the frame
        ([&[1, 0][..], &one[..100]].concat(), true),        // half a message
    ];
    for (ended, (bytes, finishes)) in (1..).zip(frames) {
        let (session, control, mut at_server) =
            session(&server, &client, SessionConfig::browser()).await;
        let mut stream = session.open_uni().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        if finishes {
            stream.finish().unwrap();
        }
        let reason = at_server.closed().await;
        assert!(
            matches!(reason, CloseReason::Protocol(_)),
            "{reason:?} for {bytes:x?}"
        );
        assert_eq!(server.totals().closed_protocol, ended);
        // The peer is told why.
        let told = session.closed().await.to_string();
        assert!(told.contains("broke the protocol"), "{told}");
        drop(control);
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_message_of_just_the_limit_is_taken() {
    let server = endpoint();
    let client = RawClient::new();
    let mut config = SessionConfig::browser();
    config.max_message_bytes = 4096;
    let overhead = chunk(0, 100_000, 0, &[1; 4000]).len() - 4000;
    for (payload, taken) in [(4096 - overhead, true), (4097 - overhead, false)] {
        let (session, _control, mut at_server) = session(&server, &client, config.clone()).await;
        let message = chunk(0, 100_000, 0, &vec![1; payload]);
        let mut stream = session.open_uni().await.unwrap();
        stream.write_all(&[1, 0]).await.unwrap();
        stream.write_all(&framed(&message)).await.unwrap();
        match at_server.next().await {
            Seen::Message(_, got) => assert!(taken && got == message),
            Seen::State(state) => assert!(!taken, "{state:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_never_ends_is_refused() {
    let server = endpoint();
    let client = RawClient::new();
    let mut config = SessionConfig::browser();
    config.stream_idle_timeout = Duration::from_millis(200);
    let (session, mut control, mut at_server) = session(&server, &client, config).await;
    // In the middle of a frame; before its first bytes; of a channel that nobody opens.
    let mut streams = Vec::new();
    for bytes in [&[1, 0, 0, 0][..], &[1], &[1, 3]] {
        let mut stream = session.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        streams.push(stream);
    }
    for stream in &streams {
        stream.stopped().await.unwrap();
    }
    // The session goes on, and they are counted already.
    wait_until("they are counted", || server.totals().streams_refused == 3).await;
    control.write_all(&framed(&ping(1))).await.unwrap();
    assert_eq!(at_server.message().await, (CHANNEL, ping(1)));
    session.close(0, b"");
    at_server.closed().await;
    assert_eq!(server.totals().streams_refused, 3);
}

#[tokio::test]
async fn thousands_of_streams_are_held_to_the_limit() {
    let server = endpoint();
    let client = RawClient::new();
    let mut config = SessionConfig::browser();
    (config.max_frame_streams, config.max_channels) = (8, 2);
    let (session, _control, mut at_server) = session(&server, &client, config).await;
    // Four streams are HTTP/3's own, of which this client uses one.
    let mut open = Vec::new();
    for _ in 0..8 + 3 {
        let mut stream = session.open_uni().await.unwrap();
        stream.write_all(&[1, 0]).await.unwrap();
        open.push(stream);
    }
    let (mut second, _receive) = session.open_bi().await.unwrap();
    second.write_all(&control_preamble(1)).await.unwrap();
    at_server.opened().await;
    // Not one more of either, however long it waits.
    let moment = Duration::from_millis(200);
    assert!(timeout(moment, session.open_uni()).await.is_err());
    assert!(timeout(moment, session.open_bi()).await.is_err());
    // Those that end make room for others; QUIC tells so for more than an eighth of the limit.
    open.drain(..2)
        .for_each(|mut stream| stream.finish().unwrap());
    timeout(PATIENCE, session.open_uni())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_peer_that_keeps_opening_refused_channels_is_closed() {
    let server = endpoint();
    let (session, _control, mut at_server) =
        session(&server, &RawClient::new(), SessionConfig::browser()).await;
    at_server.refuse_channels();
    while let Ok((mut send, _receive)) = session.open_bi().await {
        // Fails once the server has had enough.
        let _ = send.write_all(&control_preamble(1)).await;
    }
    let reason = at_server.closed().await;
    assert_eq!(reason, CloseReason::TooManyChannels { max_refused: 64 });
    assert_eq!(server.totals().closed_protocol, 1);
}

#[tokio::test]
async fn a_channel_number_is_used_once() {
    let server = endpoint();
    let (session, mut control, mut at_server) =
        session(&server, &RawClient::new(), SessionConfig::browser()).await;
    let (mut second, mut receive) = session.open_bi().await.unwrap();
    second.write_all(&control_preamble(0)).await.unwrap();
    assert!(receive.read(&mut [0; 1]).await.is_err(), "refused");
    control.write_all(&framed(&ping(1))).await.unwrap();
    assert_eq!(at_server.message().await, (CHANNEL, ping(1)));
}

#[tokio::test]
async fn a_peer_that_never_reads_is_closed() {
    let limit = Duration::from_millis(500);
    let server = endpoint();
    let mut config = SessionConfig::browser();
    (config.not_reading_timeout, config.send_buffer_bytes) = (limit, 256 * 1024);
    let client = RawClient::with(|transport| {
        transport.receive_window(VarInt::from_u32(500_000));
    });
    let (session, _control, mut at_server) = session(&server, &client, config).await;
    for sequence in 0..50 {
        let chunks = frame(sequence, 100_000, 50_000);
        chunks
            .into_iter()
            .for_each(|chunk| at_server.say(CHANNEL, chunk));
    }
    assert_eq!(
        at_server.closed().await,
        CloseReason::PeerDoesNotRead(limit)
    );
    assert_eq!(server.totals().closed_not_reading, 1);
    // What waited was never more than fits.
    assert!(at_server.unsaid() > 80, "{}", at_server.unsaid());
    drop(session);
}

#[tokio::test]
async fn sessions_are_held_to_the_limit() {
    let server = endpoint_with(|config| config.max_sessions = 2);
    let first: Invitation = server.invite(scripted().0).unwrap();
    server.invite(scripted().0).unwrap();
    assert!(server.invite(scripted().0).is_err());
    server.withdraw(&first);
    let (handler, mut at_server) = scripted();
    let invitation = server.invite(handler).unwrap();
    let client = endpoint();
    let lane = url(&server, &invitation);
    client
        .connect(&lane, trusting(&server), scripted().0, &[])
        .await
        .unwrap();
    at_server.connected().await;
    assert!(
        server.invite(scripted().0).is_err(),
        "one is open and one awaited"
    );
    server.close(invitation.session).unwrap();
    assert_eq!(at_server.closed().await, CloseReason::Local);
    wait_until("there is room", || server.totals().sessions == 0).await;
    server.invite(scripted().0).unwrap();
}
