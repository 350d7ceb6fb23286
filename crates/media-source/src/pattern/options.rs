//! The parameters of the test pattern.
//!
//! Fed by a `test:` URI or by code; feeds [`TestPattern`](crate::TestPattern).

use frame_buffer::PictureSize;

use crate::OpenError;
use crate::rate::Rate;

/// Smallest pattern: at four columns a cell, JPEG still leaves the number readable.
const MIN_SIZE: PictureSize = PictureSize {
    width: 160,
    height: 90,
};
/// Largest pattern: 8K.
const MAX_SIZE: PictureSize = PictureSize {
    width: 8192,
    height: 8192,
};
/// The two in words.
pub(super) const ACCEPTED_SIZES: &str = "160x90 to 8192x8192";
/// Slowest and fastest.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 0.1..=1000.0;

/// What the test pattern looks like, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatternOptions {
    /// Size in pixels: 160x90 to 8192x8192, odd sizes too. Default 1280x720.
    pub size: PictureSize,
    /// Frames per second, kept to a thousandth: 0.1 to 1000. Default 30.
    pub fps: f64,
    /// Frames until the end; at least 1. Default: it does not end.
    pub frames: Option<u64>,
}

impl Default for PatternOptions {
    fn default() -> Self {
        Self {
            size: PictureSize {
                width: 1280,
                height: 720,
            },
            fps: 30.0,
            frames: None,
        }
    }
}

impl PatternOptions {
    /// Whether every field is in range.
    ///
    /// # Errors
    /// [`OpenError::OutOfRange`] naming the field and its range.
    pub fn check(&self) -> Result<(), OpenError> {
        self.checked_rate().map(|_| ())
    }

    pub(super) fn checked_rate(&self) -> Result<Rate, OpenError> {
        let fits = |side: u32, min: u32, max: u32| (min..=max).contains(&side);
        let size = self.size;
        if !fits(size.width, MIN_SIZE.width, MAX_SIZE.width)
            || !fits(size.height, MIN_SIZE.height, MAX_SIZE.height)
        {
            return Err(OpenError::OutOfRange {
                field: "size",
                value: size.to_string(),
                accepted: ACCEPTED_SIZES,
            });
        }
        if self.frames == Some(0) {
            return Err(OpenError::OutOfRange {
                field: "frames",
                value: "0".to_owned(),
                accepted: "1 or more",
            });
        }
        let rate = FPS_RANGE
            .contains(&self.fps)
            .then(|| Rate::from_fps(self.fps));
        rate.flatten().ok_or_else(|| OpenError::OutOfRange {
            field: "fps",
            value: self.fps.to_string(),
            accepted: "0.1 to 1000 frames per second",
        })
    }
}
