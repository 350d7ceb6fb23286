//! The endpoint's sessions in their slots, and the queue of those that want a turn. Kept by the loop in `run`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::session::Session;
use crate::{CloseReason, SessionId};

#[derive(Default)]
struct Slot {
    session: Option<Box<Session>>,
    generation: u32,
    socket: usize,
    queued: bool,
}

/// Slots are reused, each time under a new generation.
#[derive(Default)]
pub(super) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<usize>,
    ready: VecDeque<usize>,
    alive: usize,
}

impl Sessions {
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// Takes a session in and names it.
    pub(super) fn insert(&mut self, mut session: Box<Session>, socket: usize) -> SessionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let entry = &mut self.slots[slot];
        entry.generation = entry.generation.wrapping_add(1);
        entry.socket = socket;
        session.id = SessionId::new(slot, entry.generation);
        let id = session.id;
        entry.session = Some(session);
        self.alive += 1;
        id
    }

    /// The slot of a living session.
    pub(super) fn slot_of(&self, id: SessionId) -> Option<usize> {
        let slot = self.slots.get(id.slot())?;
        (slot.session.is_some() && slot.generation == id.generation()).then(|| id.slot())
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Session> {
        self.slots.get(slot)?.session.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Session> {
        self.slots.get_mut(slot)?.session.as_deref_mut()
    }

    /// The socket a slot's session sends by.
    pub(super) fn socket(&self, slot: usize) -> usize {
        self.slots.get(slot).map_or(0, |slot| slot.socket)
    }

    pub(super) fn remove(&mut self, slot: usize) {
        let Some(entry) = self.slots.get_mut(slot) else {
            return;
        };
        if entry.session.take().is_some() {
            self.free.push(slot);
            self.alive -= 1;
        }
    }

    /// Gives the slot a turn, once however often it is asked for.
    pub(super) fn make_ready(&mut self, slot: usize) {
        if let Some(entry) = self.slots.get_mut(slot)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.ready.push_back(slot);
        }
    }

    pub(super) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn next_ready(&mut self) -> Option<usize> {
        let slot = self.ready.pop_front()?;
        self.slots[slot].queued = false;
        Some(slot)
    }

    pub(super) fn occupied(&self) -> Vec<usize> {
        (0..self.slots.len())
            .filter(|slot| self.slots[*slot].session.is_some())
            .collect()
    }
}

/// Runs a step of a session. str0m asserts its own invariants by panicking; such a bug, or one in a handler, costs that
/// session and no other.
pub(super) fn guarded<T: Default>(
    session: &mut Session,
    now: Instant,
    step: impl FnOnce(&mut Session) -> T,
) -> T {
    catch_unwind(AssertUnwindSafe(|| step(&mut *session))).unwrap_or_else(|_| {
        tracing::error!(session = %session.id, "a session panicked and is discarded");
        let told = catch_unwind(AssertUnwindSafe(|| {
            session.abandon(now, CloseReason::Internal);
        }));
        if told.is_err() {
            tracing::error!(session = %session.id, "its handler panicked too");
        }
        T::default()
    })
}
