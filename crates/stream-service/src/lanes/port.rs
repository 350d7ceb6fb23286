//! The lanes of a connection, apart from the link they serve: the next video's link takes them over as they are.
//!
//! Called by sessions, each of which is one lane; hands all of it to the link that has the lanes now. Messages of the link
//! before bear its epoch, and are ignored by the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use datachannel_transport::{LaneId, LaneLimits};
use webrtc_session::MessageKind;

use super::end::{Channel, LaneWaker, LinkEnd, Opened};

/// Where sessions come in.
pub(crate) struct Port<L> {
    state: Mutex<State<L>>,
}

struct State<L> {
    link: Arc<L>,
    lanes: Vec<PortLane>,
    /// Nothing is said until the peer has made its end of the link.
    muted: bool,
}

struct PortLane {
    id: LaneId,
    number: u8,
    waker: Option<LaneWaker>,
    open: Vec<OpenChannel>,
}

/// An [`Opened`] to keep.
struct OpenChannel {
    channel: Channel,
    limits: LaneLimits,
    max_message_bytes: usize,
    protocol: String,
}

impl OpenChannel {
    fn new(opened: &Opened<'_>) -> Self {
        Self {
            channel: opened.channel,
            limits: opened.limits,
            max_message_bytes: opened.max_message_bytes,
            protocol: opened.protocol.to_owned(),
        }
    }

    fn opened(&self) -> Opened<'_> {
        Opened {
            channel: self.channel,
            limits: self.limits,
            max_message_bytes: self.max_message_bytes,
            protocol: &self.protocol,
        }
    }
}

impl<L: LinkEnd> Port<L> {
    pub(crate) fn new(link: Arc<L>) -> Self {
        let state = State {
            link,
            lanes: Vec::new(),
            muted: false,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link that has the lanes.
    pub(crate) fn link(&self) -> Arc<L> {
        Arc::clone(&self.lock().link)
    }

    /// Names a lane before its session exists; `number` is which of the sender's it is.
    pub(crate) fn join(&self, now: Instant, id: LaneId, number: u8) {
        let mut state = self.lock();
        state.lanes.push(PortLane {
            id,
            number,
            waker: None,
            open: Vec::new(),
        });
        state.link.joined(now, id, number);
    }

    /// The lanes that there are.
    pub(crate) fn lanes(&self) -> Vec<LaneId> {
        self.lock().lanes.iter().map(|lane| lane.id).collect()
    }

    /// The lanes that bear the sender's `number`, but for `except`: what a new session takes the place of.
    pub(crate) fn numbered(&self, number: u8, except: LaneId) -> Vec<LaneId> {
        let state = self.lock();
        let same = state.lanes.iter().filter(|lane| lane.number == number);
        same.map(|lane| lane.id)
            .filter(|id| *id != except)
            .collect()
    }

    /// Gives all lanes to `next`; the link that had them. With `muted` they say nothing until [`unmute`](Self::unmute).
    pub(crate) fn hand_over(&self, now: Instant, next: &Arc<L>, muted: bool) -> Arc<L> {
        let mut state = self.lock();
        let former = std::mem::replace(&mut state.link, Arc::clone(next));
        state.muted = muted;
        for lane in &mut state.lanes {
            former.closed(now, lane.id, "the next link has it");
            next.joined(now, lane.id, lane.number);
            if let Some(waker) = &lane.waker {
                next.attached(lane.id, Arc::clone(waker));
            }
            // Those that this link has no use for serve a later one.
            for channel in &lane.open {
                next.opened(now, lane.id, &channel.opened());
            }
        }
        if !muted {
            state.wake();
        }
        former
    }

    /// The lanes may speak.
    pub(crate) fn unmute(&self) {
        let mut state = self.lock();
        state.muted = false;
        state.wake();
    }

    /// The peer has none of these lanes any more.
    pub(crate) fn forget_lanes(&self, now: Instant) {
        let mut state = self.lock();
        for lane in std::mem::take(&mut state.lanes) {
            state.link.closed(now, lane.id, "the peer was started anew");
        }
    }
}

impl<L> State<L> {
    fn wake(&self) {
        for waker in self.lanes.iter().filter_map(|lane| lane.waker.as_ref()) {
            waker();
        }
    }

    fn lane(&mut self, id: LaneId) -> Option<&mut PortLane> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }
}

impl<L: LinkEnd> LinkEnd for Port<L> {
    fn joined(&self, now: Instant, lane: LaneId, number: u8) {
        self.join(now, lane, number);
    }

    fn attached(&self, lane: LaneId, waker: LaneWaker) {
        let mut state = self.lock();
        if let Some(lane) = state.lane(lane) {
            lane.waker = Some(Arc::clone(&waker));
        }
        state.link.attached(lane, waker);
    }

    fn opened(&self, now: Instant, lane: LaneId, opened: &Opened<'_>) -> bool {
        let mut state = self.lock();
        let wanted = state.link.opened(now, lane, opened);
        if wanted && let Some(lane) = state.lane(lane) {
            lane.open.push(OpenChannel::new(opened));
        }
        wanted
    }

    fn message(&self, now: Instant, lane: LaneId, channel: Channel, binary: bool, message: &[u8]) {
        self.link().message(now, lane, channel, binary, message);
    }

    fn poll(
        &self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let state = self.lock();
        let link = (!state.muted).then(|| Arc::clone(&state.link))?;
        drop(state);
        link.poll(now, lane, channel, room_bytes, out)
    }

    fn closed(&self, now: Instant, lane: LaneId, why: &str) {
        let mut state = self.lock();
        state.lanes.retain(|known| known.id != lane);
        state.link.closed(now, lane, why);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link().poll_timeout()
    }

    fn on_timeout(&self, now: Instant) {
        self.link().on_timeout(now);
    }
}

#[cfg(test)]
mod tests;
