//! How eagerly the ring wants frames, with hysteresis.
//!
//! Fed by the ring after each change; read by whoever feeds the ring. Below the low watermark
//! (`prefetch_threshold` of the capacity) frames are urgent, and stay so until the ring has
//! climbed half of the way from there to full: a source on the verge of the watermark would else
//! switch its read-ahead on and off with every frame.

/// How much the ring wants frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FillState {
    /// The ring ran low and has not recovered: frames are urgent.
    Filling,
    /// Enough to play from, and room for more.
    Steady,
    /// No room.
    Full,
    /// The source has ended: nothing more is expected.
    Draining,
}

impl FillState {
    /// Whether the ring has room for frames to come.
    pub fn wants_frames(self) -> bool {
        matches!(self, Self::Filling | Self::Steady)
    }

    /// Whether playback is at risk until frames come.
    pub fn wants_frames_urgently(self) -> bool {
        self == Self::Filling
    }
}

/// Fills at which urgency begins and ends, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermarks {
    /// Below it frames are urgent; with it playback may begin. At least 1.
    pub(crate) low: usize,
    /// With it urgency ends. From `low` to the capacity.
    pub(crate) high: usize,
}

impl Watermarks {
    pub(crate) fn new(capacity: usize, prefetch_threshold: f64) -> Self {
        // 0.1 * 30 is 3.0000000000000004 in binary, which must not become 4.
        let low = (capacity as f64 * prefetch_threshold - 1e-9).ceil() as usize;
        let low = low.clamp(1, capacity);
        Self {
            low,
            high: low + (capacity - low).div_ceil(2),
        }
    }
}

/// Remembers which watermark was crossed last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FillLatch {
    low: bool,
}

impl FillLatch {
    /// An empty ring runs low.
    pub(crate) fn new() -> Self {
        Self { low: true }
    }

    pub(crate) fn update(&mut self, fill: usize, marks: Watermarks) {
        if fill < marks.low {
            self.low = true;
        } else if fill >= marks.high {
            self.low = false;
        }
    }

    pub(crate) fn is_low(self) -> bool {
        self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks_are_exact_where_decimals_are_not() {
        let marks = |capacity, threshold| {
            let marks = Watermarks::new(capacity, threshold);
            (marks.low, marks.high)
        };
        assert_eq!(marks(30, 0.5), (15, 23));
        assert_eq!(marks(30, 0.1), (3, 17));
        assert_eq!(marks(10, 0.7), (7, 9));
        assert_eq!(marks(120, 0.9), (108, 114));
        assert_eq!(marks(1, 0.1), (1, 1));
        assert_eq!(marks(1, 0.9), (1, 1));
        assert_eq!(marks(2, 0.9), (2, 2));
    }

    #[test]
    fn urgency_ends_at_the_high_mark_and_begins_below_the_low_one() {
        let marks = Watermarks { low: 15, high: 23 };
        let mut latch = FillLatch::new();
        let mut urgent = |fill| {
            latch.update(fill, marks);
            latch.is_low()
        };
        assert!(urgent(0) && urgent(15) && urgent(22));
        assert!(!urgent(23) && !urgent(30) && !urgent(22) && !urgent(15));
        assert!(urgent(14) && urgent(22));
    }
}
