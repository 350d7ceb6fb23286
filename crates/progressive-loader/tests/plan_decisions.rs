//! What the pool's decisions promise, whatever the origins do: by property, and in seeded simulations on
//! a clock of their own.
#![allow(clippy::unwrap_used)]

use progressive_loader::Demand;
use progressive_loader::plan::{
    Admission, Backoff, Bandwidth, Breaker, BreakerPolicy, BreakerState, Candidate, Forecast,
    HedgeBudget, Jitter, LARGEST_CHUNK_BYTES, Ramp, Ranking, RetryBudget, RetryPolicy,
    SMALLEST_CHUNK_BYTES, Standing, chunk_bytes, hedge_delay, origins_needed, split, weights,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use testkit::Rng;

const MIB: u64 = 1 << 20;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

proptest! {
    #[test]
    fn pauses_are_bounded_grow_and_replay(seed in any::<u64>(), failures in 1_u32..200) {
        let policy = RetryPolicy { max_attempts: 100, ..RetryPolicy::default() };
        let mut backoff = Backoff::new(policy);
        let (mut one, mut other) = (Jitter::new(seed), Jitter::new(seed));
        for failure in 1..=failures {
            prop_assert_eq!(backoff.failed(), failure < 100);
            let pause = backoff.pause(&mut one);
            let bound = policy.first_pause * 2_u32.saturating_pow((failure - 1).min(16));
            prop_assert!(pause <= bound.min(policy.longest_pause));
            prop_assert_eq!(pause, backoff.pause(&mut other));
        }
        backoff.progressed();
        prop_assert!(backoff.failures() == 0 && backoff.failed());
    }

    #[test]
    fn a_retry_after_is_never_waited_for_longer_than_the_bound(seconds in any::<u32>()) {
        let policy = RetryPolicy::default();
        prop_assert!(policy.bounded(Duration::from_secs(seconds.into())) <= policy.longest_retry_after);
    }

    #[test]
    fn retries_are_a_share_of_the_successes(outcomes in proptest::collection::vec(any::<bool>(), 0..2000)) {
        let mut budget = RetryBudget::new(10, 0.25);
        let (mut good, mut retries) = (0, 0);
        for success in outcomes {
            if success {
                budget.succeeded();
                good += 1;
            } else if budget.failed() {
                retries += 1;
            }
        }
        prop_assert!(f64::from(retries) <= 10.0 + 0.25 * f64::from(good));
    }

    #[test]
    fn a_breaker_lets_one_probe_out_and_always_opens_again(steps in proptest::collection::vec((0_u8..5, 0_u64..2000), 0..300)) {
        let policy = BreakerPolicy::default();
        let (mut breaker, mut now) = (Breaker::new(policy), Instant::now());
        let mut probe_out = false;
        for (step, wait) in steps {
            now += ms(wait);
            match step {
                0 | 1 => match breaker.admit(now) {
                    Admission::Yes { probe: true } => {
                        prop_assert!(!probe_out, "two probes");
                        prop_assert_eq!(breaker.state(now), BreakerState::HalfOpen);
                        probe_out = true;
                    }
                    Admission::Yes { probe: false } => prop_assert_eq!(breaker.state(now), BreakerState::Closed),
                    Admission::NotBefore(until) => {
                        prop_assert!(until <= now + policy.longest_open.max(ms(30_000)) );
                        prop_assert!(!breaker.would_admit(now));
                    }
                },
                2 => {
                    breaker.failed(now);
                    probe_out = false;
                }
                3 => {
                    breaker.succeeded();
                    probe_out = false;
                    prop_assert_eq!(breaker.state(now), BreakerState::Closed);
                }
                _ => {
                    breaker.abandoned(probe_out);
                    probe_out = false;
                }
            }
        }
        breaker.abandoned(true);
        prop_assert!(breaker.would_admit(now + policy.longest_open), "never shut for good");
    }

    #[test]
    fn the_lower_average_lies_within_what_was_measured(rates in proptest::collection::vec(1_000_u64..100_000_000, 1..100)) {
        let mut bandwidth = Bandwidth::new();
        prop_assert_eq!(bandwidth.bytes_per_second(), None);
        for &rate in &rates {
            bandwidth.record(rate / 10, ms(100));
        }
        let (least, most) = (rates.iter().min().unwrap(), rates.iter().max().unwrap());
        let measured = bandwidth.bytes_per_second().unwrap();
        prop_assert!(measured + 11 >= *least && measured <= *most + 1, "{} not in {}..{}", measured, least, most);
    }

    #[test]
    fn parts_cover_every_leaf_once_in_proportion(leaves in 1_usize..200, weights in proptest::collection::vec(1_u64..1000, 1..6)) {
        let sizes = vec![1000_u64; leaves];
        let parts = split(&sizes, &weights);
        prop_assert!(!parts.is_empty() && parts.len() <= weights.len());
        prop_assert!(parts.iter().all(|part| !part.is_empty()));
        prop_assert_eq!(parts[0].start, 0);
        prop_assert_eq!(parts.last().unwrap().end, leaves);
        prop_assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        if parts.len() == weights.len() {
            let total: u64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let fair = leaves as f64 * *weight as f64 / total as f64;
                prop_assert!((part.len() as f64 - fair).abs() <= 1.5, "{part:?} of {leaves}, fair {fair}");
            }
        }
    }

    #[test]
    fn no_more_origins_than_the_demand_needs(rates in proptest::collection::vec(proptest::option::of(1_u64..1000), 0..6), demand in 0_u64..3000) {
        let asked = |bytes_per_second| origins_needed(Demand { bytes_per_second, dry_in: None }, &rates);
        prop_assert_eq!(asked(None), 1);
        let needed = asked(Some(demand));
        prop_assert!(needed >= 1 && needed <= rates.len().max(1));
        prop_assert_eq!(weights(&rates).len(), rates.len());
        if needed > 1 {
            let fewer: u64 = rates[..needed - 1].iter().flatten().sum();
            prop_assert!((fewer as f64) < demand as f64 * 1.25);
        }
    }

    #[test]
    fn chunks_are_aligned_and_within_their_range(unit_power in 16_u32..22, rate in proptest::option::of(any::<u64>()), dry_ms in proptest::option::of(0_u64..20_000)) {
        let unit = 1_u64 << unit_power;
        let range = unit..=LARGEST_CHUNK_BYTES;
        let chunk = chunk_bytes(&range, MIB, rate, dry_ms.map(ms));
        prop_assert!(range.contains(&chunk) && chunk.is_multiple_of(unit));
        prop_assert!(chunk_bytes(&range, MIB, rate, Some(ms(0))) <= chunk_bytes(&range, MIB, rate, None));
    }

    #[test]
    fn hedging_never_costs_more_than_a_twentieth(requests in proptest::collection::vec((1_u64..2 * MIB, any::<bool>()), 0..500)) {
        let mut budget = HedgeBudget::new();
        let mut fetched = 0;
        for (bytes, late) in requests {
            if late {
                budget.spend(bytes);
            }
            budget.fetched(bytes);
            fetched += bytes;
            let allowed = HedgeBudget::START_BYTES as f64 + HedgeBudget::SHARE * fetched as f64;
            prop_assert!(budget.spent_bytes() as f64 <= allowed);
        }
    }

    #[test]
    fn a_forecast_is_what_the_rates_come_to(held in 0_u64..100_000_000, rest in 0_u64..1_000_000_000, playback in 1_u64..10_000_000, bandwidth in 0_u64..10_000_000) {
        let forecast = Forecast {
            held_ahead_bytes: held,
            rest_bytes: rest.max(held),
            playback_bytes_per_second: Some(playback),
            bandwidth_bytes_per_second: Some(bandwidth),
        };
        match forecast.dry_in() {
            None => {
                let lasts = held as f64 / playback.saturating_sub(bandwidth).max(1) as f64;
                let plays = rest.max(held) as f64 / playback as f64;
                prop_assert!(playback <= bandwidth || lasts >= plays * 0.999 || lasts > 86_000.0);
            }
            Some(dry_in) => {
                let consumed = playback as f64 * dry_in.as_secs_f64();
                let came = held as f64 + bandwidth as f64 * dry_in.as_secs_f64();
                prop_assert!((consumed - came).abs() <= 1.0 + consumed * 1e-6);
            }
        }
    }

    #[test]
    fn a_look_ahead_grows_with_what_is_read_and_only_there(hops in proptest::collection::vec((0_u64..1 << 40, 0_u64..8 * MIB), 1..50)) {
        let mut ramp = Ramp::new(None, SMALLEST_CHUNK_BYTES);
        let mut read = 0;
        for (to, bytes) in hops {
            ramp.jump(to);
            ramp.read_to(to + bytes);
            read += bytes;
            prop_assert!(ramp.ahead_bytes() <= SMALLEST_CHUNK_BYTES * 3 / 2 + 2 * read);
            prop_assert!(ramp.ahead_bytes() >= SMALLEST_CHUNK_BYTES);
        }
    }
}

#[test]
fn a_link_is_fast_at_64_megabytes_a_second_once_256_kib_have_come() {
    let after = |pieces: u32, bytes: u64, took: Duration| {
        let mut bandwidth = Bandwidth::new();
        (0..pieces).for_each(|_| bandwidth.record(bytes, took));
        bandwidth.is_fast()
    };
    assert!(!Bandwidth::new().is_fast());
    assert!(after(10, 64_000, ms(1)) && !after(10, 63_000, ms(1)));
    assert!(after(4, 65_536, ms(1)) && !after(3, 65_536, ms(1)));
}

#[test]
fn a_look_ahead_grows_soon_on_a_fast_link_and_after_a_jump_it_is_small_there_too() {
    let mut ramp = Ramp::new(None, SMALLEST_CHUNK_BYTES);
    ramp.set_fast(true);
    for read in [0, SMALLEST_CHUNK_BYTES] {
        ramp.read_to(read);
        assert_eq!(ramp.ahead_bytes(), SMALLEST_CHUNK_BYTES * 3 / 2);
    }
    ramp.read_to(MIB);
    assert!(ramp.ahead_bytes() >= 8 * MIB);
    ramp.jump(1 << 30);
    assert_eq!(ramp.ahead_bytes(), SMALLEST_CHUNK_BYTES * 3 / 2);
}

#[test]
fn a_drop_is_noticed_sooner_than_a_recovery() {
    let mut bandwidth = Bandwidth::new();
    for _ in 0..300 {
        bandwidth.record(1_000_000, ms(100));
    }
    assert_eq!(bandwidth.bytes_per_second(), Some(10_000_000));
    for _ in 0..40 {
        bandwidth.record(100_000, ms(100));
    }
    let after_drop = bandwidth.bytes_per_second().unwrap();
    assert!(
        after_drop < 4_000_000,
        "{after_drop} B/s four seconds after the drop"
    );
    for _ in 0..40 {
        bandwidth.record(1_000_000, ms(100));
    }
    let after_recovery = bandwidth.bytes_per_second().unwrap();
    assert!(
        after_recovery < 9_000_000,
        "{after_recovery} B/s four seconds after the recovery"
    );
}

#[test]
fn a_breaker_opens_longer_each_time_and_closes_on_success() {
    let mut now = Instant::now();
    let mut breaker = Breaker::new(BreakerPolicy::default());
    for _ in 0..4 {
        assert_eq!(breaker.admit(now), Admission::Yes { probe: false });
        breaker.failed(now);
    }
    let mut open = Vec::new();
    for _ in 0..9 {
        let Admission::NotBefore(until) = breaker.admit(now) else {
            panic!("open")
        };
        open.push(until.duration_since(now).as_millis());
        now = until;
        assert_eq!(breaker.admit(now), Admission::Yes { probe: true });
        breaker.failed(now);
    }
    assert_eq!(
        open,
        [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
    );
    breaker.succeeded();
    assert_eq!(breaker.admit(now), Admission::Yes { probe: false });
    breaker.hold_off(now, ms(7000));
    assert_eq!(breaker.admit(now), Admission::NotBefore(now + ms(7000)));
}

#[test]
fn the_quicker_and_more_reliable_is_first_and_the_liar_last() {
    let now = Instant::now();
    let mut standings: Vec<_> = (0..5).map(|_| Standing::new()).collect();
    for _ in 0..20 {
        standings[0].answered(now, MIB, ms(900)); // slow
        standings[1].answered(now, MIB, ms(100)); // quick
        standings[2].answered(now, MIB, ms(100)); // quick, but mostly fails
        standings[2].failed(now, ms(2000));
        standings[3].answered(now, MIB, ms(1)); // the quickest, and a liar
    }
    standings[3].strike_out();
    let candidates: Vec<_> = (0..)
        .zip(&standings)
        .map(|(origin, standing)| Candidate { origin, standing })
        .collect();
    assert_eq!(
        Ranking::order(MIB, &candidates),
        [1, 0, 2, 4, 3],
        "an unknown one before a liar"
    );
    // Exploring gives the unknown one a turn now and then, and never the liar.
    let mut ranking = Ranking::default();
    let firsts: Vec<_> = (0..160)
        .map(|_| ranking.choose(now, MIB, &candidates)[0])
        .collect();
    assert_eq!(firsts.iter().filter(|&&first| first == 4).count(), 40);
    assert!(!firsts.contains(&3));
}

#[test]
fn a_hedge_waits_for_what_is_usual_and_less_when_it_presses() {
    let now = Instant::now();
    let mut standing = Standing::new();
    assert_eq!(
        hedge_delay(&standing, MIB, true, false),
        ms(1000),
        "unknown"
    );
    for _ in 0..32 {
        standing.answered(now, MIB, ms(200));
    }
    assert_eq!(hedge_delay(&standing, MIB, true, false), ms(400));
    assert_eq!(hedge_delay(&standing, MIB, true, true), ms(200));
    for _ in 0..64 {
        standing.answered(now, MIB, ms(60_000));
    }
    assert_eq!(
        hedge_delay(&standing, MIB, true, false),
        ms(5000),
        "bounded"
    );
}

/// One origin of a simulation: what it is like at each moment.
struct Simulated {
    rng: Rng,
    first_byte: Duration,
    bytes_per_second: u64,
    failure_rate: f64,
    /// Down from the first to the second, in seconds.
    down: (u64, u64),
}

/// An hour of requests of 1 MiB to four origins, chosen, broken and ranked as the pool does it: the time
/// they take all together stays near what the best origin alone would take.
#[test]
fn over_an_hour_the_choice_is_nearly_as_good_as_knowing() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let mut origins: Vec<_> = (0..4)
            .map(|number| Simulated {
                rng: Rng::new(rng.next_u64()),
                first_byte: ms(10 + rng.below(500)),
                bytes_per_second: 500_000 + rng.below(10_000_000),
                failure_rate: rng.fraction() * 0.3,
                down: (600 * number, 600 * number + rng.below(900)),
            })
            .collect();
        let start = Instant::now();
        let mut now = start;
        let mut standings = vec![Standing::new(); 4];
        let mut breakers = vec![Breaker::new(BreakerPolicy::default()); 4];
        let mut ranking = Ranking::default();
        let (mut actual, mut known) = (0.0, 0.0);
        for _ in 0..2000 {
            let second = now.duration_since(start).as_secs();
            let is_up = |origin: &Simulated| !(origin.down.0..origin.down.1).contains(&second);
            let cost = |origin: &Simulated| {
                let transfer = MIB as f64 / origin.bytes_per_second as f64;
                (origin.first_byte.as_secs_f64() + transfer) / (1.0 - origin.failure_rate)
            };
            let best = origins.iter().filter(|origin| is_up(origin)).map(cost);
            known += best.fold(f64::INFINITY, f64::min);
            // The request, until somebody gives it.
            let asked = now;
            loop {
                let candidates: Vec<_> = (0..)
                    .zip(&standings)
                    .map(|(origin, standing)| Candidate { origin, standing })
                    .collect();
                let order = ranking.choose(now, MIB, &candidates);
                let admitted = order
                    .into_iter()
                    .find(|&i| matches!(breakers[i].admit(now), Admission::Yes { .. }));
                let Some(i) = admitted else {
                    now += ms(100);
                    continue;
                };
                let is_up = is_up(&origins[i]);
                let origin = &mut origins[i];
                let fails = origin.rng.chance(origin.failure_rate) || !is_up;
                if fails {
                    now += origin.first_byte;
                    standings[i].failed(now, origin.first_byte);
                    breakers[i].failed(now);
                    continue;
                }
                let took = origin.first_byte
                    + Duration::from_secs_f64(MIB as f64 / origin.bytes_per_second as f64);
                now += took;
                standings[i].answered(now, MIB, took);
                breakers[i].succeeded();
                break;
            }
            actual += now.duration_since(asked).as_secs_f64();
            now += ms(1000);
        }
        assert!(
            actual < 1.5 * known + 20.0,
            "seed {seed}: {actual:.0} s, knowing all {known:.0} s"
        );
    }
}
