//! A worker's UDP port of QUIC is open to everybody: whoever misbehaves there is refused or closed, with a reason and a count,
//! and others go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/raw_quic.rs"]
mod raw_quic;
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use quinn::{Connection, ConnectionError, VarInt};
use raw_quic::{Place, RawClient, framed, opening};
use support::{Run, Scene, Worker};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use web_transport_quinn::proto::Settings;
use web_transport_quinn::{SendStream, Session};

const REFUSED: &str = "frameway_worker_quic_refused_total";
const CLOSED: &str = "frameway_worker_quic_closed_total";
const STREAMS_REFUSED: &str = "frameway_worker_quic_streams_refused_total";

fn refused(reason: &str) -> String {
    format!("{REFUSED}{{reason=\"{reason}\"}}")
}

fn closed(reason: &str) -> String {
    format!("{CLOSED}{{reason=\"{reason}\"}}")
}

/// A session with the channels of a link, that says what no link says.
async fn session(client: &RawClient, place: &Place) -> (Session, Vec<SendStream>) {
    let session = client.session(place).await.unwrap();
    let mut controls = Vec::new();
    for (channel, label, protocol) in [
        (0, "upstream_frames", ""),
        (1, "inference", "frameway.results.1"),
    ] {
        let (mut send, receive) = session.open_bi().await.unwrap();
        // Read by nobody, and not to be stopped.
        std::mem::forget(receive);
        let opening = opening(channel, label, protocol);
        send.write_all(&opening).await.unwrap();
        controls.push(send);
    }
    (session, controls)
}

fn was_told(reason: &ConnectionError) -> bool {
    matches!(reason, ConnectionError::ApplicationClosed(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_nonsense_are_refused_with_a_count() {
    let scene = Scene::begin(1_500, "quic");
    let worker = &scene.worker;
    let client = RawClient::new();
    let place = Place::ask(worker, 7);

    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for byte in 0..=255_u8 {
        let sent = stranger.send_to(&[byte; 300], place.address).await;
        sent.unwrap();
    }
    worker.metric_reaches("frameway_worker_quic_datagrams_dropped_total", 128);

    // HTTP/3 that is none: no SETTINGS first; a frame of a gigabyte; nonsense; no WebTransport in the settings.
    let mut plain = Vec::new();
    Settings::default().encode(&mut plain);
    let beginnings: [&[u8]; 4] = [
        &[0x00, 0x00, 0x01, 0x61],
        &[0x00, 0x04, 0xc0, 0, 0, 0, 0x40, 0, 0, 0],
        &[0xff; 40],
        &plain,
    ];
    for (count, beginning) in (1..).zip(beginnings) {
        let connection = client.connect(place.address).await.unwrap();
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(beginning).await.unwrap();
        // Fails where the worker has closed the connection already.
        let _ = stream.finish();
        let reason = connection.closed().await;
        assert!(was_told(&reason), "{reason:?} for {beginning:x?}");
        worker.metric_reaches(&refused("malformed"), count);
    }

    // Paths without a token, with a wrong one, with one that was used.
    for (count, path) in (1..).zip(["/", "/lane/", "/lane/short"]) {
        let elsewhere = Place {
            path: path.to_owned(),
            ..place
        };
        assert!(client.session(&elsewhere).await.is_err(), "{path}");
        worker.metric_reaches(&refused("path"), count);
    }
    let wrong = Place {
        path: format!("/lane/{}", "A".repeat(22)),
        ..place
    };
    assert!(client.session(&wrong).await.is_err());
    let taken = client.session(&place).await.unwrap();
    assert!(client.session(&place).await.is_err(), "it was used");
    worker.metric_reaches(&refused("token"), 2);
    taken.close(0, b"");

    // Another certificate than the peer expects.
    let broken_off = RawClient::distrustful().connect(place.address).await;
    assert!(broken_off.is_err());
    worker.metric_reaches(&refused("handshake"), 1);

    // Capsules: one that claims a gigabyte, one that is cut short.
    for (count, capsule) in (1..).zip([
        &[0x68, 0x43, 0xc0, 0, 0, 0, 0x40, 0, 0, 0][..],
        &[0x68, 0x43, 0x08, 0],
    ]) {
        let reason = client.capsule(&Place::ask(worker, 7), capsule).await;
        assert!(was_told(&reason), "{reason:?}");
        worker.metric_reaches(&closed("transport"), count);
    }
    scene.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_break_the_framing_or_the_link_end_that_session_alone() {
    let scene = Scene::begin(1_500, "quic");
    let worker = &scene.worker;
    let client = RawClient::new();
    let beginnings: [&[u8]; 6] = [
        &[9, 0],                         // another version of the framing
        &[1, 16],                        // a channel that cannot be
        &[1, 0, 0xff, 0xff, 0xff, 0xff], // a message of 4 GiB
        &[1, 0, 0, 0, 0, 0],             // of nothing
        &[1, 0, 0, 0, 0, 1, 0xc1],       // that is none
        &[1, 0, 0, 0, 0, 3, 0x93, 1, 5], // that is cut short
    ];
    for (count, beginning) in (1..).zip(beginnings) {
        let (session, _controls) = session(&client, &Place::ask(worker, 8)).await;
        let mut stream = session.open_uni().await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let told = session.closed().await.to_string();
        assert!(told.contains("broke the protocol"), "{told}");
        worker.metric_reaches(&closed("protocol"), count);
    }
    // What keeps to the framing and breaks the link: an end of frames that never came.
    let (session, mut controls) = session(&client, &Place::ask(worker, 9)).await;
    let eof = [0x96, 1, 3, 1, 9, 0xcd, 0x03, 0xe8, 0];
    controls[0].write_all(&framed(&eof)).await.unwrap();
    // Its session is closed, however long the peer would stay.
    session.closed().await;
    worker.metric_reaches("frameway_worker_links_broken_total", 1);
    // A link that is made again under its name leaves nothing of the former behind, whether its peer goes or not.
    let (former, _controls) = self::session(&client, &Place::ask(worker, 9)).await;
    Place::ask(worker, 9);
    former.closed().await;
    scene.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_never_end_and_never_read_are_held_to_their_limits() {
    let scene = Scene::begin(6_500, "quic");
    let worker = &scene.worker;
    let address = Place::ask(worker, 10).address;

    // Connections that never become a session, each of a client of its own, which has nothing to prove its address by.
    let beginning = (0..160).map(|_| {
        tokio::spawn(async move {
            let client = RawClient::new();
            let connection = client.connect(address).await;
            connection.map(|connection| (client, connection))
        })
    });
    let beginning: Vec<_> = beginning.collect();
    let mut half_open: Vec<(RawClient, Connection)> = Vec::new();
    for beginning in beginning {
        half_open.extend(beginning.await.unwrap());
        let handshakes = worker.metric("frameway_worker_quic_handshakes");
        assert!(handshakes <= 128, "{handshakes}");
    }
    worker.metric_reaches("frameway_worker_quic_retries_total", 1);
    // They are closed in time, and then there is room again.
    assert!(half_open.len() > 32, "{}", half_open.len());
    worker.metric_reaches(&refused("timeout"), half_open.len() as u64);
    drop(half_open);

    // One that takes nothing: the worker may send it 700 bytes, and says pings.
    let reader = RawClient::with(true, |transport| {
        transport.receive_window(VarInt::from_u32(700));
        transport.keep_alive_interval(Some(Duration::from_secs(2)));
    });
    let (_unread, _its_controls) = session(&reader, &Place::ask(worker, 12)).await;

    // Thousands of streams, none of which ever ends.
    let client = RawClient::new();
    let (many, _controls) = session(&client, &Place::ask(worker, 11)).await;
    let mut open = Vec::new();
    for _ in 0..3_000 {
        let Ok(stream) = timeout(Duration::from_millis(500), many.open_uni()).await else {
            break;
        };
        let mut stream = stream.unwrap();
        // In the middle of a message.
        stream.write_all(&[1, 0, 0, 0, 1, 0, 0x99]).await.unwrap();
        open.push(stream);
    }
    assert!(open.len() <= 260, "{} streams at once", open.len());
    worker.metric_reaches(STREAMS_REFUSED, open.len() as u64);
    worker.metric_reaches(&closed("not_reading"), 1);
    scene.end();
}

#[test]
fn places_that_nobody_comes_to_make_room_for_those_who_do() {
    let worker = Worker::start(&["--processor", "none"]);
    for link in 100..116 {
        Place::ask(&worker, link);
    }
    let path = "/lanes/webtransport?link=200&epoch=1&lane=16";
    let (status, body) = support::request(worker.http(), "POST", path);
    assert_eq!(status, 503, "{body}");
    let input = "opaque:?bytes=1000&frames=20";
    let extra = ["--connect-timeout", "60s"];
    Run::new(worker.address(), input, &extra)
        .complete()
        .assert_whole(20);
}

#[test]
fn a_place_is_given_to_whoever_has_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "the-token\n").unwrap();
    let token = token.to_str().unwrap();
    let worker = Worker::start(&["--processor", "none", "--token-file", token]);
    let path = "/lanes/webtransport?link=1&epoch=1&lane=16";
    let (status, body) = support::request(worker.http(), "POST", path);
    assert_eq!(status, 401, "{body}");
    let input = "opaque:?bytes=1000&frames=20";
    let extra = ["--lanes", "quic", "--token-file", token];
    let run = Run::new(worker.address(), input, &extra);
    run.complete().assert_whole(20);
}

/// Stands before a worker's HTTP, and says that its certificate is another.
fn liar(worker: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut request = Vec::new();
                let mut byte = [0];
                // Its requests have no bodies, but for offers, whose length is told.
                while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                    request.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&request).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|it| it.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |it| it.parse().unwrap());
                let mut body = vec![0; length];
                client.read_exact(&mut body).unwrap();
                let mut server = TcpStream::connect(worker).unwrap();
                let close = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                let line_end = request.iter().position(|&it| it == b'\r').unwrap();
                server.write_all(&request[..line_end]).unwrap();
                server.write_all(&close.as_bytes()[line_end..]).unwrap();
                server.write_all(&body).unwrap();
                let mut response = Vec::new();
                server.read_to_end(&mut response).unwrap();
                let text = String::from_utf8(response).unwrap();
                let _ = client.write_all(with_other_hashes(text).as_bytes());
            });
        }
    });
    address
}

/// The same length, other digits.
fn with_other_hashes(text: String) -> String {
    match text.find("certificate_hashes") {
        Some(at) => {
            let (before, hashes) = text.split_at(at + 20);
            format!(
                "{before}{}",
                hashes.replace(|it: char| it.is_ascii_hexdigit(), "7")
            )
        }
        None => text,
    }
}

#[test]
fn a_worker_with_another_certificate_than_its_answer_named_is_not_believed() {
    let worker = Worker::start(&["--processor", "none"]);
    let to = format!("http://{}", liar(worker.http()));
    let input = "opaque:?bytes=1000&frames=200";
    let extra = ["--lanes", "quic", "--connect-timeout", "1s"];
    let done = Run::new(&to, input, &extra).complete();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("certificate"), "{done:?}");
    assert!(worker.metric(&refused("handshake")) >= 1);
    assert_eq!(
        worker.metric("frameway_worker_quic_sessions_started_total"),
        0
    );
    // Where it is not insisted on, data channels carry.
    let run = Run::new(&to, input, &[]);
    let done = run.complete();
    done.assert_whole(200);
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
}
