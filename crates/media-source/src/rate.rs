//! A constant frame rate, and the times that follow from it.
//!
//! Fed by container headers and options; feeds the sources whose frames carry no times of their own.

use std::time::Duration;

/// Frames per second of content that has no rate of its own (plain JPEGs, multipart): what FFmpeg takes
/// for such content, too.
pub const DEFAULT_FRAME_RATE: f64 = 25.0;

/// A constant frame rate as a fraction, so that times do not drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Frames in `seconds`; above 0.
    pub(crate) frames: u64,
    /// Above 0.
    pub(crate) seconds: u64,
}

impl Rate {
    /// A rate in frames per second, kept to a thousandth; `None` outside 0.001 to 1000.
    pub(crate) fn from_fps(fps: f64) -> Option<Self> {
        (0.001..=1000.0).contains(&fps).then(|| Self {
            frames: (fps * 1000.0).round() as u64,
            seconds: 1000,
        })
    }

    pub(crate) fn fps(self) -> f64 {
        self.frames as f64 / self.seconds as f64
    }

    /// When frame `index` starts. Exact to the nanosecond, so that durations add up.
    pub(crate) fn start(self, index: u64) -> Duration {
        let nanos = u128::from(index) * u128::from(self.seconds) * 1_000_000_000;
        let nanos = nanos / u128::from(self.frames.max(1));
        Duration::new(
            u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX),
            (nanos % 1_000_000_000) as u32,
        )
    }

    /// The frame shown at `at`: the last that starts no later.
    pub(crate) fn index_at(self, at: Duration) -> u64 {
        // `start` rounds down to the nanosecond, so a frame that starts within the one after `at` has started by then.
        let frames = (at.as_nanos() + 1).saturating_mul(u128::from(self.frames.max(1))) - 1;
        let index = frames / (u128::from(self.seconds) * 1_000_000_000);
        u64::try_from(index).unwrap_or(u64::MAX)
    }

    /// When frame `index` starts, and how long it lasts.
    pub(crate) fn times(self, index: u64) -> (Duration, Duration) {
        let start = self.start(index);
        (
            start,
            self.start(index.saturating_add(1)).saturating_sub(start),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_is_shown_from_its_start_until_the_next_ones(
            frames in 1_u64..=u64::from(u32::MAX),
            seconds in 1_u64..=100_000,
            index in 0_u64..1 << 40,
        ) {
            // Frames of less than a nanosecond start together.
            prop_assume!(frames < seconds * 1_000_000_000);
            let rate = Rate { frames, seconds };
            let (start, duration) = rate.times(index);
            prop_assert_eq!(rate.index_at(start), index);
            prop_assert_eq!(rate.index_at(start + duration - Duration::from_nanos(1)), index);
        }
    }

    #[test]
    fn no_time_is_too_late() {
        let rate = Rate {
            frames: u64::from(u32::MAX),
            seconds: 1,
        };
        assert_eq!(rate.index_at(Duration::MAX), u64::MAX);
    }
}
