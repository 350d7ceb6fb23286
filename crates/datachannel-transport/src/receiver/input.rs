//! What the sender says: chunks above all.
//!
//! Fed by lanes; feeds the table of frames. A message is checked before it changes anything.

use std::time::Instant;

use bytes::Bytes;

use super::assembly::{Assembly, Piece};
use super::stats::ReceiverEvent;
use super::table::{Slot, SlotState};
use super::{FrameReceiver, ReceiverMode};
use crate::link::{LaneId, ProtocolError};
use crate::wire::{
    Chunk, ChunkMeta, Envelope, FrameErrorCode, FrameTotals, Hello, Message, Received, Role, decode,
};

impl FrameReceiver {
    /// Takes a message from the sender. Messages of another epoch or of an unknown kind are ignored and
    /// counted; a lane that was closed may still bring some. Where the epoch is not known yet, the first
    /// message of an open lane tells it.
    ///
    /// # Errors
    /// The message breaks the protocol; nothing of it counts.
    pub fn handle_message(
        &mut self,
        now: Instant,
        id: LaneId,
        message: &[u8],
    ) -> Result<(), ProtocolError> {
        self.counters.bytes_received += message.len() as u64;
        let outcome = self.handle(now, id, message);
        self.counters.protocol_errors += u64::from(outcome.is_err());
        outcome
    }

    fn handle(&mut self, now: Instant, id: LaneId, bytes: &[u8]) -> Result<(), ProtocolError> {
        let envelope = decode(bytes)?;
        if self.peer_left {
            self.counters.after_goodbye += 1;
            return Ok(());
        }
        let begins = self.epoch.is_none() && self.begins_a_link(id, &envelope.message);
        if begins {
            self.epoch = Some(envelope.epoch);
        }
        if self.epoch != Some(envelope.epoch) {
            self.counters.wrong_epoch += 1;
            return Ok(());
        }
        let outcome = self.take(now, id, envelope);
        if begins && outcome.is_err() {
            self.epoch = None;
        }
        outcome
    }

    fn take(
        &mut self,
        now: Instant,
        id: LaneId,
        envelope: Envelope<'_>,
    ) -> Result<(), ProtocolError> {
        match envelope.message {
            Message::Chunk(chunk) => self.on_chunk(now, &chunk)?,
            Message::Hello(hello) => self.on_hello(envelope.epoch, &hello)?,
            Message::Eof(totals) => self.on_eof(totals)?,
            Message::Ping { t0_us } => {
                let lane = self.lanes.get_mut(id);
                let taken = lane.is_some_and(|lane| lane.pings.ping_received(t0_us));
                self.counters.ping_excess += u64::from(!taken);
            }
            Message::Pong { t0_us, t1_us } => self.on_pong(now, id, t0_us, t1_us),
            Message::Goodbye { code, text } => {
                self.peer_left = true;
                let text = text.to_owned();
                self.events.push(ReceiverEvent::PeerGoodbye { code, text });
            }
            Message::Unknown { .. } => self.counters.unknown_messages += 1,
            Message::Ack(_) => return Err(ProtocolError::Unexpected("ack")),
            Message::FrameError(_) => return Err(ProtocolError::Unexpected("frame_error")),
            Message::ClientStats(_) => return Err(ProtocolError::Unexpected("client_stats")),
            Message::EofAck { .. } => return Err(ProtocolError::Unexpected("eof_ack")),
        }
        Ok(())
    }

    /// Whether a message tells the link's epoch. On a lane without order any may overtake the hello, and the
    /// sender says most of them once; what a lane brings that is not open may be of an earlier link.
    fn begins_a_link(&mut self, id: LaneId, message: &Message<'_>) -> bool {
        let senders = matches!(
            message,
            Message::Hello(_)
                | Message::Chunk(_)
                | Message::Eof(_)
                | Message::Ping { .. }
                | Message::Goodbye { .. }
        );
        senders && self.lanes.get_mut(id).is_some()
    }

    fn on_hello(&mut self, epoch: u32, hello: &Hello) -> Result<(), ProtocolError> {
        if hello.role != Role::Sender {
            return Err(ProtocolError::Unexpected("hello of a frames' receiver"));
        }
        self.events.push(ReceiverEvent::Linked {
            epoch,
            next_sequence: hello.next_sequence,
        });
        Ok(())
    }

    fn on_chunk(&mut self, now: Instant, chunk: &Chunk<'_>) -> Result<(), ProtocolError> {
        if let Some(eof) = self.eof.filter(|eof| chunk.sequence >= eof.frames) {
            let (sequence, frames) = (chunk.sequence, eof.frames);
            return Err(ProtocolError::ChunkAfterEof { sequence, frames });
        }
        if self.is_done_with(chunk.sequence) {
            return Ok(());
        }
        if !self.has_slot_for(chunk) && !self.open_slot(now, chunk)? {
            return Ok(());
        }
        self.counters.chunks_received += 1;
        self.add_piece(now, chunk);
        Ok(())
    }

    /// Whether chunks of this frame are of no use any more. In every-frame mode the sender has missed an
    /// ack, so it is said again.
    fn is_done_with(&mut self, sequence: u64) -> bool {
        if sequence < self.delivered.next_sequence {
            self.counters.chunks_duplicate += 1;
            self.ack_generation += 1;
            return true;
        }
        let late = self.newest_whole.is_some_and(|newest| sequence < newest);
        self.counters.chunks_late += u64::from(late);
        late
    }

    /// Whether the table holds this very attempt, still open. Counts the chunk when it is of no use.
    fn has_slot_for(&mut self, chunk: &Chunk<'_>) -> bool {
        let Some(slot) = self.table.get_mut(chunk.sequence) else {
            return false;
        };
        slot.attempt == chunk.attempt && matches!(slot.state, SlotState::Open(_))
    }

    /// Makes room for a frame, or for a later attempt of one. `false`: the chunk is of no use.
    fn open_slot(&mut self, now: Instant, chunk: &Chunk<'_>) -> Result<bool, ProtocolError> {
        let &Chunk {
            sequence,
            attempt,
            frame_bytes,
            ..
        } = chunk;
        let mut replaces_bytes = None;
        if let Some(slot) = self.table.get_mut(sequence) {
            if slot.is_whole() {
                // The sender has not heard that it is, so it is said again.
                self.counters.chunks_duplicate += 1;
                self.ack_generation += 1;
                slot.news = self.ack_generation;
                return Ok(false);
            }
            if attempt <= slot.attempt {
                self.counters.chunks_stale += 1;
                return Ok(false);
            }
            replaces_bytes = Some(slot.held_bytes());
        }
        let too_large = frame_bytes > self.config.max_frame_bytes;
        let held_bytes = if too_large { 0 } else { frame_bytes.into() };
        if !self.make_room(chunk, held_bytes, replaces_bytes)? {
            return Ok(false);
        }
        self.counters.attempts_replaced += u64::from(replaces_bytes.is_some());
        let assembly = if too_large {
            None
        } else {
            Assembly::new(frame_bytes)
        };
        let state = match assembly {
            Some(assembly) => SlotState::Open(assembly),
            None => self.refusal(FrameErrorCode::TooLarge),
        };
        self.table.insert(Slot {
            sequence,
            attempt,
            frame_bytes,
            opened_at: now,
            news: 0,
            state,
        });
        Ok(true)
    }

    /// Whether the table takes one more frame. In realtime older ones make room; a sender of every frame
    /// has been told the window, so going beyond it breaks the protocol.
    fn make_room(
        &mut self,
        chunk: &Chunk<'_>,
        held_bytes: u64,
        replaces_bytes: Option<u64>,
    ) -> Result<bool, ProtocolError> {
        let window = self.config.window;
        let extra_frames = usize::from(replaces_bytes.is_none());
        let freed = replaces_bytes.unwrap_or(0);
        let first = self.delivered.next_sequence;
        loop {
            let frames = self.table.len() + extra_frames;
            let bytes = self.table.bytes() - freed + held_bytes;
            let span = self.is_realtime() || chunk.sequence - first < window.frames.into();
            if frames <= window.frames as usize && bytes <= window.bytes && span {
                return Ok(true);
            }
            if !self.is_realtime() {
                return Err(ProtocolError::BeyondWindow {
                    sequence: chunk.sequence,
                    frame_bytes: chunk.frame_bytes,
                    next_sequence: first,
                    window_frames: window.frames,
                    window_bytes: window.bytes,
                });
            }
            let Some(oldest) = self.table.first().filter(|oldest| *oldest < chunk.sequence) else {
                self.counters.chunks_late += 1;
                return Ok(false);
            };
            self.table.remove(oldest);
            self.counters.frames_superseded += 1;
        }
    }

    fn refusal(&mut self, code: FrameErrorCode) -> SlotState {
        self.counters.attempts_refused += 1;
        self.error_generation += 1;
        SlotState::Refused {
            code,
            generation: self.error_generation,
        }
    }

    fn refuse(&mut self, sequence: u64, code: FrameErrorCode) {
        let state = self.refusal(code);
        self.table.set_state(sequence, state);
    }

    fn add_piece(&mut self, now: Instant, chunk: &Chunk<'_>) {
        let Some(slot) = self.table.get_mut(chunk.sequence) else {
            return;
        };
        let SlotState::Open(assembly) = &mut slot.state else {
            return;
        };
        let frame = Received {
            sequence: chunk.sequence,
            attempt: chunk.attempt,
        };
        match assembly.add(chunk) {
            Ok(Piece::Duplicate) => self.counters.chunks_duplicate += 1,
            Ok(Piece::New) if assembly.is_whole() => self.complete(now, chunk.sequence),
            Ok(Piece::New) => {
                let mode = self.config.mode;
                if chunk.meta.is_some_and(|meta| asks_for_hash(mode, &meta)) {
                    self.hashing.begin(frame);
                }
                self.hashing.advance(frame, assembly.head());
            }
            Err(code) => self.refuse(chunk.sequence, code),
        }
    }

    /// Every piece of a frame is there.
    fn complete(&mut self, now: Instant, sequence: u64) {
        let Some(slot) = self.table.remove(sequence) else {
            return;
        };
        let Slot {
            attempt,
            frame_bytes,
            opened_at,
            state,
            ..
        } = slot;
        let SlotState::Open(assembly) = state else {
            return;
        };
        let Some((meta, bytes)) = assembly.into_whole() else {
            return;
        };
        let state = match self.check_hash(Received { sequence, attempt }, &meta, &bytes) {
            Some(payload_hash) => {
                self.assembly_times
                    .add(now.saturating_duration_since(opened_at));
                SlotState::Whole {
                    meta,
                    payload: Bytes::from(bytes),
                    payload_hash,
                }
            }
            None => self.refusal(FrameErrorCode::HashMismatch),
        };
        let whole = matches!(state, SlotState::Whole { .. });
        self.ack_generation += u64::from(whole);
        self.table.insert(Slot {
            sequence,
            attempt,
            frame_bytes,
            opened_at,
            news: if whole { self.ack_generation } else { 0 },
            state,
        });
        if whole {
            if !self.is_realtime() {
                self.note_arrivals(now);
            }
            self.overtake(sequence);
        }
    }

    /// Frames that are whole, as are all before them: how long each was arriving.
    fn note_arrivals(&mut self, now: Instant) {
        while let Some(slot) = self.table.get(self.next_ready).filter(|it| it.is_whole()) {
            self.arrivals
                .add(now.saturating_duration_since(slot.opened_at));
            self.next_ready += 1;
        }
    }

    /// The payload's hash; `None` when it is not the one declared. Not computed when nobody asks for it.
    fn check_hash(&mut self, frame: Received, meta: &ChunkMeta, payload: &[u8]) -> Option<u64> {
        if !asks_for_hash(self.config.mode, meta) {
            return Some(0);
        }
        let actual = self.hashing.finish(frame, payload);
        (meta.payload_hash == 0 || meta.payload_hash == actual).then_some(actual)
    }

    /// Realtime: nobody waits for what is older than a whole frame.
    fn overtake(&mut self, sequence: u64) {
        if self.is_realtime() {
            self.newest_whole = Some(sequence);
            let dropped = self.table.drop_unfinished_below(sequence);
            self.counters.frames_superseded += dropped as u64;
        }
    }

    fn on_eof(&mut self, totals: FrameTotals) -> Result<(), ProtocolError> {
        if let Some(first) = self.eof {
            if first != totals {
                return Err(ProtocolError::EofContradicts);
            }
            self.lanes
                .iter_mut()
                .for_each(|lane| lane.eof_acked = false);
            return Ok(());
        }
        let own = self.own_totals();
        let complete = totals.frames == own.frames;
        if !(complete || self.is_realtime() && totals.frames > own.frames) {
            let (frames, delivered) = (totals.frames, own.frames);
            return Err(ProtocolError::EofMisplaced { frames, delivered });
        }
        let verified = self.is_realtime() || totals == own;
        self.eof = Some(totals);
        self.events.push(ReceiverEvent::Eof { totals, verified });
        Ok(())
    }

    /// What this side has handed out.
    pub(super) fn own_totals(&self) -> FrameTotals {
        let hash = if self.is_realtime() {
            0
        } else {
            self.delivered.hash
        };
        FrameTotals {
            frames: self.delivered.next_sequence,
            bytes: self.delivered.bytes,
            hash,
        }
    }

    fn on_pong(&mut self, now: Instant, id: LaneId, t0_us: u64, t1_us: u64) {
        let lane = self.lanes.get_mut(id);
        if !lane.is_some_and(|lane| lane.pings.pong_received(t0_us)) {
            self.counters.ping_excess += 1;
            return;
        }
        let t2_us = self.clock.micros(now);
        self.offset.add(t0_us, t1_us, t2_us);
        self.ping_rtt.add(std::time::Duration::from_micros(
            t2_us.saturating_sub(t0_us),
        ));
    }
}

/// Whether a frame's payload is hashed: the EOF proves every frame, and a hash that is given is checked.
fn asks_for_hash(mode: ReceiverMode, meta: &ChunkMeta) -> bool {
    mode != ReceiverMode::Realtime || meta.payload_hash != 0
}
