//! A link's lanes: which there are, how they fare, and what they call, from the UDP socket's task, never blocking.
//!
//! Fed by sessions with messages and by time; hands on to the two machines.

use std::time::{Duration, Instant};

use datachannel_transport::LaneId;
use webrtc_session::MessageKind;
use webrtc_session::driver::SessionWaker;

use super::{SendLink, State};
use crate::process::lane::{Channel, LinkEnd, Opened};

/// A lane that is not heard for this long is stalled: four pings went unanswered.
const STALLED_AFTER: Duration = Duration::from_secs(2);

pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) number: u8,
    pub(super) waker: Option<SessionWaker>,
    pub(super) frames_open: bool,
    pub(super) results_open: bool,
    pub(super) pictures_open: bool,
    pub(super) last_heard: Instant,
}

impl SendLink {
    /// Names a lane before its session exists.
    pub(in crate::process::sender) fn add_lane(&self, now: Instant, id: LaneId, number: u8) {
        self.lock().lanes.push(Lane {
            id,
            number,
            waker: None,
            frames_open: false,
            results_open: false,
            pictures_open: false,
            last_heard: now,
        });
    }

    /// Gives a lane up: what it held goes to the others.
    pub(in crate::process::sender) fn drop_lane(&self, now: Instant, id: LaneId) {
        self.closed(now, id, "given up");
    }

    /// Whether all of the lane's channels carry.
    pub(in crate::process::sender) fn is_open(&self, id: LaneId) -> bool {
        let state = self.lock();
        let lane = state.lanes.iter().find(|lane| lane.id == id);
        let needs_pictures = state.answers.with_pictures();
        lane.is_some_and(|lane| {
            lane.frames_open && lane.results_open && (lane.pictures_open || !needs_pictures)
        })
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

    /// The other lanes of that number, which a new one replaces; counts as a resumption.
    pub(in crate::process::sender) fn replaced_by(&self, id: LaneId, number: u8) -> Vec<LaneId> {
        let state = self.lock();
        let same = state.lanes.iter().filter(|lane| lane.number == number);
        same.map(|lane| lane.id)
            .filter(|other| *other != id)
            .collect()
    }

    pub(in crate::process::sender) fn count_resumed(&self) {
        self.lock().resumed += 1;
    }
}

impl State {
    pub(super) fn wake(&self, but: Option<LaneId>) {
        let others = self.lanes.iter().filter(|lane| Some(lane.id) != but);
        for waker in others.filter_map(|lane| lane.waker.as_ref()) {
            waker.wake();
        }
    }

    pub(super) fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }
}

impl LinkEnd for SendLink {
    fn attached(&self, lane: LaneId, waker: SessionWaker) {
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
        if let Some(lane) = state.lane(lane) {
            lane.last_heard = now;
            match opened.channel {
                Channel::Frames => lane.frames_open = true,
                Channel::Results => lane.results_open = true,
                Channel::Pictures => lane.pictures_open = true,
            }
        }
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
            Channel::Frames => state.frames.poll_message(now, lane, room_bytes, out),
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
        state.frames.lane_closed(now, lane);
        state.answers.lane_closed(now, lane);
        state.lanes.retain(|known| known.id != lane);
        state.take_frame_events();
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
