//! Videos of one command have their gateways and their cache in common: what one of them brought, the next one has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../crates/media-source/tests/common/mux.rs"]
#[allow(dead_code)]
mod mux;
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use frame_buffer::PictureSize;
use mux::{Mux, encode_pattern};
use progressive_loader::Profile;
use progressive_loader::driver::Store;
use serde_json::Value;
use support::Worker;

const SIZE: PictureSize = PictureSize {
    width: 160,
    height: 96,
};

/// A gateway that has one block, and how often it was asked for it.
fn gateway(block: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (block, count) = (Arc::new(block), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (block, count) = (Arc::clone(&block), Arc::clone(&count));
            std::thread::spawn(move || serve(&stream, &block, &count));
        }
    });
    (address, asked)
}

fn serve(mut stream: &TcpStream, block: &[u8], asked: &AtomicUsize) {
    let lines = BufReader::new(stream).lines();
    for line in lines.map_while(Result::ok) {
        if !line.is_empty() {
            continue;
        }
        asked.fetch_add(1, Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.raw\r\nContent-Length: {}\r\n\r\n",
            block.len()
        );
        if stream
            .write_all(&[head.as_bytes(), block].concat())
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn what_the_first_video_brought_the_second_has() {
    let clip = Mux::h264(&encode_pattern(SIZE, 20, 10)).write();
    let cid = Store::temporary()
        .unwrap()
        .add_bytes(&clip, Profile::UnixfsV1_2025)
        .unwrap()
        .cid;
    let (address, asked) = gateway(clip);
    let worker = Worker::start(&["--processor", "frame-number"]);
    let store = tempfile::tempdir().unwrap();
    let input = format!("ipfs://{cid}");
    let mut sender = Command::new(env!("CARGO_BIN_EXE_frame-sender"));
    sender
        .args(["--to", worker.address(), "--input", &input, &input])
        .args(["--gateway", &format!("http://{address}")])
        .arg("--store")
        .arg(store.path());
    let output = sender.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let totals: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(
        (&totals["whole"], &totals["frames"]),
        (&2.into(), &40.into())
    );
    assert_eq!(asked.load(Ordering::Relaxed), 1, "for both videos");
}
