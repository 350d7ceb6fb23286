//! The settings of a [`Pool`](super::Pool).

use crate::plan::{BreakerPolicy, RetryPolicy};
use std::time::Duration;

/// How to ask several origins for blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// How patient to be with failures.
    pub retry: RetryPolicy,
    /// When to leave an origin alone.
    pub breaker: BreakerPolicy,
    /// Requests to one origin that are waited for at once; further ones wait their turn. Default 16.
    pub max_in_flight_per_origin: usize,
    /// Origins that share a span when one cannot keep up: 1 never stripes. Default 4.
    pub max_origins_per_span: usize,
    /// Failures that one read may meet, each block of progress giving half a one back. Default 32.
    pub max_failures_per_read: u32,
    /// The longest wait for one block, whatever the origin's own limits are. Default 30 s.
    pub stall_timeout: Duration,
    /// How long a read goes on failing without a block of progress before it gives up, whatever its
    /// attempts are. Default 60 s; the request that is out then is waited for.
    pub patience: Duration,
    /// Whether a second origin is asked when one is late, for at most 5 % more bytes. Default true.
    pub hedge: bool,
    /// Whether blocks of trusted origins are checked too. Default false; unchecked blocks are not cached.
    pub verify_trusted: bool,
    /// What the pauses' chance starts from. Default: the time, so that no two processes agree.
    pub seed: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            max_in_flight_per_origin: 16,
            max_origins_per_span: 4,
            max_failures_per_read: 32,
            stall_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            hedge: true,
            verify_trusted: false,
            seed: since_epoch.as_nanos() as u64,
        }
    }
}
