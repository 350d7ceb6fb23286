//! H.264 that is encoded on the way: of the sender's pictures for the worker, and of the worker's for the sender.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::time::Duration;

use frame_buffer::{ColorRange, FramePool, Picture, PictureSize};
use media_source::{AccessUnit, FrameSource as _, H264Decoder, PatternOptions, TestPattern};
use support::{Run, Worker};

const SIZE: PictureSize = PictureSize {
    width: 320,
    height: 180,
};
const INPUT: &str = "test:?size=320x180&fps=30&frames=200";

fn assert_numbers(run: &Run) {
    for (index, result) in run.results().iter().enumerate() {
        let found = &result["serialized_output_data"]["frame-number"]["number"];
        assert_eq!(found, index as u64, "{result}");
    }
}

/// Mean difference of luma samples, in full range.
fn difference(one: &Picture, other: &Picture) -> f64 {
    let luma = |picture: &Picture, sample: u8| match picture.range() {
        ColorRange::Full => f64::from(sample),
        ColorRange::Limited => (f64::from(sample) - 16.0) * 255.0 / 219.0,
    };
    let pairs = one.y().iter().zip(other.y());
    let apart = pairs.map(|(a, b)| (luma(one, *a) - luma(other, *b)).abs());
    apart.sum::<f64>() / one.y().len() as f64
}

/// The stream is one picture per frame, each the one that it should be, as the ledger divides it.
fn assert_stream(run: &Run, file: &Path, frames: u64) {
    let stream = std::fs::read(file).unwrap();
    let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
    let (mut at, mut decoded) = (0, Vec::new());
    for (index, entry) in run.ledger().iter().enumerate() {
        let bytes = entry["picture_bytes"].as_u64().unwrap() as usize;
        let unit = AccessUnit {
            index: index as u64,
            presentation_index: index as u64,
            pts: Duration::from_millis(index as u64),
            duration: Duration::from_millis(1),
            // One long stream, as a player has it.
            keyframe: index == 0,
            payload: stream[at..at + bytes].to_vec().into(),
        };
        at += bytes;
        decoded.extend(decoder.decode(&unit));
    }
    assert_eq!(at, stream.len());
    decoded.extend(decoder.flush());
    assert_eq!(decoded.len() as u64, frames);
    let options = PatternOptions {
        size: SIZE,
        frames: Some(frames),
        ..PatternOptions::default()
    };
    let mut pattern = TestPattern::new(options, FramePool::new(2)).unwrap();
    for unit in decoded {
        let shown = pattern.next_frame().unwrap().unwrap();
        let index = unit.presentation_index;
        assert_eq!(shown.id.0, index);
        let apart = difference(&shown.picture, &unit.picture.unwrap());
        assert!(
            apart < 5.0,
            "frame {index} is {apart} from what it should be"
        );
    }
}

#[test]
fn a_video_that_is_no_h264_travels_as_such_in_fewer_bytes() {
    let worker = Worker::start(&["--processor", "frame-number", "--workers", "2"]);
    let sent = |encoding| {
        let extra = ["--encoding", encoding, "--lanes", "data:2"];
        let run = Run::new(worker.address(), INPUT, &extra);
        let done = run.complete();
        done.assert_whole(200);
        run.assert_each_frame_once(200);
        assert_numbers(&run);
        done.summary["bytes"].as_u64().unwrap()
    };
    let (h264, jpeg) = (sent("h264"), sent("jpeg"));
    assert!(h264 * 2 < jpeg, "{h264} bytes, as JPEGs {jpeg}");
}

#[test]
fn h264_that_is_encoded_for_the_worker_survives_kills_of_both() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--processor", "frame-number"]);
    let run = Run::new(worker.address(), INPUT, &["--encoding", "h264"]);
    let running = run.start();
    run.reached(30);
    let worker = worker.killed_and_back();
    run.reached(90);
    running.kill();
    run.complete().assert_whole(200);
    run.assert_each_frame_once(200);
    assert_numbers(&run);
    drop(worker);
}

#[test]
fn processed_frames_come_back_as_one_stream() {
    let worker = Worker::start(&["--processor", "frame-number", "--workers", "2"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("made.h264");
    let to = file.to_str().unwrap();
    let extra = [
        "--output",
        "both",
        "--output-encoding",
        "h264",
        "--pictures",
        to,
    ];
    let run = Run::new(worker.address(), INPUT, &extra);
    let done = run.complete();
    done.assert_whole(200);
    assert_eq!(done.summary["pictures"], 200, "{done:?}");
    assert_numbers(&run);
    assert_stream(&run, &file, 200);
}

#[test]
fn the_stream_can_be_decoded_whole_whatever_was_killed() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "2"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("made.h264");
    let to = file.to_str().unwrap();
    let extra = [
        "--output",
        "video",
        "--output-encoding",
        "h264",
        "--pictures",
        to,
    ];
    let run = Run::new(worker.address(), INPUT, &extra);
    let running = run.start();
    run.reached(30);
    let worker = worker.killed_and_back();
    run.reached(80);
    running.kill();
    let running = run.start();
    run.reached(120);
    let worker = worker.killed_and_back();
    let done = running.finish();
    done.assert_whole(200);
    assert_eq!(done.summary["pictures"], 200, "{done:?}");
    assert_stream(&run, &file, 200);
    drop(worker);
}

#[test]
fn what_does_not_go_together_is_said() {
    let said = |extra: &[&str]| {
        let run = Run::new("http://127.0.0.1:9", INPUT, extra);
        let done = run.complete();
        assert_eq!(done.code, Some(2), "{done:?}");
        done.stderr
    };
    let realtime = ["--mode", "realtime", "--encoding", "h264"];
    assert!(said(&realtime).contains("--encoding jpeg"));
    let back = [
        "--mode",
        "realtime",
        "--output",
        "video",
        "--output-encoding",
        "h264",
    ];
    assert!(said(&back).contains("--output-encoding jpeg"));
}
