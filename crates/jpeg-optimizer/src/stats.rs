//! What the cache did, as numbers for a person's chart.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// Encodes that percentiles are taken over: about 17 s at 30 fps.
pub const WINDOW_ENCODES: usize = 512;

/// Percentiles in milliseconds, by the nearest-rank method; 0 before the first value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 95 % are at most this.
    pub p95: f64,
    /// 99 % are at most this.
    pub p99: f64,
}

/// Counters since the cache was made, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct EncodeStats {
    /// Requests answered without an encode of their own, those that waited for one included: encodes saved.
    pub hits: u64,
    /// Requests that had to encode.
    pub misses: u64,
    /// Hits of all requests: 0 to 1, 0 before the first.
    pub hit_ratio: f64,
    /// Frames that show what an earlier one of the last few showed, where frames are identified by content.
    pub same_frames: u64,
    /// Encodes that failed, among the misses.
    pub failed: u64,
    /// Pictures scaled, or brought to full range, before an encode.
    pub renditions: u64,
    /// Frames evicted to keep the bounds.
    pub evicted_frames: u64,
    /// Bytes of JPEG made.
    pub encoded_bytes: u64,
    /// Frames held.
    pub frames: usize,
    /// JPEGs held.
    pub jpegs: usize,
    /// Bytes held: JPEGs and renditions, with a little for each entry.
    pub bytes: usize,
    /// Time per encode over the last [`WINDOW_ENCODES`], rendition excluded.
    pub encode_ms: Percentiles,
    /// Time per rendition over the last [`WINDOW_ENCODES`].
    pub rendition_ms: Percentiles,
}

/// The last so many durations.
#[derive(Debug, Default)]
pub(crate) struct Window {
    durations: VecDeque<Duration>,
}

impl Window {
    pub(crate) fn push(&mut self, duration: Duration) {
        if self.durations.len() == WINDOW_ENCODES {
            self.durations.pop_front();
        }
        self.durations.push_back(duration);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let mut sorted: Vec<_> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            let value = sorted.get(rank.saturating_sub(1)).copied();
            value.unwrap_or_default().as_secs_f64() * 1e3
        };
        Percentiles {
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank_over_the_last_values() {
        let mut window = Window::default();
        assert_eq!(window.percentiles(), Percentiles::default());
        window.push(Duration::from_millis(7));
        let only = window.percentiles();
        assert_eq!((only.p50, only.p95, only.p99), (7.0, 7.0, 7.0));

        for _ in 0..WINDOW_ENCODES {
            window.push(Duration::from_secs(9)); // Falls out of the window again.
        }
        for ms in 1..=WINDOW_ENCODES as u64 {
            window.push(Duration::from_millis(ms));
        }
        let all = window.percentiles();
        assert_eq!((all.p50, all.p95, all.p99), (256.0, 487.0, 507.0));
    }
}
