//! When a block that came is handed to the verifier: at once, or together with the next one.
//!
//! Fed by a [`Leg`](super::leg::Leg) with what comes. Two blocks side by side take a third less time than one after the
//! other, so where blocks follow each other closely one waits for another. Pure: it is told the time.

use crate::block::Block;
use std::time::{Duration, Instant};

/// A block that comes no later than this after the one before has another close behind it; no block waits for longer.
const CLOSE: Duration = Duration::from_millis(4);

/// A block, and since when it was waited for.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) block: Block,
    pub(super) waiting_since: Instant,
}

/// Blocks that wait for others.
#[derive(Debug)]
pub(super) struct Company {
    /// As many are checked at once.
    wanted: usize,
    waiting: Vec<Arrived>,
    last_came: Option<Instant>,
    /// When those that wait have waited for long enough.
    until: Option<Instant>,
}

impl Company {
    /// Groups of `wanted`, where that many come close together.
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            waiting: Vec::new(),
            last_came: None,
            until: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When what waits is to be taken though nothing else came; `None` when nothing waits.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn came(&mut self, now: Instant, arrived: Arrived) {
        let before = self.last_came.replace(now);
        let is_close = before.is_some_and(|before| now.saturating_duration_since(before) <= CLOSE);
        if self.until.is_none() {
            self.until = Some(if is_close { now + CLOSE } else { now });
        }
        self.waiting.push(arrived);
    }

    /// What is to be checked now; all of it when nothing `more` comes.
    pub(super) fn take(&mut self, now: Instant, more: bool) -> Vec<Arrived> {
        let over = self.until.is_some_and(|until| now >= until);
        if more && !over && self.waiting.len() < self.wanted {
            return Vec::new();
        }
        self.until = None;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn came(company: &mut Company, at: Instant) {
        let block = Block::default();
        let waiting_since = at;
        company.came(
            at,
            Arrived {
                block,
                waiting_since,
            },
        );
    }

    #[test]
    fn blocks_that_come_one_by_one_do_not_wait() {
        let (mut company, mut now) = (Company::new(2), Instant::now());
        for _ in 0..5 {
            came(&mut company, now);
            assert_eq!(company.take(now, true).len(), 1);
            assert_eq!(company.until(), None);
            now += 5 * MS;
        }
    }

    #[test]
    fn in_a_stream_two_go_together() {
        let (mut company, mut now) = (Company::new(2), Instant::now());
        let mut taken = Vec::new();
        for _ in 0..5 {
            came(&mut company, now);
            taken.push(company.take(now, true).len());
            now += MS;
        }
        assert_eq!(taken, [1, 0, 2, 0, 2]);
    }

    #[test]
    fn none_waits_long_or_for_nothing() {
        let (mut company, now) = (Company::new(2), Instant::now());
        came(&mut company, now);
        company.take(now, true);
        came(&mut company, now + MS);
        assert!(company.take(now + 4 * MS, true).is_empty());
        assert_eq!(company.until(), Some(now + 5 * MS));
        assert_eq!(company.take(now + 5 * MS, true).len(), 1);
        came(&mut company, now + 6 * MS);
        assert_eq!(company.take(now + 6 * MS, false).len(), 1, "the last one");
        assert_eq!((company.len(), company.until()), (0, None));
    }

    #[test]
    fn where_one_is_checked_at_once_none_waits() {
        let (mut company, now) = (Company::new(1), Instant::now());
        for _ in 0..3 {
            came(&mut company, now);
            assert_eq!(company.take(now, true).len(), 1);
        }
    }
}
