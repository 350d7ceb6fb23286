//! Where no UDP passes a WebSocket carries the frames, with the same promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Run, Worker};

const FRAMES: u64 = 1_000;
const INPUT: &str = "opaque:?bytes=20000&frames=1000";

#[test]
fn asked_for_it_carries_every_frame_through_deaths_of_both_ends() {
    let mut worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), INPUT, &["--lanes", "websocket"]);
    let running = run.start();
    run.reached(150);
    worker = worker.killed_and_back();
    run.reached(400);
    running.kill();
    let running = run.start();
    run.reached(600);
    let _worker = worker.killed_and_back();
    let done = running.finish();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["carrier"], "websocket", "{done:?}");
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn where_udp_leads_nowhere_auto_finds_it() {
    // An address of documentation (RFC 5737): nothing comes back from there.
    let worker = Worker::start(&[
        "--processor",
        "none",
        "--public-ip",
        "192.0.2.1",
        "--no-quic",
    ]);
    let run = Run::new(worker.address(), INPUT, &[]);
    let done = run.complete();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["carrier"], "websocket", "{done:?}");
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn results_and_pictures_come_back_by_it_too() {
    let worker = Worker::start(&["--processor", "frame-number"]);
    let run = Run::new(
        worker.address(),
        "test:?size=320x180&fps=30&frames=60",
        &["--lanes", "websocket", "--output", "both"],
    );
    let done = run.complete();
    done.assert_whole(60);
    assert_eq!(done.summary["pictures"], 60, "{done:?}");
    for (index, result) in run.results().iter().enumerate() {
        let number = &result["serialized_output_data"]["frame-number"]["number"];
        assert_eq!(number, index as u64, "{result}");
    }
}
