//! What the ring did and holds, as numbers for a person's chart.

use serde::Serialize;

use crate::FillState;

/// A word for the state of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BufferHealth {
    /// Enough to play from.
    Healthy,
    /// Below the prefetch threshold, or not yet recovered from it.
    Low,
    /// Nothing to play.
    Empty,
    /// No room for more.
    Full,
}

impl BufferHealth {
    pub(crate) fn new(fill: usize, state: FillState) -> Self {
        match state {
            _ if fill == 0 => Self::Empty,
            FillState::Filling => Self::Low,
            FillState::Full => Self::Full,
            FillState::Steady | FillState::Draining => Self::Healthy,
        }
    }
}

/// Snapshot of a [`crate::RingBuffer`]. Counters count since the ring was made, over seeks.
///
/// Every frame pushed is accounted for:
/// `pushed = popped + dropped_oldest + dropped_newest + dropped_on_shrink + cleared + fill`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BufferMetrics {
    /// Frames that the ring may hold, as set.
    pub size: usize,
    /// Frames that the ring can hold: `size`, or fewer where the byte bound is tighter.
    pub capacity: usize,
    /// Frames in the ring.
    pub fill: usize,
    /// `fill / size`, 0 to 1; above 1 while a ring that was made smaller drains.
    pub fill_ratio: f64,
    /// Share of the ring to fill before playback begins, as set.
    pub prefetch_threshold: f64,
    /// Whether that share was reached since the start or the last seek.
    pub ready: bool,
    /// Frames offered to the ring and not handed back.
    pub pushed: u64,
    /// Frames taken out to be shown.
    pub popped: u64,
    /// Pops that found no frame although the source had not ended: `repeats + placeholders`.
    pub underflows: u64,
    /// Underflows answered with the last frame again.
    pub repeats: u64,
    /// Underflows before the first frame.
    pub placeholders: u64,
    /// Runs of underflows without a frame between: what a viewer sees as one freeze.
    pub stalls: u64,
    /// Time from the first underflow of each stall to the frame that ended it (or the last
    /// underflow yet), summed, in milliseconds.
    pub stalled_ms: u64,
    /// Frames that gave way to a newer one.
    pub dropped_oldest: u64,
    /// Frames that came while the ring was full.
    pub dropped_newest: u64,
    /// Frames that a smaller size had no room for, under a policy that drops.
    pub dropped_on_shrink: u64,
    /// Frames that a seek threw away.
    pub cleared: u64,
    /// Bytes of the pictures in the ring.
    pub bytes: usize,
    /// State in a word.
    pub health: BufferHealth,
}
