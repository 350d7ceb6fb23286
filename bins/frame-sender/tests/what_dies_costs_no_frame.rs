//! Workers that are killed, senders that are killed, both while frames are under way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{DEADLINE, Run, Worker};
use testkit::driver::wait_until;

const FRAMES: u64 = 1_500;

fn input() -> String {
    format!("opaque:?bytes=20000&frames={FRAMES}")
}

#[test]
fn a_worker_that_is_killed_twice() {
    let mut worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), &input(), &["--lanes", "data:2"]);
    let running = run.start();
    for results in [200, 700] {
        run.reached(results);
        worker = worker.killed_and_back();
    }
    let done = running.finish();
    done.assert_whole(FRAMES);
    assert!(done.summary["resumed"].as_u64() >= Some(2), "{done:?}");
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn a_sender_that_is_killed_goes_on_where_it_was() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), &input(), &[]);
    for results in [100, 400] {
        let running = run.start();
        run.reached(results);
        running.kill();
    }
    let done = run.complete();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["resumed"], 1, "{done:?}");
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn a_worker_that_hangs_for_a_while() {
    let worker = Worker::start(&["--processor", "none"]);
    let run = Run::new(worker.address(), "opaque:?bytes=100000&frames=4000", &[]);
    let running = run.start();
    run.reached(50);
    worker.signal("STOP");
    // Whatever is done meanwhile, nothing may be given up: it is as a cut of three seconds.
    std::thread::sleep(std::time::Duration::from_secs(3));
    worker.signal("CONT");
    running.finish().assert_whole(4000);
    run.assert_each_frame_once(4000);
}

#[test]
fn an_interrupted_sender_finishes_what_is_under_way_and_can_go_on() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), &input(), &[]);
    let running = run.start();
    run.reached(100);
    running.signal("INT");
    let stopped = running.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.stderr.contains("goes on from there"), "{stopped:?}");
    let frames = stopped.summary["frames"].as_u64().unwrap();
    assert_eq!(stopped.summary["results"], frames, "{stopped:?}");
    assert!(frames < FRAMES);
    run.complete().assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn an_interrupted_sender_does_not_wait_for_a_worker_that_is_away() {
    // Nobody has answered yet.
    let nobody = Run::new("http://127.0.0.1:9", "opaque:?bytes=1000&frames=10", &[]);
    let running = nobody.start();
    nobody.has_begun();
    running.signal("TERM");
    let stopped = running.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    let told = "stopped while the worker could not be reached";
    assert!(stopped.stderr.contains(told), "{stopped:?}");

    // In the middle of a run.
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), &input(), &[]);
    let running = run.start();
    run.reached(100);
    drop(worker);
    running.signal("TERM");
    let stopped = running.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.stderr.contains(told), "{stopped:?}");
    // Another worker at another address will do.
    let worker = Worker::start(&["--processor", "none"]);
    let run = run.to(worker.address());
    run.complete().assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn a_second_interrupt_ends_the_sender_as_a_failure() {
    let worker = Worker::start(&["--processor", "sleep:60s"]);
    let run = Run::new(worker.address(), "opaque:?bytes=1000&frames=10", &[]);
    let mut running = run.start();
    worker.metric_reaches("frameway_worker_frames_processing", 1);
    // Two that come at the same moment are one.
    let ended = wait_until(DEADLINE, || {
        running.has_ended() || {
            running.signal("INT");
            false
        }
    });
    assert!(ended);
    let stopped = running.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
}
