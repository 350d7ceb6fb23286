//! How long a session's path is: its least smoothed round trip of the last seconds.
//!
//! Asked by the session's task, which sizes its send buffer by it. The least, for a smoothed round trip also holds what a queue, or a
//! busy machine, adds; of some seconds, for a path may become longer.

use std::time::{Duration, Instant};

/// The transport is asked this often at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The least of between one and two of these counts.
const PERIOD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct PathLength {
    looked: Instant,
    began: Instant,
    before: Duration,
    least: Duration,
}

impl PathLength {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            began: now,
            before: Duration::MAX,
            least: Duration::MAX,
        }
    }

    /// The path's length, when it was time to look.
    pub(super) fn looked(
        &mut self,
        now: Instant,
        round_trip: impl FnOnce() -> Duration,
    ) -> Option<Duration> {
        if now.saturating_duration_since(self.looked) < LOOK_EVERY {
            return None;
        }
        self.looked = now;
        if now.saturating_duration_since(self.began) >= PERIOD {
            self.before = self.least;
            self.least = Duration::MAX;
            self.began = now;
        }
        self.least = self.least.min(round_trip());
        Some(self.least.min(self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_moment_does_not_make_a_path_long_and_a_longer_path_is_known_in_time() {
        let millis = Duration::from_millis;
        let start = Instant::now();
        let mut path = PathLength::new(start);
        assert_eq!(path.looked(start, || millis(1)), None, "not yet");
        assert_eq!(
            path.looked(start + millis(20), || millis(1)),
            Some(millis(1))
        );
        assert_eq!(
            path.looked(start + millis(25), || millis(9)),
            None,
            "too soon"
        );
        let mut length = None;
        for at in (40..12_000).step_by(20) {
            let seen = path.looked(start + millis(at), || millis(60));
            let least = if at < 10_000 { millis(1) } else { millis(60) };
            if !(9_900..=10_100).contains(&at) {
                assert_eq!(seen, Some(least), "{at}");
            }
            length = seen;
        }
        assert_eq!(length, Some(millis(60)));
    }
}
