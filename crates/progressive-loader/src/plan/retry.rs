//! Whether a failed request is made again, and when.
//!
//! Fed by the pool with failures and progress; feeds it with pauses. A pause is drawn uniformly from
//! zero to an exponentially growing bound ("full jitter", M. Brooker, "Exponential Backoff And Jitter",
//! AWS Architecture Blog, 2015), so that clients that failed together do not come back together. A
//! budget keeps retries from being most of the traffic (gRPC A6, "Throttling Retry Attempts").

use super::jitter::Jitter;
use std::time::Duration;

/// How patient to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The bound of the first pause; doubled with each failure in a row. Default 100 ms.
    pub first_pause: Duration,
    /// What the bound grows to. Default 5 s.
    pub longest_pause: Duration,
    /// How often one origin's or several origins' failures in a row, without a block of progress, are
    /// followed by another attempt: 1 to 100. Default 8.
    pub max_attempts: u32,
    /// The longest that a `Retry-After` is waited for. Default 30 s.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            max_attempts: 8,
            longest_retry_after: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// How long to keep away from an origin that said `retry_after`.
    #[must_use]
    pub fn bounded(&self, retry_after: Duration) -> Duration {
        retry_after.min(self.longest_retry_after)
    }
}

/// The failures in a row of one piece of work.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    /// None so far.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            failures: 0,
        }
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something arrived: the next failure is the first one again.
    pub fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure. `false` when it was one too many.
    pub fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures < self.policy.max_attempts.max(1)
    }

    /// How long to wait before everyone is asked again.
    pub fn pause(&self, jitter: &mut Jitter) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(20);
        let bound = self.policy.first_pause.saturating_mul(1 << doublings);
        jitter.up_to(bound.min(self.policy.longest_pause))
    }
}

/// What may still go wrong: each failure takes one token, each block of progress gives some back.
///
/// One per origin, shared by all reads, and one per read.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    tokens: f64,
    capacity: f64,
    per_success: f64,
}

impl RetryBudget {
    /// A full budget of `capacity` failures, of which each success gives `per_success` back.
    #[must_use]
    pub fn new(capacity: u32, per_success: f64) -> Self {
        let capacity = f64::from(capacity.max(1));
        Self {
            tokens: capacity,
            capacity,
            per_success: per_success.max(0.0),
        }
    }

    /// A block arrived.
    pub fn succeeded(&mut self) {
        self.tokens = (self.tokens + self.per_success).min(self.capacity);
    }

    /// A request failed. `false` when the budget is spent.
    pub fn failed(&mut self) -> bool {
        self.tokens = (self.tokens - 1.0).max(0.0);
        self.tokens >= 1.0
    }
}
