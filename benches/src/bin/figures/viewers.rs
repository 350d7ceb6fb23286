//! Native viewers, many in one process of their own, so that what they cost is not taken for the server's.
//!
//! Started by [`crate::load`] as this same program with `--viewers`. Each does what the page does short of drawing:
//! one session, one channel `frames`, every frame acknowledged.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use datachannel_transport::{FrameReceiver, LaneId, LaneLimits, ReceiverConfig};
use tokio::sync::mpsc;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Endpoint, EndpointConfig, MessageKind,
    SessionHandler, SessionState,
};

/// What the first line on stdout says once every viewer has a frame.
pub(crate) const WATCHING: &str = "watching";

const LANE: LaneId = LaneId(0);
const FIRST_FRAMES: Duration = Duration::from_secs(60);

/// One viewer's session.
struct Viewer {
    link: FrameReceiver,
    has_frame: bool,
    /// Told once, at this viewer's first frame.
    watching: mpsc::Sender<()>,
    left: Arc<AtomicUsize>,
}

impl SessionHandler for Viewer {
    fn on_state(&mut self, _: Instant, state: SessionState) {
        if matches!(state, SessionState::Closed { .. }) {
            self.left.fetch_add(1, Ordering::Relaxed);
        }
    }

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
        // What the link refuses it counts; the server's own counts of frames acknowledged tell.
        let _ = self.link.handle_message(now, LANE, message);
        while self.link.poll_frame().is_some() {
            if !std::mem::replace(&mut self.has_frame, true) {
                let _ = self.watching.try_send(());
            }
        }
        while self.link.poll_event().is_some() {}
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _: ChannelId,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
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

/// Connects `count` viewers to the addresses in turn, says [`WATCHING`], and stays until it is killed.
pub(crate) async fn run(count: usize, whep: &[String]) -> Result<()> {
    let endpoint = Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse()?))?;
    let http = reqwest::Client::new();
    let (watching, mut watches) = mpsc::channel(count.max(1));
    let left = Arc::new(AtomicUsize::new(0));
    for url in whep.iter().cycle().take(count) {
        let link = FrameReceiver::new(ReceiverConfig::realtime(Instant::now()))?;
        let viewer = Viewer {
            link,
            has_frame: false,
            watching: watching.clone(),
            left: Arc::clone(&left),
        };
        let (offer, pending) = endpoint
            .connect(Box::new(viewer), &[ChannelSpec::reliable("frames")])
            .await?;
        let response = http
            .post(url)
            .header("content-type", "application/sdp")
            .body(offer)
            .send()
            .await?;
        let (status, body) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{url}: {status}: {body}");
        pending.accept_answer(&body).await?;
    }
    for watched in 0..count {
        let frame = tokio::time::timeout(FIRST_FRAMES, watches.recv()).await;
        frame.with_context(|| {
            format!("only {watched} of {count} viewers got a frame within {FIRST_FRAMES:?}")
        })?;
    }
    writeln!(std::io::stdout(), "{WATCHING}")?;
    std::io::stdout().flush()?;
    while left.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("a viewer's session closed")
}
