//! A decoded frame: what a decoder hands to the ring, and the ring to an encoder.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Picture;

/// Index of a frame in presentation order since its source was opened, from 0.
///
/// It keeps rising when the source loops, so it names one frame of one source for good.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FrameId(pub u64);

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One decoded frame: a picture with its place in time.
///
/// A clone shares the picture: it costs one reference count, never a copy of the samples.
#[derive(Debug, Clone)]
pub struct VideoFrame {
    /// Place in presentation order.
    pub id: FrameId,
    /// Presentation time since the source's start; keeps rising when the source loops.
    pub pts: Duration,
    /// How long the frame is shown.
    pub duration: Duration,
    /// The samples.
    pub picture: Picture,
}

impl VideoFrame {
    /// Bytes of memory that the frame's picture holds (all planes with their padding).
    pub fn size_bytes(&self) -> usize {
        self.picture.size_bytes()
    }
}
