//! Clocks: an `Instant` as microseconds on the wire, and the other side's clock against ours.
//!
//! Fed by `now` arguments and by pongs; feeds `t0_us`/`t1_us` and the age of frames. Reads no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::CLOCK_SAMPLES;

/// Turns instants into microseconds since an origin, as they travel in pings, pongs and `released_us`.
#[derive(Clone, Copy, Debug)]
pub struct LinkClock {
    origin: Instant,
}

impl LinkClock {
    /// A clock that shows 0 at `origin`.
    #[must_use]
    pub const fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// Microseconds since the origin; 0 before it.
    #[must_use]
    pub fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin)
            .as_micros()
            .try_into()
            .unwrap_or(u64::MAX)
    }
}

/// How far the other side's clock is ahead of ours, from ping and pong.
///
/// Of the last 16 exchanges the one with the smallest round trip is believed, for it had the least
/// room for error: the offset is wrong by at most half of that round trip (RFC 5905 §10, the clock
/// filter of NTP).
///
/// ```
/// use datachannel_transport::ClockOffset;
///
/// let mut offset = ClockOffset::new();
/// offset.add(1_000, 51_500, 2_000); // asked at 1,000 µs; answered at 51,500 on their clock; heard at 2,000
/// assert_eq!(offset.offset_us(), Some(50_000));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    samples: VecDeque<(Duration, i64)>,
}

impl ClockOffset {
    /// No exchange yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one exchange: `t0_us` our clock at the ping, `t1_us` theirs when they answered, `t2_us`
    /// ours when the answer came. An answer from before its question is not taken.
    pub fn add(&mut self, t0_us: u64, t1_us: u64, t2_us: u64) {
        let Some(rtt_us) = t2_us.checked_sub(t0_us) else {
            return;
        };
        let middle = i128::from(t0_us) + i128::from(rtt_us / 2);
        let Ok(offset) = i64::try_from(i128::from(t1_us) - middle) else {
            return;
        };
        if self.samples.len() >= CLOCK_SAMPLES {
            self.samples.pop_front();
        }
        self.samples
            .push_back((Duration::from_micros(rtt_us), offset));
    }

    /// Their clock minus ours, in µs; `None` before the first exchange.
    #[must_use]
    pub fn offset_us(&self) -> Option<i64> {
        self.best().map(|(_, offset)| offset)
    }

    /// The round trip of the exchange that is believed: twice the largest possible error.
    #[must_use]
    pub fn min_rtt(&self) -> Option<Duration> {
        self.best().map(|(rtt, _)| rtt)
    }

    /// A moment on our clock as one on theirs, in µs; never below 0.
    #[must_use]
    pub fn to_theirs_us(&self, ours_us: u64) -> Option<u64> {
        self.offset_us()
            .map(|offset| ours_us.saturating_add_signed(offset))
    }

    fn best(&self) -> Option<(Duration, i64)> {
        self.samples.iter().copied().min_by_key(|(rtt, _)| *rtt)
    }
}
