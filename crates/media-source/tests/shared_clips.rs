//! The two real clips: every frame, in order, exactly as ffmpeg decodes it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::fs::File;
use std::path::Path;

use common::{assert_equals_ffmpeg, ffprobe_times, have, shared_clip};
use frame_buffer::FramePool;
use media_source::{FrameSource, open_reader};

fn open_file(path: &Path) -> Box<dyn FrameSource> {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    let name = path.display().to_string();
    open_reader(Box::new(file), len, &name, FramePool::new(4)).unwrap()
}

fn check(name: &str, codec: &str, size: (u32, u32), count: usize, frame_rate: f64, min_psnr: f64) {
    let Some(path) = shared_clip(name) else {
        return;
    };
    let mut source = open_file(&path);
    let info = source.info().clone();
    assert_eq!(info.codec, codec);
    assert_eq!((info.size.width, info.size.height), size);
    assert_eq!(info.frame_count, Some(count as u64));
    assert!(
        (info.frame_rate - frame_rate).abs() < 0.001,
        "{}",
        info.frame_rate
    );
    let mut pts: Vec<f64> = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        assert_eq!(frame.id.0, pts.len() as u64);
        pts.push(frame.pts.as_secs_f64());
    }
    assert!(pts.is_sorted_by(|a, b| a < b));
    assert_eq!(pts.len(), count);
    assert_eq!(pts[0], 0.0);
    if have("ffprobe") {
        let times = ffprobe_times(&path);
        assert_eq!(times.len(), count);
        for (ours, theirs) in pts.iter().zip(&times) {
            assert!((ours - (theirs - times[0])).abs() < 2e-6, "{ours} {theirs}");
        }
    }
    if have("ffmpeg") {
        assert_eq!(
            assert_equals_ffmpeg(&mut *open_file(&path), &path, min_psnr),
            count
        );
    }
}

#[test]
fn the_baseline_clip_is_complete() {
    check(
        "car-detection.mp4",
        "H.264 Baseline",
        (768, 432),
        377,
        12.5,
        f64::INFINITY,
    );
}

#[test]
fn the_high_profile_clip_with_b_frames_is_complete() {
    check(
        "bottle-detection.mp4",
        "H.264 High",
        (640, 360),
        1189,
        179.0 / 6.0,
        35.0,
    );
}
