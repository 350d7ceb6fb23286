//! A WebRTC session as a lane: data channels carry the messages.
//!
//! Called by the UDP socket's one task; hands all of it to the lane's end of the link.

use std::sync::Arc;
use std::time::Instant;

use datachannel_transport::{LaneId, LaneLimits};
use webrtc_session::driver::SessionWaker;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelUse, MessageKind, SessionHandler, SessionState,
};

use super::end::{LaneEnd, LinkEnd};
use super::sizes::DATA_MESSAGE_BYTES;

/// A session that is one lane of a link.
pub(crate) struct DataLane<L>(LaneEnd<L, ChannelId>);

impl<L: LinkEnd> DataLane<L> {
    pub(crate) fn new(link: Arc<L>, lane: LaneId) -> Self {
        Self(LaneEnd::new(link, lane))
    }
}

impl<L: LinkEnd> SessionHandler for DataLane<L> {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        self.0.attached(Arc::new(move || waker.wake()));
    }

    fn on_state(&mut self, now: Instant, state: SessionState) {
        if let SessionState::Closed { reason } = state {
            self.0.end(now, &reason.to_string());
        }
    }

    fn on_channel_open(&mut self, now: Instant, info: ChannelInfo) -> ChannelUse {
        let ChannelInfo {
            id,
            label,
            protocol,
            max_message_bytes,
            fragment_bytes,
            ..
        } = info;
        let limits = LaneLimits {
            max_message_bytes: max_message_bytes.min(DATA_MESSAGE_BYTES),
            fragment_bytes,
        };
        let opened = (label.as_str(), protocol.as_str());
        match self.0.open(now, id, opened, max_message_bytes, limits) {
            true => ChannelUse::Accept,
            false => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, binary: bool, message: &[u8]) {
        self.0.message(now, channel, binary, message);
    }

    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        self.0.poll(now, channel, room_bytes, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.0.on_timeout(now);
    }

    fn on_channel_closed(&mut self, now: Instant, channel: ChannelId) {
        self.0.channel_closed(now, channel);
    }
}
