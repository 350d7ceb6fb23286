//! A drain: the window halved for about a round, to see the path without our own packets in its queue.
//!
//! Begun by `window` when nothing has shown the base RTT for a while, when cut after cut does not shorten the queue (then it may be
//! the path that is longer), or when `looks` says that others drain too. Ends with the RTT of packets that were sent while little was in flight, and `window` then has its size back.

use std::time::{Duration, Instant};

/// Samples of a drained path.
const SAMPLES: u32 = 4;
/// A wait that is shorter by no more than this, or by this part of the base, is none that packets of ours had a part in.
const NO_SHORTER: Duration = Duration::from_millis(1);
const NO_SHORTER_PART: u32 = 50;
/// What is expected to become shorter by so many times as much is seen, whatever others do meanwhile.
const SEEN: f64 = 5.0;

#[derive(Clone, Debug)]
pub(super) struct Drain {
    /// The path's RTT, as far as it was known.
    base: Duration,
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
    /// Others drain at the same time.
    together: bool,
}

fn no_shorter(base: Duration) -> Duration {
    NO_SHORTER.max(base / NO_SHORTER_PART)
}

impl Drain {
    pub(super) fn new(
        (base, before): (Duration, Duration),
        (full, target): (f64, f64),
        together: bool,
    ) -> Self {
        Self {
            base,
            together,
            before,
            full,
            target,
            low_since: None,
            samples: 0,
            least: Duration::MAX,
        }
    }

    pub(super) fn is_together(&self) -> bool {
        self.together
    }

    /// Whether the path is shorter than was thought.
    pub(super) fn is_shorter_than_known(&self, rtt: Duration) -> bool {
        rtt + no_shorter(self.base) < self.base
    }

    /// Our absence made the wait no shorter.
    pub(super) fn is_no_shorter(&self, base: Duration, rtt: Duration) -> bool {
        self.shorter(rtt) <= no_shorter(base)
    }

    /// Whether a wait that became no shorter must be the path's: all left their share out, or ours of the rate is large enough for the
    /// difference to be seen.
    pub(super) fn is_conclusive(&self, base: Duration, ours: f64) -> bool {
        let left = (self.full - self.target) / self.full.max(1.0);
        let expected = self.before.as_secs_f64() * ours * left;
        self.together || expected >= SEEN * no_shorter(base).as_secs_f64()
    }

    /// By how much the RTT was shorter than before.
    fn shorter(&self, rtt: Duration) -> Duration {
        self.before.saturating_sub(rtt)
    }

    pub(super) fn target(&self) -> f64 {
        self.target
    }

    /// By which share our absence shortened the wait, when the path showed this RTT meanwhile: 1 when all of it was ours.
    pub(super) fn share(&self, base: Duration, rtt: Duration) -> f64 {
        let waited = self.before.saturating_sub(base).as_secs_f64();
        let shorter = self.shorter(rtt).as_secs_f64();
        if waited > 0.0 { shorter / waited } else { 0.0 }
    }

    /// Our share of what the bottleneck carries. What left its queue with us tells how fast it is: with a wait that is shorter by Δ
    /// for `full - target` bytes less, it takes `(full - target) / Δ` bytes a second, of which `full / before` were ours.
    pub(super) fn rate_share(&self, rtt: Duration) -> f64 {
        let shorter = self.shorter(rtt).as_secs_f64();
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
    fn one_of_many_cannot_tell_a_longer_path_from_the_queue_of_the_others() {
        let millis = Duration::from_millis;
        let drain = |together| Drain::new((millis(50), millis(62)), (40e3, 16e3), together);
        // A sixteenth of the rate, of which three fifths are left out: 2.3 ms of 62. With a third it would be 12.
        for (together, ours, conclusive) in [
            (false, 0.06, false),
            (false, 0.33, true),
            (true, 0.06, true),
        ] {
            let seen = drain(together).is_conclusive(millis(50), ours);
            assert_eq!(seen, conclusive, "{together} {ours}");
        }
        assert!(drain(false).is_no_shorter(millis(50), millis(61)));
        assert!(!drain(false).is_no_shorter(millis(50), millis(60)));
    }

    #[test]
    fn the_share_of_the_rate_is_told_whatever_is_left_in_flight() {
        // 20 Mbit/s, 50 ms, a queue of 125 kB that is full: of 250 kB in flight so many are ours.
        let millis = |ms: f64| Duration::from_secs_f64(ms / 1e3);
        for (ours, left) in [(125e3, 31e3), (75e3, 18e3), (40e3, 35e3), (200e3, 100e3)] {
            let drain = Drain::new((millis(50.0), millis(100.0)), (ours, left), true);
            let rtt = millis((250e3 - ours + left) / 2.5e6 * 1e3);
            let share = drain.rate_share(rtt);
            assert!((share - ours / 250e3).abs() < 0.01, "{share} of {ours}");
        }
        // Nothing was left out, or nothing became shorter.
        assert_eq!(
            Drain::new((millis(50.0), millis(100.0)), (5e3, 5e3), true).rate_share(millis(90.0)),
            1.0
        );
        assert_eq!(
            Drain::new((millis(50.0), millis(100.0)), (9e3, 5e3), true).rate_share(millis(110.0)),
            0.0
        );
    }
}
