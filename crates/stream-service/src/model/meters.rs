//! Rates as a stream counts them while it runs, over the last two seconds.
//!
//! Fed by the pipeline's threads; read by [`super::snapshot`]. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// Buckets of [`BUCKET`] that make up a meter's window: two seconds.
const BUCKETS: usize = 20;
/// One bucket's length.
const BUCKET: Duration = Duration::from_millis(100);

/// Events or bytes a second, over the last two seconds.
#[derive(Debug, Clone)]
pub(crate) struct RateMeter {
    origin: Instant,
    counts: [u64; BUCKETS],
    /// Index since `origin` of the newest bucket.
    newest: u64,
    total: u64,
}

impl RateMeter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            counts: [0; BUCKETS],
            newest: 0,
            total: 0,
        }
    }

    /// Counts `amount` at `now`.
    pub(crate) fn add(&mut self, now: Instant, amount: u64) {
        let bucket = self.advance(now);
        self.counts[bucket] += amount;
        self.total += amount;
    }

    /// Everything ever counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Units a second over the window, or over the meter's life while that is shorter.
    pub(crate) fn per_second(&mut self, now: Instant) -> f64 {
        self.advance(now);
        let into_bucket =
            now.saturating_duration_since(self.origin).as_secs_f64() % BUCKET.as_secs_f64();
        let whole = BUCKET.as_secs_f64() * (BUCKETS as f64 - 1.0);
        let life = now.saturating_duration_since(self.origin).as_secs_f64();
        let span = (whole + into_bucket).min(life).max(BUCKET.as_secs_f64());
        self.counts.iter().sum::<u64>() as f64 / span
    }

    fn advance(&mut self, now: Instant) -> usize {
        let bucket =
            (now.saturating_duration_since(self.origin).as_millis() / BUCKET.as_millis()) as u64;
        let bucket = bucket.max(self.newest);
        for skipped in (self.newest + 1..=bucket).take(BUCKETS) {
            self.counts[(skipped % BUCKETS as u64) as usize] = 0;
        }
        if bucket - self.newest >= BUCKETS as u64 {
            self.counts = [0; BUCKETS];
        }
        self.newest = bucket;
        (bucket % BUCKETS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_read_back_and_fades_when_it_stops() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        for frame in 0..150 {
            meter.add(at(frame * 1000 / 30), 1);
        }
        let rate = meter.per_second(at(5000));
        assert!((28.5..=31.5).contains(&rate), "30 a second reads as {rate}");
        assert_eq!(meter.per_second(at(60_000)), 0.0);
        assert_eq!(meter.total(), 150);
    }
}
