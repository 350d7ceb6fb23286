//! What is known of one origin, and what asking it will take.
//!
//! Fed by the pool with every outcome; feeds ranking, hedging and striping.

use super::bandwidth::Bandwidth;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First bytes remembered: enough for a 95th percentile, few enough to follow a change.
const FIRST_BYTES_KEPT: usize = 32;
/// What one outcome counts for in the averages of success and failure time.
const SHARE: f64 = 0.125;
/// An answer's first block says how long the origin takes to answer; only one of at least this many
/// bytes says how fast it is as well.
const TELLING_BYTES: u64 = 64 << 10;
/// The least chance of success that is assumed: more failures than this change nothing any more.
const LEAST_SUCCESS: f64 = 0.02;

/// One origin's record.
#[derive(Debug, Clone)]
pub struct Standing {
    /// From 1 (it always gives what it is asked for) to 0; starts hopeful.
    success: f64,
    /// How long it takes to say no, in seconds.
    failure_seconds: f64,
    first_bytes: VecDeque<Duration>,
    bandwidth: Bandwidth,
    measured_at: Option<Instant>,
    struck_out: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            success: 1.0,
            failure_seconds: 0.0,
            first_bytes: VecDeque::with_capacity(FIRST_BYTES_KEPT),
            bandwidth: Bandwidth::new(),
            measured_at: None,
            struck_out: false,
        }
    }
}

impl Standing {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A valid block of `bytes` came `took` after it was asked for, as the first of an answer.
    pub fn answered(&mut self, now: Instant, bytes: u64, took: Duration) {
        self.first_byte(took);
        if bytes >= TELLING_BYTES {
            self.bandwidth.record(bytes, took);
        }
        self.succeeded(now);
    }

    /// A further valid block of `bytes` came within `took` of being waited for.
    pub fn went_on(&mut self, now: Instant, bytes: u64, took: Duration) {
        self.bandwidth.record(bytes, took);
        self.succeeded(now);
    }

    /// Nothing came for `waited`, and another origin was quicker.
    pub fn outrun(&mut self, now: Instant, waited: Duration, first: bool) {
        if first {
            self.first_byte(waited);
        } else {
            self.bandwidth.record(0, waited);
        }
        self.measured_at = Some(now);
    }

    fn first_byte(&mut self, took: Duration) {
        if self.first_bytes.len() == FIRST_BYTES_KEPT {
            self.first_bytes.pop_front();
        }
        self.first_bytes.push_back(took);
    }

    fn succeeded(&mut self, now: Instant) {
        self.success += SHARE * (1.0 - self.success);
        self.measured_at = Some(now);
    }

    /// It did not give what it was asked for, and took `took` to show it.
    pub fn failed(&mut self, now: Instant, took: Duration) {
        self.success -= SHARE * self.success;
        self.failure_seconds += SHARE * (took.as_secs_f64() - self.failure_seconds);
        self.measured_at = Some(now);
    }

    /// It gave a block that is not the one its CID names: it is last for good.
    pub fn strike_out(&mut self) {
        self.struck_out = true;
    }

    /// Whether it ever gave an invalid block.
    #[must_use]
    pub fn is_struck_out(&self) -> bool {
        self.struck_out
    }

    /// How likely it is to give what it is asked for, 0 to 1.
    #[must_use]
    pub fn success(&self) -> f64 {
        self.success
    }

    /// When anything was last learnt of it.
    #[must_use]
    pub fn measured_at(&self) -> Option<Instant> {
        self.measured_at
    }

    /// Bytes per second; `None` before a block came.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        self.bandwidth.bytes_per_second()
    }

    /// The time to the first block that `share` (0 to 1) of its answers kept; `None` before the first.
    #[must_use]
    pub fn first_byte_within(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<_> = self.first_bytes.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let index = (last as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        sorted.get(index).copied()
    }

    /// How long `bytes` will take to come, with what its refusals cost on the way; `None` before
    /// anything is known.
    #[must_use]
    pub fn expected(&self, bytes: u64) -> Option<Duration> {
        self.measured_at?;
        let success = self.success.max(LEAST_SUCCESS);
        let refusals = (1.0 - success) / success * self.failure_seconds.max(0.001);
        let first = self.first_byte_within(0.5).unwrap_or_default();
        let transfer = self
            .bytes_per_second()
            .map_or(0.0, |rate| bytes as f64 / (rate.max(1)) as f64);
        let seconds = refusals + first.as_secs_f64() / success + transfer;
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }
}
