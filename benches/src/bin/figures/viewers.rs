//! Native viewers, many in one process of their own, so that what they cost is not taken for the server's.
//!
//! Started by [`crate::load`] as this same program with `--viewers`. Each does what the page does short of drawing:
//! one session, one channel `frames`, every frame acknowledged. `/whep/` addresses are watched by data channel,
//! `/lanes/webtransport/` ones by QUIC.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use datachannel_transport::{FrameReceiver, LaneId, LaneLimits, ReceiverConfig};
use quic_session::{CertificateHash, ConnectConfig, SessionConfig, Trust};
use serde::Deserialize;
use tokio::sync::mpsc;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, MessageKind, SessionHandler,
};

/// The path of the addresses that are watched by QUIC.
pub(crate) const QUIC_PATH: &str = "/lanes/webtransport/";

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

impl Viewer {
    fn new(watching: &mpsc::Sender<()>, left: &Arc<AtomicUsize>) -> Result<Self> {
        Ok(Self {
            link: FrameReceiver::new(ReceiverConfig::realtime(Instant::now()))?,
            has_frame: false,
            watching: watching.clone(),
            left: Arc::clone(left),
        })
    }

    fn opened(&mut self, now: Instant, max_message_bytes: usize) -> bool {
        let limits = LaneLimits {
            max_message_bytes,
            ..LaneLimits::default()
        };
        self.link.lane_opened(now, LANE, limits).is_ok()
    }

    fn take(&mut self, now: Instant, message: &[u8]) {
        // What the link refuses it counts; the server's own counts of frames acknowledged tell.
        let _ = self.link.handle_message(now, LANE, message);
        while self.link.poll_frame().is_some() {
            if !std::mem::replace(&mut self.has_frame, true) {
                let _ = self.watching.try_send(());
            }
        }
        while self.link.poll_event().is_some() {}
    }

    fn leave(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}

impl SessionHandler for Viewer {
    fn on_state(&mut self, _: Instant, state: webrtc_session::SessionState) {
        if matches!(state, webrtc_session::SessionState::Closed { .. }) {
            self.leave();
        }
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        match self.opened(now, channel.max_message_bytes) {
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

impl quic_session::SessionHandler for Viewer {
    fn on_state(&mut self, _: Instant, state: quic_session::SessionState) {
        if matches!(state, quic_session::SessionState::Closed { .. }) {
            self.leave();
        }
    }

    fn on_channel_open(
        &mut self,
        now: Instant,
        channel: quic_session::ChannelInfo,
    ) -> quic_session::ChannelUse {
        match self.opened(now, channel.max_message_bytes) {
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
        self.link.poll_message(now, LANE, room, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}

/// How the viewers reach their server: one socket for each way.
struct Ways {
    data: webrtc_session::Endpoint,
    quic: quic_session::Endpoint,
    http: reqwest::Client,
}

/// What the server says of the WebTransport session that it waits for (docs/wire.md).
#[derive(Deserialize)]
struct QuicPlace {
    port: u16,
    path: String,
    certificate_hashes: Vec<String>,
}

impl Ways {
    async fn connect(&self, url: &str, viewer: Viewer) -> Result<()> {
        if url.contains(QUIC_PATH) {
            return self.connect_quic(url, viewer).await;
        }
        let (offer, pending) = self
            .data
            .connect(Box::new(viewer), &[ChannelSpec::reliable("frames")])
            .await?;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/sdp");
        let answer = text_of(url, request.body(offer)).await?;
        pending.accept_answer(&answer).await?;
        Ok(())
    }

    async fn connect_quic(&self, url: &str, viewer: Viewer) -> Result<()> {
        let place: QuicPlace = serde_json::from_str(&text_of(url, self.http.post(url)).await?)?;
        let hashes = place.certificate_hashes.iter().map(|hash| hash.parse());
        let hashes = hashes.collect::<Result<Vec<CertificateHash>, _>>()?;
        let config = ConnectConfig {
            session: SessionConfig::browser(),
            ..ConnectConfig::new(Trust::Hashes(hashes))
        };
        let session = format!("https://127.0.0.1:{}{}", place.port, place.path);
        let channels = [quic_session::ChannelSpec::new("frames")];
        self.quic
            .connect(&session, config, Box::new(viewer), &channels)
            .await?;
        Ok(())
    }
}

async fn text_of(url: &str, request: reqwest::RequestBuilder) -> Result<String> {
    let response = request.send().await?;
    let (status, body) = (response.status(), response.text().await?);
    ensure!(status.is_success(), "{url}: {status}: {body}");
    Ok(body)
}

/// Connects `count` viewers to the addresses in turn, says [`WATCHING`], and stays until it is killed.
pub(crate) async fn run(count: usize, urls: &[String]) -> Result<()> {
    let loopback = "127.0.0.1:0".parse()?;
    let ways = Ways {
        data: webrtc_session::Endpoint::bind(webrtc_session::EndpointConfig::new(loopback))?,
        quic: quic_session::Endpoint::bind(quic_session::EndpointConfig::new(loopback))?,
        http: reqwest::Client::new(),
    };
    let (watching, mut watches) = mpsc::channel(count.max(1));
    let left = Arc::new(AtomicUsize::new(0));
    for url in urls.iter().cycle().take(count) {
        ways.connect(url, Viewer::new(&watching, &left)?).await?;
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
