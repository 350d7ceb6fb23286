//! Whether a queue stands on the path: the least RTT of the last moments beside the path's own.
//!
//! Fed by `window` with the RTT of the newest packet of each ack. The least of several samples, because a single one also holds
//! what the receiver, a scheduler or a radio added; of a fraction of a round, because a queue that a starting sender fills
//! is there and full within one round.

use std::time::{Duration, Instant};

use super::base_rtt::BaseRtt;

/// Samples of a moment: as many as RFC 9406 §4.2 takes for a round (`N_RTT_SAMPLE`).
const MOMENT_SAMPLES: u32 = 8;
/// A moment also lasts at least this part of a round.
const MOMENTS_PER_ROUND: u32 = 8;
/// Less than this is what timers and schedulers do.
const LEAST_STANDING: Duration = Duration::from_millis(2);
/// RFC 9406 §4.3: `MIN_RTT_THRESH` and `MAX_RTT_THRESH`.
const STARTUP_RANGE: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(16));

#[derive(Clone, Debug)]
pub(super) struct Queue {
    base: BaseRtt,
    moment: Moment,
    /// The least of the last whole moment.
    last: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    start: Option<Instant>,
    samples: u32,
    least: Duration,
}

impl Moment {
    const NEW: Self = Self {
        start: None,
        samples: 0,
        least: Duration::MAX,
    };
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            base: BaseRtt::new(),
            moment: Moment::NEW,
            last: None,
        }
    }

    pub(super) fn sample(&mut self, now: Instant, rtt: Duration) {
        let margin = self.clear_margin();
        self.base.sample(now, rtt, margin);
        let base = self.base();
        let start = *self.moment.start.get_or_insert(now);
        self.moment.samples = self.moment.samples.saturating_add(1);
        self.moment.least = self.moment.least.min(rtt);
        let long = now.saturating_duration_since(start) >= base / MOMENTS_PER_ROUND;
        if self.moment.samples >= MOMENT_SAMPLES && long {
            self.last = Some(self.moment.least);
            self.moment = Moment::NEW;
        }
    }

    /// The RTT without queues; zero before the first sample.
    pub(super) fn base(&self) -> Duration {
        self.base.get()
    }

    /// The RTT of the last moment.
    pub(super) fn recent(&self) -> Duration {
        self.last.unwrap_or_else(|| self.base())
    }

    /// What the last moment's packets waited.
    pub(super) fn delay(&self) -> Duration {
        self.recent().saturating_sub(self.base())
    }

    /// A loss now is the queue's.
    pub(super) fn stands(&self) -> bool {
        self.delay() > (self.base() / 10).max(LEAST_STANDING)
    }

    /// Nothing waits: there is room on the path.
    pub(super) fn is_clear(&self) -> bool {
        self.last.is_some() && self.delay() <= self.clear_margin()
    }

    /// A starting sender has filled the path (RFC 9406 §4.2).
    pub(super) fn fills(&self) -> bool {
        let (least, most) = STARTUP_RANGE;
        self.delay() > (self.base() / 8).clamp(least, most)
    }

    fn clear_margin(&self) -> Duration {
        (self.base() / 20).max(LEAST_STANDING / 2)
    }

    /// Nothing has shown the base for long.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.base.is_stale(now)
    }

    /// A drained path showed this RTT: its own.
    pub(super) fn measured(&mut self, now: Instant, rtt: Duration) {
        self.base.measured(now, rtt);
        self.start_over();
    }

    /// A drained path showed the queue of others.
    pub(super) fn hidden(&mut self, now: Instant) {
        self.base.hidden(now);
        self.start_over();
    }

    fn start_over(&mut self) {
        self.moment = Moment::NEW;
        self.last = None;
    }
}
