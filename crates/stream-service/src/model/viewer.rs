//! One viewer: its link over whichever lanes its page has opened, what it asked for, and how it fares.
//!
//! [`crate::pipeline::fanout`] offers frames to its link; the lanes' sessions pull messages from it and hand it what
//! the viewer's page says ([`lanes`]). The lock is held for one message's copy at most, and never while a stream's is taken.

mod lanes;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use datachannel_transport::{
    ClientStats, FrameSender, GoodbyeCode, Mode, Offer, OutgoingFrame, SenderConfig, TimingSummary,
};
use frame_buffer::FrameId;
use jpeg_optimizer::{ClientStats as RateStats, Quality, SentFrame};
use serde::Serialize;
use webrtc_session::SessionId;

use super::ack_meter::AckMeter;
use super::meters::RateMeter;
use super::rate::{ClientRate, StreamRate};
use super::stream::{Stream, lock};
use crate::lanes::choice::{ChoiceReason, LaneChoice, LaneKind};
use crate::lanes::seat::{Seat, SeatStats};
use crate::lanes::sizes::MAX_MESSAGE_BYTES;
use lanes::Lane;

/// A viewer's number within its stream, from 1.
pub(crate) type ViewerId = u64;

/// How often each lane is asked for its round trip, so that one that is silent is noticed within a second.
const PING_INTERVAL: Duration = Duration::from_millis(400);

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) id: ViewerId,
    /// Its link's (docs/wire.md).
    pub(crate) epoch: u32,
    /// What its page calls its link, so that further lanes find it.
    key: Option<u64>,
    stream: Weak<Stream>,
    since: Instant,
    link: Mutex<Link>,
}

#[derive(Debug)]
struct Link {
    sender: FrameSender,
    lanes: Vec<Lane>,
    lanes_made: u32,
    choice: LaneChoice,
    /// When the choice is looked at again.
    choose_at: Option<Instant>,
    lane_changes: u64,
    /// Whether the viewer is ready for frames: its page has said hello.
    ready: bool,
    /// When frames go out even without a hello.
    begin_at: Option<Instant>,
    /// The last lane is gone; the stream counts this viewer no longer.
    left: bool,
    rate: ClientRate,
    acks: AckMeter,
    last_offered: Option<u64>,
    bytes: RateMeter,
    /// Frames below it are acknowledged or passed over.
    settled_to: u64,
    /// Those that were passed over, whose streams are to be reset.
    stale: VecDeque<u64>,
}

impl Viewer {
    /// A viewer without a lane.
    ///
    /// # Errors
    /// None with the settings used here; the link checks them.
    pub(crate) fn new(
        id: ViewerId,
        (key, rate): (Option<u64>, ClientRate),
        stream: Weak<Stream>,
        clock: Instant,
        now: Instant,
    ) -> Result<Self, datachannel_transport::ConfigError> {
        let epoch = random_epoch();
        let mut config = SenderConfig::realtime(epoch, clock);
        // A page that is busy for half a second, as when it starts, should lose no frame of a 30 fps video for it.
        config.mode = Mode::Realtime {
            max_queued: 15,
            deadline: None,
        };
        config.max_message_bytes = MAX_MESSAGE_BYTES;
        config.ping_interval = Some(PING_INTERVAL);
        Ok(Self {
            id,
            epoch,
            key,
            stream,
            since: now,
            link: Mutex::new(Link {
                sender: FrameSender::new(config)?,
                lanes: Vec::new(),
                lanes_made: 0,
                choice: LaneChoice::default(),
                choose_at: None,
                lane_changes: 0,
                ready: false,
                begin_at: None,
                left: false,
                rate,
                acks: AckMeter::default(),
                last_offered: None,
                bytes: RateMeter::new(now),
                settled_to: 0,
                stale: VecDeque::new(),
            }),
        })
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its page called its link so.
    pub(super) fn is_called(&self, key: Option<u64>) -> bool {
        key.is_some() && self.key == key
    }

    /// Its WebRTC session, while it has one.
    pub(crate) fn data_session(&self) -> Option<SessionId> {
        let link = self.link();
        link.lanes.iter().find_map(|lane| match lane.seat {
            Some(Seat::Data(session)) => Some(session),
            _ => None,
        })
    }

    /// What its sessions are closed by.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        let link = self.link();
        let seats = link.lanes.iter().filter_map(|lane| lane.seat.clone());
        seats.collect()
    }

    /// What the session is closed by that carries the frames.
    pub(crate) fn carrier_seat(&self) -> Option<Seat> {
        let link = self.link();
        let (kind, _) = link.choice.active()?;
        let lane = link.lanes.iter().find(|lane| lane.kind == kind)?;
        lane.seat.clone()
    }

    /// The quality of this viewer's next frame, given its stream's; `None` while its page is not ready, and where its
    /// bitrate has no room for this one.
    pub(crate) fn wants(&self, now: Instant, of_stream: StreamRate) -> Option<Quality> {
        let mut link = self.link();
        if !link.ready {
            return None;
        }
        let acked_bytes = link.sender.counters().payload_bytes_acked;
        if let Some(sample) = link.acks.sample(now, acked_bytes) {
            link.rate.observe(now, sample);
        }
        link.rate.next(now, of_stream)
    }

    /// Offers a frame, which replaces the oldest that waits where too many do. False when this viewer had it already or is gone.
    pub(crate) fn offer(&self, now: Instant, frame: OutgoingFrame, quality: Quality) -> bool {
        let mut link = self.link();
        let id = frame.meta.source_id;
        let bytes = frame.payload.len();
        if !link.ready || link.last_offered == Some(id) {
            return false;
        }
        link.last_offered = Some(id);
        link.bytes.add(now, bytes as u64);
        link.acks.offered(now, id);
        let outcome = link.sender.offer(now, frame);
        let sent = SentFrame {
            frame: FrameId(id),
            at: now,
            bytes,
            quality,
        };
        link.rate
            .sent(sent, matches!(outcome, Offer::Replaced { .. }));
        link.wake_carrier();
        true
    }

    /// No frame follows.
    pub(crate) fn finish(&self, now: Instant) {
        let mut link = self.link();
        link.sender.finish(now);
        link.wake(None);
    }

    /// Tells the viewer that this is the end, and why.
    pub(crate) fn goodbye(&self, now: Instant, code: GoodbyeCode, reason: &str) {
        let mut link = self.link();
        link.sender.goodbye(now, code, reason);
        link.wake(None);
    }

    /// The page is ready: a stream that waits for its first viewer starts with its first frame, so none is missed.
    fn begin(&self) {
        let mut link = self.link();
        link.begin_at = None;
        let open = link.lanes.iter().any(|lane| lane.open_since.is_some());
        if !open || std::mem::replace(&mut link.ready, true) {
            return;
        }
        drop(link);
        if let Some(stream) = self.stream.upgrade() {
            stream.begin_watching(Some(self.id));
        }
    }

    /// The last lane is gone: the viewer's counts stay with the stream.
    fn leave(&self, now: Instant) {
        let Some(stream) = self.stream.upgrade() else {
            return;
        };
        if stream.remove_viewer(self.id).is_some() {
            lock(&stream.left).add(&self.snapshot(now, None).totals);
        }
    }
}

/// Random, so that a lane which a page opens again at a server that was started anew is not taken for one of its old link.
fn random_epoch() -> u32 {
    std::hash::RandomState::new().build_hasher().finish() as u32
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
    /// Frames never offered, for even the worst quality is too much for the viewer's bitrate.
    pub(crate) frames_left_out: u64,
    /// Frames whose quality was not that of the one before.
    pub(crate) quality_changes: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes_sent += other.bytes_sent;
        self.frames_sent += other.frames_sent;
        self.frames_acked += other.frames_acked;
        self.frames_dropped += other.frames_dropped;
        self.quality_changes += other.quality_changes;
        self.frames_left_out += other.frames_left_out;
    }
}

/// One viewer at one moment, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ViewerSnapshot {
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) number: ViewerId,
    pub(crate) epoch: u32,
    pub(crate) state: &'static str,
    pub(crate) connected_seconds: f64,
    pub(crate) quality: Option<u8>,
    pub(crate) rate: RateStats,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) bitrate_bps: f64,
    pub(crate) buffered_bytes: usize,
    pub(crate) packets_sent: u64,
    pub(crate) remote: Option<String>,
    pub(crate) lane: Option<LaneKind>,
    pub(crate) lane_reason: Option<ChoiceReason>,
    pub(crate) lane_changes: u64,
    pub(crate) lanes: Vec<LaneSnapshot>,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) send_ms: TimingSummary,
    pub(crate) ack_ms: TimingSummary,
    pub(crate) client: Option<ClientStats>,
}

/// One of a viewer's lanes at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct LaneSnapshot {
    kind: LaneKind,
    /// False: its session is expected, or has no channel yet.
    open: bool,
    rtt_ms: Option<f64>,
}

impl Link {
    fn state(&self) -> &'static str {
        match () {
            () if self.left => "closed",
            () if self.ready => "streaming",
            () if self.lanes.iter().any(|lane| lane.open_since.is_some()) => "connected",
            () => "connecting",
        }
    }

    fn lane_snapshots(&self) -> Vec<LaneSnapshot> {
        let snapshot = |lane: &Lane| {
            let round_trip = self.sender.lane_round_trip(lane.id);
            LaneSnapshot {
                kind: lane.kind,
                open: lane.open_since.is_some(),
                rtt_ms: round_trip.map(|rtt| 1000.0 * rtt.as_secs_f64()),
            }
        };
        self.lanes.iter().map(snapshot).collect()
    }
}

impl Viewer {
    /// This viewer now; `session` is what its endpoint says of the session that carries, while there is one.
    pub(crate) fn snapshot(&self, now: Instant, session: Option<&SeatStats>) -> ViewerSnapshot {
        let mut link = self.link();
        let lanes = link.lane_snapshots();
        let (lane, lane_reason) = link.choice.active().unzip();
        let carrier = lanes.iter().find(|it| Some(it.kind) == lane);
        let carrier_rtt_ms = carrier.and_then(|carrier| carrier.rtt_ms);
        let stats = link.sender.stats();
        let rate = link.rate.stats();
        let count = &stats.counters;
        ViewerSnapshot {
            id: self.id.to_string(),
            number: self.id,
            epoch: self.epoch,
            state: link.state(),
            connected_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            quality: (rate.frames > 0).then(|| rate.quality.get()),
            rate,
            rtt_ms: carrier_rtt_ms.or(stats.ping_rtt.as_ref().map(|rtt| rtt.srtt_ms)),
            bitrate_bps: 8.0 * link.bytes.per_second(now),
            buffered_bytes: session.map_or(0, |session| session.buffered_bytes),
            packets_sent: session.map_or(0, |session| session.packets_sent),
            remote: session
                .and_then(|session| session.remote)
                .map(|address| address.to_string()),
            lane,
            lane_reason,
            lane_changes: link.lane_changes,
            lanes,
            totals: Totals {
                bytes_sent: count.bytes_sent,
                frames_sent: count.frames_sent,
                frames_acked: count.frames_acked,
                frames_dropped: count.frames_dropped_replaced
                    + count.frames_dropped_deadline
                    + count.frames_dropped_lane
                    + count.frames_dropped_passed_over
                    + count.frames_dropped_refused,
                quality_changes: rate.quality_changes,
                frames_left_out: rate.frames_left_out,
            },
            send_ms: stats.send_ms,
            ack_ms: stats.ack_ms,
            client: stats.client,
        }
    }
}
