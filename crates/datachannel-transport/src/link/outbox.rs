//! A bounded queue towards the caller.
//!
//! Fed by a machine, emptied by `poll_event`. When full the oldest entry goes, and is counted.

use std::collections::VecDeque;

use crate::limits::MAX_EVENTS;

#[derive(Debug)]
pub(crate) struct Outbox<T> {
    waiting: VecDeque<T>,
    lost: u64,
}

impl<T> Outbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            lost: 0,
        }
    }

    pub(crate) fn push(&mut self, event: T) {
        if self.waiting.len() >= MAX_EVENTS {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Entries that went because nobody asked.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
