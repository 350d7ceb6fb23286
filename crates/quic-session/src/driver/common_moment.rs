//! Where the count of common moments begins: the clocks are read here, once, and the congestion controller has it in its configuration.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::congestion::ROUND;

/// A moment from which all processes count the same whose wall clocks agree.
pub(crate) fn common_moment() -> Instant {
    static MOMENT: OnceLock<Instant> = OnceLock::new();
    *MOMENT.get_or_init(|| {
        let now = Instant::now();
        let by_wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let round_ms = ROUND.as_millis();
        let into_round_ms = by_wall.map_or(0, |since| since.as_millis() % round_ms);
        let into_round = Duration::from_millis(into_round_ms as u64);
        // A machine that has just started may know no earlier moment.
        now.checked_sub(into_round).unwrap_or(now)
    })
}
