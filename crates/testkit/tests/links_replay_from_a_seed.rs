//! The simulated link: what it delivers, when, and that a seed replays it.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use testkit::{LinkConfig, LinkStats, Rng, SimClock, SimLink};

const MS: Duration = Duration::from_millis(1);

/// Pushes 100 numbered messages, one per millisecond, and drains the link.
fn run(config: LinkConfig, seed: u64) -> (Vec<(Duration, u8)>, LinkStats) {
    let mut clock = SimClock::new(Instant::now());
    let mut link = SimLink::new(config, seed);
    let mut arrived = Vec::new();
    for n in 0..100 {
        assert!(link.push(clock.now(), vec![n; 100]));
        clock.advance(MS);
        while let Some(bytes) = link.pop(clock.now()) {
            arrived.push((clock.elapsed(), bytes[0]));
        }
    }
    while clock.advance_to_next([link.next_due()]).is_some() {
        while let Some(bytes) = link.pop(clock.now()) {
            arrived.push((clock.elapsed(), bytes[0]));
        }
    }
    (arrived, link.stats())
}

proptest! {
    #[test]
    fn nothing_is_unaccounted_for(
        seed: u64,
        delay_ms in 0..50_u32,
        jitter_ms in 0..50_u32,
        loss in 0.0..=1.0_f64,
        duplication in 0.0..=1.0_f64,
        ordered: bool,
        rate_bytes_per_s in proptest::option::of(1_000..1_000_000_u64),
    ) {
        let config = LinkConfig {
            delay: MS * delay_ms,
            jitter: MS * jitter_ms,
            rate_bytes_per_s,
            loss,
            duplication,
            ordered,
            ..LinkConfig::default()
        };
        let (arrived, stats) = run(config, seed);
        prop_assert_eq!(stats.sent, 100);
        prop_assert_eq!(stats.delivered, stats.sent - stats.lost + stats.duplicated);
        prop_assert_eq!(stats.delivered, arrived.len() as u64);
        prop_assert!(!ordered || arrived.is_sorted_by_key(|&(_, n)| n));
        prop_assert!(arrived.iter().all(|&(at, n)| at >= MS * (u32::from(n) + delay_ms)));
        prop_assert_eq!(run(config, seed), (arrived, stats));
    }
}

#[test]
fn a_rate_spreads_messages_and_fills_the_queue() {
    let now = Instant::now();
    let config = LinkConfig {
        rate_bytes_per_s: Some(1000),
        queue_bytes: 500,
        ..LinkConfig::default()
    };
    let mut link = SimLink::new(config, 1);
    assert_eq!(link.room_bytes(now), 500);
    link.push(now, vec![1; 200]);
    link.push(now, vec![2; 200]);
    assert_eq!(link.room_bytes(now), 100);
    assert_eq!(link.drained_at(now), Some(now + 400 * MS));
    assert_eq!(link.pop(now + 199 * MS), None);
    assert_eq!(link.pop(now + 200 * MS), Some(vec![1; 200]));
    assert_eq!(link.room_bytes(now + 300 * MS), 400);
    assert_eq!(link.pop(now + 400 * MS), Some(vec![2; 200]));
    assert_eq!(link.drained_at(now + 400 * MS), None);
}

#[test]
fn a_dead_link_delivers_what_arrived_and_a_part_of_what_was_in_flight() {
    let now = Instant::now();
    for ordered in [true, false] {
        for (fraction, expected) in [(0.0, 10..=10), (0.5, 20..=40), (1.0, 50..=50)] {
            let config = LinkConfig {
                delay: MS,
                ordered,
                ..LinkConfig::default()
            };
            let mut link = SimLink::new(config, 3);
            for n in 0..50 {
                let sent_at = if n < 10 { now } else { now + MS };
                link.push(sent_at, vec![n]);
            }
            link.die(now + MS, fraction);
            assert!(!link.is_alive() && link.room_bytes(now) == 0);
            assert!(!link.push(now, vec![99]));

            let arrived: Vec<u8> = std::iter::from_fn(|| link.pop(now + 2 * MS))
                .flatten()
                .collect();
            assert!(expected.contains(&arrived.len()), "{arrived:?}");
            assert!(arrived.is_sorted() && arrived.iter().take(10).copied().eq(0..10));
            assert!(!ordered || arrived.iter().copied().eq(0..arrived.len() as u8));
            let stats = link.stats();
            assert_eq!(stats.died + stats.delivered, 50);
            assert_eq!(stats.refused, 1);
        }
    }
}

/// The generator's published test vector, so that seeds mean the same everywhere.
#[test]
fn seeds_are_portable() {
    let mut rng = Rng::new(1_234_567);
    let numbers = [(); 3].map(|()| rng.next_u64());
    assert_eq!(
        numbers,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423
        ]
    );
    assert!(!rng.chance(0.0) && rng.chance(1.0));
    assert!((0..1000).all(|_| rng.below(10) < 10 && rng.duration(MS) <= MS));
}
