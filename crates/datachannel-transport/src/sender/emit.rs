//! What a lane gets when it asks: one whole message at a time, control before chunks.
//!
//! Fed by the queue and the table of frames under way; feeds the lane's buffer, into which each payload
//! byte is copied once.

use std::time::Instant;

use super::chunk_size::message_bytes;
use super::flight::{Flight, FlightState};
use super::{FrameSender, SenderConfig, SenderLane};
use crate::limits::{MAX_MESSAGE_BYTES, MIN_PARTIAL_MESSAGE_BYTES};
use crate::link::LaneId;
use crate::wire::{
    ChunkMeta, ChunkPosition, ChunkSize, Hello, Message, Role, encode, encode_chunk_within,
};

impl FrameSender {
    /// Appends the lane's next message to `out`, if there is one and it fits into `room_bytes`; returns
    /// whether it did. A frame is cut into equal chunks, as few as limits and path allow, or where the lane has fragments
    /// into chunks that make whole ones, and a rest; where room is short a chunk is what fits, but not tiny: with less than
    /// 4 KiB of room (or a quarter of the lane's limit, or what suits the path, if that is less) a longer remainder waits. So
    /// an empty lane must offer at least that much, or declare a smaller limit.
    pub fn poll_message(
        &mut self,
        now: Instant,
        id: LaneId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        self.drop_expired(now);
        let said = self.poll_control(now, id, room_bytes, out)
            || (!self.is_closing() && self.poll_chunk(now, id, room_bytes, out))
            || self.poll_eof(id, room_bytes, out);
        if said {
            self.counters.bytes_sent += (out.len() - start) as u64;
        }
        said
    }

    /// Hello, goodbye, pong, ping.
    fn poll_control(&mut self, now: Instant, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let hello = self.hello();
        let epoch = self.config.epoch;
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        if lane.goodbye_sent {
            return false;
        }
        if !lane.hello_sent {
            let said = encode_within(epoch, &Message::Hello(hello), room, out);
            lane.hello_sent = said;
            return said;
        }
        if let Some((code, text)) = &self.ending.goodbye {
            let goodbye = Message::Goodbye { code: *code, text };
            lane.goodbye_sent = encode_within(epoch, &goodbye, room, out);
            return lane.goodbye_sent;
        }
        let Some(message) = lane.pings.next(now, self.clock) else {
            return false;
        };
        let said = encode_within(epoch, &message, room, out);
        if said {
            lane.pings.said(&message);
        }
        said
    }

    fn hello(&self) -> Hello {
        Hello {
            role: Role::Sender,
            max_message_bytes: MAX_MESSAGE_BYTES as u64,
            window: self.config.max_window,
            next_sequence: self.flight.base(),
        }
    }

    fn poll_eof(&mut self, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let done = self.pending.is_empty() && self.flight.is_empty();
        if !self.ending.finishing || !done || self.ending.finished || self.is_closing() {
            return false;
        }
        let eof = Message::Eof(self.totals());
        let Some(lane) = self.lanes.get_mut(id).filter(|lane| !lane.eof_sent) else {
            return false;
        };
        lane.eof_sent = encode_within(self.config.epoch, &eof, room, out);
        self.ending.eof_sent |= lane.eof_sent;
        lane.eof_sent
    }

    /// The next piece of the frame that the lane is sending, or the first of one to be sent again, or of a
    /// new one if the window admits it.
    fn poll_chunk(&mut self, now: Instant, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        if lane.goodbye_sent {
            return false;
        }
        let size = lane.chunk_size(&self.config, room);
        if let Some(sequence) = lane.sending {
            return self.continue_frame(now, id, sequence, size, out);
        }
        if lane.standby {
            return false;
        }
        match self.flight.first_waiting() {
            Some(sequence) => {
                (self.is_realtime() || self.flight.admits_again(sequence, self.window()))
                    && self.continue_frame(now, id, sequence, size, out)
            }
            None => self.begin_frame(now, id, size, out),
        }
    }

    /// A piece of a frame that has a sequence number.
    fn continue_frame(
        &mut self,
        now: Instant,
        id: LaneId,
        sequence: u64,
        size: ChunkSize,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(flight) = self.flight.get(sequence) else {
            return false;
        };
        let offset = match flight.state {
            FlightState::Sending { offset, .. } => offset,
            _ => 0,
        };
        let position = position(sequence, flight, offset);
        let meta = (offset == 0).then_some(&flight.meta);
        let epoch = self.config.epoch;
        let taken = encode_chunk_within(epoch, &position, meta, &flight.payload, size, out);
        let Some(taken) = taken else { return false };
        self.advance(now, id, sequence, offset, taken);
        true
    }

    /// The first piece of a frame that has waited: only now does it get its number.
    fn begin_frame(
        &mut self,
        now: Instant,
        id: LaneId,
        size: ChunkSize,
        out: &mut Vec<u8>,
    ) -> bool {
        let window = self.window();
        let bytes = self.pending.first().map(|first| first.frame.payload.len());
        if !bytes.is_some_and(|bytes| self.flight.admits(bytes as u64, window)) {
            return false;
        }
        let Some((first, payload_hash)) = self.pending.first_hashed() else {
            return false;
        };
        let meta = ChunkMeta {
            frame: first.frame.meta,
            given_up: false,
            payload_hash,
        };
        let flight = Flight {
            meta,
            payload: first.frame.payload.clone(),
            offered_at: first.offered_at,
            begun: None,
            attempt: 0,
            sent_attempt: None,
            refusals: 0,
            state: FlightState::Waiting,
        };
        let sequence = self.flight.next();
        let position = position(sequence, &flight, 0);
        let epoch = self.config.epoch;
        let taken = encode_chunk_within(epoch, &position, Some(&meta), &flight.payload, size, out);
        let Some(taken) = taken else { return false };
        self.pending.pop();
        self.flight.push(flight);
        self.advance(now, id, sequence, 0, taken);
        true
    }

    /// Books a piece of `taken` bytes at `offset`.
    fn advance(&mut self, now: Instant, id: LaneId, sequence: u64, offset: u32, taken: usize) {
        self.counters.chunks_sent += 1;
        self.counters.payload_bytes_sent += taken as u64;
        let lane = self.lanes.get_mut(id);
        let Some(flight) = self.flight.get_mut(sequence) else {
            return;
        };
        if offset == 0 {
            flight.begun = lane.map(|lane| lane.path.begin(now));
            self.counters.frames_resent += u64::from(flight.attempt > 0);
        }
        let end = offset + taken as u32;
        let whole = end as usize == flight.payload.len();
        if whole {
            if flight.sent_attempt.is_none() {
                self.counters.frames_sent += 1;
                self.send_times
                    .add(now.saturating_duration_since(flight.offered_at));
            }
            flight.sent_attempt = Some(flight.attempt);
        }
        let state = if whole {
            FlightState::Sent { lane: id, at: now }
        } else {
            FlightState::Sending {
                lane: id,
                offset: end,
            }
        };
        self.flight.set_state(sequence, state);
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.sending = (!whole).then_some(sequence);
        }
    }
}

impl SenderLane {
    /// How long a message with a chunk may be that this lane and its peer take, and that suits the path.
    fn chunk_size(&self, config: &SenderConfig, room: usize) -> ChunkSize {
        let peer = self.peer_max_message_bytes.unwrap_or(usize::MAX);
        let limit = config
            .max_message_bytes
            .min(self.max_message_bytes)
            .min(peer);
        let most = message_bytes(limit, self.path.goodput(), config.max_chunk_time);
        ChunkSize {
            least: MIN_PARTIAL_MESSAGE_BYTES.min(limit / 4).min(most),
            most,
            room,
            fragment: self.fragment_bytes,
        }
    }
}

fn position(sequence: u64, flight: &Flight, offset: u32) -> ChunkPosition {
    let frame_bytes = flight.payload.len() as u32;
    ChunkPosition {
        sequence,
        attempt: flight.attempt,
        frame_bytes,
        offset,
    }
}

/// Encodes a message if it fits into `room` bytes; leaves `out` as it was if not.
pub(crate) fn encode_within(
    epoch: u32,
    message: &Message<'_>,
    room: usize,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    encode(epoch, message, out);
    let fits = out.len() - start <= room;
    if !fits {
        out.truncate(start);
    }
    fits
}
