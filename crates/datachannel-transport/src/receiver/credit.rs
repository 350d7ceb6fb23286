//! How many frames to let a sender have under way: enough that whoever uses them never waits, no more.
//!
//! Fed with confirmations and round trips; feeds [`FrameReceiver::set_window`](crate::FrameReceiver::set_window).
//! Little's law (J. D. C. Little, 1961): what is under way = service rate × time under way. What is more than that
//! only waits in a queue, costs memory, and travels again after a cut.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Confirmations by which the rate is measured.
const RATE_SAMPLES: usize = 64;

/// Sizes a window from the rate of service and the round trip.
#[derive(Debug)]
pub struct CreditSizer {
    least_frames: u32,
    most_frames: u32,
    confirmed: VecDeque<(Instant, u64)>,
}

impl CreditSizer {
    /// Between `least_frames` (what the workers hold at once, or they starve) and `most_frames`.
    #[must_use]
    pub fn new(least_frames: u32, most_frames: u32) -> Self {
        Self {
            least_frames: least_frames.min(most_frames),
            most_frames,
            confirmed: VecDeque::with_capacity(RATE_SAMPLES),
        }
    }

    /// Every frame below `until` is done with.
    pub fn confirmed(&mut self, now: Instant, until: u64) {
        if self.confirmed.back().is_some_and(|last| last.1 >= until) {
            return;
        }
        if self.confirmed.len() >= RATE_SAMPLES {
            self.confirmed.pop_front();
        }
        self.confirmed.push_back((now, until));
    }

    /// Frames per second over the latest confirmations; `None` before there are two.
    #[must_use]
    pub fn frames_per_second(&self) -> Option<f64> {
        let (first, last) = (self.confirmed.front()?, self.confirmed.back()?);
        let span = last.0.saturating_duration_since(first.0).as_secs_f64();
        (span > 0.0).then(|| (last.1 - first.1) as f64 / span)
    }

    /// Frames to grant: the rate times twice the round trip, above what the workers hold. Twice what they hold until the rate
    /// is known, so that a link starts quickly and a short one never holds more than it needs.
    #[must_use]
    pub fn frames(&self, round_trip: Option<Duration>) -> u32 {
        let (Some(rate), Some(round_trip)) = (self.frames_per_second(), round_trip) else {
            return self.least_frames.saturating_mul(2).min(self.most_frames);
        };
        let travelling = (2.0 * rate * round_trip.as_secs_f64()).ceil();
        let wanted = f64::from(self.least_frames) + travelling;
        (wanted as u32).clamp(self.least_frames, self.most_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served_at(rate: u64) -> CreditSizer {
        let mut sizer = CreditSizer::new(8, 256);
        let start = Instant::now();
        for done in 0..=rate.min(100) {
            let at = start + Duration::from_secs_f64(done as f64 / rate as f64);
            sizer.confirmed(at, done);
        }
        sizer
    }

    #[test]
    fn twice_what_is_held_is_granted_until_the_rate_is_known() {
        let sizer = CreditSizer::new(8, 256);
        assert_eq!(sizer.frames(Some(Duration::from_millis(50))), 16);
        assert_eq!(served_at(10).frames(None), 16);
        assert_eq!(CreditSizer::new(8, 10).frames(None), 10);
    }

    #[test]
    fn a_slow_model_gets_what_it_holds_and_what_travels() {
        assert_eq!(served_at(10).frames(Some(Duration::from_millis(50))), 9);
        assert_eq!(served_at(10).frames(Some(Duration::from_micros(50))), 9);
    }

    #[test]
    fn a_fast_one_behind_a_long_path_gets_twice_the_product() {
        assert_eq!(
            served_at(1000).frames(Some(Duration::from_millis(50))),
            8 + 100
        );
        assert_eq!(served_at(10_000).frames(Some(Duration::from_secs(1))), 256);
    }

    #[test]
    fn confirmations_that_say_nothing_new_do_not_count() {
        let mut sizer = CreditSizer::new(1, 10);
        let now = Instant::now();
        sizer.confirmed(now, 5);
        sizer.confirmed(now + Duration::from_secs(1), 5);
        assert_eq!(sizer.frames_per_second(), None);
    }
}
