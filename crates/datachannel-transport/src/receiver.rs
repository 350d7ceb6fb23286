//! The receiving machine: messages in, frames out.
//!
//! Fed by lanes with [`FrameReceiver::handle_message`]; feeds whoever asks [`FrameReceiver::poll_frame`],
//! and the lanes, which pull acks with [`FrameReceiver::poll_message`]. It does no I/O and reads no clock.

mod assembly;
mod config;
mod credit;
mod emit;
mod hashing;
mod input;
mod stats;
mod table;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use config::{Confirm, ReceiverConfig, ReceiverMode};
pub use credit::CreditSizer;
pub use stats::{ReceiverCounters, ReceiverEvent, ReceiverStats};

use self::hashing::Hashing;
use self::table::{SlotState, Table};
use crate::limits::MAX_RECEIVED_PAIRS;
use crate::link::{
    ClockOffset, ConfigError, HashChain, LaneError, LaneId, LaneLimits, Lanes, LinkClock, MeanTime,
    Outbox, Pings, RttEstimator, TimingWindow,
};
use crate::sender::ResumePoint;
use crate::wire::{ChunkMeta, ClientStats, FrameMeta, FrameTotals, GoodbyeCode, Received, Window};

/// A frame as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// Its place on the link.
    pub sequence: u64,
    /// Which sending of it arrived.
    pub attempt: u16,
    /// What it is.
    pub meta: FrameMeta,
    /// Its bytes.
    pub payload: Bytes,
    /// The sender could not get it across: `payload` is empty and stands for it.
    pub given_up: bool,
}

/// Receives frames from whichever lanes bring them.
///
/// Call order: [`lane_opened`](Self::lane_opened) per lane; every message to
/// [`handle_message`](Self::handle_message); then [`poll_frame`](Self::poll_frame) for as many frames as can
/// be used now (what is not taken holds the sender back), and [`poll_message`](Self::poll_message) on each
/// lane with room.
#[derive(Debug)]
pub struct FrameReceiver {
    config: ReceiverConfig,
    clock: LinkClock,
    epoch: Option<u32>,
    lanes: Lanes<ReceiverLane>,
    table: Table,
    hashing: Hashing,
    delivered: ResumePoint,
    /// Explicit confirmation: the first frame not handed out.
    next_taken: u64,
    granted: Window,
    /// Realtime: the highest frame that became whole, and whether there is one.
    newest_whole: Option<u64>,
    /// Rises whenever there is something new to acknowledge, or something old to say again.
    ack_generation: u64,
    error_generation: u64,
    recent: VecDeque<(u64, Received)>,
    pairs: Vec<Received>,
    /// Whole frames of which a lane has not been told, for [`Self::poll_message`].
    untold: Vec<(u64, Received)>,
    /// Every frame: the first that is not whole, and how long those before it were arriving.
    next_ready: u64,
    arrivals: MeanTime,
    failures: VecDeque<(Received, String)>,
    eof: Option<FrameTotals>,
    goodbye: Option<(GoodbyeCode, String)>,
    peer_left: bool,
    client_stats: Option<ClientStats>,
    offset: ClockOffset,
    ping_rtt: RttEstimator,
    assembly_times: TimingWindow,
    counters: ReceiverCounters,
    events: Outbox<ReceiverEvent>,
}

#[derive(Debug)]
struct ReceiverLane {
    max_message_bytes: usize,
    hello_sent: bool,
    goodbye_sent: bool,
    acked: u64,
    /// Frames that became whole up to here are listed in acks that it was given.
    told: u64,
    errors_told: u64,
    eof_acked: bool,
    pings: Pings,
}

impl FrameReceiver {
    /// A receiver without lanes.
    ///
    /// # Errors
    /// The first setting out of its range.
    pub fn new(config: ReceiverConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            clock: LinkClock::new(config.clock_origin),
            epoch: config.epoch,
            lanes: Lanes::new(),
            table: Table::default(),
            hashing: Hashing::default(),
            delivered: config.resume,
            next_taken: config.resume.next_sequence,
            granted: config.window,
            newest_whole: None,
            ack_generation: 0,
            error_generation: 0,
            recent: VecDeque::new(),
            pairs: Vec::new(),
            untold: Vec::new(),
            next_ready: config.resume.next_sequence,
            arrivals: MeanTime::default(),
            failures: VecDeque::new(),
            eof: None,
            goodbye: None,
            peer_left: false,
            client_stats: None,
            offset: ClockOffset::new(),
            ping_rtt: RttEstimator::new(),
            assembly_times: TimingWindow::new(),
            counters: ReceiverCounters::default(),
            events: Outbox::new(),
            config,
        })
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
        self.lanes
            .open(id, limits, |max_message_bytes| ReceiverLane {
                max_message_bytes,
                hello_sent: false,
                goodbye_sent: false,
                acked: 0,
                told: 0,
                errors_told: 0,
                eof_acked: false,
                pings: Pings::new(now, interval),
            })
    }

    /// A lane died or was closed. What it had brought stays; the other lanes say again what it may not
    /// have carried back.
    pub fn lane_closed(&mut self, _now: Instant, id: LaneId) {
        if self.lanes.close(id).is_some() {
            self.ack_generation += 1;
        }
    }

    /// The next frame that can be handed out.
    pub fn poll_frame(&mut self) -> Option<ReceivedFrame> {
        if self.confirms_explicitly() {
            return self.take_frame();
        }
        if !self.is_realtime() && self.table.first() != Some(self.delivered.next_sequence) {
            return None;
        }
        let slot = self.table.pop_whole()?;
        let received = slot.received();
        let SlotState::Whole {
            meta,
            payload,
            payload_hash,
        } = slot.state
        else {
            return None;
        };
        self.settle(received.sequence, payload.len() as u64, payload_hash);
        self.remember(received);
        Some(self.hand_out(received, &meta, payload))
    }

    /// As [`Self::poll_frame`], for frames that are delivered once they are confirmed.
    fn take_frame(&mut self) -> Option<ReceivedFrame> {
        let (received, meta, payload) = self.table.take_payload(self.next_taken)?;
        self.next_taken += 1;
        Some(self.hand_out(received, &meta, payload))
    }

    fn hand_out(&mut self, received: Received, meta: &ChunkMeta, payload: Bytes) -> ReceivedFrame {
        self.counters.frames_delivered += 1;
        self.counters.frames_given_up += u64::from(meta.given_up);
        self.counters.payload_bytes_delivered += payload.len() as u64;
        let Received { sequence, attempt } = received;
        ReceivedFrame {
            sequence,
            attempt,
            meta: meta.frame,
            payload,
            given_up: meta.given_up,
        }
    }

    /// Explicit confirmation: the application is done with every frame below `until` that was handed out; the
    /// sender may forget them. Frames that were not handed out are never confirmed.
    pub fn confirm(&mut self, until: u64) {
        if !self.confirms_explicitly() {
            return;
        }
        while let Some((sequence, bytes, payload_hash)) = self.table.pop_taken(until) {
            self.settle(sequence, bytes.into(), payload_hash);
        }
    }

    /// Counts a frame as delivered, for the next acks and the EOF.
    fn settle(&mut self, sequence: u64, bytes: u64, payload_hash: u64) {
        let mut chain = HashChain::resume(self.delivered.hash);
        chain.push(payload_hash);
        self.delivered = ResumePoint {
            next_sequence: sequence + 1,
            bytes: self.delivered.bytes + bytes,
            hash: chain.value(),
        };
        self.ack_generation += 1;
    }

    fn confirms_explicitly(&self) -> bool {
        self.config.confirm == Confirm::Explicit && !self.is_realtime()
    }

    /// Whether [`Self::poll_frame`] would hand out a frame.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        if self.confirms_explicitly() {
            let mut slots = self.table.iter();
            return slots
                .find(|slot| slot.sequence == self.next_taken)
                .is_some_and(table::Slot::is_whole);
        }
        let first = self.table.iter().next().filter(|slot| slot.is_whole());
        first
            .is_some_and(|slot| self.is_realtime() || slot.sequence == self.delivered.next_sequence)
    }

    /// Tells the sender that a frame arrived but what it was for failed. `text` is for a person; beyond
    /// 256 B it is cut. Said once, on one lane; at most 64 wait, then the oldest goes.
    pub fn report_failure(&mut self, sequence: u64, attempt: u16, text: &str) {
        if self.failures.len() >= MAX_RECEIVED_PAIRS {
            self.failures.pop_front();
        }
        let cut = text.floor_char_boundary(crate::limits::MAX_TEXT_BYTES);
        self.failures
            .push_back((Received { sequence, attempt }, text[..cut].to_owned()));
    }

    /// Changes what is granted from the next ack on. Frames that were allowed before are still taken.
    ///
    /// # Errors
    /// More than the configuration's window, which is the bound on memory.
    pub fn set_window(&mut self, window: Window) -> Result<(), ConfigError> {
        let most = self.config.window;
        ConfigError::check("window.frames", window.frames.into(), 0, most.frames.into())?;
        ConfigError::check("window.bytes", window.bytes, 0, most.bytes)?;
        self.granted = window;
        self.ack_generation += 1;
        Ok(())
    }

    /// Has the sender shown these figures. Said once, on one lane; newer ones replace those not yet said.
    pub fn send_client_stats(&mut self, stats: ClientStats) {
        self.client_stats = Some(stats);
    }

    /// Leaves: every lane's next message is the last one on it. `text` is for a person; beyond 256 B
    /// it is cut.
    pub fn goodbye(&mut self, _now: Instant, code: GoodbyeCode, text: &str) {
        self.goodbye.get_or_insert_with(|| (code, text.to_owned()));
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter(|lane| !lane.goodbye_sent);
        lanes.filter_map(|lane| lane.pings.due_at()).min()
    }

    /// Time has passed: lanes may have something to send afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.lanes.iter_mut().for_each(|lane| lane.pings.tick(now));
    }

    /// How long ago the frame left the sender's buffer; `None` until the sender's clock is known.
    #[must_use]
    pub fn frame_age(&self, now: Instant, meta: &FrameMeta) -> Option<Duration> {
        let theirs_us = self.offset.to_theirs_us(self.clock.micros(now))?;
        Some(Duration::from_micros(
            theirs_us.saturating_sub(meta.released_us),
        ))
    }

    /// The sender's clock against ours.
    #[must_use]
    pub fn clock_offset(&self) -> &ClockOffset {
        &self.offset
    }

    /// Where a later link could continue: all frames below it were delivered.
    #[must_use]
    pub fn resume_point(&self) -> ResumePoint {
        self.delivered
    }

    /// Ping → pong, smoothed over all lanes; `None` before the first pong.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let summary = self.ping_rtt.summary()?;
        Some(Duration::from_secs_f64(summary.srtt_ms / 1e3))
    }

    /// The shortest ping → pong of all; `None` before the first pong.
    #[must_use]
    pub fn shortest_round_trip(&self) -> Option<Duration> {
        let summary = self.ping_rtt.summary()?;
        Some(Duration::from_secs_f64(summary.min_ms / 1e3))
    }

    /// From a frame's first chunk until it and all before it were whole: the mean of the latest 64. What comes on top of a
    /// round trip while packets, or lanes, are lost. `None` before the first.
    #[must_use]
    pub fn arrival_time(&self) -> Option<Duration> {
        self.arrivals.mean()
    }

    /// What is granted now.
    #[must_use]
    pub fn window(&self) -> Window {
        self.granted
    }

    /// The figures now. Sorts what the percentiles are of: for a display, not for each frame.
    #[must_use]
    pub fn stats(&self) -> ReceiverStats {
        ReceiverStats {
            counters: self.counters,
            next_sequence: self.delivered.next_sequence,
            frames_open: self.table.len() as u64,
            frames_whole: self.table.iter().filter(|slot| slot.is_whole()).count() as u64,
            bytes_open: self.table.bytes(),
            window: Some(self.granted),
            lanes: self.lanes.len() as u64,
            ping_rtt: self.ping_rtt.summary(),
            clock_offset_us: self.offset.offset_us(),
            assembly_ms: self.assembly_times.summary(),
            events_lost: self.events.lost(),
        }
    }

    fn is_realtime(&self) -> bool {
        self.config.mode == ReceiverMode::Realtime
    }

    /// Keeps a pair to be listed in acks although its frame is handed out.
    fn remember(&mut self, received: Received) {
        if self.recent.len() >= MAX_RECEIVED_PAIRS {
            self.recent.pop_front();
        }
        self.recent.push_back((self.ack_generation, received));
    }
}
