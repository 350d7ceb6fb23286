//! A datagram path in virtual time: what it loses, drops, holds back, and that the counts add up.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use testkit::{DatagramPath, LinkConfig, PathStats, SimClock};

const MS: Duration = Duration::from_millis(1);

/// Pushes numbered datagrams of 1000 bytes, one per millisecond, and drains the path.
fn run(config: LinkConfig, seed: u64, count: u32) -> (Vec<u32>, PathStats) {
    let mut clock = SimClock::new(Instant::now());
    let mut path = DatagramPath::new(config, seed);
    let mut arrived = Vec::new();
    for n in 0..count {
        let mut datagram = vec![0; 1000];
        datagram[..4].copy_from_slice(&n.to_be_bytes());
        path.push(clock.now(), datagram);
        clock.advance(MS);
        arrived.extend(std::iter::from_fn(|| path.pop(clock.now())));
    }
    while clock.advance_to_next([path.next_due()]).is_some() {
        arrived.extend(std::iter::from_fn(|| path.pop(clock.now())));
    }
    let numbers = arrived
        .iter()
        .map(|it| u32::from_be_bytes(it[..4].try_into().unwrap()))
        .collect();
    (numbers, path.stats())
}

fn adds_up(stats: &PathStats) -> bool {
    stats.received + stats.duplicated
        == stats.forwarded + stats.lost + stats.dropped_full + stats.dropped_cut + stats.in_flight
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_counts_add_up_and_replay(
        seed: u64,
        delay_ms in 0..50_u32,
        jitter_ms in 0..50_u32,
        loss in 0.0..=1.0_f64,
        duplication in 0.0..=1.0_f64,
        reordering in 0.0..=1.0_f64,
        rate_bytes_per_s in proptest::option::of(1_000..1_000_000_u64),
        queue_bytes in 0..10_000_usize,
    ) {
        let config = LinkConfig {
            delay: MS * delay_ms,
            jitter: MS * jitter_ms,
            loss,
            duplication,
            reordering,
            rate_bytes_per_s,
            queue_bytes,
            ..LinkConfig::datagrams()
        };
        let (arrived, stats) = run(config, seed, 200);
        prop_assert!(adds_up(&stats), "{stats:?}");
        prop_assert_eq!((stats.received, stats.in_flight), (200, 0));
        prop_assert_eq!(stats.forwarded, arrived.len() as u64);
        prop_assert_eq!(run(config, seed, 200), (arrived, stats));
    }
}

#[test]
fn a_seed_says_which_datagrams_are_lost() {
    let config = LinkConfig {
        loss: 0.01,
        ..LinkConfig::datagrams()
    };
    let (arrived, stats) = run(config, 7, 10_000);
    assert_eq!(stats.lost, 96);
    assert_eq!(run(config, 7, 10_000).0, arrived);
    assert_ne!(run(config, 8, 10_000).0, arrived);
}

#[test]
fn held_back_datagrams_are_overtaken_and_jitter_alone_keeps_the_order() {
    let jitter = LinkConfig {
        jitter: 20 * MS,
        ..LinkConfig::datagrams()
    };
    assert!(run(jitter, 3, 1000).0.is_sorted());

    let reordering = LinkConfig {
        reordering: 0.1,
        ..LinkConfig::datagrams()
    };
    let (arrived, stats) = run(reordering, 3, 1000);
    assert_eq!(stats.forwarded, 1000);
    let overtaken = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!((50..=110).contains(&overtaken), "{overtaken}");
}

#[test]
fn a_full_queue_drops_what_comes_last() {
    let now = Instant::now();
    let config = LinkConfig {
        rate_bytes_per_s: Some(1000),
        queue_bytes: 500,
        ..LinkConfig::datagrams()
    };
    let mut path = DatagramPath::new(config, 1);
    for n in 0..4 {
        path.push(now, vec![n; 200]);
    }
    let stats = path.stats();
    assert_eq!((stats.dropped_full, stats.in_flight), (2, 2));
    // The first has left, so that there is room for another.
    path.push(now + 200 * MS, vec![9; 200]);
    let arrived: Vec<u8> = std::iter::from_fn(|| path.pop(now + 600 * MS))
        .map(|datagram| datagram[0])
        .collect();
    assert_eq!(arrived, [0, 1, 9]);
    assert!(adds_up(&path.stats()));
}

/// Without a rate there is no queue, and yet an hour's delay does not take the machine's memory.
#[test]
fn what_is_under_way_is_bounded() {
    let now = Instant::now();
    let config = LinkConfig {
        delay: Duration::from_secs(3600),
        ..LinkConfig::datagrams()
    };
    let mut path = DatagramPath::new(config, 1);
    for _ in 0..300 {
        path.push(now, vec![0; 256 << 10]);
    }
    let stats = path.stats();
    assert_eq!((stats.in_flight, stats.dropped_full), (256, 44));
}

#[test]
fn a_cut_drops_what_is_under_way_and_what_comes_until_it_ends() {
    let now = Instant::now();
    let config = LinkConfig {
        delay: 10 * MS,
        ..LinkConfig::datagrams()
    };
    let mut path = DatagramPath::new(config, 1);
    path.push(now, vec![0]);
    path.cut(now, None);
    path.push(now + MS, vec![1]);
    assert!(path.is_cut(now + 3600 * MS));
    path.restore();
    path.push(now + 2 * MS, vec![2]);
    assert_eq!(path.pop(now + 100 * MS), Some(vec![2]));

    path.cut(now + 100 * MS, Some(5 * MS));
    path.push(now + 104 * MS, vec![3]);
    path.push(now + 105 * MS, vec![4]);
    assert_eq!(path.pop(now + 200 * MS), Some(vec![4]));
    assert_eq!(path.pop(now + 200 * MS), None);
    let stats = path.stats();
    assert_eq!(stats.dropped_cut, 3);
    assert!(adds_up(&stats));
}

#[test]
fn what_is_longer_than_the_mtu_is_lost() {
    for (mtu_bytes, arrive) in [(999, 0), (1000, 5)] {
        let config = LinkConfig {
            mtu_bytes,
            ..LinkConfig::datagrams()
        };
        let (arrived, stats) = run(config, 1, 5);
        assert_eq!(arrived.len(), arrive, "{mtu_bytes}");
        assert_eq!(stats.lost, 5 - arrive as u64, "{mtu_bytes}");
        assert!(adds_up(&stats), "{stats:?}");
    }
}
