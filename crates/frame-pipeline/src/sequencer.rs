//! Things that arrive in any order, released in the order of their numbers.
//!
//! The pipeline has two: decoded frames on their way to batches, and results on their way out.

use std::collections::VecDeque;

/// Releases items by number, from the first one on, without gaps.
///
/// It holds items whose numbers are less than `capacity` from the next to be released; what lies
/// beyond is refused.
#[derive(Debug)]
pub struct Sequencer<T> {
    next: u64,
    capacity: usize,
    /// The item with number `next + i` is at `i`.
    waiting: VecDeque<Option<T>>,
    held: usize,
}

/// Why an item is not taken. It is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// Its number was released before.
    #[error("item {index} was released before: {next} is next")]
    Released {
        /// The item's number.
        index: u64,
        /// Number of the next item to be released.
        next: u64,
    },
    /// An item of that number waits already.
    #[error("item {index} waits already")]
    Duplicate {
        /// The item's number.
        index: u64,
    },
    /// Too far ahead.
    #[error("item {index} is too far ahead: {next} is next, and {capacity} fit")]
    Ahead {
        /// The item's number.
        index: u64,
        /// Number of the next item to be released.
        next: u64,
        /// Items that fit.
        capacity: usize,
    },
}

impl<T> Sequencer<T> {
    /// One that releases `first` first and holds numbers up to `first + capacity - 1`.
    pub fn new(first: u64, capacity: usize) -> Self {
        Self {
            next: first,
            capacity,
            waiting: VecDeque::new(),
            held: 0,
        }
    }

    /// Takes an item.
    ///
    /// # Errors
    /// [`SequenceError`] when its number was there before, or is too far ahead.
    pub fn insert(&mut self, index: u64, item: T) -> Result<(), SequenceError> {
        let next = self.next;
        let ahead = index
            .checked_sub(next)
            .ok_or(SequenceError::Released { index, next })?;
        if ahead >= self.capacity as u64 {
            let capacity = self.capacity;
            return Err(SequenceError::Ahead {
                index,
                next,
                capacity,
            });
        }
        let at = ahead as usize;
        if self.waiting.len() <= at {
            self.waiting.resize_with(at + 1, || None);
        }
        let place = &mut self.waiting[at];
        if place.is_some() {
            return Err(SequenceError::Duplicate { index });
        }
        *place = Some(item);
        self.held += 1;
        Ok(())
    }

    /// Releases the next item, if it is there.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.next += 1;
        self.held -= 1;
        Some(item)
    }

    /// Number of the item that is released next.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }
}
