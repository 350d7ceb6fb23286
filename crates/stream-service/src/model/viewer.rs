//! One viewer: its link, what it asked for, and how it fares.
//!
//! [`crate::pipeline::fanout`] offers frames to its link; the socket's task pulls messages from it and hands it what
//! the viewer's page says. The lock is held for one message's copy at most.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use datachannel_transport::{
    ClientStats, FrameSender, GoodbyeCode, LaneError, LaneLimits, Mode, Offer, OutgoingFrame,
    SenderConfig, SenderEvent, TimingSummary,
};
use jpeg_optimizer::QualityLevel;
use serde::Serialize;
use webrtc_session::driver::SessionWaker;
use webrtc_session::{ChannelId, SessionId, SessionStats};

use super::handler::LANE;
use super::meters::RateMeter;
use super::quality::{AutoQuality, QualityChoice};

/// A viewer's number within its stream, from 1.
pub(crate) type ViewerId = u64;

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) id: ViewerId,
    wish: Option<QualityChoice>,
    session: OnceLock<SessionId>,
    waker: OnceLock<SessionWaker>,
    since: Instant,
    link: Mutex<Link>,
}

#[derive(Debug)]
struct Link {
    sender: FrameSender,
    lane: Option<ChannelId>,
    /// Whether the viewer is ready for frames: its page has said hello.
    ready: bool,
    state: &'static str,
    auto: AutoQuality,
    level: Option<QualityLevel>,
    last_offered: Option<u64>,
    bytes: RateMeter,
}

impl Viewer {
    /// A viewer whose channel is not open yet.
    ///
    /// # Errors
    /// None with the settings used here; the link checks them.
    pub(crate) fn new(
        id: ViewerId,
        wish: Option<QualityChoice>,
        clock: Instant,
        now: Instant,
    ) -> Result<Self, datachannel_transport::ConfigError> {
        let mut config = SenderConfig::realtime(id as u32, clock);
        // A page that is busy for half a second, as when it starts, should lose no frame of a 30 fps video for it.
        config.mode = Mode::Realtime {
            max_queued: 15,
            deadline: None,
        };
        Ok(Self {
            id,
            wish,
            session: OnceLock::new(),
            waker: OnceLock::new(),
            since: now,
            link: Mutex::new(Link {
                sender: FrameSender::new(config)?,
                lane: None,
                ready: false,
                state: "connecting",
                auto: AutoQuality::default(),
                level: None,
                last_offered: None,
                bytes: RateMeter::new(now),
            }),
        })
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the session, once the offer was accepted.
    pub(crate) fn attach(&self, session: SessionId) {
        let _ = self.session.set(session);
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.session.get().copied()
    }

    /// The level this viewer is sent now, given its stream's; `None` while its channel is not open.
    pub(crate) fn wants(&self, of_stream: QualityChoice) -> Option<QualityLevel> {
        let mut link = self.link();
        if !link.ready {
            return None;
        }
        let level = match self.wish.unwrap_or(of_stream) {
            QualityChoice::Auto => link.auto.level(),
            fixed => fixed.fixed_level(),
        };
        link.level = Some(level);
        Some(level)
    }

    /// Offers a frame, which replaces the oldest that waits where too many do. False when this viewer had it already or is gone.
    pub(crate) fn offer(&self, now: Instant, frame: OutgoingFrame) -> bool {
        let mut link = self.link();
        let id = frame.meta.source_id;
        let bytes = frame.payload.len() as u64;
        if !link.ready || link.last_offered == Some(id) {
            return false;
        }
        link.last_offered = Some(id);
        link.bytes.add(now, bytes);
        let outcome = link.sender.offer(now, frame);
        link.auto
            .observe(now, matches!(outcome, Offer::Replaced { .. }));
        drop(link);
        self.wake();
        true
    }

    /// No frame follows.
    pub(crate) fn finish(&self, now: Instant) {
        self.link().sender.finish(now);
        self.wake();
    }

    /// Tells the viewer that this is the end, and why.
    pub(crate) fn goodbye(&self, now: Instant, code: GoodbyeCode, reason: &str) {
        self.link().sender.goodbye(now, code, reason);
        self.wake();
    }

    pub(super) fn set_waker(&self, waker: SessionWaker) {
        let _ = self.waker.set(waker);
    }

    pub(super) fn set_state(&self, state: &'static str) {
        self.link().state = state;
    }

    pub(super) fn lane(&self) -> Option<ChannelId> {
        self.link().lane
    }

    /// # Errors
    /// The channel's messages are too short for the wire format.
    pub(super) fn open_lane(
        &self,
        now: Instant,
        channel: ChannelId,
        limits: LaneLimits,
    ) -> Result<(), LaneError> {
        let mut link = self.link();
        link.sender.lane_opened(now, LANE, limits)?;
        link.lane = Some(channel);
        Ok(())
    }

    pub(super) fn close_lane(&self, now: Instant) {
        let mut link = self.link();
        link.lane = None;
        link.ready = false;
        link.sender.lane_closed(now, LANE);
    }

    /// From here on the viewer is offered frames. False when it was already, or its channel has closed.
    pub(super) fn begin(&self) -> bool {
        let mut link = self.link();
        if link.ready || link.lane.is_none() {
            return false;
        }
        link.ready = true;
        link.state = "streaming";
        true
    }

    /// A message from the viewer; true when it is its hello. One that breaks the protocol is counted by the link and
    /// changes nothing.
    pub(super) fn receive(&self, now: Instant, message: &[u8]) -> bool {
        let mut link = self.link();
        if let Err(error) = link.sender.handle_message(now, LANE, message) {
            tracing::debug!(viewer = self.id, %error, "message refused");
        }
        let mut greeted = false;
        while let Some(event) = link.sender.poll_event() {
            greeted |= matches!(event, SenderEvent::PeerHello { .. });
        }
        greeted
    }

    pub(super) fn poll_message(&self, now: Instant, room_bytes: usize, out: &mut Vec<u8>) -> bool {
        self.link().sender.poll_message(now, LANE, room_bytes, out)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.link().sender.poll_timeout()
    }

    pub(super) fn on_timeout(&self, now: Instant) {
        self.link().sender.handle_timeout(now);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }
}

/// What is counted of viewers, present or gone.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Totals {
    /// Bytes of all messages handed to the socket.
    pub(crate) bytes_sent: u64,
    /// Frames handed to the socket whole.
    pub(crate) frames_sent: u64,
    /// Frames that the viewer's page has confirmed.
    pub(crate) frames_acked: u64,
    /// Frames that a newer one replaced before they were sent, or that got lost with their lane.
    pub(crate) frames_dropped: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes_sent += other.bytes_sent;
        self.frames_sent += other.frames_sent;
        self.frames_acked += other.frames_acked;
        self.frames_dropped += other.frames_dropped;
    }
}

/// One viewer at one moment, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ViewerSnapshot {
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) number: ViewerId,
    pub(crate) state: &'static str,
    pub(crate) connected_seconds: f64,
    pub(crate) quality: Option<u8>,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) bitrate_bps: f64,
    pub(crate) buffered_bytes: usize,
    pub(crate) packets_sent: u64,
    pub(crate) remote: Option<String>,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) send_ms: TimingSummary,
    pub(crate) ack_ms: TimingSummary,
    pub(crate) client: Option<ClientStats>,
}

impl Viewer {
    /// This viewer now; `session` is what its socket says of it, while it has one.
    pub(crate) fn snapshot(&self, now: Instant, session: Option<&SessionStats>) -> ViewerSnapshot {
        let mut link = self.link();
        let stats = link.sender.stats();
        let count = &stats.counters;
        ViewerSnapshot {
            id: self.id.to_string(),
            number: self.id,
            state: link.state,
            connected_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            quality: link.level.map(|level| level.quality().get()),
            rtt_ms: stats.ping_rtt.as_ref().map(|rtt| rtt.srtt_ms),
            bitrate_bps: 8.0 * link.bytes.per_second(now),
            buffered_bytes: session.map_or(0, |session| session.buffered_bytes),
            packets_sent: session.map_or(0, |session| session.packets_sent),
            remote: session
                .and_then(|session| session.remote_address)
                .map(|address| address.to_string()),
            totals: Totals {
                bytes_sent: count.bytes_sent,
                frames_sent: count.frames_sent,
                frames_acked: count.frames_acked,
                frames_dropped: count.frames_dropped_replaced
                    + count.frames_dropped_deadline
                    + count.frames_dropped_lane
                    + count.frames_dropped_passed_over
                    + count.frames_dropped_refused,
            },
            send_ms: stats.send_ms,
            ack_ms: stats.ack_ms,
            client: stats.client,
        }
    }
}
