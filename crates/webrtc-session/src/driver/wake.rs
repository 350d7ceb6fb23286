//! How any thread tells the driver that a session has something new to send: one bit per session and one notification.
//! Waking an already woken session is one atomic operation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The bits of all sessions.
#[derive(Debug)]
pub(super) struct WakeBoard {
    words: Box<[AtomicU64]>,
    notify: Notify,
}

impl WakeBoard {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            words: (0..slots.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            notify: Notify::new(),
        }
    }

    pub(super) fn wake(&self, slot: usize) {
        let Some(word) = self.words.get(slot / 64) else {
            return;
        };
        let bit = 1 << (slot % 64);
        if word.fetch_or(bit, Ordering::Release) & bit == 0 {
            self.notify.notify_one();
        }
    }

    /// Appends the slots woken since the last call.
    pub(super) fn take(&self, into: &mut Vec<usize>) {
        for (index, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::Acquire);
            while bits != 0 {
                into.push(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// Tells the driver that a session's handler has something new to send. Cheap to clone, callable from any thread.
///
/// Waking a session that has closed does no harm.
#[derive(Clone)]
pub struct SessionWaker {
    board: Arc<WakeBoard>,
    session: crate::SessionId,
}

impl SessionWaker {
    pub(super) fn new(board: Arc<WakeBoard>, session: crate::SessionId) -> Self {
        Self { board, session }
    }

    /// Has the driver ask the handler for messages soon.
    pub fn wake(&self) {
        self.board.wake(self.session.slot());
    }

    /// The session this wakes.
    #[must_use]
    pub fn session(&self) -> crate::SessionId {
        self.session
    }
}

impl fmt::Debug for SessionWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionWaker").field(&self.session).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_are_coalesced_and_taken_once() {
        let board = WakeBoard::new(130);
        [0, 64, 129, 64, 5000]
            .into_iter()
            .for_each(|slot| board.wake(slot));
        let mut woken = Vec::new();
        board.take(&mut woken);
        assert_eq!(woken, [0, 64, 129]);
        woken.clear();
        board.take(&mut woken);
        assert!(woken.is_empty());
    }
}
