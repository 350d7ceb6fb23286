//! What is under way: frames up, results down, and which frame still waits for which.
//!
//! Fed by the reading thread with frames and by lanes with messages; feeds the lanes and the ledger's thread. A result is
//! taken once per frame, in frame order, whatever the lanes and the worker go through.

mod again;
mod answers;
mod lanes;
mod record;
mod results;
mod settings;
mod terms;

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use datachannel_transport::{
    DropReason, FrameSender, GoodbyeCode, Offer, OutgoingFrame, SenderConfig, SenderEvent,
    TimingSummary, payload_hash,
};
use tokio::sync::Notify;

use answers::Answers;
use lanes::Lane;
pub(super) use record::{LinkFailure, LinkFigures, OpenFrame, Record, Start};
use terms::Terms;

use super::groups::Groups;
use super::options::SendOptions;
use crate::lanes::choice::LaneChoice;
use crate::model::meters::RateMeter;
use crate::process::protocol::ProcessMode;

/// Frames held beyond those that may be under way: what the reader is ahead by.
const READ_AHEAD_FRAMES: usize = 24;

/// A link as the sender has it.
pub(super) struct SendLink {
    state: Mutex<State>,
    room: Condvar,
    pub(super) changed: Notify,
    terms: Terms,
}

struct State {
    config: SenderConfig,
    frames: FrameSender,
    answers: Answers,
    records: SyncSender<Record>,
    /// Taken from `answers`, and the ledger's thread had no room.
    held: Option<Record>,
    epoch: u32,
    mode: ProcessMode,
    lanes: Vec<Lane>,
    choice: LaneChoice,
    /// The lanes of the link before it are being handed over.
    takes_over: bool,
    carrier_changes: u64,
    open: VecDeque<OpenFrame>,
    next_sequence: u64,
    start: Start,
    /// Every-frame: results below are taken.
    answered: u64,
    /// Access units: what a new worker needs from its keyframe on.
    groups: Option<Groups>,
    /// Bytes acknowledged to workers before the present one.
    bytes_before: u64,
    results_taken: u64,
    repeated: u64,
    resumed: u64,
    frames_verified: Option<bool>,
    /// The worker goes down, or another took its place: the link must be made anew.
    peer_left: bool,
    ending: bool,
    finishing: bool,
    failure: Option<LinkFailure>,
    rate: RateMeter,
}

impl SendLink {
    /// A link that begins at `start`.
    ///
    /// # Errors
    /// A setting of `options` is out of range.
    pub(super) fn new(
        now: Instant,
        epoch: u32,
        options: &SendOptions,
        start: Start,
        records: SyncSender<Record>,
    ) -> Result<Self, datachannel_transport::ConfigError> {
        let config = settings::sender(now, epoch, options, start.point);
        let units = options.encoding.is_access_units();
        let first = match options.mode {
            ProcessMode::EveryFrame => start.point.next_sequence,
            ProcessMode::Realtime => 0,
        };
        Ok(Self {
            room: Condvar::new(),
            changed: Notify::new(),
            terms: Terms::of(options),
            state: Mutex::new(State {
                frames: FrameSender::new(config)?,
                config,
                answers: Answers::new(now, epoch, first, options.output.has_pictures())?,
                records,
                held: None,
                epoch,
                mode: options.mode,
                lanes: Vec::new(),
                choice: LaneChoice::default(),
                takes_over: false,
                carrier_changes: 0,
                open: VecDeque::new(),
                next_sequence: start.point.next_sequence,
                answered: start.answered,
                groups: units.then(|| Groups::new(start.point)),
                start,
                bytes_before: 0,
                results_taken: 0,
                repeated: 0,
                resumed: 0,
                frames_verified: None,
                peer_left: false,
                ending: false,
                finishing: false,
                failure: None,
                rate: RateMeter::new(now),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a frame over; blocks the calling thread while there is no room. `false`: nothing more is taken.
    pub(super) fn offer(&self, frame: OutgoingFrame) -> bool {
        let hash = payload_hash(&frame.payload);
        let mut frame = frame;
        let mut idle;
        let mut state = self.lock();
        loop {
            if state.is_at_its_end() || state.failure.is_some() {
                return false;
            }
            // Lanes that have something to send ask again by themselves.
            idle = state.frames.waiting_frames() == 0;
            frame = match state.offer(Instant::now(), frame, hash) {
                Ok(()) => break,
                Err(full) => full,
            };
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if idle {
            state.wake(None);
        }
        true
    }

    /// Tells the ledger of a frame that cannot be had.
    pub(super) fn unreadable(&self, reason: String) {
        let records = self.lock().records.clone();
        // The ledger's thread is gone only when the run is.
        let _ = records.send(Record::Unreadable { reason });
    }

    /// No frame follows.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.finish(Instant::now());
        state.wake(None);
    }

    /// Takes no more frames than have begun, so that the run ends with what is under way: access units are taken until
    /// the worker can decode them all.
    pub(super) fn stop_reading(&self) {
        let mut state = self.lock();
        state.ending = true;
        if state.is_at_its_end() {
            state.finish(Instant::now());
            state.wake(None);
        }
        drop(state);
        self.room.notify_all();
    }

    /// Nothing more can be sent, for this reason.
    pub(super) fn fail(&self, failure: LinkFailure) {
        self.lock().failure.get_or_insert(failure);
        self.room.notify_all();
        self.changed.notify_waiters();
    }

    pub(super) fn failure(&self) -> Option<LinkFailure> {
        self.lock().failure.clone()
    }

    /// Both directions have ended and agree, or nothing more can come.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.is_done() || state.failure.is_some()
    }

    /// Says goodbye on every lane.
    pub(super) fn goodbye(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        state.frames.goodbye(now, GoodbyeCode::Done, "");
        state.answers.goodbye(now, GoodbyeCode::Done, "");
        state.wake(None);
    }

    /// Whether every lane has carried it.
    pub(super) fn goodbye_is_out(&self) -> bool {
        self.lock().frames.goodbye_sent()
    }

    /// The ledger's thread has room again.
    pub(super) fn collect(&self) {
        let mut state = self.lock();
        if state.held.is_none() && !state.answers.has_answer() {
            return;
        }
        state.collect(Instant::now());
        let done = state.is_done();
        state.wake(None);
        drop(state);
        if done {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn epoch(&self) -> u32 {
        self.lock().epoch
    }

    /// Makes the link anew for a worker that knows nothing of it: what has no confirmed result is sent again.
    pub(super) fn relink(&self, now: Instant) {
        let mut state = self.lock();
        if state.is_done() {
            return;
        }
        if let Err(error) = state.relink(now) {
            state
                .failure
                .get_or_insert(LinkFailure::Protocol(error.to_string()));
        }
        state.wake(None);
    }

    /// Offered → last chunk handed to a lane, last chunk → whole at the worker; of the latest frames, ms.
    pub(super) fn timing(&self) -> (TimingSummary, TimingSummary) {
        let stats = self.lock().frames.stats();
        (stats.send_ms, stats.ack_ms)
    }

    pub(super) fn figures(&self, now: Instant) -> LinkFigures {
        let mut state = self.lock();
        let counters = state.frames.counters();
        let fps = state.rate.per_second(now);
        let before = state.counted_before();
        LinkFigures {
            sent: (before + counters.frames_sent).saturating_sub(state.counted_earlier()),
            acked: (before + counters.frames_acked).saturating_sub(state.counted_earlier()),
            bytes_acked: state.bytes_before + counters.payload_bytes_acked,
            results: state.results_taken,
            repeated: state.repeated,
            resumed: state.resumed,
            held: state.frames.held_frames(),
            lanes: state.lanes.iter().filter(|lane| lane.frames_open).count(),
            fps,
            carrier: state.choice.active(),
            carrier_for: state.choice.active_for(now),
            carrier_changes: state.carrier_changes,
            shortest_round_trip: state.answers.shortest_round_trip(),
            round_trip_ms: state
                .answers
                .round_trip()
                .map(|rtt| rtt.as_secs_f64() * 1e3),
            verified: state.is_done(),
        }
    }
}

impl State {
    /// `Err` hands the frame back: there is no room.
    fn offer(
        &mut self,
        now: Instant,
        frame: OutgoingFrame,
        hash: u64,
    ) -> Result<(), OutgoingFrame> {
        if !self.has_room_for(&frame) {
            return Err(frame);
        }
        let kept = self.groups.is_some().then(|| frame.clone());
        let open = OpenFrame {
            sequence: self.next_sequence,
            source_id: frame.meta.source_id,
            pts_us: frame.meta.pts_us,
            bytes: frame.payload.len() as u64,
            hash,
        };
        match self.frames.offer_hashed(now, frame, hash) {
            Offer::Queued | Offer::Replaced { .. } => {
                self.next_sequence += 1;
                match (&mut self.groups, kept) {
                    (Some(groups), Some(unit)) => {
                        groups.push(unit);
                        groups.answered(self.answered);
                        // Of those before it an earlier run wrote the result.
                        if open.source_id >= self.start.answered {
                            self.open.push_back(open);
                        }
                    }
                    _ => self.open.push_back(open),
                }
                if self.is_at_its_end() {
                    self.finish(now);
                }
                self.take_frame_events();
                Ok(())
            }
            Offer::Full(frame) => Err(frame),
            Offer::Refused { frame, reason } => {
                self.failure.get_or_insert(LinkFailure::Refused {
                    frame: frame.meta.source_id,
                    reason: reason.to_string(),
                });
                Err(frame)
            }
        }
    }

    fn take_frame_events(&mut self) {
        while let Some(event) = self.frames.poll_event() {
            match event {
                SenderEvent::Dropped { source_id, reason } => {
                    self.dropped(source_id, words(reason));
                }
                SenderEvent::Finished { verified, totals } => {
                    self.frames_verified = Some(verified);
                    if !verified {
                        let why = format!(
                            "the worker's count or hash of the frames is another than {totals:?}"
                        );
                        self.failure.get_or_insert(LinkFailure::Mismatch(why));
                    }
                }
                SenderEvent::PeerGoodbye { code, text } => self.left(code, text),
                SenderEvent::FrameError {
                    sequence,
                    text,
                    given_up,
                    ..
                } => {
                    tracing::warn!(sequence, text, given_up, "the worker refused a frame");
                }
                _ => {}
            }
        }
    }

    /// The worker says goodbye: it goes down, or it has had enough of this sender.
    fn left(&mut self, code: GoodbyeCode, text: String) {
        match code {
            GoodbyeCode::Done if self.is_done() => {}
            GoodbyeCode::ProtocolError => {
                self.failure.get_or_insert(LinkFailure::Goodbye(text));
            }
            _ => {
                tracing::info!(?code, text, "the worker leaves");
                self.peer_left = true;
            }
        }
    }

    fn relink(&mut self, now: Instant) -> Result<(), datachannel_transport::ConfigError> {
        self.epoch = self.epoch.wrapping_add(1);
        self.resumed += 1;
        self.peer_left = false;
        self.lanes.clear();
        self.frames_verified = None;
        match self.groups.is_some() {
            true => self.begin_group_again(now)?,
            false => self.frames.relink(now, self.epoch),
        }
        self.take_frame_events();
        let first = match self.mode {
            ProcessMode::EveryFrame => self.frames.resume_point().next_sequence,
            ProcessMode::Realtime => {
                self.forget_acknowledged();
                0
            }
        };
        self.answers.begin_again(now, self.epoch, first)
    }

    /// With no more frames held than this the reading thread is worth waking.
    fn low_water(&self) -> usize {
        let capacity = self.capacity();
        capacity - (capacity / 4).min(READ_AHEAD_FRAMES / 2)
    }

    /// Frames worth holding: those that may be under way, and some read ahead. A short path needs few.
    fn capacity(&self) -> usize {
        let most = self.config.max_window.frames as usize;
        let under_way = self.frames.window().frames as usize;
        (under_way + READ_AHEAD_FRAMES).min(most)
    }

    /// What room there is depends on: frames held, results taken.
    fn filling(&self) -> (usize, u64) {
        (self.frames.held_frames(), self.results_taken)
    }

    fn is_done(&self) -> bool {
        self.frames_verified == Some(true) && self.answers.have_ended() && self.held.is_none()
    }

    fn broke(&mut self, now: Instant, error: &datachannel_transport::ProtocolError) {
        self.failure
            .get_or_insert(LinkFailure::Protocol(error.to_string()));
        let text = error.to_string();
        self.frames.goodbye(now, GoodbyeCode::ProtocolError, &text);
        self.answers.goodbye(now, GoodbyeCode::ProtocolError, &text);
    }
}

fn words(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Replaced => "replaced",
        DropReason::Deadline => "deadline",
        DropReason::LaneDied => "lane_died",
        DropReason::PassedOver => "passed_over",
        DropReason::Refused => "refused",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
