//! A clock that moves when the test says so.

use std::time::{Duration, Instant};

/// Virtual time. State machines that take `now` as an argument run on it as fast as they compute,
/// and the same way each time.
#[derive(Debug, Clone)]
pub struct SimClock {
    start: Instant,
    elapsed: Duration,
}

impl SimClock {
    /// A clock at its beginning. An `Instant` cannot be made from nothing, so the caller lends one
    /// (any; `Instant::now()` will do): only differences matter.
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            elapsed: Duration::ZERO,
        }
    }

    /// Virtual now.
    pub fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Moves on by `step`.
    pub fn advance(&mut self, step: Duration) {
        self.elapsed += step;
    }

    /// Moves on to the earliest of what is pending and returns it; `None`, without moving, when
    /// nothing is. Times gone by do not move the clock back.
    pub fn advance_to_next(
        &mut self,
        pending: impl IntoIterator<Item = Option<Instant>>,
    ) -> Option<Instant> {
        let next = pending.into_iter().flatten().min()?;
        self.elapsed = self.elapsed.max(next.saturating_duration_since(self.start));
        Some(self.now())
    }
}
