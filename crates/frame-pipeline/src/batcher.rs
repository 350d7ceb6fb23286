//! When waiting frames become a batch: as soon as there are enough of them, or the first has
//! waited long enough, or no more will come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Groups items in the order they came.
#[derive(Debug)]
pub struct Batcher<T> {
    size: usize,
    wait: Duration,
    waiting: VecDeque<(Instant, T)>,
    closed: bool,
}

/// What [`Batcher::take`] has.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A batch: never empty, never more than the size.
    Batch(Vec<T>),
    /// Fewer items than a batch: ask again at this time, or when more came.
    Until(Instant),
    /// Nothing waits: ask again when something came.
    Nothing,
}

impl<T> Batcher<T> {
    /// One that makes batches of `size` items (at least 1), and smaller ones of items that waited
    /// for `wait`. It holds whatever it is given: the pipeline's budget bounds that.
    pub fn new(size: usize, wait: Duration) -> Self {
        Self {
            size: size.max(1),
            wait,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    /// Appends an item.
    pub fn push(&mut self, now: Instant, item: T) {
        self.waiting.push_back((now, item));
    }

    /// No more items will come, so what waits goes at once.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The oldest items that are due.
    pub fn take(&mut self, now: Instant) -> Taken<T> {
        let Some((since, _)) = self.waiting.front() else {
            return Taken::Nothing;
        };
        let due = self.closed || self.waiting.len() >= self.size;
        if !due && now.saturating_duration_since(*since) < self.wait {
            // A wait beyond the clock's range is one for more items only: look again in a while.
            let until = since.checked_add(self.wait);
            return Taken::Until(until.unwrap_or(now + Duration::from_secs(3600)));
        }
        let count = self.waiting.len().min(self.size);
        Taken::Batch(self.waiting.drain(..count).map(|(_, item)| item).collect())
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(5);

    #[test]
    fn a_batch_goes_when_it_is_full() {
        let now = Instant::now();
        let mut batcher = Batcher::new(3, WAIT);
        assert_eq!(batcher.take(now), Taken::Nothing);
        for item in 0..7 {
            batcher.push(now, item);
        }
        assert_eq!(batcher.take(now), Taken::Batch(vec![0, 1, 2]));
        assert_eq!(batcher.take(now), Taken::Batch(vec![3, 4, 5]));
        assert_eq!(batcher.take(now), Taken::Until(now + WAIT));
    }

    #[test]
    fn a_partial_batch_goes_when_its_first_item_waited_long_enough() {
        let now = Instant::now();
        let mut batcher = Batcher::new(3, WAIT);
        batcher.push(now, 'a');
        batcher.push(now + WAIT / 2, 'b');
        assert_eq!(batcher.take(now + WAIT / 2), Taken::Until(now + WAIT));
        assert_eq!(batcher.take(now + WAIT), Taken::Batch(vec!['a', 'b']));
        assert!(batcher.is_empty());
    }

    #[test]
    fn a_partial_batch_goes_when_no_more_items_come() {
        let now = Instant::now();
        let mut batcher = Batcher::new(3, Duration::MAX);
        batcher.push(now, 'a');
        assert!(matches!(batcher.take(now), Taken::Until(_)));
        batcher.close();
        assert_eq!(batcher.take(now), Taken::Batch(vec!['a']));
    }
}
