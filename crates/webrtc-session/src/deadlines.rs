//! When each session next wants to be called: fed by the session after each turn, asked by the driver before it sleeps.
//!
//! A dense array that is scanned. With the 512 sessions that are the default limit a scan reads 8 KiB and costs about as
//! much as one heap operation costs in cache misses; a heap would be touched after each turn of each session, the scan
//! happens once per loop. See `benches/webrtc_session.rs` for the figure.

use std::time::Instant;

/// One deadline per slot; an empty slot has none.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_slot: Vec<Option<Instant>>,
}

impl Deadlines {
    /// Sets or clears the deadline of a slot, growing to hold it.
    pub fn set(&mut self, slot: usize, deadline: Option<Instant>) {
        if slot >= self.by_slot.len() {
            self.by_slot.resize(slot + 1, None);
        }
        self.by_slot[slot] = deadline;
    }

    /// The earliest deadline of all.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_slot.iter().flatten().min().copied()
    }

    /// Appends the slots that are due at `now`, in slot order.
    pub fn due(&self, now: Instant, into: &mut Vec<usize>) {
        let due = self
            .by_slot
            .iter()
            .enumerate()
            .filter(|(_, at)| at.is_some_and(|at| at <= now));
        into.extend(due.map(|(slot, _)| slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn due_and_next_agree() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.set(5, Some(start + Duration::from_secs(5)));
        deadlines.set(2, Some(start + Duration::from_secs(2)));
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(2)));
        let mut due = Vec::new();
        deadlines.due(start + Duration::from_secs(1), &mut due);
        assert!(due.is_empty());
        deadlines.due(start + Duration::from_secs(9), &mut due);
        assert_eq!(due, [2, 5]);
        deadlines.set(2, None);
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(5)));
    }
}
