//! Pings and pongs of one lane.
//!
//! Fed by the lane's pings, pongs and by time; feeds round trips and clock offsets. Bounded: 4 questions
//! open, 4 answers owed, whatever the other side does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clock::LinkClock;
use crate::limits::{MAX_PINGS_OPEN, MAX_PONGS_OWED};
use crate::wire::Message;

#[derive(Debug)]
pub(crate) struct Pings {
    interval: Option<Duration>,
    due_at: Option<Instant>,
    wanted: bool,
    open: VecDeque<u64>,
    owed: VecDeque<u64>,
}

impl Pings {
    /// Asks at once and then every `interval`; never when `None`.
    pub(crate) fn new(now: Instant, interval: Option<Duration>) -> Self {
        Self {
            interval,
            due_at: interval.map(|interval| now + interval),
            wanted: interval.is_some(),
            open: VecDeque::new(),
            owed: VecDeque::new(),
        }
    }

    /// When the next question is due; not before the last one was taken up by [`Self::tick`].
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if let (Some(due), Some(interval)) = (self.due_at, self.interval)
            && now >= due
        {
            self.wanted = true;
            self.due_at = Some(now + interval);
        }
    }

    /// Takes a question; `false` when too many answers are owed already.
    pub(crate) fn ping_received(&mut self, t0_us: u64) -> bool {
        let room = self.owed.len() < MAX_PONGS_OWED;
        if room {
            self.owed.push_back(t0_us);
        }
        room
    }

    /// Takes an answer; `false` when the question was not ours or is forgotten.
    pub(crate) fn pong_received(&mut self, t0_us: u64) -> bool {
        let asked = self.open.iter().position(|open| *open == t0_us);
        if let Some(at) = asked {
            self.open.remove(at);
        }
        asked.is_some()
    }

    /// What to say next, if anything. [`Self::said`] confirms that it went out.
    pub(crate) fn next(&self, now: Instant, clock: LinkClock) -> Option<Message<'static>> {
        let now_us = clock.micros(now);
        match self.owed.front() {
            Some(&t0_us) => Some(Message::Pong {
                t0_us,
                t1_us: now_us,
            }),
            None => self.wanted.then_some(Message::Ping { t0_us: now_us }),
        }
    }

    pub(crate) fn said(&mut self, message: &Message<'_>) {
        match message {
            Message::Pong { .. } => {
                self.owed.pop_front();
            }
            Message::Ping { t0_us } => {
                self.wanted = false;
                if self.open.len() >= MAX_PINGS_OPEN {
                    self.open.pop_front();
                }
                self.open.push_back(*t0_us);
            }
            _ => {}
        }
    }
}
