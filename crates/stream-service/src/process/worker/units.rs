//! Access units between the link, where they arrive, and the decode thread, which takes them in decode order.
//!
//! A picture may need units that come after its own, so the thread waits here for what the sender is about to send; when
//! the link is gone, it is told.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use media_source::AccessUnit;

use super::link::MAX_WINDOW_FRAMES;

/// Units that wait. A link has no more under way; beyond it the oldest goes, which happens where no processor looks at
/// pixels and nobody takes them.
const MAX_UNITS: usize = 2 * MAX_WINDOW_FRAMES as usize;

/// The units of one link.
#[derive(Default)]
pub(super) struct Units {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    units: VecDeque<AccessUnit>,
    closed: bool,
}

impl Units {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A unit has arrived.
    pub(super) fn push(&self, unit: AccessUnit) {
        let mut queue = self.lock();
        if queue.units.len() >= MAX_UNITS {
            queue.units.pop_front();
        }
        queue.units.push_back(unit);
        self.arrived.notify_all();
    }

    /// Whether the unit of a picture waits here.
    pub(super) fn holds(&self, presentation_index: u64) -> bool {
        let queue = self.lock();
        let mut units = queue.units.iter();
        units.any(|unit| unit.presentation_index == presentation_index)
    }

    /// The next in decode order; blocks until it is here. `None`: none will come.
    pub(super) fn take(&self) -> Option<AccessUnit> {
        let mut queue = self.lock();
        while queue.units.is_empty() && !queue.closed {
            queue = self
                .arrived
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        queue.units.pop_front()
    }

    /// None will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn unit(index: u64) -> AccessUnit {
        AccessUnit {
            index,
            presentation_index: index,
            pts: Duration::ZERO,
            duration: Duration::ZERO,
            keyframe: false,
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn what_waits_is_taken_before_the_end_is_told() {
        let units = Units::default();
        units.push(unit(3));
        units.close();
        assert!(units.holds(3) && !units.holds(4));
        assert_eq!(units.take().map(|it| it.index), Some(3));
        assert_eq!(units.take(), None);
    }

    #[test]
    fn units_that_nobody_takes_are_bounded() {
        let units = Units::default();
        for index in 0..MAX_UNITS as u64 + 5 {
            units.push(unit(index));
        }
        assert_eq!(units.take().map(|it| it.index), Some(5));
    }

    #[test]
    fn whoever_waits_is_woken() {
        let units = std::sync::Arc::new(Units::default());
        let waiting = {
            let units = std::sync::Arc::clone(&units);
            std::thread::spawn(move || (units.take(), units.take()))
        };
        units.push(unit(1));
        units.close();
        assert_eq!(waiting.join().unwrap(), (Some(unit(1)), None));
    }
}
