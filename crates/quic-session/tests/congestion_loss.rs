//! Loss without a queue: a transfer goes on at speed, where CUBIC all but stops.

#![allow(clippy::unwrap_used)]

mod bottleneck;

use std::time::Duration;

use bottleneck::{Flow, Loss, Scene, Source};
use quic_session::CongestionControl::{self, Cubic, Fair};

const RTT: Duration = Duration::from_millis(50);

/// MB/s of this many bytes, the handshake included; no more than a minute.
fn transfer(control: CongestionControl, scene: Scene, bytes: u64) -> f64 {
    let limit = Duration::from_secs(60);
    let flow = Flow::Quic(control, Source::bulk(bytes));
    let outcome = scene.flow(Duration::ZERO, flow).run(limit).remove(0);
    match outcome.finished {
        Some(at) => bytes as f64 / at.as_secs_f64() / 1e6,
        None => outcome.goodput(Duration::ZERO, limit) / 1e6,
    }
}

fn open(loss: Loss) -> Scene {
    Scene::open(RTT, loss)
}

#[test]
fn the_model_is_believable_cubic_collapses_at_one_percent() {
    let clean = transfer(Cubic, open(Loss::Random(0.0)), 100_000_000);
    let lossy = transfer(Cubic, open(Loss::Random(0.01)), 100_000_000);
    assert!(clean > 50.0, "{clean:.1} MB/s");
    assert!(lossy < 0.5, "{lossy:.1} MB/s");
}

#[test]
fn random_loss_costs_little() {
    for (loss, least) in [(0.0, 75.0), (0.01, 70.0), (0.05, 60.0), (0.15, 35.0)] {
        for seed in if loss > 0.1 { 1..=3 } else { 1..=1 } {
            let rate = transfer(Fair, open(Loss::Random(loss)).seed(seed), 200_000_000);
            assert!(rate >= least, "{loss}, seed {seed}: {rate:.1} MB/s");
        }
    }
}

#[test]
fn bursts_of_loss_do_not_stop_it() {
    for (mean, least) in [(0.01, 55.0), (0.05, 35.0), (0.15, 20.0)] {
        // One draw of bursts may look like a policer for a while (docs/congestion.md): the middle one of five counts.
        let mut rates = [1, 2, 3, 4, 5].map(|seed| {
            let loss = Loss::Burst { mean, spell: 20.0 };
            transfer(Fair, open(loss).seed(seed), 100_000_000)
        });
        rates.sort_by(f64::total_cmp);
        assert!(rates[2] >= least, "{mean}: {rates:.1?} MB/s");
        assert!(rates[0] >= least / 2.0, "{mean}: {rates:.1?} MB/s");
    }
}

#[test]
fn reordering_that_looks_like_loss_costs_nothing() {
    let mut scene = open(Loss::Random(0.0));
    scene.forward.reorder = (0.02, Duration::from_millis(5));
    let rate = transfer(Fair, scene, 100_000_000);
    assert!(rate >= 60.0, "{rate:.1} MB/s");
}

#[test]
fn a_bottleneck_that_also_loses_is_kept_busy() {
    for queue in [0.25, 0.5, 1.0, 4.0] {
        for (loss, least) in [(0.01, 17.0), (0.05, 15.0)] {
            let flow = Flow::Quic(Fair, Source::bulk(200_000_000));
            let outcome = Scene::bottleneck(20e6, RTT, queue)
                .loss(Loss::Random(loss))
                .flow(Duration::ZERO, flow)
                .run(Duration::from_secs(40))
                .remove(0);
            let rate = outcome.goodput(Duration::from_secs(5), Duration::from_secs(40)) * 8.0 / 1e6;
            assert!(
                rate >= least,
                "queue {queue}, loss {loss}: {rate:.1} Mbit/s"
            );
        }
    }
}
