//! A drain: the window halved for about a round, to see the path without our own packets in its queue.
//!
//! Begun by `window` when nothing has shown the base RTT for ten seconds, or when cut after cut does not shorten the queue: then it may be
//! the path that is longer. Ends with the RTT of packets that were sent while little was in flight, and `window` then has its size back.

use std::time::{Duration, Instant};

/// Samples of a drained path.
const SAMPLES: u32 = 4;

#[derive(Clone, Debug)]
pub(super) struct Drain {
    /// RTT before.
    before: Duration,
    /// What was in flight before, in bytes.
    full: f64,
    /// The window meanwhile.
    target: f64,
    /// When no more than that was in flight.
    low_since: Option<Instant>,
    samples: u32,
    least: Duration,
}

impl Drain {
    pub(super) fn new(before: Duration, full: f64, target: f64) -> Self {
        Self {
            before,
            full,
            target,
            low_since: None,
            samples: 0,
            least: Duration::MAX,
        }
    }

    pub(super) fn target(&self) -> f64 {
        self.target
    }

    /// By which share our absence shortened the wait, when the path showed this RTT meanwhile: 1 when all of it was ours.
    pub(super) fn share(&self, base: Duration, rtt: Duration) -> f64 {
        let waited = self.before.saturating_sub(base).as_secs_f64();
        let shorter = self.before.saturating_sub(rtt).as_secs_f64();
        if waited > 0.0 { shorter / waited } else { 0.0 }
    }

    /// Our share of what the bottleneck carries. What left its queue with us tells how fast it is: with a wait that is shorter by Δ
    /// for `full - target` bytes less, it takes `(full - target) / Δ` bytes a second, of which `full / before` were ours.
    pub(super) fn rate_share(&self, rtt: Duration) -> f64 {
        let shorter = self.before.saturating_sub(rtt).as_secs_f64();
        let before = self.before.as_secs_f64();
        let left = self.full - self.target;
        if left <= 0.0 || before <= 0.0 {
            return 1.0;
        }
        (self.full / left * shorter / before).min(1.0)
    }

    /// The newest acked packet was sent then; so much remains in flight. The path's RTT, once it is known.
    pub(super) fn acked(
        &mut self,
        now: Instant,
        newest: Instant,
        in_flight: u64,
    ) -> Option<Duration> {
        if in_flight as f64 <= self.target {
            self.low_since.get_or_insert(now);
        }
        if self.low_since.is_some_and(|low| newest >= low) {
            self.samples = self.samples.saturating_add(1);
            self.least = self.least.min(now.saturating_duration_since(newest));
        }
        (self.samples >= SAMPLES).then_some(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_rate_is_told_whatever_is_left_in_flight() {
        // 20 Mbit/s, 50 ms, a queue of 125 kB that is full: of 250 kB in flight so many are ours.
        let millis = |ms: f64| Duration::from_secs_f64(ms / 1e3);
        for (ours, left) in [(125e3, 31e3), (75e3, 18e3), (40e3, 35e3), (200e3, 100e3)] {
            let drain = Drain::new(millis(100.0), ours, left);
            let rtt = millis((250e3 - ours + left) / 2.5e6 * 1e3);
            let share = drain.rate_share(rtt);
            assert!((share - ours / 250e3).abs() < 0.01, "{share} of {ours}");
        }
        // Nothing was left out, or nothing became shorter.
        assert_eq!(
            Drain::new(millis(100.0), 5e3, 5e3).rate_share(millis(90.0)),
            1.0
        );
        assert_eq!(
            Drain::new(millis(100.0), 9e3, 5e3).rate_share(millis(110.0)),
            0.0
        );
    }
}
