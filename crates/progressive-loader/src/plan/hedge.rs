//! When a second origin is asked for what the first one is late with, and what that may cost.
//!
//! Fed by the pool; feeds it with a delay and a yes or no. The delay is what 95 in 100 of the origin's
//! answers kept, so that one request in twenty is hedged (Dean, Barroso: "The Tail at Scale", CACM
//! 2013); the budget bounds the extra bytes whatever the delays do.

use super::standing::Standing;
use std::time::Duration;

/// The wait for an origin of which nothing is known: long for a gateway in reach, short for a viewer.
const UNMEASURED: Duration = Duration::from_secs(1);
/// No hedge sooner than this: it would cost more than the wait.
const SOONEST: Duration = Duration::from_millis(30);
/// No hedge later: an origin that is always slow is no reason to wait longer.
const LATEST: Duration = Duration::from_secs(5);
/// How much longer than expected a block may take before it is late.
const PATIENCE: f64 = 2.0;

/// How long to wait for the next block of `bytes` from an origin before another is asked. `first`:
/// nothing of the answer has come yet. `urgent`: the reader is about to run dry, so half as long.
#[must_use]
pub fn hedge_delay(standing: &Standing, bytes: u64, first: bool, urgent: bool) -> Duration {
    let transfer = standing.bytes_per_second().map_or(UNMEASURED, |rate| {
        Duration::from_secs_f64((bytes as f64 / rate.max(1) as f64).min(60.0))
    });
    let delay = match standing.first_byte_within(0.95) {
        None => UNMEASURED,
        // The first block's time has its transfer in it.
        Some(usual) if first => usual.max(transfer).mul_f64(PATIENCE),
        Some(_) => transfer.mul_f64(2.0 * PATIENCE),
    };
    let delay = if urgent { delay / 2 } else { delay };
    delay.clamp(SOONEST, LATEST)
}

/// After how long an origin from which nothing comes has stopped, where another is asked after `hedge_delay`: it is left then,
/// whatever that costs. Four times as long, and 5 s at most.
#[must_use]
pub fn stopped_after(hedge_delay: Duration) -> Duration {
    (hedge_delay * 4).min(LATEST).max(hedge_delay)
}

/// What hedging may still fetch: a share of what was fetched, saved up to a bound.
#[derive(Debug, Clone)]
pub struct HedgeBudget {
    saved_bytes: f64,
    fetched_bytes: u64,
    spent_bytes: u64,
}

impl HedgeBudget {
    /// Of all that is fetched, this much may be fetched for hedging.
    pub const SHARE: f64 = 0.05;
    /// To begin with, before anything was fetched: one block of the largest size.
    pub const START_BYTES: u64 = 2 << 20;
    /// The most that is saved up.
    pub const MOST_BYTES: u64 = 16 << 20;

    /// The starting allowance.
    #[must_use]
    pub fn new() -> Self {
        Self {
            saved_bytes: Self::START_BYTES as f64,
            fetched_bytes: 0,
            spent_bytes: 0,
        }
    }

    /// `bytes` of blocks were fetched.
    pub fn fetched(&mut self, bytes: u64) {
        self.fetched_bytes += bytes;
        let saved = self.saved_bytes + bytes as f64 * Self::SHARE;
        self.saved_bytes = saved.min(Self::MOST_BYTES as f64);
    }

    /// Whether `bytes` may be asked for a second time; if so they count as spent.
    pub fn spend(&mut self, bytes: u64) -> bool {
        let fits = bytes as f64 <= self.saved_bytes;
        if fits {
            self.saved_bytes -= bytes as f64;
            self.spent_bytes += bytes;
        }
        fits
    }

    /// Bytes asked for a second time so far.
    #[must_use]
    pub fn spent_bytes(&self) -> u64 {
        self.spent_bytes
    }
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self::new()
    }
}
