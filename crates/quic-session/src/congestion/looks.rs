//! When flows look at the path: at the same moments, so that together they leave its queue empty.
//!
//! One of many that leaves out what is its own sees the queue of the others, and takes the wait in it for the path's length: then no queue
//! stands, every loss is the path's own, and all grow until a third of what they send is dropped. BBR's flows come to drain
//! together by themselves, as each has its timer from when a queue was last empty (Cardwell et al., 2016, `ProbeRTT`); in a queue that is never empty
//! they would not. So the moments are fixed: each multiple of [`EVERY`] from a moment that is the same for all, by the wall clock.

use std::time::{Duration, Instant};

/// BBRv2's `ProbeRTTInterval` (draft-cardwell-iccrg-bbr-congestion-control).
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Whoever has seen that it knew the path waits twice as long, up to so many times.
const MOST_PATIENCE: u64 = 4;
/// Those who count from moments that lie so far apart, or a multiple of it, look at the same moments.
pub(crate) const ROUND: Duration = EVERY.saturating_mul(MOST_PATIENCE as u32);

/// Which of them have been.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    from: Instant,
    last: Option<u64>,
    patience: u64,
}

impl Looks {
    pub(super) fn new(from: Instant) -> Self {
        Self {
            from,
            last: None,
            patience: 1,
        }
    }

    /// Whether a moment has come since this was last asked, at which all look who have a reason to.
    pub(super) fn is_time(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.from);
        let number = since.as_secs() / EVERY.as_secs();
        let before = self.last.replace(number);
        // Who has just begun has not missed the moments before.
        before.is_some_and(|before| number > before) && number.is_multiple_of(self.patience)
    }

    /// What it showed: a path that is shorter than was thought, or not.
    pub(super) fn showed(&mut self, is_shorter: bool) {
        self.patience = if is_shorter {
            1
        } else {
            (self.patience * 2).min(MOST_PATIENCE)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_joined_at_other_times_look_at_the_same() {
        let from = Instant::now();
        let at = |seconds| from + Duration::from_secs(seconds);
        for joined in [0, 3, 11] {
            let mut looks = Looks::new(from);
            assert!(!looks.is_time(at(joined)));
            let moments: Vec<_> = (joined..30).filter(|&s| looks.is_time(at(s))).collect();
            let expected: Vec<_> = (5..30).step_by(5).filter(|&s| s > joined).collect();
            assert_eq!(moments, expected, "{joined}");
        }
        // Those who look rarely do so when the others do.
        let mut looks = Looks::new(from);
        looks.showed(false);
        looks.showed(false);
        assert!((1..20).all(|s| !looks.is_time(at(s))) && looks.is_time(at(20)));
        looks.showed(true);
        assert!(!looks.is_time(at(24)) && looks.is_time(at(25)));
        // Whoever was silent for a while looks once, late.
        let mut looks = Looks::new(from);
        assert!(!looks.is_time(at(1)) && looks.is_time(at(19)) && !looks.is_time(at(19)));
    }
}
