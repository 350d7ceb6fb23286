//! QUIC carries the frames where it passes, with the same promise, and data channels where it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{Run, Worker};
use testkit::LinkConfig;
use testkit::driver::Ways;

const FRAMES: u64 = 1_500;

fn input() -> String {
    format!("opaque:?bytes=20000&frames={FRAMES}")
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
#[allow(clippy::print_stderr)]
fn a_worker_at_an_ipv6_address_is_reached_by_each_kind_of_lane() {
    if let Err(why) = std::net::UdpSocket::bind("[::1]:0") {
        eprintln!("skipped: no IPv6 here: {why}");
        return;
    }
    let worker = Worker::start_on("[::1]:0", &["--processor", "none"]);
    for (lanes, carrier) in [
        ("quic", "quic"),
        ("data:1", "data"),
        ("websocket", "websocket"),
    ] {
        let input = "opaque:?bytes=20000&frames=50";
        let run = Run::new(worker.address(), input, &["--lanes", lanes]);
        let done = run.complete();
        done.assert_whole(50);
        assert_eq!(done.summary["carrier"], carrier, "{done:?}");
    }
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
    let link = worker.behind(LinkConfig::datagrams());
    let run = Run::through(&link, &input(), &["--lanes", "quic"]);
    let running = run.start();
    for results in [200, 600, 1000] {
        run.reached(results);
        let lasting = Duration::from_millis(1500);
        link.control().cut_for(Ways::Both, lasting, true);
    }
    running.finish().assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
}

#[test]
fn where_its_port_is_blocked_data_channels_take_over_and_it_comes_back() {
    let worker = Worker::start(&["--processor", "sleep:6ms", "--workers", "1"]);
    let link = worker.behind(LinkConfig::datagrams());
    let run = Run::through(&link, &input(), &[]);
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

/// Where in the log that is said first.
fn said_at(log: &str, what: &[&str]) -> usize {
    let mut lines = log.lines();
    let at = lines.position(|line| what.iter().all(|it| line.contains(it)));
    at.unwrap_or_else(|| panic!("{what:?} is nowhere in {log}"))
}

/// A path on which `auto` opens eight peer connections where QUIC is blocked.
fn long_path() -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::datagrams()
    }
}

#[test]
fn blocked_from_the_start_it_holds_nothing_up() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "1"]);
    let link = worker.behind(long_path());
    link.control().block_webtransport(true);
    let run = Run::through(&link, &input(), &[]).logging("stream_service=debug");
    let done = run.complete();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
    assert_eq!(done.summary["carrier_changes"], 0, "{done:?}");
    assert_eq!(done.summary["lanes_opened"], 8, "{done:?}");
    assert!(link.control().stats().blocked > 0, "{done:?}");
    // Data channels carried before QUIC's time was over.
    let carried = said_at(&done.stderr, &["carries the frames", "Data", "First"]);
    let given_up = said_at(&done.stderr, &["lane not open yet", "number=16"]);
    assert!(carried < given_up, "{}", done.stderr);
}

#[test]
fn where_it_passes_a_long_path_gets_no_more_data_channels() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "1"]);
    let link = worker.behind(long_path());
    let done = Run::through(&link, &input(), &[]).complete();
    done.assert_whole(FRAMES);
    assert_eq!(done.summary["carrier"], "quic", "{done:?}");
    assert_eq!(done.summary["lanes_opened"], 2, "{done:?}");
}

#[test]
fn a_cut_while_it_is_blocked_costs_no_frame() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "1"]);
    let link = worker.behind(long_path());
    link.control().block_webtransport(true);
    let run = Run::through(&link, &input(), &[]);
    let running = run.start();
    for (results, http_too) in [(200, false), (700, true)] {
        run.reached(results);
        let lasting = Duration::from_millis(3500);
        link.control().cut_for(Ways::Both, lasting, http_too);
    }
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert!(done.summary["resumed"].as_u64() >= Some(1), "{done:?}");
    let stats = link.control().stats();
    assert!(stats.blocked > 0 && stats.up.dropped_cut > 0, "{stats:?}");
}

#[test]
fn a_client_that_moves_keeps_its_lane() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "1"]);
    let link = worker.behind(LinkConfig::datagrams());
    let run = Run::through(&link, &input(), &["--lanes", "quic"]);
    let running = run.start();
    for (moves, results) in (1..).zip([200, 600, 1000]) {
        run.reached(results);
        link.control().move_clients();
        worker.metric_reaches("frameway_worker_quic_migrations_total", moves);
    }
    assert!(
        run.results_written() < FRAMES as usize,
        "it moves in mid-stream"
    );
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    // One session all along, and nothing was sent again by another.
    assert_eq!(
        worker.metric("frameway_worker_quic_sessions_started_total"),
        1
    );
    assert_eq!(done.summary["resumed"], 0, "{done:?}");
    assert_eq!(done.summary["repeated"], 0, "{done:?}");
}

#[test]
fn a_client_that_moves_loses_nothing_whatever_carries() {
    for lanes in ["auto", "data:2"] {
        let worker = Worker::start(&["--processor", "sleep:2ms", "--workers", "1"]);
        let link = worker.behind(LinkConfig::datagrams());
        let run = Run::through(&link, &input(), &["--lanes", lanes]);
        let running = run.start();
        run.reached(300);
        link.control().move_clients();
        running.finish().assert_whole(FRAMES);
        run.assert_each_frame_once(FRAMES);
    }
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
