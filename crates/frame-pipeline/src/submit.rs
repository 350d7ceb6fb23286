//! Why a frame is not taken.

use crate::EncodedFrame;

/// A frame that was not taken, handed back.
#[derive(Debug, thiserror::Error)]
#[error("frame {index} is not taken: {reason}", index = .frame.index)]
pub struct Full {
    /// The frame as it was given.
    pub frame: Box<EncodedFrame>,
    /// Why.
    pub reason: FullReason,
}

/// Why a frame is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FullReason {
    /// As many frames as may be are in the pipeline. Submit it again after a result.
    #[error("the pipeline holds {frames} frames; submit it again after the next result")]
    Frames {
        /// Frames in the pipeline.
        frames: usize,
    },
    /// With it there would be more bytes than may be. Submit it again after a result.
    #[error(
        "the pipeline holds {bytes} bytes and has no room for it; submit it again after the next result"
    )]
    Bytes {
        /// Bytes in the pipeline.
        bytes: u64,
    },
    /// Frames are submitted in the order of their index, each once.
    #[error("frame {expected} comes next")]
    OutOfOrder {
        /// Index of the frame that is taken next.
        expected: u64,
    },
    /// [`finish`](crate::driver::Pipeline::finish) was called.
    #[error("the pipeline was told that no more frames come")]
    Finished,
}

impl FullReason {
    /// Whether the same frame may be taken later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Frames { .. } | Self::Bytes { .. })
    }
}
