//! The shared handle to a reader's figures.
//!
//! Fed by the reader's fetches; read by whoever shows progress, also after the reader is gone.

use crate::plan::Forecast;
use crate::progress::{LoadSnapshot, RateMeter};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a reader has fetched so far, live. Clones share the same figures.
#[derive(Debug, Clone)]
pub struct LoadProgress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total_bytes: u64,
    fetched_bytes: AtomicU64,
    /// As told by whoever plays it; 0 when nobody did.
    playback_bytes_per_second: AtomicU64,
    moving: Mutex<Moving>,
}

#[derive(Debug, Default)]
struct Moving {
    rate: RateMeter,
    ranges: Vec<Range<u64>>,
    chunk_bytes: u64,
    forecast: Forecast,
}

impl LoadProgress {
    pub(crate) fn new(total_bytes: u64) -> Self {
        let shared = Shared {
            total_bytes,
            fetched_bytes: AtomicU64::new(0),
            playback_bytes_per_second: AtomicU64::new(0),
            moving: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn record(&self, bytes: u64, held: impl Iterator<Item = Range<u64>>) {
        self.shared
            .fetched_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        let mut moving = self.moving();
        moving.rate.record(Instant::now(), bytes);
        moving.ranges.clear();
        moving.ranges.extend(held);
    }

    /// Takes what the reader plans with.
    pub(crate) fn plan(&self, forecast: Forecast, chunk_bytes: u64) {
        let mut moving = self.moving();
        moving.forecast = forecast;
        moving.chunk_bytes = chunk_bytes;
    }

    /// Tells how fast the content is consumed, in bytes per second, from which the reader predicts when it
    /// runs dry; 0 has it measured instead, which is the default.
    pub fn set_playback_bytes_per_second(&self, rate: u64) {
        let told = &self.shared.playback_bytes_per_second;
        told.store(rate, Ordering::Relaxed);
    }

    /// The rate that was told, if any.
    pub(crate) fn playback_bytes_per_second(&self) -> Option<u64> {
        let told = &self.shared.playback_bytes_per_second;
        Some(told.load(Ordering::Relaxed)).filter(|&rate| rate > 0)
    }

    /// Until the reader has consumed all that came, as of its last move; `None` when bytes come fast
    /// enough, when the content ends before, or when not enough is known.
    #[must_use]
    pub fn underrun_in(&self) -> Option<Duration> {
        self.moving().forecast.dry_in()
    }

    /// Bytes taken from the source so far.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        self.shared.fetched_bytes.load(Ordering::Relaxed)
    }

    /// The content's size in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.shared.total_bytes
    }

    /// Bytes fetched per second, over the last five seconds.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.moving().rate.bytes_per_second(Instant::now())
    }

    /// All figures at this moment.
    #[must_use]
    pub fn snapshot(&self) -> LoadSnapshot {
        let mut moving = self.moving();
        LoadSnapshot {
            fetched_bytes: self.fetched_bytes(),
            total_bytes: self.shared.total_bytes,
            ranges: moving.ranges.clone(),
            bytes_per_second: moving.rate.bytes_per_second(Instant::now()),
            held_ahead_bytes: moving.forecast.held_ahead_bytes,
            chunk_bytes: moving.chunk_bytes,
            bandwidth_bytes_per_second: moving.forecast.bandwidth_bytes_per_second,
            playback_bytes_per_second: moving.forecast.playback_bytes_per_second,
            underrun_in_ms: moving
                .forecast
                .dry_in()
                .and_then(|dry_in| u64::try_from(dry_in.as_millis()).ok()),
        }
    }

    fn moving(&self) -> MutexGuard<'_, Moving> {
        self.shared
            .moving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
