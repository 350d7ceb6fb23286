//! Whether a request is made again, and after which pause: a bounded number of failures in a row, full jitter between them
//! ([`plan`](crate::plan)'s `retry`). Fed by opening and by `pull` with failures and progress.

use crate::error::ReadError;
use crate::plan::{Backoff, Jitter, RetryPolicy};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The bound of the first pause; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// What it grows to: a stream cannot wait longer for one source.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The failures in a row of one opening or one range.
pub(super) struct Again {
    backoff: Backoff,
    jitter: Jitter,
}

impl Again {
    /// For so many attempts after the first.
    pub(super) fn new(max_resumes: u32) -> Self {
        let policy = RetryPolicy {
            first_pause: FIRST_PAUSE,
            longest_pause: LONGEST_PAUSE,
            max_attempts: max_resumes.saturating_add(1),
            ..RetryPolicy::default()
        };
        Self {
            backoff: Backoff::new(policy),
            jitter: Jitter::new(RandomState::new().build_hasher().finish()),
        }
    }

    /// The number of the attempt that is made now, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.backoff.failures() + 1
    }

    /// A byte has come.
    pub(super) fn progressed(&mut self) {
        self.backoff.progressed();
    }

    /// Counts a failed attempt, and pauses before the next one; gives `error` back when there were too many.
    pub(super) async fn after(&mut self, error: ReadError) -> Result<(), ReadError> {
        if !self.backoff.failed() {
            return Err(error);
        }
        tracing::debug!(%error, "asking again");
        tokio::time::sleep(self.backoff.pause(&mut self.jitter)).await;
        Ok(())
    }
}

/// Whether the server is there and says that it cannot just now.
pub(super) fn is_busy(error: &ReadError) -> bool {
    matches!(error, ReadError::Status { status, .. } if matches!(status, 408 | 429 | 500 | 502 | 503 | 504))
}

/// Whether the same request may succeed later.
pub(super) fn worth_repeating(error: &ReadError) -> bool {
    let of_the_network = matches!(
        error,
        ReadError::Timeout { .. } | ReadError::Transport { .. }
    );
    of_the_network || is_busy(error)
}
