//! Opening by name: files, folders, the pattern, and what is not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::mux::{Mux, encode_pattern};
use common::{SMALL, frames, millis, numbers, pattern_jpegs};
use frame_buffer::FramePool;
use media_source::{FrameSource, OpenError, driver};
use progressive_loader::driver::OpenOptions;

async fn open(uri: &str) -> Result<driver::Opened, OpenError> {
    let options = OpenOptions::default();
    driver::open_with_progress(&uri.parse().unwrap(), &options, FramePool::new(4)).await
}

async fn play(mut source: Box<dyn FrameSource>) -> Vec<frame_buffer::VideoFrame> {
    let played = tokio::task::spawn_blocking(move || frames(&mut *source));
    played.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_played_and_its_loading_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip with spaces.mp4");
    let bytes = Mux::h264(&encode_pattern(SMALL, 10, 5)).write();
    std::fs::write(&path, &bytes).unwrap();
    let opened = open(&path.display().to_string()).await.unwrap();
    let progress = opened.progress.unwrap();
    assert_eq!(progress.total_bytes(), bytes.len() as u64);
    assert_eq!(
        numbers(&play(opened.source).await),
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!(progress.fetched_bytes(), bytes.len() as u64);
}

/// A `free` box of 32 MiB between the samples and the index stands for a long video.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_frame_of_an_mp4_with_its_index_at_the_end_costs_little() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.mp4");
    let mut mux = Mux::h264(&encode_pattern(SMALL, 10, 5));
    mux.moov_first = false;
    let mut bytes = mux.write();
    let named = bytes.windows(4).rposition(|name| name == b"moov").unwrap();
    let index = bytes.split_off(named - 4);
    bytes.extend((32_u32 << 20).to_be_bytes());
    bytes.extend(b"free");
    bytes.resize(bytes.len() + (32 << 20) - 8, 0);
    bytes.extend(&index);
    std::fs::write(&path, &bytes).unwrap();
    let opened = open(&path.display().to_string()).await.unwrap();
    let progress = opened.progress.unwrap();
    let mut source = opened.source;
    let first = tokio::task::spawn_blocking(move || source.next_frame().unwrap());
    assert!(first.await.unwrap().is_some());
    let fetched = progress.fetched_bytes();
    assert!(
        fetched <= (1 << 20) + index.len() as u64,
        "{fetched} B of {}",
        bytes.len()
    );
}

#[tokio::test]
async fn a_folder_is_played_at_the_rate_in_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for (i, jpeg) in pattern_jpegs(3).iter().enumerate() {
        std::fs::write(dir.path().join(format!("{i}.jpg")), jpeg).unwrap();
    }
    let opened = open(&format!("{}?fps=10", dir.path().display()))
        .await
        .unwrap();
    assert!(opened.progress.is_none());
    let frames = play(opened.source).await;
    assert_eq!(numbers(&frames), [0, 1, 2]);
    assert_eq!(frames[2].pts, millis(200));
}

#[tokio::test]
async fn the_pattern_needs_no_file() {
    let opened = open("test:?size=160x90&fps=10&frames=3").await.unwrap();
    assert_eq!(numbers(&play(opened.source).await), [0, 1, 2]);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.mp4").display().to_string();
    let error = open(&missing).await.err().unwrap();
    assert!(matches!(error, OpenError::Load { .. }));
    assert!(error.to_string().contains("missing.mp4"), "{error}");
    let empty = dir.path().display().to_string();
    let error = open(&empty).await.err().unwrap();
    assert!(matches!(error, OpenError::EmptyFolder { .. }), "{error}");
}
