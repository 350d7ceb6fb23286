//! What a lane gets when it asks the receiver: acks above all.
//!
//! Fed by what was received and handed out; feeds the sender's machine. Each lane is told every new state
//! once, the newest only, so that whichever lane lives brings it home.

use std::time::Instant;

use super::FrameReceiver;
use super::table::SlotState;
use crate::limits::MAX_RECEIVED_PAIRS;
use crate::link::LaneId;
use crate::sender::encode_within;
use crate::wire::{Ack, FrameErrorCode, FrameErrorReport, Hello, Message, ReceivedPairs, Role};

impl FrameReceiver {
    /// Appends the lane's next message to `out`, if there is one and it fits into `room_bytes`; returns
    /// whether it did. Nothing is said before the link's epoch is known.
    pub fn poll_message(
        &mut self,
        now: Instant,
        id: LaneId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(epoch) = self.epoch else {
            return false;
        };
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        if lane.goodbye_sent {
            return false;
        }
        let room = room_bytes.min(lane.max_message_bytes);
        if !lane.hello_sent {
            return self.poll_hello(epoch, id, room, out);
        }
        if self.goodbye.is_some() {
            return self.poll_goodbye(epoch, id, room, out);
        }
        self.poll_frame_error(epoch, id, room, out)
            || self.poll_ack(epoch, id, room, out)
            || self.poll_eof_ack(epoch, id, room, out)
            || self.poll_ping(now, epoch, id, room, out)
            || self.poll_once(epoch, room, out)
    }

    fn poll_hello(&mut self, epoch: u32, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let hello = Hello {
            role: Role::Receiver,
            max_message_bytes: self.config.max_message_bytes as u64,
            window: self.granted,
            next_sequence: self.delivered.next_sequence,
        };
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        lane.hello_sent = encode_within(epoch, &Message::Hello(hello), room, out);
        lane.hello_sent
    }

    fn poll_goodbye(&mut self, epoch: u32, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let Some((code, text)) = &self.goodbye else {
            return false;
        };
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        lane.goodbye_sent =
            encode_within(epoch, &Message::Goodbye { code: *code, text }, room, out);
        lane.goodbye_sent
    }

    /// Every lane is told of every refused attempt that still waits for another.
    fn poll_frame_error(&mut self, epoch: u32, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        if lane.errors_told == self.error_generation {
            return false;
        }
        let refusals = self.table.iter().filter_map(|slot| match slot.state {
            SlotState::Refused { code, generation } if generation > lane.errors_told => {
                Some((generation, slot.received(), code))
            }
            _ => None,
        });
        let Some((generation, refused, code)) = refusals.min_by_key(|(at, ..)| *at) else {
            lane.errors_told = self.error_generation;
            return false;
        };
        let report = FrameErrorReport {
            refused,
            code,
            text: words(code),
        };
        let said = encode_within(epoch, &Message::FrameError(report), room, out);
        if said {
            lane.errors_told = generation;
        }
        said
    }

    fn poll_ack(&mut self, epoch: u32, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        if lane.acked == self.ack_generation {
            return false;
        }
        let (untold, pairs) = (&mut self.untold, &mut self.pairs);
        untold.clear();
        let held = self.table.iter().filter(|slot| slot.news > lane.told);
        untold.extend(held.map(|slot| (slot.news, slot.received())));
        untold.sort_unstable_by_key(|(news, _)| *news);
        // What does not fit into this ack is in the next.
        let told = untold
            .get(MAX_RECEIVED_PAIRS - 1)
            .filter(|_| untold.len() > MAX_RECEIVED_PAIRS)
            .map(|(news, _)| *news);
        pairs.clear();
        let listed = untold.iter().take(MAX_RECEIVED_PAIRS);
        pairs.extend(listed.map(|(_, received)| *received));
        let handed_out = self
            .recent
            .iter()
            .rev()
            .take_while(|(at, _)| *at > lane.acked);
        let left = MAX_RECEIVED_PAIRS - pairs.len();
        pairs.extend(handed_out.map(|(_, received)| *received).take(left));
        let ack = Ack {
            next_sequence: self.delivered.next_sequence,
            received: ReceivedPairs::listed(pairs),
            window: self.granted,
        };
        let said = encode_within(epoch, &Message::Ack(ack), room, out);
        if said {
            lane.told = told.unwrap_or(self.ack_generation);
            if told.is_none() {
                lane.acked = self.ack_generation;
            }
        }
        said
    }

    fn poll_eof_ack(&mut self, epoch: u32, id: LaneId, room: usize, out: &mut Vec<u8>) -> bool {
        let totals = self.own_totals();
        let eof = self.eof.is_some();
        let Some(lane) = self.lanes.get_mut(id).filter(|lane| eof && !lane.eof_acked) else {
            return false;
        };
        let (frames, hash) = (totals.frames, totals.hash);
        lane.eof_acked = encode_within(epoch, &Message::EofAck { frames, hash }, room, out);
        lane.eof_acked
    }

    fn poll_ping(
        &mut self,
        now: Instant,
        epoch: u32,
        id: LaneId,
        room: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(id) else {
            return false;
        };
        let Some(message) = lane.pings.next(now, self.clock) else {
            return false;
        };
        let said = encode_within(epoch, &message, room, out);
        if said {
            lane.pings.said(&message);
        }
        said
    }

    /// What is said on one lane only: failures and figures.
    fn poll_once(&mut self, epoch: u32, room: usize, out: &mut Vec<u8>) -> bool {
        if let Some((refused, text)) = self.failures.front() {
            let code = FrameErrorCode::Processing;
            let report = FrameErrorReport {
                refused: *refused,
                code,
                text,
            };
            let said = encode_within(epoch, &Message::FrameError(report), room, out);
            if said {
                self.failures.pop_front();
            }
            return said;
        }
        let Some(stats) = self.client_stats.take() else {
            return false;
        };
        let message = Message::ClientStats(stats);
        let said = encode_within(epoch, &message, room, out);
        if let (false, Message::ClientStats(stats)) = (said, message) {
            self.client_stats = Some(stats);
        }
        said
    }
}

fn words(code: FrameErrorCode) -> &'static str {
    match code {
        FrameErrorCode::Conflict => "chunks contradict each other",
        FrameErrorCode::HashMismatch => "the payload's hash is not the one declared",
        FrameErrorCode::TooFragmented => "too many separate runs of bytes",
        FrameErrorCode::TooLarge => "the frame is larger than this receiver takes",
        _ => "the frame was refused",
    }
}
