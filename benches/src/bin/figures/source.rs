//! A sender of frames that never runs dry: the load of [`crate::goodput`].
//!
//! Fed by nothing but its own counter; pulled by webrtc-session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame, SenderConfig,
    SenderEvent,
};
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelUse, MessageKind, SessionHandler, SessionState,
};

const LANE: LaneId = LaneId(0);

/// Sends the same payload `left` times, each as a frame of its own, all accounted for.
pub(crate) struct Source {
    link: FrameSender,
    payload: Bytes,
    next: u64,
    frames: u64,
    acked: Arc<AtomicU64>,
}

impl Source {
    /// `acked` counts the frames that the other side has confirmed.
    pub(crate) fn new(payload: Bytes, frames: u64, acked: Arc<AtomicU64>) -> Result<Self> {
        let link = FrameSender::new(SenderConfig::every_frame(1, Instant::now()))?;
        Ok(Self {
            link,
            payload,
            next: 0,
            frames,
            acked,
        })
    }

    fn top_up(&mut self, now: Instant) {
        while self.next < self.frames {
            let meta = FrameMeta {
                source_id: self.next,
                pts_us: 0,
                duration_us: 0,
                width: 0,
                height: 0,
                encoding: Encoding::Opaque,
                quality: 0,
                keyframe: true,
                released_us: 0,
            };
            let Offer::Queued = self.link.offer(
                now,
                OutgoingFrame {
                    meta,
                    payload: self.payload.clone(),
                },
            ) else {
                return;
            };
            self.next += 1;
        }
    }
}

impl SessionHandler for Source {
    fn on_state(&mut self, _: Instant, _: SessionState) {}

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        let limits = LaneLimits {
            max_message_bytes: channel.max_message_bytes,
        };
        match self.link.lane_opened(now, LANE, limits) {
            Ok(()) => ChannelUse::Accept,
            Err(_) => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, _: ChannelId, _: bool, message: &[u8]) {
        // A message that breaks the protocol leaves frames unacknowledged, and the run ends with that.
        let _ = self.link.handle_message(now, LANE, message);
        while let Some(event) = self.link.poll_event() {
            if matches!(event, SenderEvent::Acked { .. }) {
                self.acked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _: ChannelId,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        self.top_up(now);
        self.link
            .poll_message(now, LANE, room, out)
            .then_some(MessageKind::Binary)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}
