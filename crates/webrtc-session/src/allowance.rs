//! How much a session may have buffered: its floor where round trips are short, more where they are long.
//!
//! Fed by the session with what the peer has acknowledged; feeds `room`. Twice the bandwidth-delay product (Kleinrock
//! 1979) keeps a path full while acks travel. The product is of the *shortest* round trip seen and the *best* rate of late
//! (as BBR estimates both, Cardwell et al. 2016): the latest ones contain the queue that this very buffer makes, and would
//! let it grow without end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates that the best is taken of.
const RATES: usize = 10;
/// A rate is measured over at least this long: acks come in bursts.
const MIN_INTERVAL: Duration = Duration::from_millis(5);

/// Sizes one session's send buffer.
#[derive(Debug)]
pub(crate) struct Allowance {
    floor_bytes: usize,
    ceiling_bytes: usize,
    bytes: usize,
    interval_began: Option<(Instant, u64)>,
    /// Acknowledged bytes per second, the latest last.
    rates: VecDeque<f64>,
}

impl Allowance {
    /// Between `floor_bytes` and `ceiling_bytes`.
    pub(crate) fn new(floor_bytes: usize, ceiling_bytes: usize) -> Self {
        Self {
            floor_bytes,
            ceiling_bytes: ceiling_bytes.max(floor_bytes),
            bytes: floor_bytes,
            interval_began: None,
            rates: VecDeque::with_capacity(RATES),
        }
    }

    /// What may be buffered now.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The peer has acknowledged `acked_bytes` of all that was ever written; its shortest round trip is `min_rtt`.
    pub(crate) fn observe(&mut self, now: Instant, acked_bytes: u64, min_rtt: Option<Duration>) {
        let Some(min_rtt) = min_rtt.filter(|_| self.ceiling_bytes > self.floor_bytes) else {
            return;
        };
        let (began, acked_then) = *self.interval_began.get_or_insert((now, acked_bytes));
        let interval = now.saturating_duration_since(began);
        if interval < min_rtt.max(MIN_INTERVAL) {
            return;
        }
        if self.rates.len() >= RATES {
            self.rates.pop_front();
        }
        let acked = acked_bytes.saturating_sub(acked_then) as f64;
        self.rates.push_back(acked / interval.as_secs_f64());
        self.interval_began = Some((now, acked_bytes));
        let best = self.rates.iter().copied().fold(0.0, f64::max);
        let product = best * min_rtt.as_secs_f64();
        self.bytes = ((2.0 * product) as usize).clamp(self.floor_bytes, self.ceiling_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    /// A path of that rate and round trip, filled as far as is allowed, for `rounds` round trips.
    fn settled(rate: f64, rtt: Duration, ceiling: usize, rounds: u32) -> usize {
        let mut allowance = Allowance::new(64 * KIB, ceiling);
        let (mut now, mut acked) = (Instant::now(), 0.0);
        for _ in 0..rounds {
            allowance.observe(now, acked as u64, Some(rtt));
            // A buffer beyond the product queues: its round trip is longer, not its rate higher.
            let buffered = allowance.bytes() as f64;
            let took = rtt.as_secs_f64().max(buffered / rate);
            acked += buffered;
            now += Duration::from_secs_f64(took);
        }
        allowance.bytes()
    }

    #[test]
    fn a_short_round_trip_stays_at_the_floor() {
        let loopback = settled(150e6, Duration::from_micros(200), 4096 * KIB, 100);
        assert_eq!(loopback, 64 * KIB);
    }

    #[test]
    fn a_long_one_gets_twice_the_product() {
        let bytes = settled(20e6, Duration::from_millis(50), 4096 * KIB, 40) as f64;
        assert!((1.9e6..2.1e6).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_ceiling_holds_and_a_browser_has_no_more_than_its_floor() {
        assert_eq!(
            settled(200e6, Duration::from_millis(100), 1024 * KIB, 40),
            1024 * KIB
        );
        assert_eq!(settled(200e6, Duration::from_millis(100), 0, 40), 64 * KIB);
    }

    #[test]
    fn a_path_that_gets_slower_is_given_less_after_a_while() {
        let mut allowance = Allowance::new(64 * KIB, 4096 * KIB);
        let (mut now, mut acked, rtt) = (Instant::now(), 0, Duration::from_millis(50));
        for bytes_a_round in [1_000_000; 20].into_iter().chain([10_000; 20]) {
            allowance.observe(now, acked, Some(rtt));
            now += rtt;
            acked += bytes_a_round;
        }
        assert_eq!(allowance.bytes(), 64 * KIB);
    }
}
