//! Frames that have begun to travel and are not settled, by sequence number.
//!
//! Fed when a frame's first chunk is handed to a lane; emptied from the front by acks. It knows nothing
//! of messages or modes: what to do is decided in `input` and `lanes`.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::chunk_size::Begun;
use crate::limits::MAX_WINDOW_FRAMES;
use crate::link::LaneId;
use crate::wire::{ChunkMeta, Window};

/// One frame under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) meta: ChunkMeta,
    pub(super) payload: Bytes,
    pub(super) offered_at: Instant,
    /// When the present attempt's first chunk was handed to its lane.
    pub(super) begun: Option<Begun>,
    pub(super) attempt: u16,
    /// The latest attempt of which every chunk was handed to a lane.
    pub(super) sent_attempt: Option<u16>,
    pub(super) refusals: u8,
    pub(super) state: FlightState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlightState {
    /// To be sent again by whichever lane asks next.
    Waiting,
    /// Being chunked.
    Sending { lane: LaneId, offset: u32 },
    /// All chunks are with the lane.
    Sent { lane: LaneId, at: Instant },
    /// Arrived whole, not yet delivered in order.
    Received { rtt: Option<Duration> },
    /// Will not be delivered; holds its number, and the place that its `bytes` may take at the receiver (a
    /// lane that is gone may have carried it), until those before it are settled.
    Dropped { bytes: u64 },
}

impl Flight {
    fn is_open(&self) -> bool {
        !matches!(self.state, FlightState::Dropped { .. })
    }
}

#[derive(Debug)]
pub(super) struct FlightTable {
    base: u64,
    frames: VecDeque<Flight>,
    waiting: BTreeSet<u64>,
    open_frames: usize,
    open_bytes: u64,
    dropped_bytes: u64,
}

impl FlightTable {
    pub(super) fn new(base: u64) -> Self {
        Self {
            base,
            frames: VecDeque::new(),
            waiting: BTreeSet::new(),
            open_frames: 0,
            open_bytes: 0,
            dropped_bytes: 0,
        }
    }

    /// The first sequence number not settled.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The first sequence number not in use.
    pub(super) fn next(&self) -> u64 {
        self.base + self.frames.len() as u64
    }

    pub(super) fn open_frames(&self) -> usize {
        self.open_frames
    }

    pub(super) fn open_bytes(&self) -> u64 {
        self.open_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether one more frame of that length may begin. Dropped frames count: were one held by the receiver
    /// all the same, it would have to let go of another that it has acknowledged.
    pub(super) fn admits(&self, bytes: u64, window: Window) -> bool {
        let alone = self.frames.is_empty();
        let fits = self.open_bytes + self.dropped_bytes + bytes <= window.bytes;
        let most_frames = window.frames.min(MAX_WINDOW_FRAMES);
        window.bytes > 0 && self.frames.len() < most_frames as usize && (alone || fits)
    }

    pub(super) fn push(&mut self, flight: Flight) {
        self.open_frames += 1;
        self.open_bytes += flight.payload.len() as u64;
        self.frames.push_back(flight);
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Flight> {
        self.frames
            .get(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut Flight> {
        self.frames
            .get_mut(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    /// The lowest frame that is to be sent again.
    pub(super) fn first_waiting(&self) -> Option<u64> {
        self.waiting.first().copied()
    }

    /// Sets what a frame is doing, keeping the count of those to be sent again.
    pub(super) fn set_state(&mut self, sequence: u64, state: FlightState) {
        let Some(flight) = self.get_mut(sequence) else {
            return;
        };
        flight.state = state;
        if state == FlightState::Waiting {
            self.waiting.insert(sequence);
        } else {
            self.waiting.remove(&sequence);
        }
    }

    /// Puts a frame back to be sent again under the next attempt number. The last number serves for all
    /// that follow: the pieces are the same, and pieces received twice do no harm.
    pub(super) fn requeue(&mut self, sequence: u64) {
        if let Some(flight) = self.get_mut(sequence) {
            flight.attempt = flight.attempt.saturating_add(1);
            self.set_state(sequence, FlightState::Waiting);
        }
    }

    /// Lets go of a frame's payload and of its share of the window.
    pub(super) fn drop_frame(&mut self, sequence: u64) {
        let Some(flight) = self.get_mut(sequence).filter(|flight| flight.is_open()) else {
            return;
        };
        let bytes = std::mem::take(&mut flight.payload).len() as u64;
        self.open_bytes -= bytes;
        self.open_frames -= 1;
        self.dropped_bytes += bytes;
        self.set_state(sequence, FlightState::Dropped { bytes });
    }

    /// Replaces the payload by another (an empty one, for a frame that is given up).
    pub(super) fn replace_payload(&mut self, sequence: u64, payload: Bytes) {
        let Some(flight) = self.get_mut(sequence) else {
            return;
        };
        let after = payload.len() as u64;
        let before = std::mem::replace(&mut flight.payload, payload).len() as u64;
        self.open_bytes = self.open_bytes - before + after;
    }

    /// Takes the first frame out if its number is below `until`.
    pub(super) fn pop_below(&mut self, until: u64) -> Option<(u64, Flight)> {
        if self.base >= until {
            return None;
        }
        let flight = self.frames.pop_front()?;
        let sequence = self.base;
        self.base += 1;
        self.waiting.remove(&sequence);
        if let FlightState::Dropped { bytes } = flight.state {
            self.dropped_bytes -= bytes;
        } else {
            self.open_frames -= 1;
            self.open_bytes -= flight.payload.len() as u64;
        }
        Some((sequence, flight))
    }

    /// Takes dropped frames off the front: they hold nobody's number any more.
    pub(super) fn trim(&mut self) {
        while self.frames.front().is_some_and(|flight| !flight.is_open()) {
            self.pop_below(self.base + 1);
        }
    }

    /// The frames that a lane holds, sending or sent.
    pub(super) fn on_lane(&self, id: LaneId) -> Vec<u64> {
        self.matching(|state| {
            matches!(state,
                FlightState::Sending { lane, .. } | FlightState::Sent { lane, .. } if lane == id)
        })
    }

    /// The frames that any lane holds, and those that arrived but were not delivered.
    pub(super) fn begun(&self) -> Vec<u64> {
        self.matching(|state| !matches!(state, FlightState::Waiting | FlightState::Dropped { .. }))
    }

    fn matching(&self, wanted: impl Fn(FlightState) -> bool) -> Vec<u64> {
        let numbered = (self.base..).zip(&self.frames);
        numbered
            .filter(|(_, flight)| wanted(flight.state))
            .map(|(sequence, _)| sequence)
            .collect()
    }

    /// Whether a frame that has begun may be sent again: the receiver may by now grant less than when it
    /// began. The first frame always fits a window that is not shut.
    pub(super) fn admits_again(&self, sequence: u64, window: Window) -> bool {
        let ahead = sequence - self.base;
        let up_to_it = self.frames.iter().take(ahead as usize + 1);
        let bytes: u64 = up_to_it.map(|flight| flight.payload.len() as u64).sum();
        ahead < window.frames.into() && window.bytes > 0 && (ahead == 0 || bytes <= window.bytes)
    }

    /// The highest frame that may still be delivered.
    pub(super) fn newest_open(&self) -> Option<u64> {
        let from_end = self.frames.iter().rev().position(Flight::is_open)? as u64;
        Some(self.next() - 1 - from_end)
    }
}
