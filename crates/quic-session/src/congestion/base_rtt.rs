//! The RTT of the path without its queues, and how sure of it we are.
//!
//! Fed by `queue` with each sample, and by `drain` with what the path showed while it was left nearly empty. It falls with any lower sample and
//! rises by a drain alone. A minimum that expires by itself instead rises with a queue that never empties, until a full queue
//! looks like none: two flows that cut no further than the pipe do that to each other within a minute.

use std::time::{Duration, Instant};

/// The base has to be seen this often, or a drain is due: BBRv2's `ProbeRTTInterval` (draft-cardwell-iccrg-bbr-congestion-control).
/// As there, flows that see a queue empty at the same time drain together the next time.
const CONFIRMED_FOR: Duration = Duration::from_secs(5);
/// After drains that showed the queue of others, up to this many times as long.
const MOST_PATIENCE: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct BaseRtt {
    least: Option<Duration>,
    confirmed: Option<Instant>,
    patience: u32,
}

impl BaseRtt {
    pub(super) fn new() -> Self {
        Self {
            least: None,
            confirmed: None,
            patience: 1,
        }
    }

    /// An RTT was measured; one that exceeds the base by no more than `margin` confirms it.
    pub(super) fn sample(&mut self, now: Instant, rtt: Duration, margin: Duration) {
        let least = self.least.map_or(rtt, |least| least.min(rtt));
        self.least = Some(least);
        if rtt <= least + margin {
            self.confirmed = Some(now);
            self.patience = 1;
        }
    }

    /// A drained path showed this RTT, its own.
    pub(super) fn measured(&mut self, now: Instant, rtt: Duration) {
        self.least = Some(rtt);
        self.confirmed = Some(now);
        self.patience = 1;
    }

    /// A drain ended in the queue of others: another will not show more soon.
    pub(super) fn hidden(&mut self, now: Instant) {
        self.confirmed = Some(now);
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.confirmed
            .is_some_and(|at| now.saturating_duration_since(at) >= CONFIRMED_FOR * self.patience)
    }

    /// Zero before the first sample.
    pub(super) fn get(&self) -> Duration {
        self.least.unwrap_or(Duration::ZERO)
    }
}
