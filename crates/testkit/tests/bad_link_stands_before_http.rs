//! The HTTP side of a bad link: requests pass, answers name the link, and nothing hostile breaks it.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use testkit::driver::{BadLink, BadLinkConfig, Ways};

/// Only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(20);

/// Answers every request with the same bytes, and gives each to `seen`.
fn server(response: Vec<u8>, seen: impl Fn(Vec<u8>) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = vec![0; 64 << 10];
            let len = stream.read(&mut request).unwrap_or(0);
            request.truncate(len);
            seen(request);
            let _ = stream.write_all(&response);
        }
    });
    address
}

fn link_before(response: impl Into<Vec<u8>>) -> BadLink {
    BadLink::to_http(server(response.into(), drop), BadLinkConfig::default()).unwrap()
}

fn connect(link: &BadLink) -> TcpStream {
    let stream = TcpStream::connect(link.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Sends all of it, and returns all that comes back.
fn ask(link: &BadLink, request: &[u8]) -> String {
    let mut stream = connect(link);
    stream.write_all(request).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn answer(sdp: &str) -> String {
    format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/sdp\r\nLocation: /whep/1\r\ncontent-length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

#[test]
fn requests_and_responses_pass_as_they_are() {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let response =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Mine: 1\r\n\r\nhello".to_vec();
    let address = server(response, move |request| sender.send(request).unwrap());
    let link = BadLink::to_http(address, BadLinkConfig::default()).unwrap();
    let got = ask(
        &link,
        b"POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nbody",
    );
    assert_eq!(
        got,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Mine: 1\r\nConnection: close\r\n\r\nhello"
    );
    assert_eq!(
        String::from_utf8(receiver.recv_timeout(LIMIT).unwrap()).unwrap(),
        "POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    );
    assert_eq!(link.control().stats().requests, 1);
}

#[test]
fn an_answer_names_the_link_and_the_link_leads_to_the_server() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    let port = peer.local_addr().unwrap().port();
    let sdp = include_str!("answer.sdp").replace("40000", &port.to_string());
    let link = link_before(answer(&sdp));

    let got = ask(&link, b"POST /whep/1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    assert!(head.contains("Location: /whep/1"), "{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.contains(&length), "{head}");
    assert!(body.ends_with("a=max-message-size:262144\r\n"));
    let stats = link.control().stats();
    assert_eq!(
        (stats.candidates_rewritten, stats.candidates_dropped),
        (2, 6)
    );
    assert_eq!(stats.servers, 2);

    // What the answer names leads to the peer.
    let candidate = body.lines().find(|it| it.contains("candidate:1 ")).unwrap();
    let words: Vec<_> = candidate.split(' ').collect();
    let relay: SocketAddr = format!("{}:{}", words[4], words[5]).parse().unwrap();
    assert_ne!(relay.port(), port);
    let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
    caller.send_to(b"check", relay).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(peer.recv(&mut buffer).unwrap(), 5);

    // A second answer names the same relay.
    let again = ask(&link, b"POST /whep/1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert!(again.contains(candidate));
}

#[test]
fn hostile_requests_get_an_error_and_the_next_one_an_answer() {
    let link = link_before("HTTP/1.1 204 No Content\r\n\r\n");
    let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 70 << 10]].concat();
    let large = [
        b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n".as_slice(),
        &vec![0; 1 << 20],
    ]
    .concat();
    for (request, status) in [
        (endless.as_slice(), "431"),
        (&large, "413"),
        (b"nonsense\r\nmore nonsense\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "411",
        ),
    ] {
        let got = ask(&link, request);
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {got}"
        );
    }
    let mut half = connect(&link);
    half.write_all(b"GET / HT").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    let mut got = String::new();
    half.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 408 "), "{got}");

    assert!(ask(&link, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 204 "));
    let stats = link.control().stats();
    assert_eq!((stats.requests, stats.requests_refused), (1, 6));
}

#[test]
fn a_server_that_is_away_or_talks_nonsense_is_a_bad_gateway() {
    let away = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let link = BadLink::to_http(away, BadLinkConfig::default()).unwrap();
    assert!(ask(&link, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 502 "));

    let sdp = "Content-Type: application/sdp\r\n";
    for response in [
        String::new(),
        "what?\r\nwho?\r\n\r\n".to_owned(),
        format!("HTTP/1.1 201 Created\r\n{sdp}Content-Length: 9\r\n\r\nv=0"),
        format!("HTTP/1.1 201 Created\r\n{sdp}Content-Length: 99999999\r\n\r\nv=0"),
        format!("HTTP/1.1 201 Created\r\n{sdp}\r\nv=0"),
        format!("HTTP/1.1 201 Created\r\n{sdp}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let got = ask(&link_before(response.clone()), b"GET / HTTP/1.1\r\n\r\n");
        assert!(got.starts_with("HTTP/1.1 502 "), "{response}: {got}");
    }
}

#[test]
fn http_can_be_cut_with_the_datagrams() {
    let link = link_before("HTTP/1.1 204 No Content\r\n\r\n");
    let is_answered = || {
        let mut stream = connect(&link);
        let mut response = Vec::new();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let _ = stream.read_to_end(&mut response);
        !response.is_empty()
    };
    link.control().cut(Ways::Both, false);
    assert!(is_answered(), "a cut of the datagrams alone leaves HTTP be");
    link.control().cut(Ways::Both, true);
    assert!(!is_answered());
    link.control().restore();
    assert!(is_answered());
}

/// A stream that the server never ends, such as server-sent events.
#[test]
fn a_cut_and_the_end_reset_a_stream_that_is_under_way() {
    for end in [
        |link: BadLink| {
            link.control().cut(Ways::Both, true);
            Some(link)
        },
        |link| {
            drop(link);
            None
        },
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let link = BadLink::to_http(address, BadLinkConfig::default()).unwrap();
        let mut client = connect(&link);
        client.write_all(b"GET /events HTTP/1.1\r\n\r\n").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata").unwrap();
        let mut buffer = [0; 256];
        let mut got = 0;
        while !buffer[..got].ends_with(b"data") {
            got += client.read(&mut buffer[got..]).unwrap();
        }
        let link = end(link);
        let error = client.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        drop(link);
    }
}

/// A link, a client and a server whose connection speaks something else than HTTP.
fn upgraded() -> (BadLink, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let link = BadLink::to_http(address, BadLinkConfig::default()).unwrap();
    let mut client = connect(&link);
    client
        .write_all(
            b"GET /lane HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    let asked = "GET /lane HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    expect(&mut server, asked.as_bytes());
    // The first bytes of the other protocol come with the head.
    let answer =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi";
    server.write_all(answer.as_bytes()).unwrap();
    expect(&mut client, answer.as_bytes());
    (link, client, server)
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(
        got.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways_until_an_end_closes_it() {
    let large = vec![7; 3 << 20];
    for client_ends in [true, false] {
        let (link, mut client, mut server) = upgraded();
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&large).unwrap());
            expect(&mut server, &large);
        });
        server.write_all(b"back").unwrap();
        expect(&mut client, b"back");
        let (mut ends, mut hears) = match client_ends {
            true => (client, server),
            false => (server, client),
        };
        ends.write_all(b"last").unwrap();
        drop(ends);
        expect(&mut hears, b"last");
        assert_eq!(hears.read(&mut [0; 1]).unwrap(), 0);
        let stats = link.control().stats();
        assert_eq!((stats.requests, stats.upgrades), (1, 1));
    }
}

#[test]
fn a_cut_and_the_end_reset_an_upgraded_connection() {
    for dropped in [false, true] {
        let (link, mut client, mut server) = upgraded();
        link.control().cut(Ways::Both, false);
        server.write_all(b"on").unwrap();
        expect(&mut client, b"on");
        let _link = if dropped {
            drop(link);
            None
        } else {
            link.control().cut(Ways::Both, true);
            Some(link)
        };
        let error = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        // The server sees it end, in whatever manner.
        assert!(!matches!(server.read(&mut [0; 1]), Ok(1..)));
    }
}

#[test]
fn an_upgrade_that_is_not_granted_is_a_response_like_others() {
    let link = link_before("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let got = ask(
        &link,
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(
        got,
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    );
    assert_eq!(link.control().stats().upgrades, 0);
}

#[test]
fn the_address_must_be_one_that_peers_can_use() {
    let config = BadLinkConfig {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..BadLinkConfig::default()
    };
    let server = "127.0.0.1:9".parse().unwrap();
    let error = BadLink::to_http(server, config).unwrap_err();
    assert!(error.to_string().contains("0.0.0.0:0"), "{error}");
}
