//! The shared handle to a reader's figures.
//!
//! Fed by the reader's fetches; read by whoever shows progress, also after the reader is gone.

use crate::progress::{LoadSnapshot, RateMeter};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a reader has fetched so far, live. Clones share the same figures.
#[derive(Debug, Clone)]
pub struct LoadProgress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total_bytes: u64,
    fetched_bytes: AtomicU64,
    moving: Mutex<Moving>,
}

#[derive(Debug, Default)]
struct Moving {
    rate: RateMeter,
    ranges: Vec<Range<u64>>,
}

impl LoadProgress {
    pub(crate) fn new(total_bytes: u64) -> Self {
        let shared = Shared {
            total_bytes,
            fetched_bytes: AtomicU64::new(0),
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
        }
    }

    fn moving(&self) -> MutexGuard<'_, Moving> {
        self.shared
            .moving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
