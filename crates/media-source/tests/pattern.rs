//! The test pattern: its number can be read by a program after JPEG, its times are exact.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{assert_seamless, frames, jpeg, number, open};
use frame_buffer::{FramePool, PictureSize};
use media_source::{FrameSource, OpenError, PatternOptions, TestPattern};

fn pattern(width: u32, height: u32, fps: f64, frames: u64) -> TestPattern {
    let options = PatternOptions {
        size: PictureSize { width, height },
        fps,
        frames: Some(frames),
    };
    TestPattern::new(options, FramePool::new(4)).unwrap()
}

#[test]
fn the_number_survives_jpeg_at_quality_50_in_every_size() {
    for (width, height) in [
        (1280, 720),
        (640, 360),
        (160, 90),
        (321, 243),
        (720, 1280),
        (1920, 1080),
    ] {
        let mut pattern = pattern(width, height, 30.0, 3);
        for expected in 0..3 {
            let frame = pattern.next_frame().unwrap().unwrap();
            assert_eq!(number(&frame.picture), expected);
            let mut decoded = open(jpeg(&frame.picture, 50)).unwrap();
            let decoded = decoded.next_frame().unwrap().unwrap();
            assert_eq!(number(&decoded.picture), expected, "{width}x{height}");
        }
    }
}

#[test]
fn times_do_not_drift() {
    let mut ntsc = pattern(160, 90, 29.97, 2998);
    let frames = frames(&mut ntsc);
    assert_seamless(&frames);
    assert_eq!(frames[2997].pts, Duration::from_secs(100));
    let info = ntsc.info();
    assert_eq!(info.frame_count, Some(2998));
    assert_eq!(
        info.duration,
        Some(frames[2997].pts + frames[2997].duration)
    );
}

#[test]
fn it_moves_and_yet_encodes_small() {
    let mut pattern = pattern(1280, 720, 30.0, 60);
    let frames = frames(&mut pattern);
    for pair in frames.windows(2) {
        assert_ne!(pair[0].picture.y(), pair[1].picture.y());
    }
    let kilobytes = jpeg(&frames[40].picture, 70).len() / 1000;
    assert!(
        (20..=50).contains(&kilobytes),
        "{kilobytes} kB at quality 70"
    );
}

#[test]
fn it_ends_and_starts_over() {
    let mut pattern = pattern(160, 90, 25.0, 2);
    assert_eq!(frames(&mut pattern).len(), 2);
    assert!(pattern.next_frame().unwrap().is_none());
    pattern.rewind().unwrap();
    assert_eq!(pattern.next_frame().unwrap().unwrap().id.0, 0);
}

#[test]
fn pictures_come_back_to_the_pool() {
    let pool = FramePool::new(4);
    let mut pattern = TestPattern::new(PatternOptions::default(), pool.clone()).unwrap();
    for _ in 0..20 {
        pattern.next_frame().unwrap().unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.allocated, stats.reused), (1, 19));
}

#[test]
fn options_out_of_range_are_named() {
    let base = PatternOptions::default();
    let small = PictureSize {
        width: 16,
        height: 16,
    };
    for (options, field) in [
        (
            PatternOptions {
                size: small,
                ..base
            },
            "size",
        ),
        (PatternOptions { fps: 0.0, ..base }, "fps"),
        (
            PatternOptions {
                fps: f64::NAN,
                ..base
            },
            "fps",
        ),
        (PatternOptions { fps: 1e9, ..base }, "fps"),
        (
            PatternOptions {
                frames: Some(0),
                ..base
            },
            "frames",
        ),
    ] {
        let error = TestPattern::new(options, FramePool::new(1)).err().unwrap();
        let OpenError::OutOfRange { field: named, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(named, field);
    }
}
