//! A link of a certain rate and delay, which all connections of a proxy share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How fast and how long the link is. Default: neither limits anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkShape {
    /// Bits per second towards the client, over all connections.
    pub rate_bps: Option<u64>,
    /// From a request to the first byte of its answer; a new connection takes as long once more.
    pub round_trip: Duration,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) shape: LinkShape,
    free_at: Mutex<Option<Instant>>,
}

impl Link {
    pub(super) fn new(shape: LinkShape) -> Self {
        Self {
            shape,
            free_at: Mutex::new(None),
        }
    }

    /// When `bytes` that are ready `now` have left the near end.
    pub(super) fn pass(&self, bytes: usize, now: Instant) -> Instant {
        let Some(rate_bps) = self.shape.rate_bps.filter(|&rate| rate > 0) else {
            return now;
        };
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / rate_bps as f64);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let done = free_at.map_or(now, |at| at.max(now)) + takes;
        *free_at = Some(done);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_at_once_waits_for_what_was_before_it() {
        let shape = LinkShape {
            rate_bps: Some(8000),
            round_trip: Duration::ZERO,
        };
        let (link, now) = (Link::new(shape), Instant::now());
        assert_eq!(link.pass(500, now), now + Duration::from_millis(500));
        assert_eq!(link.pass(250, now), now + Duration::from_millis(750));
        let later = now + Duration::from_secs(5);
        assert_eq!(
            link.pass(1000, later),
            later + Duration::from_secs(1),
            "an idle link saves nothing up"
        );
    }
}
