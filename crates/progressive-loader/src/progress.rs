//! How much has been fetched, and how fast: figures that every byte fetched is counted into.
//!
//! Fed by the reader's fetches; feeds [`LoadProgress`](crate::driver::LoadProgress).

use serde::Serialize;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The progress of one reader at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadSnapshot {
    /// Bytes taken from the source so far. A byte that was dropped and fetched again counts twice.
    pub fetched_bytes: u64,
    /// The content's size in bytes.
    pub total_bytes: u64,
    /// The ranges held in memory now, in rising order.
    pub ranges: Vec<Range<u64>>,
    /// Bytes fetched per second over the last five seconds (or since the first byte, when that is
    /// less); 0 when nothing came for that long.
    pub bytes_per_second: u64,
    /// Bytes held from the reader's position on, without a gap.
    pub held_ahead_bytes: u64,
    /// The size of the next fetch, in bytes; on a fast link it may be larger.
    pub chunk_bytes: u64,
    /// Bytes per second that come while something is asked for: the lower of two averages, one of the
    /// last seconds, one slower. Nothing before the first bytes came.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// Bytes per second that the reader consumes, as told or as measured; nothing before either.
    pub playback_bytes_per_second: Option<u64>,
    /// Milliseconds until the reader has consumed all that came, at these rates; nothing when bytes come
    /// fast enough, or the content ends before.
    pub underrun_in_ms: Option<u64>,
}

/// Width of one bucket of the rate's window.
const BUCKET: Duration = Duration::from_millis(250);
/// Buckets in the window: 5 s in all, long enough to even out the pauses of a paced reader.
const BUCKETS: usize = 20;
/// A rate over less than this says nothing.
const SHORTEST_SPAN: Duration = Duration::from_millis(50);

/// Bytes per second over a sliding window of five seconds, in constant memory.
#[derive(Debug)]
pub struct RateMeter {
    first: Option<Instant>,
    buckets: [u64; BUCKETS],
    /// Number of the newest bucket, counted from `first`.
    newest: u64,
}

impl Default for RateMeter {
    fn default() -> Self {
        Self {
            first: None,
            buckets: [0; BUCKETS],
            newest: 0,
        }
    }
}

impl RateMeter {
    /// Counts `bytes` that came at `now`.
    pub fn record(&mut self, now: Instant, bytes: u64) {
        let first = *self.first.get_or_insert(now);
        self.roll(now.saturating_duration_since(first));
        self.buckets[slot(self.newest)] += bytes;
    }

    /// Bytes per second over the window that ends at `now`.
    pub fn bytes_per_second(&mut self, now: Instant) -> u64 {
        let Some(first) = self.first else { return 0 };
        let age = now.saturating_duration_since(first);
        self.roll(age);
        let in_newest = age.saturating_sub(BUCKET.saturating_mul(self.newest as u32));
        let span = age
            .min(BUCKET * (BUCKETS as u32 - 1) + in_newest)
            .max(SHORTEST_SPAN);
        (self.buckets.iter().sum::<u64>() as f64 / span.as_secs_f64()) as u64
    }

    fn roll(&mut self, age: Duration) {
        let current = (age.as_millis() / BUCKET.as_millis()) as u64;
        for number in (self.newest + 1..=current).take(BUCKETS) {
            self.buckets[slot(number)] = 0;
        }
        self.newest = self.newest.max(current);
    }
}

fn slot(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}
