//! How many frames to let a sender have under way: enough that whoever uses them never waits, no more.
//!
//! Fed with confirmations and round trips; feeds [`FrameReceiver::set_window`](crate::FrameReceiver::set_window).
//! Little's law (J. D. C. Little, 1961): what is under way = service rate × time under way. What is more than that
//! only waits in a queue, costs memory, and travels again after a cut.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::link::MeanTime;

/// Confirmations by which the rate is measured.
const RATE_SAMPLES: usize = 64;

/// An arrival, and an answer, are believed to take so many round trips: each loss of a loss costs one. What takes longer is an
/// end that was not scheduled, and more frames do not help it.
const MOST_ROUND_TRIPS: u32 = 4;
/// As much of a round trip may be the machine's own, so that on a path as short as that an arrival and an answer are not counted.
const SCHEDULING: Duration = Duration::from_millis(5);

/// Sizes a window from the rate of service and the round trip.
#[derive(Debug)]
pub struct CreditSizer {
    least_frames: u32,
    most_frames: u32,
    confirmed: VecDeque<(Instant, u64)>,
    /// When each frame was answered that is not confirmed.
    answered: VecDeque<(u64, Instant)>,
    answers: MeanTime,
}

impl CreditSizer {
    /// Between `least_frames` (what the workers hold at once, or they starve) and `most_frames`.
    #[must_use]
    pub fn new(least_frames: u32, most_frames: u32) -> Self {
        Self {
            least_frames: least_frames.min(most_frames),
            most_frames,
            confirmed: VecDeque::with_capacity(RATE_SAMPLES),
            answered: VecDeque::new(),
            answers: MeanTime::default(),
        }
    }

    /// A frame was answered; the others before it were. What is not confirmed yet is kept in mind, at most as many as may be
    /// under way.
    pub fn answered(&mut self, now: Instant, sequence: u64) {
        if self.answered.len() >= self.most_frames as usize {
            self.answered.pop_front();
        }
        self.answered.push_back((sequence, now));
    }

    /// Every frame below `until` is done with.
    pub fn confirmed(&mut self, now: Instant, until: u64) {
        while let Some((_, at)) = self
            .answered
            .pop_front_if(|(sequence, _)| *sequence < until)
        {
            self.answers.add(now.saturating_duration_since(at));
        }
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

    /// Frames to grant: the rate times twice the time that a frame travels, above what the workers hold. That is the path's
    /// shortest round trip (credit to the first chunk), the arrival of all of it and of those before it
    /// ([`FrameReceiver::arrival_time`](crate::FrameReceiver::arrival_time)), and its answer until it is confirmed; not what it
    /// waits for the workers, or for its lane, which is the longer the more are granted. Twice, for whatever is exactly as
    /// large as what is under way cannot show that more would be. Twice what the workers hold until the rate is known, so
    /// that a link starts quickly and a short one never holds more than it needs.
    #[must_use]
    pub fn frames(&self, round_trip: Option<Duration>, arrival: Option<Duration>) -> u32 {
        let (Some(rate), Some(round_trip)) = (self.frames_per_second(), round_trip) else {
            return self.least_frames.saturating_mul(2).min(self.most_frames);
        };
        let longest = round_trip.saturating_sub(SCHEDULING) * MOST_ROUND_TRIPS;
        let waits = [arrival, self.answers.mean()].into_iter().flatten();
        let waits: Duration = waits.map(|wait| wait.min(longest)).sum();
        let time = round_trip + waits;
        let travelling = (2.0 * rate * time.as_secs_f64()).ceil();
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
        assert_eq!(sizer.frames(Some(Duration::from_millis(50)), None), 16);
        assert_eq!(served_at(10).frames(None, None), 16);
        assert_eq!(CreditSizer::new(8, 10).frames(None, None), 10);
    }

    #[test]
    fn a_slow_model_gets_what_it_holds_and_what_travels() {
        assert_eq!(
            served_at(10).frames(Some(Duration::from_millis(50)), None),
            9
        );
        assert_eq!(
            served_at(10).frames(Some(Duration::from_micros(50)), None),
            9
        );
    }

    #[test]
    fn a_fast_one_behind_a_long_path_gets_twice_the_product() {
        assert_eq!(
            served_at(1000).frames(Some(Duration::from_millis(50)), None),
            8 + 100
        );
        assert_eq!(
            served_at(10_000).frames(Some(Duration::from_secs(1)), None),
            256
        );
    }

    #[test]
    fn late_arrivals_and_late_answers_are_travel_too() {
        let mut sizer = CreditSizer::new(8, 1024);
        let start = Instant::now();
        let answer = Duration::from_millis(60);
        for done in 0..=100 {
            let at = start + Duration::from_millis(done);
            sizer.answered(at, done);
        }
        for done in 0..=100 {
            sizer.confirmed(start + Duration::from_millis(done) + answer, done + 1);
        }
        let (round_trip, arrival) = (Duration::from_millis(50), Duration::from_millis(90));
        assert_eq!(
            sizer.frames(Some(round_trip), Some(arrival)),
            8 + 2 * (50 + 90 + 60)
        );
    }

    #[test]
    fn a_busy_machine_is_not_taken_for_a_long_path() {
        let sizer = served_at(1000);
        let granted = |ms| {
            let arrival = Duration::from_millis(100);
            sizer.frames(Some(Duration::from_millis(ms)), Some(arrival))
        };
        assert_eq!(granted(1), 8 + 2);
        assert_eq!(granted(10), 8 + 2 * (10 + 20));
        assert_eq!(granted(50), 256);
    }

    #[test]
    fn answers_that_are_never_confirmed_are_forgotten() {
        let mut sizer = CreditSizer::new(1, 10);
        let now = Instant::now();
        (0..1000).for_each(|sequence| sizer.answered(now, sequence));
        assert_eq!(sizer.answered.len(), 10);
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
