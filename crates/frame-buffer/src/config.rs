//! What a user may set on the ring, checked before the ring sees it.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Frames a ring may be sized to: 120 is 4 s at 30 fps.
pub const SIZE_RANGE_FRAMES: RangeInclusive<usize> = 1..=120;
/// Default size: 1 s at 30 fps.
pub const DEFAULT_SIZE_FRAMES: usize = 30;
/// Share of the ring that must be filled before playback begins.
pub const PREFETCH_THRESHOLD_RANGE: RangeInclusive<f64> = 0.1..=0.9;
/// Default share.
pub const DEFAULT_PREFETCH_THRESHOLD: f64 = 0.5;
/// Default bound on the pictures in a ring: 512 MiB, which holds 120 frames of 1920x1080 (373 MB)
/// and 42 of 3840x2160.
pub const DEFAULT_MAX_BYTES: usize = 512 << 20;

/// What a full ring does with one frame more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverflowPolicy {
    /// Hand the frame back: the caller pushes it again after a pop. Nothing is lost. For sources
    /// that can wait, such as files.
    #[default]
    Wait,
    /// Drop the oldest frame, so that what plays is recent. For cameras.
    DropOldest,
    /// Drop the frame that comes, so that what plays is unbroken up to the gap.
    DropNewest,
}

/// Settings of a [`crate::RingBuffer`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BufferConfig {
    size: usize,
    prefetch_threshold: f64,
    overflow: OverflowPolicy,
    max_bytes: usize,
}

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `size` is out of [`SIZE_RANGE_FRAMES`].
    #[error(
        "buffer size of {got} frames is out of range: {min} to {max}",
        min = SIZE_RANGE_FRAMES.start(),
        max = SIZE_RANGE_FRAMES.end()
    )]
    Size {
        /// Frames asked for.
        got: usize,
    },
    /// `prefetch_threshold` is out of [`PREFETCH_THRESHOLD_RANGE`], or not a number.
    #[error(
        "prefetch threshold {got} is out of range: {min} to {max}",
        min = PREFETCH_THRESHOLD_RANGE.start(),
        max = PREFETCH_THRESHOLD_RANGE.end()
    )]
    PrefetchThreshold {
        /// Share asked for.
        got: f64,
    },
}

impl ConfigError {
    /// Name of the setting, as in [`crate::BufferMetrics`].
    pub fn field(&self) -> &'static str {
        match self {
            Self::Size { .. } => "size",
            Self::PrefetchThreshold { .. } => "prefetch_threshold",
        }
    }

    /// Smallest and largest value of the setting.
    pub fn range(&self) -> (f64, f64) {
        match self {
            Self::Size { .. } => (
                *SIZE_RANGE_FRAMES.start() as f64,
                *SIZE_RANGE_FRAMES.end() as f64,
            ),
            Self::PrefetchThreshold { .. } => PREFETCH_THRESHOLD_RANGE.into_inner(),
        }
    }
}

impl BufferConfig {
    /// Checked settings: `size` in frames, 1 to 120; `prefetch_threshold` a share of it, 0.1 to
    /// 0.9. Memory is bounded by [`DEFAULT_MAX_BYTES`].
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting and its range.
    pub fn new(
        size: usize,
        prefetch_threshold: f64,
        overflow: OverflowPolicy,
    ) -> Result<Self, ConfigError> {
        check_size(size)?;
        check_prefetch_threshold(prefetch_threshold)?;
        Ok(Self {
            size,
            prefetch_threshold,
            overflow,
            max_bytes: DEFAULT_MAX_BYTES,
        })
    }

    /// Bounds the pictures in the ring to `max_bytes` as well; default [`DEFAULT_MAX_BYTES`]. The
    /// ring always holds one frame, however large.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Frames that the ring holds at most.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Share of the ring to fill before playback begins.
    pub fn prefetch_threshold(&self) -> f64 {
        self.prefetch_threshold
    }

    /// What a full ring does.
    pub fn overflow(&self) -> OverflowPolicy {
        self.overflow
    }

    /// Bytes that the pictures in the ring hold at most.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(crate) fn set_size(&mut self, size: usize) -> Result<(), ConfigError> {
        check_size(size)?;
        self.size = size;
        Ok(())
    }

    pub(crate) fn set_prefetch_threshold(&mut self, threshold: f64) -> Result<(), ConfigError> {
        check_prefetch_threshold(threshold)?;
        self.prefetch_threshold = threshold;
        Ok(())
    }
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            size: DEFAULT_SIZE_FRAMES,
            prefetch_threshold: DEFAULT_PREFETCH_THRESHOLD,
            overflow: OverflowPolicy::default(),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

fn check_size(size: usize) -> Result<(), ConfigError> {
    if SIZE_RANGE_FRAMES.contains(&size) {
        Ok(())
    } else {
        Err(ConfigError::Size { got: size })
    }
}

/// NaN is in no range.
fn check_prefetch_threshold(threshold: f64) -> Result<(), ConfigError> {
    if PREFETCH_THRESHOLD_RANGE.contains(&threshold) {
        Ok(())
    } else {
        Err(ConfigError::PrefetchThreshold { got: threshold })
    }
}
