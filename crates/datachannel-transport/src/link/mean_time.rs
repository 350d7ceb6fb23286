//! The mean of the latest times of something.
//!
//! Fed by the receiver and by `CreditSizer`; read when a window is sized. A mean and not a smoothed time: what came
//! late comes in bunches, the longest wait first, and the end of a bunch would say that nothing was late.

use std::collections::VecDeque;
use std::time::Duration;

/// Times that count.
const SAMPLES: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct MeanTime {
    latest: VecDeque<Duration>,
    sum: Duration,
}

impl MeanTime {
    pub(crate) fn add(&mut self, time: Duration) {
        if self.latest.len() >= SAMPLES
            && let Some(oldest) = self.latest.pop_front()
        {
            self.sum -= oldest;
        }
        self.latest.push_back(time);
        self.sum += time;
    }

    /// `None` before the first.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let samples = u32::try_from(self.latest.len()).ok()?;
        self.sum.checked_div(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_count() {
        let mut times = MeanTime::default();
        assert_eq!(times.mean(), None);
        times.add(Duration::from_millis(10));
        times.add(Duration::from_millis(20));
        assert_eq!(times.mean(), Some(Duration::from_millis(15)));
        (0..SAMPLES).for_each(|_| times.add(Duration::from_millis(7)));
        assert_eq!(times.mean(), Some(Duration::from_millis(7)));
    }
}
