//! A sender of frames that never runs dry, or has one at its time: the load of [`crate::goodput`] and [`crate::webtransport`].
//!
//! Fed by nothing but its own counter; pulled by webrtc-session or quic-session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame, SenderConfig,
    SenderEvent,
};
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelUse, MessageKind, SessionHandler, SessionState,
};

/// Of the link.
pub(crate) const EPOCH: u32 = 1;

const LANE: LaneId = LaneId(0);
/// The largest message of a QUIC lane, as the product has it.
const QUIC_MESSAGE_BYTES: usize = 64 << 10;

/// Sends the same payload `left` times, each as a frame of its own, all accounted for.
pub(crate) struct Source {
    link: FrameSender,
    payload: Bytes,
    next: u64,
    frames: u64,
    acked: Arc<AtomicU64>,
    pace: Option<Pace>,
}

/// When frames are due.
struct Pace {
    interval: Duration,
    /// When the first was, by either clock.
    began: Option<(Instant, SystemTime)>,
}

impl Pace {
    /// When that frame is due, by either clock.
    fn due(&self, frame: u64) -> Option<(Instant, SystemTime)> {
        let (at, by_wall) = self.began?;
        let after = self.interval * u32::try_from(frame).unwrap_or(u32::MAX);
        Some((at + after, by_wall + after))
    }
}

impl Source {
    /// `acked` counts the frames that the other side has confirmed.
    pub(crate) fn new(payload: Bytes, frames: u64, acked: Arc<AtomicU64>) -> Result<Self> {
        let config = SenderConfig::every_frame(EPOCH, Instant::now());
        Self::with(config, payload, frames, acked)
    }

    /// The same by QUIC, in messages as large as the product's are there.
    pub(crate) fn by_quic(payload: Bytes, frames: u64, acked: Arc<AtomicU64>) -> Result<Self> {
        let mut config = SenderConfig::every_frame(EPOCH, Instant::now());
        config.max_message_bytes = QUIC_MESSAGE_BYTES;
        Self::with(config, payload, frames, acked)
    }

    fn with(
        config: SenderConfig,
        payload: Bytes,
        frames: u64,
        acked: Arc<AtomicU64>,
    ) -> Result<Self> {
        let link = FrameSender::new(config)?;
        Ok(Self {
            link,
            payload,
            next: 0,
            frames,
            acked,
            pace: None,
        })
    }

    /// One frame each `interval`, from when its channel opens. `released_us` of each says when it was due, since 1970.
    pub(crate) fn paced(mut self, interval: Duration) -> Self {
        self.pace = Some(Pace {
            interval,
            began: None,
        });
        self
    }

    fn next_due(&self) -> Option<(Instant, SystemTime)> {
        let left = self.next < self.frames;
        self.pace.as_ref().filter(|_| left)?.due(self.next)
    }

    fn open(&mut self, now: Instant, max_message_bytes: usize) -> bool {
        if let Some(pace) = &mut self.pace {
            pace.began = Some((now, SystemTime::now()));
        }
        let limits = LaneLimits {
            max_message_bytes,
            ..LaneLimits::default()
        };
        self.link.lane_opened(now, LANE, limits).is_ok()
    }

    fn take(&mut self, now: Instant, message: &[u8]) {
        // A message that breaks the protocol leaves frames unacknowledged, and the run ends with that.
        let _ = self.link.handle_message(now, LANE, message);
        while let Some(event) = self.link.poll_event() {
            if matches!(event, SenderEvent::Acked { .. }) {
                self.acked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn poll(&mut self, now: Instant, room: usize, out: &mut Vec<u8>) -> bool {
        self.top_up(now);
        self.link.poll_message(now, LANE, room, out)
    }

    fn timeout(&self) -> Option<Instant> {
        let due = self.next_due().map(|(at, _)| at);
        [self.link.poll_timeout(), due].into_iter().flatten().min()
    }

    fn top_up(&mut self, now: Instant) {
        while self.next < self.frames {
            let due = self.next_due();
            if due.is_some_and(|(at, _)| at > now) {
                return;
            }
            let released = due.and_then(|(_, at)| at.duration_since(UNIX_EPOCH).ok());
            let meta = FrameMeta {
                source_id: self.next,
                pts_us: 0,
                duration_us: 0,
                width: 0,
                height: 0,
                encoding: Encoding::Opaque,
                quality: 0,
                keyframe: true,
                released_us: released.map_or(0, |since| since.as_micros() as u64),
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
        match self.open(now, channel.max_message_bytes) {
            true => ChannelUse::Accept,
            false => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, _: ChannelId, _: bool, message: &[u8]) {
        self.take(now, message);
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _: ChannelId,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        self.poll(now, room, out).then_some(MessageKind::Binary)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}

impl quic_session::SessionHandler for Source {
    fn on_state(&mut self, _: Instant, _: quic_session::SessionState) {}

    fn on_channel_open(
        &mut self,
        now: Instant,
        channel: quic_session::ChannelInfo,
    ) -> quic_session::ChannelUse {
        match self.open(now, channel.max_message_bytes) {
            true => quic_session::ChannelUse::Accept,
            false => quic_session::ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, _: quic_session::ChannelId, message: &[u8]) {
        self.take(now, message);
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _: quic_session::ChannelId,
        room: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        self.poll(now, room, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}
