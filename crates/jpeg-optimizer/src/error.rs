//! Why a frame did not become a JPEG.

use frame_buffer::{PictureError, PictureSize};

use crate::Quality;

/// Why a frame did not become a JPEG. Every viewer that waited for the same encode gets the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The size asked for is no picture's.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The size asked for is larger than the source.
    #[error(
        "cannot enlarge {from} to {to}: ask for at most the source's size \
         (fit_within computes one that keeps the shape)"
    )]
    Enlarge {
        /// The source's size.
        from: PictureSize,
        /// The size asked for.
        to: PictureSize,
    },
    /// Scaling failed.
    #[error("cannot scale {from} to {to}: {reason}")]
    Scale {
        /// The source's size.
        from: PictureSize,
        /// The size asked for.
        to: PictureSize,
        /// What the scaler said.
        reason: String,
    },
    /// The JPEG library failed.
    #[error("cannot encode {size} as JPEG of quality {quality}: {reason}")]
    Codec {
        /// Size of the picture.
        size: PictureSize,
        /// Quality asked for.
        quality: Quality,
        /// What the library said.
        reason: String,
    },
}
