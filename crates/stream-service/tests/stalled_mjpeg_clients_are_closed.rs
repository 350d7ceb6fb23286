//! An MJPEG client that stops reading is closed after the limit, and one that reads is not: the service in this process, with
//! a limit of two seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stream_service::{Service, ServiceConfig, StreamParams};

/// The longest that anything may take on a machine busy with other tests.
const DEADLINE: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(2);

/// A client that has read the head of its answer.
fn client(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.0 200");
    socket
}

/// The stream's metrics, as text: two counts are all that is asked of them.
fn metrics(address: SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET /api/v1/streams/one/metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_default_is_thirty_seconds() {
    assert_eq!(
        ServiceConfig::default().mjpeg_stall_limit,
        Duration::from_secs(30)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_closed_and_the_other_goes_on() {
    let config = ServiceConfig {
        http: SocketAddr::from(([127, 0, 0, 1], 0)),
        quic: None,
        mjpeg_stall_limit: LIMIT,
        ..ServiceConfig::default()
    };
    let service = Service::bind(config).await.unwrap();
    // Large frames fill the kernel's buffers soon.
    let mut video = StreamParams::new("one", "test:?size=1280x720&fps=30");
    video.looping = true;
    assert_eq!(service.add_stream(video).await.unwrap(), "one");
    let address = service.http_address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::spawn(service.run(async { stopped.await.unwrap_or_default() }));
    tokio::task::spawn_blocking(move || watch(address))
        .await
        .unwrap();
    drop(stop);
    run.await.unwrap().unwrap();
}

fn watch(address: SocketAddr) {
    let mut stalled = client(address, "/streams/one.mjpg?quality=high");
    let mut reads = client(address, "/streams/one.mjpg?quality=low");
    let done = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&done);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 64 << 10];
        while !until.load(Ordering::Relaxed) {
            assert!(
                reads.read(&mut bytes).unwrap() > 0,
                "closed, though it reads"
            );
        }
    });
    let started = Instant::now();
    loop {
        let told = metrics(address);
        if told.contains("\"stalled\":1") {
            break;
        }
        assert!(
            started.elapsed() < DEADLINE && !reader.is_finished(),
            "{told}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    // What had arrived before, and then the end.
    let mut bytes = [0; 64 << 10];
    while let Ok(1..) = stalled.read(&mut bytes) {}
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert!(metrics(address).contains("\"stalled\":1"), "one alone");
}
