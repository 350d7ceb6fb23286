//! The promise holds on every kind of lane: the path is cut, the worker is killed, the sender is killed, and each frame has
//! exactly one result, in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{Done, Run, Worker};
use testkit::LinkConfig;
use testkit::driver::{BadLinkStats, Ways};

const FRAMES: u64 = 1_200;
const INPUT: &str = "opaque:?bytes=20000&frames=1200";

fn path() -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(2),
        loss: 0.002,
        ..LinkConfig::datagrams()
    }
}

/// Everything that can die does, while the frames are under way.
fn survives(lanes: &str) -> (Done, BadLinkStats) {
    let mut worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let link = worker.behind(path());
    let run = Run::through(&link, INPUT, &["--lanes", lanes]);
    let cut = |ms, http_too| {
        let lasting = Duration::from_millis(ms);
        link.control().cut_for(Ways::Both, lasting, http_too);
    };
    let running = run.start();
    run.reached(100);
    cut(700, true);
    run.reached(250);
    worker = worker.killed_and_back();
    run.reached(400);
    cut(3_000, true);
    run.reached(550);
    running.kill();
    let running = run.start();
    run.reached(700);
    // Nobody answers, nor does the path when they do again.
    let _worker = worker.killed_and_back();
    cut(1_500, true);
    run.reached(850);
    // Datagrams alone: one way, then both.
    let control = link.control();
    control.cut_for(Ways::Down, Duration::from_secs(1), false);
    run.reached(1_000);
    cut(1_200, false);
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert!(done.summary["resumed"].as_u64() >= Some(2), "{done:?}");
    (done, link.control().stats())
}

#[test]
fn one_data_channel_lane() {
    let (done, _) = survives("data:1");
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
}

#[test]
fn four_data_channel_lanes() {
    let (done, _) = survives("data:4");
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
}

#[test]
fn quic() {
    let (done, stats) = survives("quic");
    assert_eq!(done.summary["carrier"], "quic", "{done:?}");
    assert!(stats.up.lost > 0, "{stats:?}");
}

#[test]
fn a_websocket() {
    let (done, stats) = survives("websocket");
    assert_eq!(done.summary["carrier"], "websocket", "{done:?}");
    // One at the start, and one after each death of the connection.
    assert!(stats.upgrades >= 5, "{stats:?}");
}

#[test]
fn whatever_works_best() {
    survives("auto");
}

/// No UDP passes at all: a WebSocket is found, and survives the same.
#[test]
fn a_websocket_where_no_udp_passes() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let link = worker.behind(path());
    let nothing_passes = LinkConfig {
        loss: 1.0,
        ..path()
    };
    link.control().set(Ways::Both, nothing_passes);
    let run = Run::through(&link, INPUT, &[]);
    let running = run.start();
    run.reached(200);
    let lasting = Duration::from_secs(2);
    link.control().cut_for(Ways::Both, lasting, true);
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert_eq!(done.summary["carrier"], "websocket", "{done:?}");
    assert!(link.control().stats().upgrades >= 2, "{done:?}");
}
