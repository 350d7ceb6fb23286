//! A path that changes, and a sender that has nothing to send.

#![allow(clippy::unwrap_used)]

mod bottleneck;

use std::time::Duration;

use bottleneck::{Change, Flow, Loss, Outcome, Scene, Source};
use quic_session::CongestionControl::Fair;

const RTT: Duration = Duration::from_millis(50);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn run(scene: Scene, source: Source, until: Duration) -> Outcome {
    scene
        .flow(Duration::ZERO, Flow::Quic(Fair, source))
        .run(until)
        .remove(0)
}

/// Mbit/s in a span of seconds.
fn mbps(outcome: &Outcome, from: u64, to: u64) -> f64 {
    outcome.goodput(secs(from), secs(to)) * 8.0 / 1e6
}

#[test]
fn a_faster_path_is_used_soon_and_a_slower_one_is_not_flooded() {
    let mut scene = Scene::bottleneck(20e6, RTT, 1.0);
    scene.forward.changes = vec![(secs(10), Change::Rate(100e6 / 8.0))];
    let faster = run(scene, Source::bulk(600_000_000), secs(20));
    let rate = mbps(&faster, 12, 20);
    assert!(rate > 75.0, "{rate:.1} Mbit/s");

    let mut scene = Scene::bottleneck(100e6, RTT, 1.0);
    scene.forward.changes = vec![(secs(10), Change::Rate(20e6 / 8.0))];
    let slower = run(scene, Source::bulk(600_000_000), secs(20));
    let rate = mbps(&slower, 12, 20);
    assert!(rate > 14.0, "{rate:.1} Mbit/s");
    assert!(slower.drop_ratio < 0.03, "{:.3} dropped", slower.drop_ratio);
}

#[test]
fn a_longer_path_is_not_taken_for_a_queue_for_long() {
    for loss in [0.0, 0.01, 0.05] {
        let mut scene = Scene::open(RTT, Loss::Random(loss));
        // The processor sends 24 MB/s.
        scene.cpu = Duration::from_micros(60);
        scene.forward.changes = vec![(secs(3), Change::Delay(Duration::from_millis(125)))];
        let outcome = run(scene, Source::bulk(400_000_000), secs(12));
        let rate = mbps(&outcome, 9, 12) / 8.0;
        assert!(rate > 19.0, "loss {loss}: {rate:.1} MB/s");
    }
}

#[test]
fn a_shorter_path_is_used_as_well() {
    let mut scene = Scene::bottleneck(20e6, Duration::from_millis(150), 1.0);
    scene.forward.changes = vec![(secs(10), Change::Delay(Duration::from_millis(5)))];
    let outcome = run(scene, Source::bulk(200_000_000), secs(20));
    let rate = mbps(&outcome, 12, 20);
    assert!(rate > 16.0, "{rate:.1} Mbit/s");
}

#[test]
fn frames_arrive_young_though_they_do_not_fill_the_window() {
    let limits = [(0.0, 40), (0.01, 90), (0.05, 150), (0.15, 250)];
    for (loss, most) in limits {
        let source = Source::frames(100_000, Duration::from_micros(33_333), 600);
        let outcome = run(Scene::open(RTT, Loss::Random(loss)), source, secs(40));
        assert_eq!(outcome.ages.len(), 600);
        let age = outcome.age(0.95);
        assert!(age <= Duration::from_millis(most), "loss {loss}: {age:?}");
    }
}

#[test]
fn a_silent_sender_neither_loses_its_window_nor_inflates_it() {
    let source = Source::bursts(&[
        (Duration::ZERO, 20_000_000),
        (secs(5), 100_000),
        (secs(10), 100_000),
        (secs(20), 20_000_000),
    ]);
    let outcome = run(Scene::open(RTT, Loss::Random(0.01)), source, secs(25));
    let (before, after) = (outcome.window(secs(4)), outcome.window(secs(19)));
    assert!(
        after <= before && after * 10 >= before * 7,
        "{before} B, then {after} B"
    );
    // The second burst finds the window that the first one made.
    let first = outcome.ages[199];
    let second = *outcome.ages.last().unwrap();
    assert!(second < first, "{first:?}, then {second:?}");
}

#[test]
fn a_sender_of_little_does_not_grow_a_window_it_does_not_use() {
    let source = Source::frames(20_000, Duration::from_millis(100), 300);
    let outcome = run(Scene::open(RTT, Loss::Random(0.0)), source, secs(40));
    let window = outcome.window(secs(30));
    // Five times that, what the last round of growth added, and the first window is 93 kB.
    assert!(window <= 150_000, "{window} B for 20 kB in flight");
}
