//! Percentiles over the latest samples of a duration.
//!
//! Fed by both machines (and by anyone else who times a stage); feeds the figures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::TIMING_SAMPLES;

/// The latest 256 samples of a duration, 4 bytes each.
#[derive(Clone, Debug, Default)]
pub struct TimingWindow {
    micros: Vec<u32>,
    next: usize,
    total: u64,
}

/// Percentiles (nearest rank) over a [`TimingWindow`], milliseconds; all 0 before the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingSummary {
    /// Samples ever taken; the percentiles are over the latest 256.
    pub samples: u64,
    /// The latest sample.
    pub last: f64,
    /// Half of the samples are at most this.
    pub p50: f64,
    /// 95 of 100 samples are at most this.
    pub p95: f64,
    /// 99 of 100 samples are at most this.
    pub p99: f64,
}

impl TimingWindow {
    /// No samples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a sample, in place of the oldest when full. More than 71 minutes count as that.
    pub fn add(&mut self, sample: Duration) {
        let micros = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < TIMING_SAMPLES {
            self.micros.push(micros);
        } else if let Some(oldest) = self.micros.get_mut(self.next) {
            *oldest = micros;
        }
        self.next = (self.next + 1) % TIMING_SAMPLES;
        self.total += 1;
    }

    /// The percentiles now.
    #[must_use]
    pub fn summary(&self) -> TimingSummary {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let nearest = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted
                .get(nearest)
                .map_or(0.0, |&micros| f64::from(micros) / 1e3)
        };
        let latest = (self.next + TIMING_SAMPLES - 1) % TIMING_SAMPLES;
        TimingSummary {
            samples: self.total,
            last: self
                .micros
                .get(latest)
                .map_or(0.0, |&micros| f64::from(micros) / 1e3),
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
        }
    }
}
