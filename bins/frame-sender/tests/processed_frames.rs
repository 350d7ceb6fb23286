//! Processed frames come back beside the results, each once, whatever dies meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use support::{Run, Worker};

const INPUT: &str = "test:?size=320x180&fps=30&frames=200";

/// The folder's pictures are a video again, whose frames carry the numbers that they had.
fn assert_pictures(worker: &Worker, folder: &Path, frames: u64) {
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files as u64, frames);
    let again = Run::new(worker.address(), folder.to_str().unwrap(), &[]);
    again.complete().assert_whole(frames);
    for (index, result) in again.results().iter().enumerate() {
        let found = &result["serialized_output_data"]["frame-number"]["number"];
        assert_eq!(found, index as u64, "{result}");
    }
}

#[test]
fn both_the_results_and_the_frames() {
    let worker = Worker::start(&["--processor", "frame-number", "--workers", "2"]);
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("made/here");
    let to = pictures.to_str().unwrap();
    let extra = ["--output", "both", "--pictures", to, "--lanes", "data:3"];
    let run = Run::new(worker.address(), INPUT, &extra);
    let done = run.complete();
    done.assert_whole(200);
    assert_eq!(done.summary["pictures"], 200, "{done:?}");
    run.assert_each_frame_once(200);
    for (entry, result) in run.ledger().iter().zip(run.results()) {
        let file = pictures.join(format!("{:08}.jpg", entry["frame"].as_u64().unwrap()));
        assert_eq!(entry["picture_bytes"], file.metadata().unwrap().len());
        assert!(result["serialized_output_data"]["frame-number"].is_object());
    }
    assert_pictures(&worker, &pictures, 200);
}

#[test]
fn the_frames_alone_of_raw_pixels() {
    let worker = Worker::start(&["--processor", "frame-number"]);
    let pictures = tempfile::tempdir().unwrap();
    let to = pictures.path().to_str().unwrap();
    let extra = ["--output", "video", "--pictures", to, "--encoding", "bgr"];
    let run = Run::new(
        worker.address(),
        "test:?size=160x90&fps=30&frames=30",
        &extra,
    );
    run.complete().assert_whole(30);
    for result in run.results() {
        assert_eq!(result["serialized_output_data"], serde_json::json!({}));
        assert_eq!(result["errors"], serde_json::json!([]));
    }
    assert_pictures(&worker, pictures.path(), 30);
}

#[test]
fn workers_and_senders_that_are_killed() {
    let arguments = ["--processor", "sleep:4ms", "--processor", "frame-number"];
    let mut worker = Worker::start(&arguments);
    let pictures = tempfile::tempdir().unwrap();
    let to = pictures.path().to_str().unwrap();
    let run = Run::new(
        worker.address(),
        INPUT,
        &["--output", "both", "--pictures", to, "--lanes", "data:2"],
    );
    let running = run.start();
    run.reached(30);
    worker = worker.killed_and_back();
    run.reached(80);
    running.kill();
    let running = run.start();
    run.reached(120);
    worker = worker.killed_and_back();
    let done = running.finish();
    done.assert_whole(200);
    assert_eq!(done.summary["pictures"], 200, "{done:?}");
    run.assert_each_frame_once(200);
    assert_pictures(&worker, pictures.path(), 200);
}

#[test]
fn what_is_no_picture_says_so_in_its_result() {
    let worker = Worker::start(&["--processor", "none"]);
    let run = Run::new(
        worker.address(),
        "opaque:?bytes=1000&frames=5",
        &["--output", "both"],
    );
    let done = run.complete();
    done.assert_whole(5);
    assert_eq!(done.summary["pictures"], 0, "{done:?}");
    assert_eq!(done.summary["errors"], 5, "{done:?}");
    let error = run.results()[4]["errors"][0].to_string();
    assert!(error.contains("the frame is no picture"), "{error}");
}

#[test]
fn a_folder_without_frames_for_it_is_bad_usage() {
    let worker = Worker::start(&["--processor", "none"]);
    let run = Run::new(worker.address(), INPUT, &["--pictures", "/tmp"]);
    let done = run.complete();
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("--output both"), "{done:?}");
}

#[test]
fn another_video_under_the_same_name_is_not_gone_on_with() {
    let worker = Worker::start(&["--processor", "sleep:10ms"]);
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("video.mjpeg");
    let jpegs = |pattern: &str| {
        let pictures = tempfile::tempdir().unwrap();
        let to = pictures.path().to_str().unwrap();
        let made = Run::new(
            worker.address(),
            pattern,
            &["--output", "video", "--pictures", to],
        );
        made.complete().assert_whole(60);
        let mut files: Vec<_> = std::fs::read_dir(pictures.path()).unwrap().collect();
        files.sort_by_key(|file| file.as_ref().unwrap().file_name());
        let bytes = files
            .iter()
            .flat_map(|file| std::fs::read(file.as_ref().unwrap().path()).unwrap());
        bytes.collect::<Vec<u8>>()
    };
    let one = jpegs("test:?size=160x90&fps=30&frames=60");
    let other = jpegs("test:?size=176x96&fps=30&frames=60");
    std::fs::write(&video, one).unwrap();
    let run = Run::new(worker.address(), video.to_str().unwrap(), &[]);
    let running = run.start();
    run.reached(10);
    running.kill();
    std::fs::write(&video, other).unwrap();
    let done = run.complete();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("the video has changed"), "{done:?}");
}
