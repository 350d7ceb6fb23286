//! What travels with a frame besides its bytes: `meta` of the wire format.
//!
//! Fed by whoever encodes frames; carried in each frame's first chunk; handed out with the frame.

use serde::{Deserialize, Serialize};

use crate::limits::MAX_DIMENSION;

/// How a frame's payload is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// One JPEG picture.
    Jpeg,
    /// Raw planes Y, U, V without padding: `w·h + 2·⌈w/2⌉·⌈h/2⌉` bytes.
    I420,
    /// Raw packed B, G, R, 8 bit each: `3·w·h` bytes.
    Bgr,
    /// One H.264 access unit in Annex B form (ITU-T H.264 §B.1).
    H264,
    /// Bytes that only the two ends understand; width and height may be 0.
    Opaque,
    /// An encoding of a later revision, by its number.
    Other(u8),
}

impl Encoding {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Jpeg => 0,
            Self::I420 => 1,
            Self::Bgr => 2,
            Self::H264 => 3,
            Self::Opaque => 4,
            Self::Other(code) => code,
        }
    }

    /// The encoding with that number; unknown numbers are kept.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Jpeg,
            1 => Self::I420,
            2 => Self::Bgr,
            3 => Self::H264,
            4 => Self::Opaque,
            other => Self::Other(other),
        }
    }

    /// How long the payload of a picture must be, in bytes; `None` where the encoding does not say.
    #[must_use]
    pub fn exact_bytes(self, width: u32, height: u32) -> Option<u64> {
        let (w, h) = (u64::from(width), u64::from(height));
        match self {
            Self::I420 => Some(w * h + 2 * w.div_ceil(2) * h.div_ceil(2)),
            Self::Bgr => Some(3 * w * h),
            _ => None,
        }
    }
}

/// What is said about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameMeta {
    /// The frame's index at its source: rises, with gaps where frames were dropped.
    pub source_id: u64,
    /// Presentation time since the source's start, in µs.
    pub pts_us: i64,
    /// How long the frame is shown, in µs; 0 = not known.
    pub duration_us: u32,
    /// Luma samples per row, 1–16,384 (0 for [`Encoding::Opaque`]).
    pub width: u32,
    /// Rows, 1–16,384 (0 for [`Encoding::Opaque`]).
    pub height: u32,
    /// What the payload is.
    pub encoding: Encoding,
    /// 1–100 for JPEG, else 0.
    pub quality: u8,
    /// Whether a decoder may start here.
    pub keyframe: bool,
    /// The sender's clock (the one its pongs show) when the frame left its buffer, in µs.
    pub released_us: u64,
}

/// What is wrong with a frame's description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// A side is 0 or beyond the limit.
    #[error("picture of {width}x{height}: each side must be 1 to {MAX_DIMENSION}")]
    Dimensions {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
    },
    /// A raw picture is not as long as its dimensions say.
    #[error("{encoding:?} of {width}x{height} is {expected} B, the frame has {actual} B")]
    PayloadLength {
        /// Declared encoding.
        encoding: Encoding,
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// What the encoding and dimensions ask for, in bytes.
        expected: u64,
        /// What the frame has, in bytes.
        actual: u64,
    },
    /// JPEG quality beyond its range.
    #[error("quality {0}: must be 0 to 100")]
    Quality(u8),
}

impl FrameMeta {
    /// Checks the description against itself and against the payload's length in bytes.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self, payload_bytes: u64) -> Result<(), MetaError> {
        let Self {
            width,
            height,
            encoding,
            quality,
            ..
        } = *self;
        let least = u32::from(!matches!(encoding, Encoding::Opaque));
        let sides = least..=MAX_DIMENSION;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(MetaError::Dimensions { width, height });
        }
        if quality > 100 {
            return Err(MetaError::Quality(quality));
        }
        match encoding.exact_bytes(width, height) {
            Some(expected) if expected != payload_bytes => Err(MetaError::PayloadLength {
                encoding,
                width,
                height,
                expected,
                actual: payload_bytes,
            }),
            _ => Ok(()),
        }
    }
}
