//! What the receiver says: acks, refusals, pings, farewells.
//!
//! Fed by lanes; settles frames under way. Every message is checked whole before any of it counts.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::FrameSender;
use super::chunk_size::Begun;
use super::event::{DropReason, SenderEvent};
use super::flight::{Flight, FlightState};
use crate::limits::{MAX_REFUSALS_PER_FRAME, MIN_LANE_MESSAGE_BYTES};
use crate::link::{LaneId, ProtocolError, payload_hash};
use crate::wire::{
    Ack, FrameErrorCode, FrameErrorReport, Hello, Message, Received, Role, Window, decode,
};

impl FrameSender {
    /// Takes a message from the receiver. Messages of another epoch or of an unknown kind are ignored
    /// and counted.
    ///
    /// # Errors
    /// The message breaks the protocol; nothing of it counts.
    pub fn handle_message(
        &mut self,
        now: Instant,
        id: LaneId,
        message: &[u8],
    ) -> Result<(), ProtocolError> {
        let outcome = self.handle(now, id, message);
        self.counters.protocol_errors += u64::from(outcome.is_err());
        outcome
    }

    fn handle(&mut self, now: Instant, id: LaneId, bytes: &[u8]) -> Result<(), ProtocolError> {
        let envelope = decode(bytes)?;
        if envelope.epoch != self.config.epoch {
            self.counters.wrong_epoch += 1;
            return Ok(());
        }
        if self.ending.peer_left {
            self.counters.after_goodbye += 1;
            return Ok(());
        }
        match envelope.message {
            Message::Hello(hello) => self.on_hello(now, id, &hello)?,
            Message::Ack(ack) => self.on_ack(now, &ack)?,
            Message::FrameError(report) => self.on_frame_error(&report)?,
            Message::EofAck { frames, hash } => self.on_eof_ack(frames, hash)?,
            Message::Ping { t0_us } => {
                let lane = self.lanes.get_mut(id);
                let taken = lane.is_some_and(|lane| lane.pings.ping_received(t0_us));
                self.counters.ping_excess += u64::from(!taken);
            }
            Message::Pong { t0_us, .. } => self.on_pong(now, id, t0_us),
            Message::ClientStats(stats) => self.client = Some(stats),
            Message::Goodbye { code, text } => {
                self.ending.peer_left = true;
                let text = text.to_owned();
                self.events.push(SenderEvent::PeerGoodbye { code, text });
            }
            Message::Unknown { .. } => self.counters.unknown_messages += 1,
            Message::Chunk(_) => return Err(ProtocolError::Unexpected("chunk")),
            Message::Eof(_) => return Err(ProtocolError::Unexpected("eof")),
        }
        Ok(())
    }

    fn on_hello(&mut self, now: Instant, id: LaneId, hello: &Hello) -> Result<(), ProtocolError> {
        let Hello {
            role,
            max_message_bytes,
            window,
            next_sequence,
        } = *hello;
        if role != Role::Receiver {
            return Err(ProtocolError::Unexpected("hello of a frames' sender"));
        }
        let least = MIN_LANE_MESSAGE_BYTES;
        if max_message_bytes < least as u64 {
            return Err(ProtocolError::HelloMessagesTooShort {
                max_message_bytes,
                least,
            });
        }
        self.check_cumulative(next_sequence)?;
        if let Some(lane) = self.lanes.get_mut(id) {
            let bytes = usize::try_from(max_message_bytes).unwrap_or(usize::MAX);
            lane.peer_max_message_bytes = Some(bytes);
        }
        // In realtime only acks say which of the frames before it were delivered, and which passed over.
        if !self.is_realtime() {
            self.settle_below(now, next_sequence);
        }
        self.grant(next_sequence, window);
        self.events.push(SenderEvent::PeerHello {
            next_sequence,
            window,
        });
        Ok(())
    }

    fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        self.check_cumulative(ack.next_sequence)?;
        ack.received
            .iter()
            .try_for_each(|received| self.check_sent("ack", received))?;
        for received in ack.received.iter() {
            self.mark_received(now, received);
        }
        self.settle_below(now, ack.next_sequence);
        self.grant(ack.next_sequence, ack.window);
        Ok(())
    }

    /// A window counts unless it was overtaken by that of a later ack on another lane.
    fn grant(&mut self, next_sequence: u64, window: Window) {
        if next_sequence >= self.granted_at_sequence {
            self.granted = window;
            self.granted_at_sequence = next_sequence;
        }
    }

    /// The frame just below `next_sequence` must have been sent; in every-frame mode all must.
    fn check_cumulative(&self, next_sequence: u64) -> Result<(), ProtocolError> {
        let base = self.flight.base();
        if next_sequence <= base {
            return Ok(());
        }
        let first = if self.is_realtime() {
            next_sequence - 1
        } else {
            base
        };
        let was_sent = |sequence| {
            self.flight
                .get(sequence)
                .is_some_and(|flight| flight.sent_attempt.is_some())
        };
        match (first..next_sequence).find(|&sequence| !was_sent(sequence)) {
            Some(sequence) => Err(self.unsent(
                "ack",
                Received {
                    sequence,
                    attempt: 0,
                },
            )),
            None => Ok(()),
        }
    }

    /// An attempt that is named must have been wholly sent.
    fn check_sent(&self, what: &'static str, received: Received) -> Result<(), ProtocolError> {
        if received.sequence < self.flight.base() {
            return Ok(());
        }
        let sent = self
            .flight
            .get(received.sequence)
            .and_then(|flight| flight.sent_attempt);
        if sent.is_some_and(|sent| received.attempt <= sent) {
            return Ok(());
        }
        Err(self.unsent(what, received))
    }

    fn unsent(&self, what: &'static str, received: Received) -> ProtocolError {
        ProtocolError::Unsent {
            what,
            received,
            next_sequence: self.flight.next(),
        }
    }

    /// One attempt arrived whole. Whichever it was, the frame need not be sent again; but only the present
    /// attempt tells a round trip.
    fn mark_received(&mut self, now: Instant, received: Received) {
        let Some(flight) = self.flight.get(received.sequence) else {
            self.counters.stale_acks += 1;
            return;
        };
        let rtt = match flight.state {
            FlightState::Received { .. } => return,
            FlightState::Dropped { .. } => {
                self.counters.stale_acks += 1;
                return;
            }
            FlightState::Sent { lane, at } if received.attempt == flight.attempt => {
                self.path_carried(now, lane, flight.begun, flight.payload.len());
                Some(now.saturating_duration_since(at))
            }
            _ => None,
        };
        self.sample_ack(rtt);
        self.stop_sending(received.sequence);
        self.flight
            .set_state(received.sequence, FlightState::Received { rtt });
    }

    /// A frame was acknowledged that one lane had carried whole.
    fn path_carried(&mut self, now: Instant, id: LaneId, begun: Option<Begun>, bytes: usize) {
        if let (Some(lane), Some(begun)) = (self.lanes.get_mut(id), begun) {
            lane.path.acked(now, begun, bytes as u64);
        }
    }

    fn sample_ack(&mut self, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            self.ack_rtt.add(rtt);
            self.ack_times.add(rtt);
        }
    }

    /// The receiver is done with all frames below `until`.
    fn settle_below(&mut self, now: Instant, until: u64) {
        while self.flight.base() < until {
            self.stop_sending(self.flight.base());
            let Some((sequence, flight)) = self.flight.pop_below(until) else {
                break;
            };
            self.settle_one(now, until, sequence, &flight);
        }
        self.flight.trim();
    }

    fn settle_one(&mut self, now: Instant, until: u64, sequence: u64, flight: &Flight) {
        let source_id = flight.meta.frame.source_id;
        let last = sequence + 1 == until;
        let rtt = match flight.state {
            FlightState::Dropped { .. } => return,
            FlightState::Received { rtt } => rtt,
            _ if self.is_realtime() && !last => {
                return self.dropped(source_id, DropReason::PassedOver);
            }
            // Without the attempt's number only a frame sent once tells a round trip (RFC 6298 §3).
            FlightState::Sent { lane, at } if flight.attempt == 0 => {
                self.path_carried(now, lane, flight.begun, flight.payload.len());
                let rtt = Some(now.saturating_duration_since(at));
                self.sample_ack(rtt);
                rtt
            }
            _ => None,
        };
        let bytes = flight.payload.len() as u64;
        self.settle(sequence, bytes, flight.meta.payload_hash);
        if flight.meta.given_up {
            self.counters.frames_given_up += 1;
            return;
        }
        self.counters.frames_acked += 1;
        self.counters.payload_bytes_acked += bytes;
        self.events.push(SenderEvent::Acked {
            sequence,
            source_id,
            rtt,
        });
    }

    fn on_frame_error(&mut self, report: &FrameErrorReport<'_>) -> Result<(), ProtocolError> {
        let Received { sequence, attempt } = report.refused;
        let Some(flight) = self.flight.get(sequence) else {
            if sequence >= self.flight.next() {
                return Err(self.unsent("frame_error", report.refused));
            }
            self.on_settled_frame_error(report);
            return Ok(());
        };
        if attempt > flight.attempt {
            return Err(self.unsent("frame_error", report.refused));
        }
        let source_id = Some(flight.meta.frame.source_id);
        let under_way = matches!(
            flight.state,
            FlightState::Sending { .. } | FlightState::Sent { .. }
        );
        let processing = report.code == FrameErrorCode::Processing;
        if !processing && (attempt < flight.attempt || !under_way) {
            self.counters.stale_acks += 1;
            return Ok(());
        }
        let given_up = !processing && self.refused(sequence, report.code);
        self.push_frame_error(report, source_id, given_up);
        Ok(())
    }

    /// A frame that is settled can still have failed at what it was for.
    fn on_settled_frame_error(&mut self, report: &FrameErrorReport<'_>) {
        if report.code == FrameErrorCode::Processing {
            self.push_frame_error(report, None, false);
        } else {
            self.counters.stale_acks += 1;
        }
    }

    fn push_frame_error(
        &mut self,
        report: &FrameErrorReport<'_>,
        source_id: Option<u64>,
        given_up: bool,
    ) {
        self.events.push(SenderEvent::FrameError {
            sequence: report.refused.sequence,
            source_id,
            code: report.code,
            text: report.text.to_owned(),
            given_up,
        });
    }

    /// The receiver refused the present attempt: send again, give up, or (realtime) drop. Returns whether
    /// the frame was given up.
    fn refused(&mut self, sequence: u64, code: FrameErrorCode) -> bool {
        self.stop_sending(sequence);
        if self.is_realtime() {
            self.drop_in_flight(sequence, DropReason::Refused);
            self.flight.trim();
            return false;
        }
        let Some(flight) = self.flight.get_mut(sequence) else {
            return false;
        };
        flight.refusals = flight.refusals.saturating_add(1);
        let again = matches!(
            code,
            FrameErrorCode::Conflict | FrameErrorCode::HashMismatch | FrameErrorCode::TooFragmented
        );
        let give_up = !flight.meta.given_up && (!again || flight.refusals > MAX_REFUSALS_PER_FRAME);
        if give_up {
            flight.meta.given_up = true;
            flight.meta.payload_hash = payload_hash(&[]);
            self.flight.replace_payload(sequence, Bytes::new());
        }
        self.flight.requeue(sequence);
        give_up
    }

    fn on_eof_ack(&mut self, frames: u64, hash: u64) -> Result<(), ProtocolError> {
        if !self.ending.eof_sent {
            return Err(ProtocolError::EofAckUnasked);
        }
        if !self.ending.finished {
            self.ending.finished = true;
            let totals = self.totals();
            let verified = totals.frames == frames && totals.hash == hash;
            self.events.push(SenderEvent::Finished { totals, verified });
        }
        Ok(())
    }

    fn on_pong(&mut self, now: Instant, id: LaneId, t0_us: u64) {
        let rtt = Duration::from_micros(self.clock.micros(now).saturating_sub(t0_us));
        if let Some(lane) = self.lanes.get_mut(id)
            && lane.pings.pong_received(t0_us)
        {
            lane.round_trip.add(rtt);
            lane.path.pong(rtt);
            self.ping_rtt.add(rtt);
        } else {
            self.counters.ping_excess += 1;
        }
    }
}
