//! Frames that wait to begin: they have no sequence number yet.
//!
//! Fed by `offer`; emptied when a lane begins a frame. What to do when full is the mode's: replace the
//! oldest, or hand the new one back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::OutgoingFrame;
use crate::link::payload_hash;

/// A queue that has not run empty for this long is no pause of the receiver: the lanes carry less than is offered.
const STANDING_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct PendingFrame {
    pub(super) frame: OutgoingFrame,
    /// `None`: computed when the frame begins to travel, so that the payload comes into the cache once, and
    /// a frame that never travels costs nothing.
    pub(super) payload_hash: Option<u64>,
    pub(super) offered_at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    frames: VecDeque<PendingFrame>,
    bytes: u64,
    /// Since when it has not run empty by sending.
    waiting_since: Option<Instant>,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn first(&self) -> Option<&PendingFrame> {
        self.frames.front()
    }

    /// The first frame and its payload's hash, computed if it was not yet.
    pub(super) fn first_hashed(&mut self) -> Option<(&PendingFrame, u64)> {
        let first = self.frames.front_mut()?;
        let payload = &first.frame.payload;
        let hash = *first
            .payload_hash
            .get_or_insert_with(|| payload_hash(payload));
        Some((first, hash))
    }

    pub(super) fn push(&mut self, frame: PendingFrame) {
        self.waiting_since.get_or_insert(frame.offered_at);
        self.bytes += frame.frame.payload.len() as u64;
        self.frames.push_back(frame);
    }

    pub(super) fn pop(&mut self) -> Option<PendingFrame> {
        let first = self.pop_for_newer()?;
        if self.frames.is_empty() {
            self.waiting_since = None;
        }
        Some(first)
    }

    /// Takes the first frame out because a newer one needs its place: the queue goes on waiting.
    pub(super) fn pop_for_newer(&mut self) -> Option<PendingFrame> {
        let first = self.frames.pop_front()?;
        self.bytes -= first.frame.payload.len() as u64;
        Some(first)
    }

    /// Whether frames have waited for so long that waiting does not help.
    pub(super) fn is_standing(&self, now: Instant) -> bool {
        self.waiting_since
            .is_some_and(|since| now.saturating_duration_since(since) >= STANDING_AFTER)
    }

    /// When the first frame's deadline passes.
    pub(super) fn expires_at(&self, deadline: Option<Duration>) -> Option<Instant> {
        self.first()?.offered_at.checked_add(deadline?)
    }

    /// Takes the first frame out if its deadline has passed.
    pub(super) fn pop_expired(
        &mut self,
        now: Instant,
        deadline: Option<Duration>,
    ) -> Option<PendingFrame> {
        if self.expires_at(deadline)? > now {
            return None;
        }
        self.pop()
    }
}
