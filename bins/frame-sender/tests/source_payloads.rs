//! A video travels as its own access units, and every frame has the result that it has as a JPEG.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../crates/media-source/tests/common/mux.rs"]
#[allow(dead_code)]
mod mux;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use frame_buffer::PictureSize;
use mux::{Mux, encode_pattern};
use serde_json::Value;
use support::{Run, Worker};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, Ways};

const SIZE: PictureSize = PictureSize {
    width: 160,
    height: 96,
};
const SOURCE: [&str; 2] = ["--encoding", "source"];
/// Long enough to be cut twice.
const FRAMES: u64 = 600;
/// More than a link has under way, so that what has its result must be sent again.
const GROUP: u32 = 150;

/// A clip of the pattern, whose frames carry their number.
fn clip(folder: &Path, frames: u64, group: u32) -> PathBuf {
    let path = folder.join("clip.mp4");
    std::fs::write(
        &path,
        Mux::h264(&encode_pattern(SIZE, frames, group)).write(),
    )
    .unwrap();
    path
}

fn run(worker: &Worker, input: &Path, extra: &[&str]) -> Run {
    let arguments = [&SOURCE, extra].concat();
    Run::new(worker.address(), input.to_str().unwrap(), &arguments)
}

/// Each frame's result has the number that the frame shows, and no error.
fn assert_numbers(run: &Run, frames: u64) {
    run.assert_each_frame_once(frames);
    for (index, result) in run.results().iter().enumerate() {
        let number = &result["serialized_output_data"]["frame-number"]["number"];
        assert_eq!(number, index as u64, "{result}");
        assert_eq!(result["errors"], serde_json::json!([]), "{result}");
    }
}

#[test]
fn every_access_unit_is_decoded_and_answered() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), 150, 30);
    let worker = Worker::start(&["--processor", "frame-number", "--workers", "3"]);
    for extra in [&["--lanes", "data:3"][..], &["--encoding", "h264"]] {
        // The later of two --encoding counts.
        let arguments: Vec<&str> = match extra {
            ["--encoding", _] => extra.to_vec(),
            _ => [&SOURCE, extra].concat(),
        };
        let run = Run::new(worker.address(), input.to_str().unwrap(), &arguments);
        run.complete().assert_whole(150);
        assert_numbers(&run, 150);
        let third = &run.results()[2]["video_metadata"];
        assert_eq!(third["pts"], 66_666, "{third}");
        assert_eq!(third["declared_fps"], 30.0, "{third}");
    }
}

#[test]
fn a_worker_that_looks_at_no_pixels_counts_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), 300, 300);
    let worker = Worker::start(&["--processor", "none"]);
    let run = run(&worker, &input, &[]);
    run.complete().assert_whole(300);
    run.assert_each_frame_once(300);
}

#[test]
fn a_worker_that_is_killed_twice_begins_at_a_keyframe() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), FRAMES, GROUP);
    let processors = ["--processor", "frame-number", "--processor", "sleep:3ms"];
    let mut worker = Worker::start(&processors);
    let run = run(&worker, &input, &["--lanes", "data:2"]);
    let running = run.start();
    for results in [120, 400] {
        run.reached(results);
        worker = worker.killed_and_back();
    }
    let done = running.finish();
    done.assert_whole(FRAMES);
    assert!(done.summary["resumed"].as_u64() >= Some(2), "{done:?}");
    assert!(done.summary["repeated"].as_u64() > Some(0), "{done:?}");
    assert_numbers(&run, FRAMES);
}

#[test]
fn a_sender_that_is_killed_goes_on_from_a_keyframe() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), FRAMES, GROUP);
    let worker = Worker::start(&["--processor", "frame-number", "--processor", "sleep:3ms"]);
    let run = run(&worker, &input, &[]);
    for results in [120, 400] {
        let running = run.start();
        run.reached(results);
        running.kill();
    }
    let done = run.complete();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["resumed"], 1, "{done:?}");
    assert_numbers(&run, FRAMES);
}

#[test]
fn both_are_killed_and_the_second_run_loses_its_worker_too() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), FRAMES, GROUP);
    let processors = ["--processor", "frame-number", "--processor", "sleep:3ms"];
    let worker = Worker::start(&processors);
    let run = run(&worker, &input, &[]);
    let running = run.start();
    run.reached(200);
    running.kill();
    let worker = worker.killed_and_back();
    let running = run.start();
    run.reached(350);
    let _worker = worker.killed_and_back();
    running.finish().assert_whole(FRAMES);
    assert_numbers(&run, FRAMES);
}

/// The decode thread waits for units again and again, and a cut takes some of them away.
#[test]
fn a_long_path_that_loses_and_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), FRAMES, GROUP);
    let worker = Worker::start(&["--processor", "frame-number"]);
    let long = LinkConfig {
        delay: Duration::from_millis(25),
        loss: 0.01,
        ..LinkConfig::datagrams()
    };
    let address = worker.address().strip_prefix("http://").unwrap();
    let link = BadLink::to_http(address.parse().unwrap(), BadLinkConfig::both(long)).unwrap();
    let to = format!("http://{}", link.address());
    let run = Run::new(&to, input.to_str().unwrap(), &SOURCE);
    let running = run.start();
    run.reached(100);
    link.control()
        .cut_for(Ways::Both, Duration::from_secs(3), true);
    running.finish().assert_whole(FRAMES);
    assert_numbers(&run, FRAMES);
}

#[test]
fn an_interrupted_sender_ends_with_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let input = clip(dir.path(), FRAMES, 50);
    let worker = Worker::start(&["--processor", "frame-number", "--processor", "sleep:3ms"]);
    let run = run(&worker, &input, &[]);
    let running = run.start();
    run.reached(60);
    running.signal("INT");
    let stopped = running.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    let frames = stopped.summary["frames"].as_u64().unwrap();
    assert_eq!(stopped.summary["results"], frames, "{stopped:?}");
    assert_eq!(frames % 50, 0, "{stopped:?}");
    assert!(frames < FRAMES);
    run.complete().assert_whole(FRAMES);
    assert_numbers(&run, FRAMES);
}

#[test]
fn a_damaged_access_unit_has_an_error_for_its_result() {
    let dir = tempfile::tempdir().unwrap();
    let mut mux = Mux::h264(&encode_pattern(SIZE, 60, 20));
    mux.samples[27].data[0] = 0x7f;
    let input = dir.path().join("damaged.mp4");
    std::fs::write(&input, mux.write()).unwrap();
    let worker = Worker::start(&["--processor", "frame-number"]);
    let run = run(&worker, &input, &[]);
    let done = run.complete();
    done.assert_whole(60);
    assert!(
        (1..=13).contains(&done.summary["errors"].as_u64().unwrap()),
        "{done:?}"
    );
    run.assert_each_frame_once(60);
    let results = run.results();
    assert!(results[27]["errors"].to_string().contains("decode: "));
    for at in (0..27).chain(40..60) {
        assert_eq!(results[at]["errors"], serde_json::json!([]), "{at}");
    }
}

#[test]
fn what_has_no_access_units_is_told_how_it_can_be_sent() {
    for (extra, code, said) in [
        (&["--input", "test:?frames=3"][..], 1, "generated pattern"),
        (&["--input", "opaque:?frames=3"], 1, "for measuring"),
        (
            &["--input", "test:", "--mode", "realtime"],
            2,
            "every-frame",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_frame-sender"))
            .args(["--to", "http://127.0.0.1:9", "--encoding", "source"])
            .args(extra)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(
            stderr.contains(said) && stderr.contains("--encoding jpeg"),
            "{stderr}"
        );
    }
}

fn hash(result: &Value) -> u64 {
    let hash = &result["serialized_output_data"]["dhash"]["hash"];
    u64::from_str_radix(hash.as_str().unwrap(), 16).unwrap()
}

/// The same frames at the same times with the same findings, but for what JPEG adds.
fn assert_alike(source: &Run, jpeg: &Run) {
    for (ours, theirs) in source.results().iter().zip(&jpeg.results()) {
        for field in ["frame_id", "pts", "declared_fps"] {
            let of = |result: &Value| result["video_metadata"][field].clone();
            assert_eq!(of(ours), of(theirs), "{field}");
        }
        let distance = (hash(ours) ^ hash(theirs)).count_ones();
        assert!(distance <= 6, "{distance}: {ours} {theirs}");
        for (field, most) in [("luma_mean", 0.5), ("motion", 1.0)] {
            let of = |result: &Value| result["serialized_output_data"]["stats"][field].as_f64();
            let apart = of(ours).unwrap_or(0.0) - of(theirs).unwrap_or(0.0);
            assert!(apart.abs() < most, "{field}: {ours} {theirs}");
        }
    }
}

#[test]
fn real_clips_give_the_results_of_jpegs_for_a_fifth_of_the_bytes() {
    let Some(media) = support::media() else {
        return;
    };
    let mut bytes = [0, 0];
    for (name, frames) in [("car-detection.mp4", 377), ("bottle-detection.mp4", 1189)] {
        let worker = Worker::start(&["--processor", "stats", "--processor", "dhash"]);
        let input = media.join(name);
        let runs = [
            run(&worker, &input, &[]),
            Run::new(worker.address(), input.to_str().unwrap(), &[]),
        ];
        for (run, bytes) in runs.iter().zip(&mut bytes) {
            let done = run.complete();
            done.assert_whole(frames);
            run.assert_each_frame_once(frames);
            *bytes += done.summary["bytes"].as_u64().unwrap();
        }
        assert_alike(&runs[0], &runs[1]);
    }
    assert!(bytes[0] * 5 <= bytes[1], "{bytes:?}");
}

/// The clip is High profile with B-frames: frames travel in another order than that of their results.
#[test]
fn reordered_frames_survive_killed_workers_and_senders() {
    let Some(media) = support::media() else {
        return;
    };
    let input = media.join("bottle-detection.mp4");
    let mut worker = Worker::start(&["--processor", "dhash"]);
    let whole = run(&worker, &input, &[]);
    whole.complete().assert_whole(1189);
    let cut = run(&worker, &input, &[]);
    for results in [150, 330] {
        let running = cut.start();
        cut.reached(results);
        worker = worker.killed_and_back();
        cut.reached(results + 90);
        running.kill();
    }
    cut.complete().assert_whole(1189);
    cut.assert_each_frame_once(1189);
    for (ours, theirs) in cut.results().iter().zip(&whole.results()) {
        assert_eq!(hash(ours), hash(theirs), "{ours} {theirs}");
    }
}
