//! One session of a link: its channels, handed to whichever end of the link holds them.
//!
//! Called by the UDP socket's one task; nothing here blocks.

use std::sync::Arc;
use std::time::Instant;

use datachannel_transport::{LaneId, LaneLimits};
use webrtc_session::driver::SessionWaker;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelUse, MessageKind, SessionHandler, SessionState,
};

use super::protocol::{FRAMES_LABEL, PICTURES_LABEL, RESULTS_LABEL};

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
    pub(crate) limits: LaneLimits,
    /// The sub-protocol its opener named.
    pub(crate) protocol: &'a str,
}

/// An end of a link, as its lanes call it. One link has several lanes, and each may end at any moment.
pub(crate) trait LinkEnd: Send + Sync + 'static {
    /// Before anything else of that lane.
    fn attached(&self, lane: LaneId, waker: SessionWaker);
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
    /// The lane is gone; nothing more is called for it.
    fn closed(&self, now: Instant, lane: LaneId, why: &str);
    fn poll_timeout(&self) -> Option<Instant>;
    fn on_timeout(&self, now: Instant);
}

/// A session that is one lane of a link.
pub(crate) struct LaneHandler<L> {
    link: Arc<L>,
    lane: LaneId,
    frames: Option<ChannelId>,
    results: Option<ChannelId>,
    pictures: Option<ChannelId>,
    ended: bool,
}

impl<L: LinkEnd> LaneHandler<L> {
    pub(crate) fn new(link: Arc<L>, lane: LaneId) -> Self {
        Self {
            link,
            lane,
            frames: None,
            results: None,
            pictures: None,
            ended: false,
        }
    }

    fn channel(&self, id: ChannelId) -> Option<Channel> {
        let id = Some(id);
        if id == self.frames {
            Some(Channel::Frames)
        } else if id == self.results {
            Some(Channel::Results)
        } else {
            (id == self.pictures).then_some(Channel::Pictures)
        }
    }

    fn end(&mut self, now: Instant, why: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.link.closed(now, self.lane, why);
        }
    }
}

impl<L: LinkEnd> SessionHandler for LaneHandler<L> {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        self.link.attached(self.lane, waker);
    }

    fn on_state(&mut self, now: Instant, state: SessionState) {
        tracing::debug!(lane = %self.lane, ?state, "lane");
        if let SessionState::Closed { reason } = state {
            self.end(now, &reason.to_string());
        }
    }

    fn on_channel_open(&mut self, now: Instant, info: ChannelInfo) -> ChannelUse {
        let (channel, place) = match info.label.as_str() {
            FRAMES_LABEL => (Channel::Frames, &mut self.frames),
            RESULTS_LABEL => (Channel::Results, &mut self.results),
            PICTURES_LABEL => (Channel::Pictures, &mut self.pictures),
            _ => return ChannelUse::Refuse,
        };
        let opened = Opened {
            channel,
            limits: LaneLimits {
                max_message_bytes: info.max_message_bytes,
            },
            protocol: &info.protocol,
        };
        if place.is_some() || self.ended || !self.link.opened(now, self.lane, &opened) {
            return ChannelUse::Refuse;
        }
        *place = Some(info.id);
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, binary: bool, message: &[u8]) {
        if let Some(channel) = self.channel(channel).filter(|_| !self.ended) {
            self.link.message(now, self.lane, channel, binary, message);
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let channel = self.channel(channel).filter(|_| !self.ended)?;
        self.link.poll(now, self.lane, channel, room_bytes, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.on_timeout(now);
    }

    fn on_channel_closed(&mut self, now: Instant, channel: ChannelId) {
        if self.channel(channel).is_some() {
            self.end(now, "a channel closed");
        }
    }
}
