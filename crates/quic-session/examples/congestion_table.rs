//! Goodput and shares of fair, cubic and bbr over simulated paths: the tables of docs/congestion.md.
//!
//! `cargo run --release -p quic-session --example congestion_table [CONTROL]...`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/bottleneck/mod.rs"]
mod bottleneck;

use std::time::Duration;

use bottleneck::{Flow, Loss, Scene, Source};
use quic_session::CongestionControl;

const RTT: Duration = Duration::from_millis(50);

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// MB/s of a transfer that starts with the handshake.
fn transfer(control: CongestionControl, scene: Scene, bytes: u64) -> f64 {
    let limit = seconds(40);
    let outcome = scene
        .flow(Duration::ZERO, Flow::Quic(control, Source::bulk(bytes)))
        .run(limit)
        .remove(0);
    match outcome.finished {
        Some(at) => bytes as f64 / at.as_secs_f64() / 1e6,
        None => outcome.goodput(Duration::ZERO, limit) / 1e6,
    }
}

fn open_path(control: CongestionControl) {
    print!("{control:5} open path, RTT 50 ms, 200 MB, MB/s:");
    for loss in [0.0, 0.01, 0.05, 0.15] {
        let scene = Scene::open(RTT, Loss::Random(loss));
        print!(
            "  {:.0}%: {:.1}",
            loss * 100.0,
            transfer(control, scene, 200_000_000)
        );
    }
    let burst = Scene::open(
        RTT,
        Loss::Burst {
            mean: 0.05,
            spell: 20.0,
        },
    );
    print!("  bursts 5%: {:.1}", transfer(control, burst, 200_000_000));
    let mut reordered = Scene::open(RTT, Loss::Random(0.0));
    reordered.forward.reorder = (0.02, Duration::from_millis(5));
    println!(
        "  reordered 2%: {:.1}",
        transfer(control, reordered, 200_000_000)
    );
}

/// Mbit/s of each flow from the tenth second to the 60th.
fn share(scene: Scene) -> Vec<f64> {
    scene
        .run(seconds(60))
        .iter()
        .map(|outcome| outcome.goodput(seconds(10), seconds(60)) * 8.0 / 1e6)
        .collect()
}

fn bulk(control: CongestionControl) -> Flow {
    Flow::Quic(control, Source::bulk(200_000_000))
}

fn shared(control: CongestionControl) {
    let line = |scene: Scene| {
        let rates = share(scene);
        print!(
            "  {}",
            rates
                .iter()
                .map(|rate| format!("{rate:.1}"))
                .collect::<Vec<_>>()
                .join(":")
        );
    };
    for queue in [0.25, 0.5, 1.0, 2.0, 4.0] {
        let path = || Scene::bottleneck(20e6, RTT, queue);
        print!("{control:5} 20 Mbit/s, queue {queue} BDP, Mbit/s: beside TCP");
        line(
            path()
                .flow(seconds(0), bulk(control))
                .flow(seconds(0), Flow::Tcp),
        );
        print!("  TCP first");
        line(
            path()
                .flow(seconds(5), bulk(control))
                .flow(seconds(0), Flow::Tcp),
        );
        print!("  two");
        line(
            path()
                .flow(seconds(0), bulk(control))
                .flow(seconds(5), bulk(control)),
        );
        print!("  alone");
        line(path().flow(seconds(0), bulk(control)));
        print!("  1% loss");
        line(
            path()
                .loss(Loss::Random(0.01))
                .flow(seconds(0), bulk(control)),
        );
        print!("  5% loss");
        line(
            path()
                .loss(Loss::Random(0.05))
                .flow(seconds(0), bulk(control)),
        );
        println!();
    }
}

fn frames(control: CongestionControl) {
    print!("{control:5} open path, 30 frames/s of 100 kB, age p50/p95 in ms:");
    for loss in [0.0, 0.01, 0.05, 0.15] {
        let source = Source::frames(100_000, Duration::from_micros(33_333), 900);
        let outcome = Scene::open(RTT, Loss::Random(loss))
            .flow(Duration::ZERO, Flow::Quic(control, source))
            .run(seconds(60))
            .remove(0);
        let age = |share| outcome.age(share).as_secs_f64() * 1e3;
        print!("  {:.0}%: {:.0}/{:.0}", loss * 100.0, age(0.5), age(0.95));
    }
    println!();
}

fn policed(control: CongestionControl) {
    let mut scene = Scene::open(RTT, Loss::Random(0.0)).flow(Duration::ZERO, bulk(control));
    scene.forward.policer = Some((20e6 / 8.0, 30_000.0));
    let outcome = scene.run(seconds(60)).remove(0);
    let rate = outcome.goodput(seconds(10), seconds(60)) * 8.0 / 1e6;
    let drops = outcome.drop_ratio * 100.0;
    println!(
        "{control:5} policed to 20 Mbit/s without a queue: {rate:.1} Mbit/s, {drops:.1} % dropped"
    );
}

fn eight(control: CongestionControl) {
    let numbers = [8, 16, 32].into_iter();
    let scenes = numbers.flat_map(|flows| [0.25, 1.0, 2.0].map(|queue| (flows, queue)));
    for (flows, queue) in scenes {
        let scene = (0..flows).fold(Scene::bottleneck(50e6, RTT, queue), |scene, i| {
            scene.flow(Duration::from_millis(700 * i), bulk(control))
        });
        let outcomes = scene.run(seconds(60));
        let rates: Vec<f64> = outcomes
            .iter()
            .map(|o| o.goodput(seconds(10), seconds(60)) * 8.0 / 1e6)
            .collect();
        let (least, most) = (
            rates.iter().copied().fold(f64::INFINITY, f64::min),
            rates.iter().copied().fold(0.0, f64::max),
        );
        let drops = outcomes[0].drop_ratio * 100.0;
        println!(
            "{control:5} {flows} on 50 Mbit/s, queue {queue} BDP: {least:.1} to {most:.1} Mbit/s each, {drops:.1} % dropped"
        );
    }
}

/// One beside four of TCP: a fair share is 10 Mbit/s.
fn among_tcp(control: CongestionControl) {
    for queue in [0.25, 1.0, 4.0] {
        let tcp = (0..4).fold(Scene::bottleneck(50e6, RTT, queue), |scene, i| {
            scene.flow(Duration::from_millis(700 * i), Flow::Tcp)
        });
        let rates = share(tcp.flow(seconds(0), bulk(control)));
        let (ours, tcp) = rates.split_last().unwrap();
        let mean = tcp.iter().sum::<f64>() / tcp.len() as f64;
        println!(
            "{control:5} beside four of TCP on 50 Mbit/s, queue {queue} BDP: {ours:.1} Mbit/s, TCP {mean:.1} each"
        );
    }
}

fn main() {
    let wanted: Vec<CongestionControl> = std::env::args()
        .skip(1)
        .map(|name| name.parse().unwrap())
        .collect();
    for control in CongestionControl::ALL {
        if wanted.is_empty() || wanted.contains(&control) {
            open_path(control);
            frames(control);
            shared(control);
            policed(control);
            eight(control);
            among_tcp(control);
        }
    }
}
