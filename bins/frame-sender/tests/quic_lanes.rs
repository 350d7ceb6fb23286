//! QUIC carries the frames where it passes, with the same promise, and data channels where it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;

use support::{Run, Worker};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, Ways};

const FRAMES: u64 = 1_500;

fn input() -> String {
    format!("opaque:?bytes=20000&frames={FRAMES}")
}

fn link_to(worker: &Worker, config: LinkConfig) -> BadLink {
    let server = worker.address().strip_prefix("http://").unwrap();
    let server: SocketAddr = server.parse().unwrap();
    BadLink::to_http(server, BadLinkConfig::both(config)).unwrap()
}

#[test]
fn every_frame_through_deaths_of_both_ends() {
    let mut worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let run = Run::new(worker.address(), &input(), &["--lanes", "quic"]);
    let running = run.start();
    run.reached(200);
    worker = worker.killed_and_back();
    run.reached(500);
    running.kill();
    let running = run.start();
    run.reached(800);
    let _worker = worker.killed_and_back();
    let done = running.finish();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["carrier"], "quic", "{done:?}");
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn pictures_come_back_by_it_too() {
    let worker = Worker::start(&["--processor", "frame-number"]);
    let input = "test:?size=320x180&fps=30&frames=60";
    let extra = ["--lanes", "quic", "--output", "both"];
    let run = Run::new(worker.address(), input, &extra);
    let done = run.complete();
    done.assert_whole(60);
    assert_eq!(done.summary["pictures"], 60, "{done:?}");
}

#[test]
fn cuts_cost_no_frame() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "2"]);
    let link = link_to(&worker, LinkConfig::datagrams());
    let to = format!("http://{}", link.address());
    let run = Run::new(&to, &input(), &["--lanes", "quic"]);
    let running = run.start();
    for results in [200, 600, 1000] {
        run.reached(results);
        let lasting = std::time::Duration::from_millis(1500);
        link.control().cut_for(Ways::Both, lasting, true);
    }
    running.finish().assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn where_its_port_is_blocked_data_channels_take_over_and_it_comes_back() {
    let worker = Worker::start(&["--processor", "sleep:6ms", "--workers", "1"]);
    let link = link_to(&worker, LinkConfig::datagrams());
    let to = format!("http://{}", link.address());
    let run = Run::new(&to, &input(), &[]);
    let running = run.start();
    run.reached(100);
    link.control().block_webtransport(true);
    run.reached(600);
    link.control().block_webtransport(false);
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert!(link.control().stats().blocked > 0, "{done:?}");
    // To data channels and back.
    assert!(
        done.summary["carrier_changes"].as_u64() >= Some(2),
        "{done:?}"
    );
    assert_eq!(done.summary["carrier"], "quic", "{done:?}");
}

#[test]
fn a_worker_without_it_is_sent_to_by_data_channels() {
    let worker = Worker::start(&["--processor", "none", "--no-quic"]);
    let run = Run::new(worker.address(), &input(), &[]);
    let done = run.complete();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
    let asked = Run::new(worker.address(), &input(), &["--lanes", "quic"]);
    let done = asked.complete();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("--quic"), "{done:?}");
}
