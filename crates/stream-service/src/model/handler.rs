//! What a viewer's session calls: opens its link, moves messages between link and channel, and says when it is over.
//!
//! Called by the media socket's one task; nothing here blocks or encodes.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use datachannel_transport::{LaneId, LaneLimits};
use webrtc_session::driver::SessionWaker;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelUse, MessageKind, SessionHandler, SessionState,
};

use super::stream::{Stream, lock};
use super::viewer::Viewer;

/// The label of the channel that carries frames (docs/wire.md).
const FRAMES_LABEL: &str = "frames";

/// A viewer whose page says no hello this long after its channel opened is taken for one that never does.
const HELLO_WAIT: Duration = Duration::from_secs(1);

/// One viewer's session.
#[derive(Debug)]
pub(crate) struct ViewerHandler {
    viewer: Arc<Viewer>,
    stream: Weak<Stream>,
    watching: bool,
    /// When frames go out even without a hello.
    begin_at: Option<Instant>,
}

impl ViewerHandler {
    pub(crate) fn new(viewer: Arc<Viewer>, stream: &Arc<Stream>) -> Self {
        Self {
            viewer,
            stream: Arc::downgrade(stream),
            watching: false,
            begin_at: None,
        }
    }

    /// The page is ready: a stream that waits for its first viewer starts with its first frame, so none is missed.
    fn begin(&mut self) {
        self.begin_at = None;
        let Some(stream) = self.stream.upgrade() else {
            return;
        };
        if self.viewer.begin() && !self.watching {
            self.watching = true;
            stream.begin_watching(Some(self.viewer.id));
        }
    }

    fn stop_watching(&mut self) {
        let was_watching = std::mem::take(&mut self.watching);
        if let Some(stream) = self.stream.upgrade().filter(|_| was_watching) {
            stream.end_watching();
        }
    }

    /// The session is over: the viewer's counts stay with the stream.
    fn leave(&mut self, now: Instant) {
        self.stop_watching();
        let Some(stream) = self.stream.upgrade() else {
            return;
        };
        if stream.remove_viewer(self.viewer.id).is_some() {
            lock(&stream.left).add(&self.viewer.snapshot(now, None).totals);
        }
    }
}

impl SessionHandler for ViewerHandler {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        self.viewer.set_waker(waker);
    }

    fn on_state(&mut self, now: Instant, state: SessionState) {
        self.viewer.set_state(match state {
            SessionState::Connecting => "connecting",
            SessionState::Connected => "connected",
            SessionState::Disconnected => "disconnected",
            SessionState::Closed { ref reason } => {
                tracing::debug!(viewer = self.viewer.id, %reason, "viewer left");
                "closed"
            }
            _ => "unknown",
        });
        if matches!(state, SessionState::Closed { .. }) {
            self.leave(now);
        }
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        if channel.label != FRAMES_LABEL || self.viewer.lane().is_some() {
            return ChannelUse::Refuse;
        }
        let limits = LaneLimits {
            max_message_bytes: channel.max_message_bytes,
        };
        if let Err(error) = self.viewer.open_lane(now, channel.id, limits) {
            tracing::warn!(viewer = self.viewer.id, %error, "channel refused");
            return ChannelUse::Refuse;
        }
        self.begin_at = Some(now + HELLO_WAIT);
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, binary: bool, message: &[u8]) {
        let frames = self.viewer.lane() == Some(channel) && binary;
        if frames && self.viewer.receive(now, message) {
            self.begin();
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        (self.viewer.lane() == Some(channel) && self.viewer.poll_message(now, room_bytes, out))
            .then_some(MessageKind::Binary)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.viewer
            .poll_timeout()
            .into_iter()
            .chain(self.begin_at)
            .min()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.viewer.on_timeout(now);
        if self.begin_at.is_some_and(|at| at <= now) {
            self.begin();
        }
    }

    fn on_channel_closed(&mut self, now: Instant, channel: ChannelId) {
        if self.viewer.lane() == Some(channel) {
            self.viewer.close_lane(now);
            self.stop_watching();
        }
    }
}

/// The only lane of a viewer's link.
pub(super) const LANE: LaneId = LaneId(0);
