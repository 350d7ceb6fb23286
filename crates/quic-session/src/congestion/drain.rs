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
    /// The window meanwhile.
    target: f64,
    /// When no more than that was in flight.
    low_since: Option<Instant>,
    samples: u32,
    least: Duration,
}

impl Drain {
    pub(super) fn new(before: Duration, target: f64) -> Self {
        Self {
            before,
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
