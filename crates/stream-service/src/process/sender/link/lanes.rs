//! The link as its lanes call it: from the UDP socket's task, never blocking.
//!
//! Fed by sessions with messages and by time; hands on to the two machines.

use std::time::Instant;

use datachannel_transport::LaneId;
use webrtc_session::MessageKind;
use webrtc_session::driver::SessionWaker;

use super::SendLink;
use crate::process::lane::{Channel, LinkEnd, Opened};

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
            Channel::Results => state.results.lane_opened(now, lane, opened.limits),
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
            Channel::Results => state.results.handle_message(now, lane, message),
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
            Channel::Results => state.results.poll_message(now, lane, room_bytes, out),
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
        state.results.lane_closed(now, lane);
        state.lanes.retain(|known| known.id != lane);
        state.take_frame_events();
        state.wake(None);
        drop(state);
        self.changed.notify_waiters();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let state = self.lock();
        let frames = state.frames.poll_timeout();
        frames.into_iter().chain(state.results.poll_timeout()).min()
    }

    fn on_timeout(&self, now: Instant) {
        let mut state = self.lock();
        state.frames.handle_timeout(now);
        state.results.handle_timeout(now);
        state.take_frame_events();
        state.wake(None);
    }
}
