//! One lane of a link: its channels, handed to whichever end of the link holds them, whatever carries them.
//!
//! Called by the session that the lane is (`data`, `quic`, `socket`); nothing here blocks.

use std::sync::Arc;
use std::time::Instant;

use datachannel_transport::{LaneId, LaneLimits};
use webrtc_session::MessageKind;

use crate::process::protocol::{FRAMES_LABEL, PICTURES_LABEL, RESULTS_LABEL};

/// The channels of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Frames up, their acks down.
    Frames,
    /// Results down, their acks up.
    Results,
    /// Processed frames down, their acks up.
    Pictures,
}

/// A channel that has just opened.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) channel: Channel,
    /// What a link's machines are to keep to.
    pub(crate) limits: LaneLimits,
    /// What the channel takes at most.
    pub(crate) max_message_bytes: usize,
    /// The sub-protocol its opener named.
    pub(crate) protocol: &'a str,
}

/// Has a lane asked for messages soon; from any thread.
pub(crate) type LaneWaker = Arc<dyn Fn() + Send + Sync>;

/// An end of a link, as its lanes call it. One link has several lanes, and each may end at any moment.
pub(crate) trait LinkEnd: Send + Sync + 'static {
    /// Which of its channels bears this label. Default: those of a link to a worker.
    fn channel(&self, label: &str) -> Option<Channel> {
        match label {
            FRAMES_LABEL => Some(Channel::Frames),
            RESULTS_LABEL => Some(Channel::Results),
            PICTURES_LABEL => Some(Channel::Pictures),
            _ => None,
        }
    }
    /// A lane is named, before its session exists; `number` is which of the sender's it is.
    /// Default: nothing.
    fn joined(&self, _now: Instant, _lane: LaneId, _number: u8) {}
    /// Before anything else of that lane's session.
    fn attached(&self, lane: LaneId, waker: LaneWaker);
    /// `false`: the channel is not wanted.
    fn opened(&self, now: Instant, lane: LaneId, opened: &Opened<'_>) -> bool;
    fn message(&self, now: Instant, lane: LaneId, channel: Channel, binary: bool, message: &[u8]);
    fn poll(
        &self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind>;
    /// A frame sent on that lane that is of no use any more. Default: none is.
    fn poll_stale(&self, lane: LaneId) -> Option<u64> {
        let _ = lane;
        None
    }
    /// The lane is gone; nothing more is called for it.
    fn closed(&self, now: Instant, lane: LaneId, why: &str);
    fn poll_timeout(&self) -> Option<Instant>;
    fn on_timeout(&self, now: Instant);
}

/// What a session that is a lane holds: its end of the link, and which of its channels is which.
pub(super) struct LaneEnd<L, C> {
    link: Arc<L>,
    lane: LaneId,
    frames: Option<C>,
    results: Option<C>,
    pictures: Option<C>,
    ended: bool,
}

impl<L: LinkEnd, C: Copy + PartialEq> LaneEnd<L, C> {
    pub(super) fn new(link: Arc<L>, lane: LaneId) -> Self {
        Self {
            link,
            lane,
            frames: None,
            results: None,
            pictures: None,
            ended: false,
        }
    }

    fn channel(&self, id: C) -> Option<Channel> {
        let id = Some(id);
        if self.ended {
            None
        } else if id == self.frames {
            Some(Channel::Frames)
        } else if id == self.results {
            Some(Channel::Results)
        } else {
            (id == self.pictures).then_some(Channel::Pictures)
        }
    }

    pub(super) fn attached(&self, waker: LaneWaker) {
        self.link.attached(self.lane, waker);
    }

    /// The session is over.
    pub(super) fn end(&mut self, now: Instant, why: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.link.closed(now, self.lane, why);
        }
    }

    /// The session is gone without having said so.
    pub(super) fn forget(&mut self) {
        self.end(Instant::now(), "its session is gone");
    }

    /// Whether a channel that opened is wanted.
    pub(super) fn open(
        &mut self,
        now: Instant,
        id: C,
        (label, protocol): (&str, &str),
        max_message_bytes: usize,
        limits: LaneLimits,
    ) -> bool {
        let Some(channel) = self.link.channel(label) else {
            return false;
        };
        let place = match channel {
            Channel::Frames => &mut self.frames,
            Channel::Results => &mut self.results,
            Channel::Pictures => &mut self.pictures,
        };
        let opened = Opened {
            channel,
            limits,
            max_message_bytes,
            protocol,
        };
        if place.is_some() || self.ended || !self.link.opened(now, self.lane, &opened) {
            return false;
        }
        *place = Some(id);
        true
    }

    pub(super) fn message(&self, now: Instant, id: C, binary: bool, message: &[u8]) {
        if let Some(channel) = self.channel(id) {
            self.link.message(now, self.lane, channel, binary, message);
        }
    }

    pub(super) fn poll(
        &self,
        now: Instant,
        id: C,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let channel = self.channel(id)?;
        self.link.poll(now, self.lane, channel, room_bytes, out)
    }

    pub(super) fn poll_stale(&self, id: C) -> Option<u64> {
        let frames = self.channel(id) == Some(Channel::Frames);
        frames.then(|| self.link.poll_stale(self.lane)).flatten()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        self.link.poll_timeout()
    }

    pub(super) fn on_timeout(&self, now: Instant) {
        self.link.on_timeout(now);
    }

    pub(super) fn channel_closed(&mut self, now: Instant, id: C) {
        if self.channel(id).is_some() {
            self.end(now, "a channel closed");
        }
    }
}
