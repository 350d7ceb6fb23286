//! The RTT of the path without its queues: the least over a sliding ten seconds.
//!
//! Fed by `queue` with each sample. Ten seconds, as BBR has it (draft-cardwell-iccrg-bbr-congestion-control §2.13): long enough to see a
//! queue drain after a loss, short enough to learn of a new route.

use std::time::{Duration, Instant};

/// How long a sample counts, less at most one slot.
const HORIZON: Duration = Duration::from_secs(10);
const SLOTS: usize = 5;

/// A sliding minimum in slots of two seconds.
#[derive(Clone, Debug)]
pub(super) struct BaseRtt {
    /// The least of each slot, the current one first.
    slots: [Option<Duration>; SLOTS],
    slot_start: Option<Instant>,
}

impl BaseRtt {
    pub(super) fn new() -> Self {
        Self {
            slots: [None; SLOTS],
            slot_start: None,
        }
    }

    pub(super) fn sample(&mut self, now: Instant, rtt: Duration) {
        let width = HORIZON / SLOTS as u32;
        let start = *self.slot_start.get_or_insert(now);
        let passed = now.saturating_duration_since(start).as_nanos() / width.as_nanos();
        if passed > 0 {
            // A sender that was silent keeps what it knew: without samples no time passes.
            self.slots.rotate_right(1);
            self.slots[0] = None;
            self.slot_start = Some(now);
        }
        let least = self.slots[0].map_or(rtt, |least| least.min(rtt));
        self.slots[0] = Some(least);
    }

    /// Forgets what it knew: the path is another.
    pub(super) fn reset(&mut self, rtt: Duration) {
        self.slots = [None; SLOTS];
        self.slots[0] = Some(rtt);
    }

    pub(super) fn get(&self) -> Option<Duration> {
        self.slots.iter().flatten().min().copied()
    }
}
