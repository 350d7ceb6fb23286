//! The time, as the runtime sees it: a test may hold it.

use std::time::Instant;

pub(in crate::driver) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
