//! Both real binaries on machines of their own, as far as the kernel can pretend: cables pulled, ports blocked by a router,
//! the sender's address changed. Needs root; without it the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/netns.rs"]
mod netns;
mod support;

use std::time::Duration;

use netns::{Namespaces, SENDER, WORKER};
use support::{DEADLINE, Run, Worker, metric_in};
use testkit::driver::wait_until;

const FRAMES: u64 = 1_500;
const INPUT: &str = "opaque:?bytes=20000&frames=1500";
const HTTP: u16 = 8090;
const QUIC: u16 = 4433;
const MIGRATIONS: &str = "frameway_worker_quic_migrations_total";
const SESSIONS: &str = "frameway_worker_quic_sessions_started_total";

/// A worker on the far machine; its ports are its own.
fn worker(net: &Namespaces) -> Worker {
    worker_that(net, "sleep:4ms")
}

fn worker_that(net: &Namespaces, processor: &str) -> Worker {
    let at = |port: u16| format!("{WORKER}:{port}");
    let (udp, quic) = (at(0), at(QUIC));
    let arguments = [
        "--processor",
        processor,
        "--workers",
        "1",
        "--insecure",
        "--udp",
        &udp,
        "--quic",
        &quic,
    ];
    Worker::start_within(&net.worker, &at(HTTP), &arguments)
}

fn run(net: &Namespaces, worker: &Worker, extra: &[&str]) -> Run {
    Run::new(worker.address(), INPUT, extra).within(&net.sender)
}

/// What is under test is how long it lasts.
fn for_a_while(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

#[test]
fn a_cable_that_is_pulled_and_plugged_in_again() {
    for lanes in ["quic", "data:2", "websocket", "auto"] {
        let Some(net) = Namespaces::new() else {
            return;
        };
        net.impair();
        let worker = worker(&net);
        let run = run(&net, &worker, &["--lanes", lanes]);
        let running = run.start();
        for (results, seconds) in [(200, 1), (600, 4)] {
            run.reached(results);
            net.plug(false);
            for_a_while(seconds);
            net.plug(true);
        }
        running.finish().assert_whole(FRAMES);
        run.assert_each_frame_once(FRAMES);
    }
}

#[test]
fn a_port_that_a_router_blocks_in_mid_stream_and_opens_again() {
    let Some(mut net) = Namespaces::new() else {
        return;
    };
    net.impair();
    // So slow that it is tried again before the end.
    let worker = worker_that(&net, "sleep:8ms");
    let run = run(&net, &worker, &[]);
    let running = run.start();
    run.reached(150);
    net.block_udp(QUIC);
    run.reached(700);
    net.unblock_udp();
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    // To data channels and back.
    let changes = done.summary["carrier_changes"].as_u64();
    assert!(changes >= Some(2), "{done:?}");
    assert_eq!(done.summary["carrier"], "quic", "{done:?}");
}

#[test]
fn a_port_that_a_router_blocks_from_the_start() {
    let Some(mut net) = Namespaces::new() else {
        return;
    };
    net.block_udp(QUIC);
    let worker = worker(&net);
    let run = run(&net, &worker, &[]);
    let done = run.complete();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    assert_eq!(done.summary["carrier"], "data", "{done:?}");
    assert_eq!(done.summary["carrier_changes"], 0, "{done:?}");
    let metrics = net.ask_worker(HTTP, "/metrics");
    assert_eq!(metric_in(&metrics, SESSIONS), 0);
}

#[test]
fn a_sender_that_gets_another_address_keeps_its_quic_lane() {
    let Some(net) = Namespaces::new() else {
        return;
    };
    net.impair();
    let worker = worker(&net);
    let run = run(&net, &worker, &["--lanes", "quic"]);
    let running = run.start();
    let [first, second] = SENDER;
    for (moves, results, from, to) in [(1, 200, first, second), (2, 700, second, first)] {
        run.reached(results);
        net.move_sender(from, to);
        let moved = || metric_in(&net.ask_worker(HTTP, "/metrics"), MIGRATIONS) >= moves;
        assert!(wait_until(DEADLINE, moved), "it was not seen to move");
    }
    let in_time = run.results_written() < FRAMES as usize;
    assert!(in_time, "it moves in mid-stream");
    let done = running.finish();
    done.assert_whole(FRAMES);
    run.assert_each_frame_once(FRAMES);
    let metrics = net.ask_worker(HTTP, "/metrics");
    assert_eq!(metric_in(&metrics, SESSIONS), 1, "{done:?}");
    assert_eq!(done.summary["resumed"], 0, "{done:?}");
    assert_eq!(done.summary["repeated"], 0, "{done:?}");
}

#[test]
fn a_sender_that_gets_another_address_loses_nothing_whatever_carries() {
    for lanes in ["data:2", "websocket", "auto"] {
        let Some(net) = Namespaces::new() else {
            return;
        };
        let worker = worker(&net);
        let run = run(&net, &worker, &["--lanes", lanes]);
        let running = run.start();
        run.reached(300);
        net.move_sender(SENDER[0], SENDER[1]);
        running.finish().assert_whole(FRAMES);
        run.assert_each_frame_once(FRAMES);
    }
}
