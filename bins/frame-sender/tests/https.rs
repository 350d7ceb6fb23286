//! A worker with a certificate is sent to by https, and only where the certificate is trusted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use support::{DEADLINE, Done, Run, Worker, request};
use testkit::driver::wait_until;
use testkit::{Authority, Issued};

const FRAMES: u64 = 200;
const INPUT: &str = "opaque:?bytes=20000&frames=200";
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority, and the files of a worker whose certificate it has issued.
struct Files {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new(names: &[&str]) -> Self {
        let files = Self {
            dir: tempfile::tempdir().unwrap(),
            authority: Authority::new("Test authority").unwrap(),
        };
        files.write(&files.issue(names));
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        files
    }

    fn issue(&self, names: &[&str]) -> Issued {
        let now = SystemTime::now();
        self.authority.issue(names, now, YEAR).unwrap()
    }

    fn write(&self, issued: &Issued) {
        std::fs::write(self.path("key.pem"), &issued.key).unwrap();
        std::fs::write(self.path("chain.pem"), &issued.certificate).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn worker(&self) -> Worker {
        let (chain, key) = (self.text("chain.pem"), self.text("key.pem"));
        let tls = ["--tls-cert", &chain, "--tls-key", &key];
        Worker::start(&[&["--processor", "none"], &tls[..]].concat())
    }

    fn send(&self, to: &str, extra: &[&str]) -> Done {
        let ca = self.text("ca.pem");
        Run::new(to, INPUT, &[&["--ca", &ca], extra].concat()).complete()
    }
}

#[track_caller]
fn assert_refused(done: &Done, words: &[&str]) {
    assert_eq!(done.code, Some(1), "{done:?}");
    for word in words {
        assert!(done.stderr.contains(word), "{word:?}: {done:?}");
    }
}

#[test]
fn every_frame_by_every_kind_of_lane() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    assert!(worker.address().starts_with("https://127.0.0.1:"));
    let by_name = worker.address().replace("127.0.0.1", "localhost");
    for (to, lanes, carrier) in [
        (worker.address(), "quic", "quic"),
        (&by_name, "quic", "quic"),
        (worker.address(), "data:1", "data"),
        (worker.address(), "websocket", "websocket"),
    ] {
        let done = files.send(to, &["--lanes", lanes]);
        done.assert_whole(FRAMES);
        assert_eq!(done.summary["carrier"], carrier, "{done:?}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_at_once_and_the_way_out_is_said() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    let began = Instant::now();
    let unknown = Run::new(worker.address(), INPUT, &["--connect-timeout", "10m"]).complete();
    assert_refused(&unknown, &["not trusted here", "--ca FILE"]);
    let another = Files::new(&NAMES).send(worker.address(), &[]);
    assert_refused(&another, &["not trusted here"]);
    let elsewhere = Files::new(&["worker.example"]);
    let misnamed = elsewhere.send(elsewhere.worker().address(), &[]);
    assert_refused(&misnamed, &["not trusted here", "worker.example"]);
    assert!(began.elapsed() < DEADLINE, "nobody waits for the worker");
}

#[test]
fn an_authority_that_cannot_be_read_is_bad_usage() {
    for (ca, text) in [("/no/such/ca.pem", None), ("ca.pem", Some("not PEM"))] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ca);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let path = path.to_str().unwrap();
        let done = Run::new("https://127.0.0.1:9", INPUT, &["--ca", path]).complete();
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains(path), "{done:?}");
    }
}

#[test]
fn the_wrong_scheme_is_said() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    let plain = worker.address().replace("https:", "http:");
    assert_refused(&files.send(&plain, &[]), &["write https://"]);
    let without = Worker::start(&["--processor", "none"]);
    let tls = without.address().replace("http:", "https:");
    assert_refused(
        &files.send(&tls, &[]),
        &["speaks no HTTPS", without.address()],
    );
}

#[test]
fn files_that_are_written_again_are_shown_while_it_runs() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    files.send(worker.address(), &[]).assert_whole(FRAMES);
    // What cannot be shown changes nothing.
    let before = std::fs::read(files.path("chain.pem")).unwrap();
    let next = Files::new(&NAMES);
    files.write(&Issued {
        certificate: String::from_utf8(before).unwrap(),
        ..next.issue(&NAMES)
    });
    let said = wait_until(DEADLINE, || {
        worker.stderr().contains("another certificate's")
    });
    assert!(said, "{}", worker.stderr());
    files.send(worker.address(), &[]).assert_whole(FRAMES);
    files.write(&next.issue(&NAMES));
    let shown = wait_until(DEADLINE, || {
        next.send(worker.address(), &["--lanes", "data:1"]).code == Some(0)
    });
    assert!(shown, "{}", worker.stderr());
    // Both of its sockets.
    let by_quic = wait_until(DEADLINE, || {
        let extra = ["--lanes", "quic", "--connect-timeout", "1s"];
        next.send(worker.address(), &extra).code == Some(0)
    });
    assert!(by_quic, "{}", worker.stderr());
}

#[test]
fn requests_without_tls_are_told_so_and_garbage_is_closed() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    let (status, body) = request(worker.http(), "GET", "/");
    assert_eq!(status, 400);
    assert!(body.contains("https://"), "{body}");
    for garbage in [&b"\x16\x03\x01\xff\xff\x01"[..], &[0; 64 * 1024], b"GET"] {
        let mut stream = TcpStream::connect(worker.http()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may be closed before all of it is taken.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 64, "an alert at most: {answer:?}");
    }
    files.send(worker.address(), &[]).assert_whole(FRAMES);
}

#[test]
fn handshakes_that_never_end_are_bounded_and_keep_nobody_out() {
    let files = Files::new(&NAMES);
    let worker = files.worker();
    // More than the 128 that may be under way; each has said the beginning of a ClientHello.
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(worker.http()).unwrap();
            stream.write_all(b"\x16\x03\x01\x02").unwrap();
            stream
        })
        .collect();
    let mut first = &slow[0];
    first.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    // Closed, or reset for what was not read.
    let _ = first.read_to_end(&mut rest);
    files.send(worker.address(), &[]).assert_whole(FRAMES);
    // Those that are left end by themselves.
    let mut last = &slow[199];
    last.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = last.read_to_end(&mut rest);
    assert!(rest.len() < 64, "an alert at most: {rest:?}");
}
