//! What a policy is told and what it answers.

use std::fmt;
use std::time::Instant;

use frame_buffer::FrameId;

use crate::{Bitrate, Quality};

/// A frame that went to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFrame {
    /// Which one of its stream.
    pub frame: FrameId,
    /// When it was handed to the transport.
    pub at: Instant,
    /// Its JPEG's length.
    pub bytes: usize,
    /// The quality it was encoded with.
    pub quality: Quality,
}

/// What is to be met, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The bitrate to land on.
    pub target: Bitrate,
    /// The qualities that may be sent, worst first; at least one.
    pub rungs: &'a [Quality],
}

impl Goal<'_> {
    /// The worst and the best rung.
    pub(crate) fn ends(&self) -> (Quality, Quality) {
        let worst = self.rungs.first().copied().unwrap_or(Quality::MIN);
        (worst, self.rungs.last().copied().unwrap_or(worst))
    }

    /// A quality between the worst and the best rung.
    pub(crate) fn clamp(&self, wanted: f64) -> f64 {
        let (worst, best) = self.ends();
        wanted.clamp(f64::from(worst.get()), f64::from(best.get()))
    }
}

/// Decides which quality lands on a target.
pub trait QualityPolicy: fmt::Debug + Send {
    /// The policy's name, for statistics.
    fn name(&self) -> &'static str;

    /// Learns from a frame that was sent.
    fn observe(&mut self, frame: SentFrame, goal: &Goal<'_>);

    /// A frame was left out at the worst rung, where it would have cost about `bytes`: so that the bitrate, which is
    /// then the target, is not taken for a reason to raise the quality.
    fn left_out(&mut self, at: Instant, bytes: usize, goal: &Goal<'_>);

    /// The quality that would be right now, between the worst and the best rung; what lies between two rungs is made by
    /// sending some frames with the one and some with the other.
    fn wanted(&mut self, goal: &Goal<'_>) -> f64;
}
