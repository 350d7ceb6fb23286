//! Both machines over lanes that die: 200 seeds for each kind of weather. A failure names its seed;
//! `FRAMEWAY_SEED=n cargo test -p datachannel-transport --test simulation` replays it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use datachannel_transport::{
    FrameReceiver, FrameSender, Mode, ReceiverConfig, SenderConfig, SenderStats, Window,
};
use support::sim::{Weather, World};
use support::{EPOCH, Rng, frame, seeds};

/// Runs one seed; says which when it fails.
fn with_seed(seed: u64, run: impl FnOnce()) {
    if let Err(failure) = catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("failed with FRAMEWAY_SEED={seed}");
        std::panic::resume_unwind(failure);
    }
}

fn weather(rng: &mut Rng) -> Weather {
    Weather {
        lanes: 1 + rng.below(3),
        deaths: [0, 5, 30, 60][rng.below(4) as usize],
        frame_bytes: 1 + rng.below(80_000),
        appetite: [3, 30, 100][rng.below(3) as usize],
        pause: 0,
    }
}

/// Every offered frame is somewhere, once.
fn assert_ledger(stats: &SenderStats) {
    let c = stats.counters;
    let dropped = c.frames_dropped_replaced
        + c.frames_dropped_deadline
        + c.frames_dropped_lane
        + c.frames_dropped_passed_over
        + c.frames_dropped_refused;
    let settled = c.frames_acked + c.frames_given_up + dropped;
    assert_eq!(
        c.frames_offered,
        settled + stats.frames_queued + stats.frames_in_flight
    );
}

fn assert_bounds(world: &World, window: Window, held: u64) {
    let receiver = world.receiver.stats();
    assert!(receiver.bytes_open <= window.bytes, "{receiver:#?}");
    assert!(
        receiver.frames_open <= window.frames.into(),
        "{receiver:#?}"
    );
    let sender = world.sender.stats();
    assert!(
        sender.bytes_in_flight + sender.bytes_queued <= held,
        "{sender:#?}"
    );
    assert_ledger(&sender);
}

fn every_frame_world(seed: u64) -> (World, Window, u64) {
    let mut rng = Rng(seed ^ 0xe7e7);
    let now = Instant::now();
    let window = Window {
        frames: 2 + rng.below(20) as u32,
        bytes: 80_000 + rng.below(400_000),
    };
    let held = 80_000 + rng.below(1 << 20);
    let sender = SenderConfig {
        mode: Mode::EveryFrame {
            max_queued_frames: 1 + rng.below(40) as usize,
            max_queued_bytes: held,
        },
        max_message_bytes: 256 << rng.below(8),
        ..SenderConfig::every_frame(EPOCH, now)
    };
    let receiver = ReceiverConfig {
        window,
        max_frame_bytes: 80_000,
        ..ReceiverConfig::every_frame(now)
    };
    let ends = (
        FrameSender::new(sender).unwrap(),
        FrameReceiver::new(receiver).unwrap(),
    );
    (World::new(seed, weather(&mut rng), now, ends), window, held)
}

#[test]
fn every_frame_arrives_once_in_order_whatever_lanes_do() {
    let (mut deaths, mut resent) = (0, 0);
    let seeds = seeds(0..200);
    let all = seeds.len() > 1;
    for seed in seeds {
        with_seed(seed, || {
            let (mut world, window, held) = every_frame_world(seed);
            let frames = 60;
            let verified = world.run(frames, |world| assert_bounds(world, window, held));
            assert!(verified, "count and hash agree");
            assert_eq!(world.delivered.len() as u64, frames);
            for (expected, got) in (0..).zip(&world.delivered) {
                let sent = frame(expected, got.payload.len());
                assert_eq!((got.sequence, got.meta), (expected, sent.meta));
                assert!(!got.given_up, "frame {expected}");
                assert_eq!(got.payload, sent.payload, "frame {expected}");
            }
            let stats = world.sender.stats();
            assert_eq!(stats.counters.frames_acked, frames);
            deaths += world.deaths;
            resent += stats.counters.frames_resent;
        });
    }
    assert!(
        !all || (deaths > 200 && resent > 100),
        "calm weather proves nothing: {deaths}, {resent}"
    );
}

fn realtime_world(seed: u64) -> (World, Window) {
    let mut rng = Rng(seed ^ 0x11fe);
    let now = Instant::now();
    let window = Window {
        frames: 2 + rng.below(4) as u32,
        bytes: 100_000 + rng.below(400_000),
    };
    let deadline = rng
        .chance(50)
        .then(|| Duration::from_millis(20 + rng.below(100)));
    let sender = SenderConfig {
        mode: Mode::Realtime {
            max_queued: 1 + rng.below(2) as usize,
            deadline,
        },
        ..SenderConfig::realtime(EPOCH, now)
    };
    let receiver = ReceiverConfig {
        window,
        max_frame_bytes: 80_000,
        ..ReceiverConfig::realtime(now)
    };
    let ends = (
        FrameSender::new(sender).unwrap(),
        FrameReceiver::new(receiver).unwrap(),
    );
    let weather = Weather {
        pause: 60,
        ..weather(&mut rng)
    };
    (World::new(seed, weather, now, ends), window)
}

#[test]
fn realtime_frames_rise_and_every_drop_is_in_the_ledger() {
    let mut dropped = 0;
    let seeds = seeds(0..200);
    let all = seeds.len() > 1;
    for seed in seeds {
        with_seed(seed, || {
            let (mut world, window) = realtime_world(seed);
            let frames = 80;
            world.run(frames, |world| {
                let receiver = world.receiver.stats();
                assert!(receiver.bytes_open <= window.bytes);
                assert!(receiver.frames_open <= window.frames.into());
                assert_ledger(&world.sender.stats());
            });
            while let Some(frame) = world.receiver.poll_frame() {
                world.delivered.push(frame);
            }
            let ids: Vec<_> = world
                .delivered
                .iter()
                .map(|frame| frame.meta.source_id)
                .collect();
            assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
            for got in &world.delivered {
                assert_eq!(
                    got.payload,
                    frame(got.meta.source_id, got.payload.len()).payload
                );
            }
            let c = world.sender.stats().counters;
            assert_eq!(c.frames_offered, frames);
            assert!(
                c.frames_acked <= ids.len() as u64,
                "acked but not delivered"
            );
            dropped += frames - c.frames_acked;
        });
    }
    assert!(!all || dropped > 500, "nothing was ever dropped: {dropped}");
}
