//! Both machines in bad weather: lanes that die, are cut and come late, processes that come back.
//!
//! 2,000 seeds for each mode; `cargo xtask sim` runs more. A failure names its seed, and
//! `FRAMEWAY_SEED=n cargo test -p datachannel-transport --test simulation` replays it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "support/sim/mod.rs"]
mod sim;
mod support;

use std::time::{Duration, Instant};

use datachannel_transport::{Mode, ReceiverConfig, SenderConfig, Window};
use sim::World;
use sim::weather::{Met, Weather};
use support::seeds::{each_seed, seeds};
use support::{EPOCH, Rng};

const SEEDS: std::ops::Range<u64> = 0..2000;
const FRAMES: u64 = 30;

fn every_frame_world(seed: u64) -> World {
    let mut rng = Rng(seed ^ 0xe7e7);
    let now = Instant::now();
    let weather = Weather::new(&mut rng);
    let max_frame_bytes = weather.frame_bytes as u32;
    let sender = SenderConfig {
        mode: Mode::EveryFrame {
            max_queued_frames: 1 + rng.below(40) as usize,
            max_queued_bytes: weather.frame_bytes * (1 + rng.below(20)),
        },
        max_message_bytes: 256 << rng.below(8),
        ..SenderConfig::every_frame(EPOCH, now)
    };
    let receiver = ReceiverConfig {
        window: Window {
            frames: 2 + rng.below(20) as u32,
            bytes: weather.frame_bytes.max(64 << 10) + rng.below(100_000),
        },
        max_frame_bytes,
        epoch: weather.epoch_is_told.then_some(EPOCH),
        ..ReceiverConfig::every_frame(now)
    };
    World::new(seed, weather, FRAMES, (sender, receiver))
}

fn realtime_world(seed: u64) -> World {
    let mut rng = Rng(seed ^ 0x11fe);
    let now = Instant::now();
    let weather = Weather {
        pause_ms: 1 + rng.below(40),
        ..Weather::new(&mut rng)
    };
    let max_frame_bytes = weather.frame_bytes as u32;
    let late = Duration::from_millis(20 + rng.below(100));
    let sender = SenderConfig {
        mode: Mode::Realtime {
            max_queued: 1 + rng.below(3) as usize,
            deadline: rng.chance(50).then_some(late),
        },
        max_message_bytes: 256 << rng.below(8),
        max_frame_bytes,
        ..SenderConfig::realtime(EPOCH, now)
    };
    let receiver = ReceiverConfig {
        window: Window {
            frames: 2 + rng.below(4) as u32,
            bytes: weather.frame_bytes.max(64 << 10) + rng.below(100_000),
        },
        max_frame_bytes,
        epoch: weather.epoch_is_told.then_some(EPOCH),
        ..ReceiverConfig::realtime(now)
    };
    World::new(seed, weather, FRAMES, (sender, receiver))
}

/// Runs all seeds; what they met between them.
fn run(name: &str, world: impl Fn(u64) -> World + Sync) -> Met {
    let seeds = seeds(SEEDS);
    let count = seeds.end - seeds.start;
    let one = |seed| {
        let mut world = world(seed);
        let verified = world.run();
        // Realtime: the receiver may not have got the last frames.
        assert!(verified || !world.book.every_frame, "count or hash differ");
        world.met
    };
    let met = each_seed(name, seeds, one, Met::add);
    eprintln!("{name}: {count} seeds met {met:?}");
    let least = [
        met.deaths,
        met.cuts,
        met.late,
        met.sender_restarts,
        met.receiver_restarts,
        met.resent,
    ];
    let stormy = least.iter().all(|&met| met > count / 10);
    assert!(
        stormy || count < 1000,
        "calm weather proves nothing: {met:?}"
    );
    met
}

#[test]
fn every_frame_arrives_once_in_order_whatever_lanes_and_processes_do() {
    let met = run("every frame", every_frame_world);
    assert!(met.told_twice > 0 || met.sender_restarts < 100, "{met:?}");
}

#[test]
fn realtime_frames_rise_and_each_is_accounted_for_once() {
    let met = run("realtime", realtime_world);
    assert!(met.dropped > 0 || met.deaths < 100, "{met:?}");
}
