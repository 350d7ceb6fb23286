//! A link's lanes: which there are, how they fare, and what they call, from the UDP socket's task, never blocking.
//!
//! Fed by sessions with messages and by time; hands on to the two machines.

use std::time::{Duration, Instant};

use datachannel_transport::LaneId;
use webrtc_session::MessageKind;

use super::{SendLink, State};
use crate::lanes::choice::{ChoiceReason, LaneFigures, LaneKind};
use crate::lanes::end::{Channel, LaneWaker, LinkEnd, Opened};
use crate::model::meters::RateMeter;
use crate::process::protocol::{QUIC_LANE, SOCKET_LANE};

/// A lane that is not heard for this long is stalled: four pings went unanswered.
const STALLED_AFTER: Duration = Duration::from_secs(2);

pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) number: u8,
    pub(super) waker: Option<LaneWaker>,
    pub(super) frames_open: bool,
    pub(super) results_open: bool,
    pub(super) pictures_open: bool,
    pub(super) last_heard: Instant,
    /// Since when all its channels are open.
    open_since: Option<Instant>,
    /// What frames took of it.
    sent: RateMeter,
}

impl SendLink {
    /// Which kind of lane carries, as the link before this one on the same lanes had it. It stays so while they are handed
    /// over, one after another and for a while muted, until [`begin_choosing`](Self::begin_choosing).
    pub(in crate::process::sender) fn choose_as(&self, former: &Self) {
        let choice = former.lock().choice.clone();
        let mut state = self.lock();
        state.choice = choice;
        state.takes_over = true;
    }

    /// The lanes are handed over; none of them had anything to say before now.
    pub(in crate::process::sender) fn begin_choosing(&self, now: Instant) {
        let mut state = self.lock();
        state.takes_over = false;
        for lane in &mut state.lanes {
            lane.last_heard = now;
        }
        state.choose(now);
    }

    /// Whether all of the lane's channels carry.
    pub(in crate::process::sender) fn is_open(&self, id: LaneId) -> bool {
        let state = self.lock();
        let lane = state.lanes.iter().find(|lane| lane.id == id);
        lane.is_some_and(|lane| lane.open_since.is_some())
    }

    /// Whether the lane is gone, or has not been heard for too long.
    pub(in crate::process::sender) fn is_stalled(&self, now: Instant, id: LaneId) -> bool {
        self.is_silent(now, id, STALLED_AFTER)
    }

    /// Whether the lane is gone, or has not been heard for that long.
    pub(in crate::process::sender) fn is_silent(
        &self,
        now: Instant,
        id: LaneId,
        silence: Duration,
    ) -> bool {
        let state = self.lock();
        let lane = state.lanes.iter().find(|lane| lane.id == id);
        let heard = lane.map(|lane| now.saturating_duration_since(lane.last_heard));
        state.peer_left || heard.is_none_or(|ago| ago >= silence)
    }

    /// Looks again at which kind of lane is to carry; called about ten times a second.
    pub(in crate::process::sender) fn choose(&self, now: Instant) {
        self.lock().choose(now);
    }

    /// Whether any lane is open.
    pub(in crate::process::sender) fn has_lane(&self) -> bool {
        let state = self.lock();
        state.lanes.iter().any(|lane| lane.open_since.is_some())
    }

    pub(in crate::process::sender) fn count_resumed(&self) {
        self.lock().resumed += 1;
    }
}

impl State {
    /// Lets the best kind of lane that works carry the frames. Those of one that fell silent are given up, and with them
    /// what they held goes to the others.
    pub(super) fn choose(&mut self, now: Instant) {
        if self.is_done() || self.takes_over {
            return;
        }
        let before = self.choice.active();
        let mut figures = [LaneFigures::default(); 3];
        for lane in &mut self.lanes {
            let it = &mut figures[kind_of(lane.number) as usize];
            it.open_since = [it.open_since, lane.open_since].into_iter().flatten().min();
            it.heard = it.heard.max(Some(lane.last_heard));
            let round_trip = self.frames.lane_round_trip(lane.id);
            it.round_trip = [it.round_trip, round_trip].into_iter().flatten().min();
            it.goodput += lane.sent.per_second(now);
        }
        let busy = self.frames.waiting_frames() > 0;
        if !self.choice.update(now, &figures, busy) {
            return;
        }
        let (Some((kind, reason)), before) = (self.choice.active(), before.map(|(kind, _)| kind))
        else {
            return;
        };
        self.carrier_changes += u64::from(before.is_some());
        tracing::info!(?kind, ?reason, "carries the frames");
        let ids: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| (lane.id, kind_of(lane.number)))
            .collect();
        for (id, its_kind) in ids {
            self.frames.set_standby(id, its_kind != kind);
            if reason == ChoiceReason::OtherSilent && Some(its_kind) == before {
                self.give_up(now, id);
            }
        }
        self.wake(None);
    }

    /// A lane that has just opened carries only where its kind does.
    fn stand_by(&mut self, id: LaneId) {
        let number = self.lane(id).map(|lane| lane.number);
        let active = self.choice.active();
        if let (Some(number), Some((active, _))) = (number, active) {
            self.frames.set_standby(id, kind_of(number) != active);
        }
    }

    fn give_up(&mut self, now: Instant, id: LaneId) {
        self.frames.lane_closed(now, id);
        self.answers.lane_closed(now, id);
        self.lanes.retain(|known| known.id != id);
        self.take_frame_events();
    }

    pub(super) fn wake(&self, but: Option<LaneId>) {
        let others = self.lanes.iter().filter(|lane| Some(lane.id) != but);
        for waker in others.filter_map(|lane| lane.waker.as_ref()) {
            waker();
        }
    }

    pub(super) fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }
}

fn kind_of(number: u8) -> LaneKind {
    match number {
        QUIC_LANE => LaneKind::Quic,
        SOCKET_LANE => LaneKind::WebSocket,
        _ => LaneKind::Data,
    }
}

impl LinkEnd for SendLink {
    fn joined(&self, now: Instant, id: LaneId, number: u8) {
        self.lock().lanes.push(Lane {
            id,
            number,
            waker: None,
            frames_open: false,
            results_open: false,
            pictures_open: false,
            last_heard: now,
            open_since: None,
            sent: RateMeter::new(now),
        });
    }

    fn attached(&self, lane: LaneId, waker: LaneWaker) {
        if let Some(lane) = self.lock().lane(lane) {
            lane.waker = Some(waker);
        }
    }

    fn opened(&self, now: Instant, lane: LaneId, opened: &Opened<'_>) -> bool {
        let mut state = self.lock();
        if state.lane(lane).is_none() {
            // The link was made anew since this lane was dialled.
            return false;
        }
        let outcome = match opened.channel {
            Channel::Frames => state.frames.lane_opened(now, lane, opened.limits),
            back => state.answers.lane_opened(now, lane, back, opened.limits),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "lane refused");
            return false;
        }
        let needs_pictures = state.answers.with_pictures();
        if let Some(lane) = state.lane(lane) {
            lane.last_heard = now;
            match opened.channel {
                Channel::Frames => lane.frames_open = true,
                Channel::Results => lane.results_open = true,
                Channel::Pictures => lane.pictures_open = true,
            }
            let pictures = lane.pictures_open || !needs_pictures;
            if lane.frames_open && lane.results_open && pictures {
                lane.open_since.get_or_insert(now);
            }
        }
        state.stand_by(lane);
        state.choose(now);
        drop(state);
        self.changed.notify_waiters();
        true
    }

    fn message(&self, now: Instant, lane: LaneId, channel: Channel, _binary: bool, message: &[u8]) {
        let mut state = self.lock();
        let Some(known) = state.lane(lane) else {
            return;
        };
        known.last_heard = now;
        let filling = state.filling();
        let outcome = match channel {
            Channel::Frames => state.frames.handle_message(now, lane, message),
            back => state.answers.handle_message(now, lane, back, message),
        };
        if let Err(error) = outcome {
            tracing::warn!(%lane, %error, "the worker broke the protocol");
            state.broke(now, &error);
        }
        state.take_frame_events();
        state.collect(now);
        if state.lanes.len() > 1 {
            state.wake(Some(lane));
        }
        let notable = state.is_done() || state.failure.is_some() || state.peer_left;
        // The reading thread is woken for several frames at a time.
        let has_room = state.filling() != filling && state.filling().0 <= state.low_water();
        drop(state);
        if has_room || notable {
            self.room.notify_all();
        }
        if notable {
            self.changed.notify_waiters();
        }
    }

    fn poll(
        &self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let mut state = self.lock();
        let said = match channel {
            Channel::Frames => {
                let said = state.frames.poll_message(now, lane, room_bytes, out);
                if let Some(lane) = state.lane(lane) {
                    lane.sent.add(now, out.len() as u64);
                }
                said
            }
            back => state.answers.poll_message(now, lane, back, room_bytes, out),
        };
        said.then_some(MessageKind::Binary)
    }

    fn closed(&self, now: Instant, lane: LaneId, why: &str) {
        let mut state = self.lock();
        if state.lane(lane).is_none() {
            return;
        }
        tracing::debug!(%lane, why, "lane closed");
        state.give_up(now, lane);
        state.choose(now);
        state.wake(None);
        drop(state);
        self.changed.notify_waiters();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let state = self.lock();
        let frames = state.frames.poll_timeout();
        frames.into_iter().chain(state.answers.poll_timeout()).min()
    }

    fn on_timeout(&self, now: Instant) {
        let mut state = self.lock();
        state.frames.handle_timeout(now);
        state.answers.handle_timeout(now);
        state.take_frame_events();
        state.wake(None);
    }
}
