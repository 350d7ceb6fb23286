//! The frames that a receiver holds: pieces of them, whole ones, and refused attempts, by sequence.
//!
//! Fed by chunks; emptied by delivery. Bounded in frames and in the payload bytes the frames declare,
//! whichever way the other side lies. Order and eviction are the receiver's.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::assembly::Assembly;
use crate::wire::{ChunkMeta, FrameErrorCode, Received};

/// One frame.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) sequence: u64,
    pub(super) attempt: u16,
    pub(super) frame_bytes: u32,
    pub(super) opened_at: Instant,
    /// Lanes that were last told of an earlier point of the ack count are to be told that it is whole. 0: it is not.
    pub(super) news: u64,
    pub(super) state: SlotState,
}

#[derive(Debug)]
pub(super) enum SlotState {
    Open(Assembly),
    Whole {
        meta: ChunkMeta,
        payload: Bytes,
        payload_hash: u64,
    },
    /// Handed out, not confirmed.
    Taken {
        payload_hash: u64,
    },
    /// Refused at that point of the error count; holds the number until another attempt comes.
    Refused {
        code: FrameErrorCode,
        generation: u64,
    },
}

impl Slot {
    pub(super) fn received(&self) -> Received {
        Received {
            sequence: self.sequence,
            attempt: self.attempt,
        }
    }

    /// All of it has arrived, whether or not it is handed out.
    pub(super) fn is_whole(&self) -> bool {
        matches!(
            self.state,
            SlotState::Whole { .. } | SlotState::Taken { .. }
        )
    }

    pub(super) fn held_bytes(&self) -> u64 {
        match self.state {
            SlotState::Refused { .. } => 0,
            _ => self.frame_bytes.into(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    slots: VecDeque<Slot>,
    bytes: u64,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Payload bytes that the held frames declare.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Slot> {
        let at = self
            .slots
            .binary_search_by_key(&sequence, |slot| slot.sequence)
            .ok()?;
        self.slots.get(at)
    }

    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let at = self
            .slots
            .binary_search_by_key(&sequence, |slot| slot.sequence)
            .ok()?;
        self.slots.get_mut(at)
    }

    /// Puts a slot in its place; another of that sequence is replaced.
    pub(super) fn insert(&mut self, slot: Slot) {
        self.bytes += slot.held_bytes();
        match self
            .slots
            .binary_search_by_key(&slot.sequence, |held| held.sequence)
        {
            Ok(at) => {
                let old = std::mem::replace(&mut self.slots[at], slot);
                self.bytes -= old.held_bytes();
            }
            Err(at) => self.slots.insert(at, slot),
        }
    }

    /// Sets the state of the slot of `sequence`.
    pub(super) fn set_state(&mut self, sequence: u64, state: SlotState) {
        let Ok(at) = self
            .slots
            .binary_search_by_key(&sequence, |slot| slot.sequence)
        else {
            return;
        };
        let slot = &mut self.slots[at];
        let before = slot.held_bytes();
        slot.state = state;
        self.bytes = self.bytes - before + slot.held_bytes();
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Slot> {
        let at = self
            .slots
            .binary_search_by_key(&sequence, |slot| slot.sequence)
            .ok()?;
        let slot = self.slots.remove(at)?;
        self.bytes -= slot.held_bytes();
        Some(slot)
    }

    /// Takes the first slot out if it is whole.
    pub(super) fn pop_whole(&mut self) -> Option<Slot> {
        let first = self.slots.front().filter(|slot| slot.is_whole())?.sequence;
        self.remove(first)
    }

    /// Hands out the payload of the whole slot of `sequence`, which keeps its place.
    pub(super) fn take_payload(&mut self, sequence: u64) -> Option<(Received, ChunkMeta, Bytes)> {
        let slot = self.get_mut(sequence)?;
        let SlotState::Whole { payload_hash, .. } = slot.state else {
            return None;
        };
        let taken = SlotState::Taken { payload_hash };
        let SlotState::Whole { meta, payload, .. } = std::mem::replace(&mut slot.state, taken)
        else {
            return None;
        };
        Some((slot.received(), meta, payload))
    }

    /// Takes the first slot out if it was handed out and is below `until`.
    pub(super) fn pop_taken(&mut self, until: u64) -> Option<(u64, u32, u64)> {
        let first = self.slots.front().filter(|slot| slot.sequence < until)?;
        let SlotState::Taken { payload_hash } = first.state else {
            return None;
        };
        let (sequence, bytes) = (first.sequence, first.frame_bytes);
        self.remove(sequence)?;
        Some((sequence, bytes, payload_hash))
    }

    /// The lowest sequence held.
    pub(super) fn first(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.sequence)
    }

    /// Lets go of everything below `until` that is not whole; returns how many.
    pub(super) fn drop_unfinished_below(&mut self, until: u64) -> usize {
        let before = self.slots.len();
        let bytes = &mut self.bytes;
        self.slots.retain(|slot| {
            let stays = slot.sequence >= until || slot.is_whole();
            if !stays {
                *bytes -= slot.held_bytes();
            }
            stays
        });
        before - self.slots.len()
    }
}
