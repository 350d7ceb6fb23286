//! How many bytes a second come, as two averages of which the lower one counts.
//!
//! Fed with the size and duration of what arrived; feeds ranking, striping, chunk sizes and the
//! forecast. A fast average notices a drop within seconds, a slow one is not led astray by one good
//! second; the lower of the two errs towards fetching sooner (as hls.js and Shaka Player estimate).
//! Averages are weighted by the time a transfer took, so that many small ones do not outvote a large
//! one, and corrected for their start at zero (Kingma, Ba: "Adam", 2015, §3).

use std::time::Duration;

/// Half of the fast average comes from the last this many seconds of transfer.
const FAST_HALF_LIFE: Duration = Duration::from_secs(2);
/// The same of the slow one.
const SLOW_HALF_LIFE: Duration = Duration::from_secs(10);
/// A transfer shorter than this is mostly rounding: it is counted as this long.
const SHORTEST: Duration = Duration::from_micros(100);
/// From here on a link is fast: a look-ahead of 8 MiB comes in an eighth of a second, and whether it is asked for in one request
/// or in several matters more than what of it a jump makes useless.
const FAST_BYTES_PER_SECOND: u64 = 64_000_000;
/// So much must have come before a link is called fast.
const TELLING_BYTES: u64 = 256 << 10;

#[derive(Debug, Clone, Default)]
struct Average {
    value: f64,
    /// How much of `value` is not the zero it started from.
    weight: f64,
}

impl Average {
    fn add(&mut self, value: f64, seconds: f64, half_life: Duration) {
        let kept = 0.5_f64.powf(seconds / half_life.as_secs_f64());
        self.value = self.value * kept + value * (1.0 - kept);
        self.weight = self.weight * kept + (1.0 - kept);
    }

    fn get(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.value / self.weight)
    }
}

/// The bandwidth of one source.
#[derive(Debug, Clone, Default)]
pub struct Bandwidth {
    fast: Average,
    slow: Average,
    bytes: u64,
}

impl Bandwidth {
    /// Nothing measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `bytes` came in `took`, all the while being waited for.
    pub fn record(&mut self, bytes: u64, took: Duration) {
        let seconds = took.max(SHORTEST).as_secs_f64();
        let rate = bytes as f64 / seconds;
        self.bytes = self.bytes.saturating_add(bytes);
        self.fast.add(rate, seconds, FAST_HALF_LIFE);
        self.slow.add(rate, seconds, SLOW_HALF_LIFE);
    }

    /// Bytes per second: the lower of the two averages; `None` before anything was measured.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        let lower = self.fast.get()?.min(self.slow.get()?);
        Some(lower as u64)
    }

    /// Whether 64 MB and more come in a second, once 256 KiB have.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        let rate = self.bytes_per_second().unwrap_or_default();
        self.bytes >= TELLING_BYTES && rate >= FAST_BYTES_PER_SECOND
    }
}
