//! Both real binaries with a bad network between them: delay, loss, duplication, reordering, cuts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Run, Worker};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, Ways};

/// A bad network in front of a worker.
fn between(worker: &Worker, way: LinkConfig) -> BadLink {
    let http: SocketAddr = worker
        .address()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    BadLink::to_http(http, BadLinkConfig::both(way)).unwrap()
}

fn through(link: &BadLink, input: &str, extra: &[&str]) -> Run {
    Run::new(&format!("http://{}", link.address()), input, extra)
}

#[test]
fn loss_duplication_and_reordering() {
    let worker = Worker::start(&["--processor", "none"]);
    let way = LinkConfig {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
        loss: 0.02,
        duplication: 0.02,
        reordering: 0.02,
        ..LinkConfig::datagrams()
    };
    let link = between(&worker, way);
    let run = through(
        &link,
        "opaque:?bytes=10000&frames=300",
        &["--lanes", "data:4"],
    );
    run.complete().assert_whole(300);
    run.assert_each_frame_once(300);
    let stats = link.control().stats();
    assert!(stats.up.lost > 0 && stats.up.duplicated > 0, "{stats:?}");
}

#[test]
fn cuts_short_and_long() {
    let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "1"]);
    let way = LinkConfig {
        delay: Duration::from_millis(10),
        ..LinkConfig::datagrams()
    };
    let link = between(&worker, way);
    let run = through(
        &link,
        "opaque:?bytes=20000&frames=1000",
        &["--lanes", "data:2"],
    );
    let running = run.start();
    for (results, seconds, http_too) in [(100, 1, false), (300, 4, false), (500, 3, true)] {
        run.reached(results);
        let cut = Duration::from_secs(seconds);
        link.control().cut_for(Ways::Both, cut, http_too);
    }
    let done = running.finish();
    done.assert_whole(1000);
    assert!(done.summary["resumed"].as_u64() >= Some(2), "{done:?}");
    assert!(link.control().stats().up.dropped_cut > 0);
    run.assert_each_frame_once(1000);
}
