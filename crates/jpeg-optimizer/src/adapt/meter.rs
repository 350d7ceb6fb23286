//! What a client was sent lately, as a bitrate.
//!
//! Fed with every frame sent; feeds the stepwise policy and statistics.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames over which a bitrate is taken: one second at 30 fps.
pub const WINDOW_FRAMES: usize = 30;
/// Seconds over which the bitrate's spread is taken.
pub const WINDOW_SECONDS: usize = 10;

/// The last so many frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameWindow {
    frames: VecDeque<(Instant, usize)>,
}

impl FrameWindow {
    pub(crate) fn push(&mut self, at: Instant, bytes: usize) {
        // One more than the window: the first only marks where it begins.
        if self.frames.len() > WINDOW_FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back((at, bytes));
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
    }

    /// Whole frame intervals in it.
    pub(crate) fn intervals(&self) -> usize {
        self.frames.len().saturating_sub(1)
    }

    fn span(&self) -> Option<Duration> {
        let (first, last) = (self.frames.front()?.0, self.frames.back()?.0);
        let span = last.saturating_duration_since(first);
        (!span.is_zero()).then_some(span)
    }

    /// Bits per second; `None` until time has passed.
    pub(crate) fn bps(&self) -> Option<f64> {
        let bytes: usize = self.frames.iter().skip(1).map(|&(_, bytes)| bytes).sum();
        Some(bytes as f64 * 8.0 / self.span()?.as_secs_f64())
    }

    /// Mean time from one frame to the next.
    pub(crate) fn interval(&self) -> Option<Duration> {
        Some(self.span()? / u32::try_from(self.intervals()).ok()?.max(1))
    }
}

/// Bitrates of whole seconds, for their spread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seconds {
    start: Option<Instant>,
    bytes: usize,
    bps: VecDeque<f64>,
}

impl Seconds {
    pub(crate) fn push(&mut self, at: Instant, bytes: usize) {
        let start = *self.start.get_or_insert(at);
        let elapsed = at.saturating_duration_since(start);
        if elapsed >= Duration::from_secs(1) {
            if self.bps.len() == WINDOW_SECONDS {
                self.bps.pop_front();
            }
            self.bps
                .push_back(self.bytes as f64 * 8.0 / elapsed.as_secs_f64());
            (self.start, self.bytes) = (Some(at), 0);
        }
        self.bytes += bytes;
    }

    /// Standard deviation over mean; 0 until there are two seconds.
    pub(crate) fn spread_ratio(&self) -> f64 {
        let n = self.bps.len() as f64;
        let mean = self.bps.iter().sum::<f64>() / n.max(1.0);
        if self.bps.len() < 2 || mean <= 0.0 {
            return 0.0;
        }
        let squares: f64 = self.bps.iter().map(|bps| (bps - mean).powi(2)).sum();
        (squares / n).sqrt() / mean
    }
}
