//! A fault proxy passes on what a server says, spoilt as it was told to, and counts it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use testkit::driver::{Fault, FaultProxy, wait_until};

/// Answers every request with a hundred bytes, by length or in chunks with a trailer, and with the `Range` it saw.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let Some(head) = read_head(&mut client) else {
                continue;
            };
            let range = head
                .lines()
                .find(|it| it.to_lowercase().starts_with("range:"));
            let seen = range.map_or("none", |it| it[6..].trim());
            let answer = if head.starts_with("GET /chunks") {
                format!(
                    "Transfer-Encoding: chunked\r\n\r\n3c\r\n{}\r\n28;x=y\r\n{}\r\n0\r\nX-End: yes\r\n\r\n",
                    "a".repeat(60),
                    "a".repeat(40)
                )
            } else {
                format!("Content-Length: 100\r\n\r\n{}", "a".repeat(100))
            };
            let answer = format!("HTTP/1.1 200 OK\r\nX-Range: {seen}\r\n{answer}");
            // The client may be gone: the proxy was told to cut.
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address
}

fn read_head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn request(proxy: &FaultProxy, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\n\r\n");
    // Fails where the proxy has closed it already.
    let _ = client.write_all(head.as_bytes());
    client
}

/// What comes back for a request after which the client says that there is no other.
fn ask(proxy: &FaultProxy, path: &str) -> String {
    let mut client = request(proxy, path);
    // Fails where the proxy has closed it already.
    let _ = client.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(len @ 1..) = client.read(&mut piece) {
        answer.extend_from_slice(&piece[..len]);
    }
    String::from_utf8(answer).unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn each_fault_is_what_a_client_sees() {
    let proxy = FaultProxy::start(server()).unwrap();
    let spoilt = |fault| {
        proxy.next([fault]);
        ask(&proxy, "/x")
    };
    let sound = spoilt(Fault::None);
    assert!(
        sound.contains("X-Range: bytes=5-9") && body(&sound) == "a".repeat(100),
        "{sound}"
    );
    let flipped = spoilt(Fault::Flip(7));
    assert_eq!(
        body(&flipped),
        format!("{}`{}", "a".repeat(7), "a".repeat(92))
    );
    let cut = spoilt(Fault::Cut(30));
    assert!(
        cut.contains("Content-Length: 100") && body(&cut).len() == 30,
        "{cut}"
    );
    let short = spoilt(Fault::Truncate(30));
    assert!(
        short.contains("Content-Length: 30") && body(&short).len() == 30,
        "{short}"
    );
    assert!(spoilt(Fault::IgnoreRange).contains("X-Range: none"));
    proxy.next([Fault::Hang]);
    let mut hanging = request(&proxy, "/x");
    let silence = Some(Duration::from_millis(100));
    hanging.set_read_timeout(silence).unwrap();
    assert!(
        hanging.read(&mut [0]).is_err(),
        "neither an answer nor an end"
    );
    assert!(wait_until(Duration::from_secs(60), || proxy
        .counts()
        .requests
        == 6));
    assert_eq!(body(&spoilt(Fault::Stall(30))).len(), 30);
    let refused = spoilt(Fault::Status(429, Some(7)));
    assert!(
        refused.starts_with("HTTP/1.1 429 ") && refused.contains("Retry-After: 7"),
        "{refused}"
    );
    let counts = proxy.counts();
    assert_eq!(counts.requests, 8);
    assert_eq!(counts.body_bytes, 100 + 100 + 30 + 30 + 100 + 30);
    assert_eq!(proxy.seen()[0].range.as_deref(), Some("bytes=5-9"));
}

#[test]
fn chunks_and_what_stands_after_them_are_passed_on() {
    let proxy = FaultProxy::start(server()).unwrap();
    let sound = ask(&proxy, "/chunks");
    assert!(sound.ends_with("\r\n0\r\nX-End: yes\r\n\r\n"), "{sound}");
    proxy.always(Fault::Cut(76));
    let cut = ask(&proxy, "/chunks");
    assert!(
        !cut.ends_with("0\r\n\r\n") && body(&cut).matches('a').count() == 76,
        "{cut}"
    );
}

#[test]
fn a_proxy_that_is_down_answers_nobody_and_comes_back() {
    let proxy = FaultProxy::start(server()).unwrap();
    proxy.down(true);
    assert_eq!(ask(&proxy, "/x"), "");
    proxy.down(false);
    assert_eq!(body(&ask(&proxy, "/x")).len(), 100);
    proxy.kill_every(Some(50));
    for _ in 0..3 {
        ask(&proxy, "/x");
    }
    assert_eq!(proxy.counts().kills, 1 + 3);
}
