//! A WebTransport session as a lane: QUIC carries the messages, each frame on a stream of its own.
//!
//! Called by the session's task; hands all of it to the lane's end of the link.

use std::sync::Arc;
use std::time::Instant;

use datachannel_transport::{LaneId, LaneLimits};
use quic_session::{
    ChannelId, ChannelInfo, ChannelUse, SessionConfig, SessionHandler, SessionState, SessionWaker,
};

use super::end::{LaneEnd, LinkEnd};
use super::sizes::{
    QUIC_MESSAGE_BYTES, QUIC_RECEIVE_BUFFER_BYTES, QUIC_SEND_BUFFER_BYTES,
    QUIC_SEND_BYTES_PER_MILLISECOND, SHORT_SEND_BUFFER_BYTES, SHORT_VIEWER_SEND_BUFFER_BYTES,
    VIEWER_SEND_BUFFER_BYTES, VIEWER_SEND_BYTES_PER_MILLISECOND,
};

/// How such a session is set up, at either end.
pub(crate) fn session_config() -> SessionConfig {
    let mut config = SessionConfig::own_peer();
    config.send_buffer_bytes = QUIC_SEND_BUFFER_BYTES;
    config.least_send_buffer_bytes = SHORT_SEND_BUFFER_BYTES;
    config.receive_buffer_bytes = QUIC_RECEIVE_BUFFER_BYTES;
    config.send_bytes_per_millisecond = QUIC_SEND_BYTES_PER_MILLISECOND;
    config
}

/// The same towards a viewer's browser.
pub(crate) fn viewer_session_config() -> SessionConfig {
    let mut config = SessionConfig::browser();
    config.send_buffer_bytes = VIEWER_SEND_BUFFER_BYTES;
    config.least_send_buffer_bytes = SHORT_VIEWER_SEND_BUFFER_BYTES;
    config.send_bytes_per_millisecond = VIEWER_SEND_BYTES_PER_MILLISECOND;
    config
}

/// A session that is one lane of a link.
pub(crate) struct QuicLane<L: LinkEnd>(LaneEnd<L, ChannelId>);

impl<L: LinkEnd> QuicLane<L> {
    pub(crate) fn new(link: Arc<L>, lane: LaneId) -> Self {
        Self(LaneEnd::new(link, lane))
    }
}

impl<L: LinkEnd> SessionHandler for QuicLane<L> {
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
            ..
        } = info;
        let limits = LaneLimits {
            max_message_bytes: max_message_bytes.min(QUIC_MESSAGE_BYTES),
            ..LaneLimits::default()
        };
        let opened = (label.as_str(), protocol.as_str());
        match self.0.open(now, id, opened, max_message_bytes, limits) {
            true => ChannelUse::Accept,
            false => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, message: &[u8]) {
        self.0.message(now, channel, true, message);
    }

    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        self.0.poll(now, channel, room_bytes, out).is_some()
    }

    fn poll_stale(&mut self, _now: Instant, channel: ChannelId) -> Option<u64> {
        self.0.poll_stale(channel)
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

impl<L: LinkEnd> Drop for QuicLane<L> {
    /// Dropped without a word, as an invitation is that its endpoint withdraws.
    fn drop(&mut self) {
        self.0.forget();
    }
}
