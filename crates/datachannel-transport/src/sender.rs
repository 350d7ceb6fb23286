//! The sending machine: frames in, messages out as lanes ask for them.
//!
//! Fed by [`FrameSender::offer`], by messages from the receiver and by time; feeds lanes that pull with
//! [`FrameSender::poll_message`]. It does no I/O and reads no clock.

mod chunk_size;
mod config;
mod emit;
mod event;
mod flight;
mod input;
mod pending;
mod stats;

use std::time::Instant;

pub(crate) use config::check_interval;
pub use config::{Mode, ResumePoint, SenderConfig};
pub(crate) use emit::encode_within;
pub use event::{DropReason, Offer, OutgoingFrame, RefuseReason, SenderEvent};
pub use stats::{SenderCounters, SenderStats};

use self::chunk_size::Path;
use self::flight::{FlightState, FlightTable};
use self::pending::{Pending, PendingFrame};
use crate::limits::{INITIAL_WINDOW_BYTES, INITIAL_WINDOW_FRAMES, MAX_SEQUENCE};
use crate::link::{
    ConfigError, HashChain, LaneError, LaneId, LaneLimits, Lanes, LinkClock, Outbox, Pings,
    RttEstimator, TimingWindow,
};
use crate::wire::{ClientStats, FrameTotals, GoodbyeCode, Window};

/// Sends frames over whichever lanes ask.
///
/// Call order: [`lane_opened`](Self::lane_opened) per lane; [`offer`](Self::offer) frames; whenever a lane
/// has room, [`poll_message`](Self::poll_message) until it returns false; every message from the other
/// side to [`handle_message`](Self::handle_message); after each of these a lane that had nothing to send
/// may have something, and [`poll_timeout`](Self::poll_timeout) may have changed.
#[derive(Debug)]
pub struct FrameSender {
    config: SenderConfig,
    clock: LinkClock,
    lanes: Lanes<SenderLane>,
    pending: Pending,
    flight: FlightTable,
    granted: Window,
    granted_at_sequence: u64,
    ending: Ending,
    settled: ResumePoint,
    counters: SenderCounters,
    ack_rtt: RttEstimator,
    ping_rtt: RttEstimator,
    ack_times: TimingWindow,
    send_times: TimingWindow,
    client: Option<ClientStats>,
    events: Outbox<SenderEvent>,
}

/// What may be under way before the receiver has said anything.
const INITIAL_WINDOW: Window = Window {
    frames: INITIAL_WINDOW_FRAMES,
    bytes: INITIAL_WINDOW_BYTES,
};

/// How far the end of the link has come.
#[derive(Debug, Default)]
struct Ending {
    finishing: bool,
    eof_sent: bool,
    finished: bool,
    goodbye: Option<(GoodbyeCode, String)>,
    peer_left: bool,
}

#[derive(Debug)]
struct SenderLane {
    max_message_bytes: usize,
    fragment_bytes: usize,
    peer_max_message_bytes: Option<usize>,
    hello_sent: bool,
    eof_sent: bool,
    goodbye_sent: bool,
    sending: Option<u64>,
    path: Path,
    pings: Pings,
    round_trip: RttEstimator,
    standby: bool,
}

impl FrameSender {
    /// A sender without lanes.
    ///
    /// # Errors
    /// The first setting out of its range.
    pub fn new(config: SenderConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            clock: LinkClock::new(config.clock_origin),
            lanes: Lanes::new(),
            pending: Pending::default(),
            flight: FlightTable::new(config.resume.next_sequence),
            granted: INITIAL_WINDOW,
            granted_at_sequence: config.resume.next_sequence,
            ending: Ending::default(),
            settled: config.resume,
            counters: SenderCounters::default(),
            ack_rtt: RttEstimator::new(),
            ping_rtt: RttEstimator::new(),
            ack_times: TimingWindow::new(),
            send_times: TimingWindow::new(),
            client: None,
            events: Outbox::new(),
            config,
        })
    }

    /// Offers a frame. See [`Offer`] for what may become of it.
    pub fn offer(&mut self, now: Instant, frame: OutgoingFrame) -> Offer {
        let hashed = self.config.hash_frames || !self.is_realtime();
        self.offer_with(now, frame, if hashed { None } else { Some(0) })
    }

    /// As [`offer`](Self::offer), for a caller that has computed the payload's [`payload_hash`](crate::payload_hash). A wrong one makes the
    /// receiver refuse the frame.
    pub fn offer_hashed(&mut self, now: Instant, frame: OutgoingFrame, hash: u64) -> Offer {
        self.offer_with(now, frame, Some(hash))
    }

    fn offer_with(
        &mut self,
        now: Instant,
        frame: OutgoingFrame,
        payload_hash: Option<u64>,
    ) -> Offer {
        if let Some(reason) = self.reason_to_refuse(&frame) {
            self.counters.frames_refused += 1;
            return Offer::Refused { frame, reason };
        }
        let mut replaced = None;
        match self.config.mode {
            Mode::Realtime { max_queued, .. } => {
                let standing = self.pending.is_standing(now);
                replaced = self.make_room(if standing { 1 } else { max_queued });
            }
            Mode::EveryFrame {
                max_queued_frames,
                max_queued_bytes,
            } => {
                let frames = self.pending.len() + self.flight.open_frames();
                let bytes = self.pending.bytes() + self.flight.open_bytes();
                let with_this = bytes + frame.payload.len() as u64;
                if frames >= max_queued_frames || with_this > max_queued_bytes {
                    self.counters.frames_full += 1;
                    return Offer::Full(frame);
                }
            }
        }
        self.counters.frames_offered += 1;
        self.pending.push(PendingFrame {
            frame,
            payload_hash,
            offered_at: now,
        });
        match replaced {
            Some(dropped) => Offer::Replaced { dropped },
            None => Offer::Queued,
        }
    }

    /// Realtime: drops the oldest waiting frames until one more makes at most `max_queued`; the last one dropped.
    fn make_room(&mut self, max_queued: usize) -> Option<u64> {
        let mut last = None;
        while self.pending.len() >= max_queued
            && let Some(old) = self.pending.pop_for_newer()
        {
            last = Some(old.frame.meta.source_id);
            self.dropped(old.frame.meta.source_id, DropReason::Replaced);
        }
        last
    }

    fn reason_to_refuse(&self, frame: &OutgoingFrame) -> Option<RefuseReason> {
        if self.is_closing() || self.ending.finishing {
            return Some(RefuseReason::Closed);
        }
        let bytes = frame.payload.len() as u64;
        let limit = match self.config.mode {
            Mode::EveryFrame {
                max_queued_bytes, ..
            } => max_queued_bytes.min(self.config.max_frame_bytes.into()),
            Mode::Realtime { .. } => self.config.max_frame_bytes.into(),
        };
        if bytes > limit {
            return Some(RefuseReason::TooLarge { bytes, limit });
        }
        if self.flight.next() + self.pending.len() as u64 > MAX_SEQUENCE {
            return Some(RefuseReason::SequencesExhausted);
        }
        frame.meta.check(bytes).err().map(RefuseReason::Meta)
    }

    /// Takes a lane into use.
    ///
    /// # Errors
    /// The name is in use, 16 lanes are open, or the lane's messages are shorter than 2,048 B.
    pub fn lane_opened(
        &mut self,
        now: Instant,
        id: LaneId,
        limits: LaneLimits,
    ) -> Result<(), LaneError> {
        let interval = self.config.ping_interval;
        self.lanes.open(id, limits, |max_message_bytes| SenderLane {
            max_message_bytes,
            fragment_bytes: limits.fragment_bytes.max(1),
            peer_max_message_bytes: None,
            hello_sent: false,
            eof_sent: false,
            goodbye_sent: false,
            sending: None,
            path: Path::default(),
            pings: Pings::new(now, interval),
            round_trip: RttEstimator::new(),
            standby: false,
        })
    }

    /// On a lane that stands by no frame is begun; one that is being sent is finished, and control messages go on. Lanes are
    /// opened not standing by. For a link whose lanes are of several kinds, of which the best that works is to carry.
    pub fn set_standby(&mut self, id: LaneId, standby: bool) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.standby = standby;
        }
    }

    /// A lane's own ping → pong, smoothed; `None` before the first.
    pub fn lane_round_trip(&self, id: LaneId) -> Option<std::time::Duration> {
        self.lanes.get(id)?.round_trip.srtt()
    }

    /// A lane died or was closed: what it held and nobody acknowledged is queued for the others.
    /// Realtime frames that something newer has overtaken are dropped instead.
    pub fn lane_closed(&mut self, now: Instant, id: LaneId) {
        if self.lanes.close(id).is_none() {
            return;
        }
        self.send_again(now, &self.flight.on_lane(id));
    }

    /// Continues under a new epoch, over lanes still to be opened, when the receiver's process was
    /// replaced or its state is lost: everything not acknowledged as delivered is sent again, also what had
    /// arrived. What the new receiver's hello counts as delivered is settled by it. All lanes are closed.
    pub fn relink(&mut self, now: Instant, epoch: u32) {
        self.config.epoch = epoch;
        self.lanes = Lanes::new();
        self.granted = INITIAL_WINDOW;
        self.granted_at_sequence = self.flight.base();
        self.ending.eof_sent = false;
        self.ending.peer_left = false;
        self.send_again(now, &self.flight.begun());
    }

    fn send_again(&mut self, now: Instant, sequences: &[u64]) {
        for &sequence in sequences {
            if self.is_obsolete(now, sequence) {
                self.drop_in_flight(sequence, DropReason::LaneDied);
            } else {
                self.flight.requeue(sequence);
            }
        }
        self.flight.trim();
    }

    /// Realtime: nobody would want this frame sent again.
    fn is_obsolete(&self, now: Instant, sequence: u64) -> bool {
        let Mode::Realtime { deadline, .. } = self.config.mode else {
            return false;
        };
        let newer = !self.pending.is_empty() || self.flight.newest_open() > Some(sequence);
        let Some(flight) = self.flight.get(sequence) else {
            return true;
        };
        let expiry = deadline.and_then(|deadline| flight.offered_at.checked_add(deadline));
        newer || expiry.is_some_and(|expiry| expiry <= now)
    }

    /// No frame will follow. When all are acknowledged the EOF goes out, and
    /// [`SenderEvent::Finished`] tells that it was confirmed.
    pub fn finish(&mut self, _now: Instant) {
        self.ending.finishing = true;
    }

    /// Leaves: every lane's next message is the last one on it. What waits is not sent.
    /// `text` is for a person; beyond 256 B it is cut.
    pub fn goodbye(&mut self, _now: Instant, code: GoodbyeCode, text: &str) {
        self.ending
            .goodbye
            .get_or_insert_with(|| (code, text.to_owned()));
    }

    /// Whether every open lane has carried the goodbye, so that the connections can be closed.
    #[must_use]
    pub fn goodbye_sent(&self) -> bool {
        self.ending.goodbye.is_some() && self.lanes.iter().all(|lane| lane.goodbye_sent)
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pings = self.lanes.iter().filter(|lane| !lane.goodbye_sent);
        let ping = pings.filter_map(|lane| lane.pings.due_at()).min();
        let deadline = self.pending.expires_at(self.deadline());
        [ping, deadline].into_iter().flatten().min()
    }

    /// Time has passed: lanes may have something to send afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.lanes.iter_mut().for_each(|lane| lane.pings.tick(now));
        self.drop_expired(now);
    }

    /// Frames held: waiting to begin, or begun and not settled.
    #[must_use]
    pub fn held_frames(&self) -> usize {
        self.pending.len() + self.flight.open_frames()
    }

    /// Of these, waiting to begin.
    #[must_use]
    pub fn waiting_frames(&self) -> usize {
        self.pending.len()
    }

    /// What was counted, without the percentiles of [`stats`](Self::stats).
    #[must_use]
    pub fn counters(&self) -> SenderCounters {
        self.counters
    }

    /// The figures now. Sorts what the percentiles are of: for a display, not for each frame.
    #[must_use]
    pub fn stats(&self) -> SenderStats {
        SenderStats {
            counters: self.counters,
            frames_queued: self.pending.len() as u64,
            bytes_queued: self.pending.bytes(),
            frames_in_flight: self.flight.open_frames() as u64,
            bytes_in_flight: self.flight.open_bytes(),
            window: Some(self.window()),
            lanes: self.lanes.len() as u64,
            next_sequence: self.flight.next(),
            finished: self.ending.finished,
            ack_rtt: self.ack_rtt.summary(),
            ping_rtt: self.ping_rtt.summary(),
            ack_ms: self.ack_times.summary(),
            send_ms: self.send_times.summary(),
            client: self.client.clone(),
            events_lost: self.events.lost(),
        }
    }

    /// Where a later link could continue: all frames below it are delivered.
    #[must_use]
    pub fn resume_point(&self) -> ResumePoint {
        self.settled
    }

    /// What may be under way: as the receiver grants it, and no more than is configured.
    #[must_use]
    pub fn window(&self) -> Window {
        let most = self.config.max_window;
        Window {
            frames: self.granted.frames.min(most.frames),
            bytes: self.granted.bytes.min(most.bytes),
        }
    }

    fn deadline(&self) -> Option<std::time::Duration> {
        match self.config.mode {
            Mode::Realtime { deadline, .. } => deadline,
            Mode::EveryFrame { .. } => None,
        }
    }

    fn is_realtime(&self) -> bool {
        matches!(self.config.mode, Mode::Realtime { .. })
    }

    fn is_closing(&self) -> bool {
        self.ending.goodbye.is_some() || self.ending.peer_left
    }

    fn totals(&self) -> FrameTotals {
        let hash = if self.is_realtime() {
            0
        } else {
            self.settled.hash
        };
        FrameTotals {
            frames: self.flight.base(),
            bytes: self.settled.bytes,
            hash,
        }
    }

    /// Realtime: lets go of what is too old, and of what a dead lane left once something newer exists.
    fn drop_expired(&mut self, now: Instant) {
        while let Some(expired) = self.pending.pop_expired(now, self.deadline()) {
            self.dropped(expired.frame.meta.source_id, DropReason::Deadline);
        }
        while let Some(sequence) = self.flight.first_waiting()
            && self.is_obsolete(now, sequence)
        {
            self.drop_in_flight(sequence, DropReason::LaneDied);
            self.flight.trim();
        }
    }

    /// Drops a frame that has begun; [`FlightTable::trim`] is the caller's.
    fn drop_in_flight(&mut self, sequence: u64, reason: DropReason) {
        let Some(flight) = self.flight.get(sequence) else {
            return;
        };
        let source_id = flight.meta.frame.source_id;
        self.stop_sending(sequence);
        self.flight.drop_frame(sequence);
        self.dropped(source_id, reason);
    }

    /// Takes a frame off the lane that is chunking it.
    fn stop_sending(&mut self, sequence: u64) {
        let state = self.flight.get(sequence).map(|flight| flight.state);
        if let Some(FlightState::Sending { lane, .. }) = state
            && let Some(lane) = self.lanes.get_mut(lane)
        {
            lane.sending = None;
        }
    }

    fn dropped(&mut self, source_id: u64, reason: DropReason) {
        let counters = &mut self.counters;
        *match reason {
            DropReason::Replaced => &mut counters.frames_dropped_replaced,
            DropReason::Deadline => &mut counters.frames_dropped_deadline,
            DropReason::LaneDied => &mut counters.frames_dropped_lane,
            DropReason::PassedOver => &mut counters.frames_dropped_passed_over,
            DropReason::Refused => &mut counters.frames_dropped_refused,
        } += 1;
        self.events.push(SenderEvent::Dropped { source_id, reason });
    }

    /// Appends a settled frame to what a later link would continue from.
    fn settle(&mut self, sequence: u64, payload_bytes: u64, payload_hash: u64) {
        let mut chain = HashChain::resume(self.settled.hash);
        chain.push(payload_hash);
        self.settled = ResumePoint {
            next_sequence: sequence + 1,
            bytes: self.settled.bytes + payload_bytes,
            hash: chain.value(),
        };
    }
}
