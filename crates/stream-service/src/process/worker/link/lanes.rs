//! A link's lanes: which there are, and what each brings and asks for.
//!
//! Called by the UDP socket's task.

use std::time::Instant;

use datachannel_transport::LaneId;
use webrtc_session::MessageKind;

use super::results::Results;
use super::{State, WorkerLink};
use crate::lanes::end::{Channel, LaneWaker, LinkEnd, Opened};
use crate::process::protocol::{PICTURES_PROTOCOL, RESULTS_PROTOCOL};

pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) waker: Option<LaneWaker>,
}

impl State {
    /// Has every lane asked for messages; `but` is being served anyway.
    pub(super) fn wake(&self, but: Option<LaneId>) {
        let others = self.lanes.iter().filter(|lane| Some(lane.id) != but);
        for waker in others.filter_map(|lane| lane.waker.as_ref()) {
            waker();
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.upstream.json().is_some() {
            return None;
        }
        let results = match &self.results {
            Results::Linked(sender) => sender.poll_timeout(),
            Results::Plain(_) => None,
        };
        let pictures = self.pictures.as_ref();
        let pictures = pictures.and_then(|pictures| pictures.link.poll_timeout());
        let frames = self.frames.poll_timeout().into_iter();
        frames.chain(results).chain(pictures).min()
    }
}

impl LinkEnd for WorkerLink {
    fn joined(&self, _now: Instant, id: LaneId, _number: u8) {
        self.lock().lanes.push(Lane { id, waker: None });
    }

    fn attached(&self, lane: LaneId, waker: LaneWaker) {
        let mut state = self.lock();
        if let Some(lane) = state.lanes.iter_mut().find(|known| known.id == lane) {
            lane.waker = Some(waker);
        }
    }

    fn opened(&self, now: Instant, lane: LaneId, opened: &Opened<'_>) -> bool {
        let mut state = self.lock();
        if let Results::Plain(plain) = &mut state.results {
            plain.opened(opened);
        }
        let outcome = match (opened.channel, &mut state.results) {
            (Channel::Frames, _) => state.frames.lane_opened(now, lane, opened.limits),
            (Channel::Results, Results::Linked(sender)) if opened.protocol == RESULTS_PROTOCOL => {
                sender.lane_opened(now, lane, opened.limits)
            }
            (Channel::Results, Results::Linked(_)) => return false,
            (Channel::Results, Results::Plain(_)) => Ok(()),
            (Channel::Pictures, _) => match &mut state.pictures {
                Some(pictures) if opened.protocol == PICTURES_PROTOCOL => {
                    pictures.link.lane_opened(now, lane, opened.limits)
                }
                _ => return false,
            },
        };
        state.idle_since = None;
        state.was_open = true;
        outcome
            .inspect_err(|error| tracing::warn!(%error, "lane refused"))
            .is_ok()
    }

    fn message(&self, now: Instant, lane: LaneId, channel: Channel, binary: bool, message: &[u8]) {
        let mut state = self.lock();
        match channel {
            Channel::Frames => state.on_upstream_message(now, lane, binary, message),
            Channel::Results => state.on_results_message(now, lane, message),
            Channel::Pictures => state.on_pictures_message(now, lane, message),
        }
        self.pump(now, &mut state);
        if state.lanes.len() > 1 {
            state.wake(Some(lane));
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
            Channel::Frames => state.poll_upstream(now, lane, room_bytes, out),
            Channel::Results => state.poll_results(now, lane, room_bytes, out),
            Channel::Pictures => {
                let pictures = state.pictures.as_mut()?;
                let said = pictures.link.poll_message(now, lane, room_bytes, out);
                said.then_some(MessageKind::Binary)
            }
        };
        if said.is_some() && state.upstream.json().is_some() {
            // A result that leaves makes room for a frame, and the client may be waiting for its ack.
            self.pump(now, &mut state);
        }
        said
    }

    fn closed(&self, now: Instant, lane: LaneId, why: &str) {
        tracing::debug!(%lane, why, "lane closed");
        let mut state = self.lock();
        state.frames.lane_closed(now, lane);
        if let Results::Linked(sender) = &mut state.results {
            sender.lane_closed(now, lane);
        }
        if let Some(pictures) = &mut state.pictures {
            pictures.link.lane_closed(now, lane);
        }
        state.lanes.retain(|known| known.id != lane);
        if state.lanes.is_empty() {
            // Of one that nobody came to, it is when it was made that counts.
            let unused = state.idle_since.filter(|_| !state.was_open);
            state.idle_since = Some(unused.unwrap_or(now));
            // Nobody can name such a link to come back to it.
            state.peer_left |= matches!(state.results, Results::Plain(_));
        }
        state.wake(None);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().poll_timeout()
    }

    fn on_timeout(&self, now: Instant) {
        let mut state = self.lock();
        state.frames.handle_timeout(now);
        if let Results::Linked(sender) = &mut state.results {
            sender.handle_timeout(now);
        }
        if let Some(pictures) = &mut state.pictures {
            pictures.link.handle_timeout(now);
        }
    }
}
