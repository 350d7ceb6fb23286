//! What a pool has done so far, to be shown.

use crate::driver::cache::CacheSnapshot;
use crate::plan::BreakerState;
use serde::Serialize;

/// A pool at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolSnapshot {
    /// Its origins, in the order they were given.
    pub origins: Vec<OriginSnapshot>,
    /// Bytes that were asked for a second time because an origin was late.
    pub hedged_bytes: u64,
    /// The cache's figures, when there is one.
    pub cache: Option<CacheSnapshot>,
}

/// An origin at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OriginSnapshot {
    /// What it calls itself.
    pub name: String,
    /// Requests made.
    pub requests: u64,
    /// Requests that failed, for whatever reason.
    pub failures: u64,
    /// Of those, the ones that it answered with "not found".
    pub not_found: u64,
    /// Requests given up because another origin was quicker.
    pub outrun: u64,
    /// Valid blocks it gave.
    pub blocks: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Whether it ever gave an invalid block: it is last for good.
    pub struck_out: bool,
    /// Whether it is asked at present.
    pub state: BreakerState,
    /// Share of its answers that were good, lately: 0 to 1.
    pub success: f64,
    /// Bytes per second, while it was waited for; `None` before it gave anything to measure.
    pub bytes_per_second: Option<u64>,
    /// Milliseconds to the first block: half of its answers kept this.
    pub first_byte_p50_ms: Option<u64>,
    /// The same for 95 in 100.
    pub first_byte_p95_ms: Option<u64>,
}
