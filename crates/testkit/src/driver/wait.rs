//! Waiting for a condition without guessing how long it takes.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Short against anything a test waits for, long against a poll's cost.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `condition` holds, or `deadline` has passed. Returns whether it holds; the
/// condition is tried at least once, and once more after the deadline.
#[must_use = "the condition may not have become true"]
pub fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let give_up_at = Instant::now() + deadline;
    while Instant::now() < give_up_at {
        if condition() {
            return true;
        }
        sleep(POLL_INTERVAL);
    }
    condition()
}
