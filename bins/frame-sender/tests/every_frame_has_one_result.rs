//! A video goes to a worker, and each of its frames comes back as one result, in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, Worker};

/// The number that a result read out of its frame's pixels.
fn number(result: &Value) -> &Value {
    &result["serialized_output_data"]["frame-number"]["number"]
}

fn assert_numbers(run: &Run) {
    for (index, result) in run.results().iter().enumerate() {
        assert_eq!(number(result), index as u64, "{result}");
        assert_eq!(result["errors"], serde_json::json!([]), "{result}");
    }
}

#[test]
fn a_pattern_as_jpeg_over_one_lane() {
    let worker = Worker::start(&["--processor", "frame-number", "--processor", "stats"]);
    let run = Run::new(
        worker.address(),
        "test:?size=320x180&fps=25&frames=120",
        &[],
    );
    let done = run.complete();
    done.assert_whole(120);
    for stage in ["read_ms", "send_ms", "ack_ms"] {
        let samples = done.summary["timing"][stage]["samples"].as_u64();
        assert!(samples >= Some(120), "{stage}: {done:?}");
    }
    run.assert_each_frame_once(120);
    assert_numbers(&run);
    let third = &run.results()[2];
    assert_eq!(third["video_metadata"]["pts"], 80_000);
    assert_eq!(third["video_metadata"]["declared_fps"], 25.0);
    assert!(
        third["serialized_output_data"]["stats"]["motion"].is_number(),
        "{third}"
    );
    let first = &run.results()[0];
    assert!(
        first["serialized_output_data"]["stats"]["motion"].is_null(),
        "{first}"
    );
}

#[test]
fn a_pattern_as_raw_planes_over_four_lanes() {
    let worker = Worker::start(&["--processor", "frame-number", "--workers", "3"]);
    let run = Run::new(
        worker.address(),
        "test:?size=322x181&fps=30&frames=150",
        &["--encoding", "raw", "--lanes", "data:4"],
    );
    run.complete().assert_whole(150);
    run.assert_each_frame_once(150);
    assert_numbers(&run);
}

#[test]
fn the_next_video_goes_to_the_same_worker() {
    let worker = Worker::start(&["--processor", "none"]);
    for frames in [1, 40] {
        let input = format!("opaque:?bytes=50000&frames={frames}");
        let run = Run::new(worker.address(), &input, &[]);
        run.complete().assert_whole(frames);
        run.assert_each_frame_once(frames);
    }
}

#[test]
fn two_senders_do_not_mix() {
    let worker = Worker::start(&["--processor", "none"]);
    let runs = [(300, 1_000), (200, 3_000)].map(|(frames, bytes)| {
        let input = format!("opaque:?bytes={bytes}&frames={frames}");
        (frames, bytes, Run::new(worker.address(), &input, &[]))
    });
    let running = runs.each_ref().map(|(_, _, run)| run.start());
    for ((frames, bytes, run), running) in runs.iter().zip(running) {
        running.finish().assert_whole(*frames);
        run.assert_each_frame_once(*frames);
        for result in run.results() {
            assert_eq!(result["serialized_output_data"]["none"]["bytes"], *bytes);
        }
    }
}

#[test]
fn the_fields_that_are_asked_for_come_back() {
    let worker = Worker::start(&["--processor", "stats", "--processor", "none"]);
    let results = |wish: &str| {
        let run = Run::new(
            worker.address(),
            "test:?size=160x90&frames=3",
            &["--data-output", wish],
        );
        run.complete().assert_whole(3);
        run.results()[1]["serialized_output_data"].clone()
    };
    assert_eq!(results("none"), serde_json::json!({}));
    let some = results("luma_mean");
    assert!(some.to_string().contains("luma_mean"), "{some}");
    assert!(!some.to_string().contains("sharpness"), "{some}");
}

#[test]
fn a_processor_that_fails_costs_its_frames_an_error_not_the_run() {
    let worker = Worker::start(&["--processor", "frame-number"]);
    let run = Run::new(worker.address(), "opaque:?bytes=100&frames=20", &[]);
    let done = run.complete();
    done.assert_whole(20);
    assert_eq!(done.summary["errors"], 20);
    assert!(run.ledger().iter().all(|entry| entry["result"] == "error"));
}

#[test]
fn realtime_drops_for_newer_frames_and_says_which() {
    let worker = Worker::start(&["--processor", "sleep:100ms", "--workers", "1"]);
    let run = Run::new(
        worker.address(),
        "test:?size=160x90&fps=60&frames=180",
        &["--mode", "realtime"],
    );
    let done = run.complete();
    assert_eq!(done.code, Some(0), "{done:?}");
    let (results, dropped) = (&done.summary["results"], &done.summary["dropped"]);
    assert_eq!(
        results.as_u64().unwrap() + dropped.as_u64().unwrap(),
        180,
        "{done:?}"
    );
    assert!(dropped.as_u64() > Some(60), "{done:?}");
    let ids: Vec<u64> = run.results().iter().map(support::frame_id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let told = run
        .ledger()
        .iter()
        .filter(|entry| entry["result"] == "dropped")
        .count();
    assert_eq!(Some(told as u64), dropped.as_u64());
}

/// Both clips, if they are there.
fn clips() -> Vec<(PathBuf, u64)> {
    let Some(folder) = support::media() else {
        return Vec::new();
    };
    let files = std::fs::read_dir(&folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let clips = paths.filter(|path| path.extension().is_some_and(|it| it == "mp4"));
    clips.map(|path| (path.clone(), frames_in(&path))).collect()
}

/// By the decoder alone, without any transport.
fn frames_in(path: &Path) -> u64 {
    let file = std::fs::File::open(path).unwrap();
    let bytes = file.metadata().unwrap().len();
    let pool = frame_buffer::FramePool::new(4);
    let mut video = media_source::open_reader(Box::new(file), bytes, "clip", pool).unwrap();
    let mut frames = 0;
    while video.next_frame().unwrap().is_some() {
        frames += 1;
    }
    frames
}

#[test]
fn real_clips_arrive_with_every_frame() {
    for (path, frames) in clips() {
        let worker = Worker::start(&["--processor", "stats"]);
        let run = Run::new(
            worker.address(),
            path.to_str().unwrap(),
            &["--lanes", "data:2"],
        );
        run.complete().assert_whole(frames);
        run.assert_each_frame_once(frames);
    }
}
