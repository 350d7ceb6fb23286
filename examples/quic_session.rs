//! Two endpoints in one process connect by QUIC over loopback, and frames of 100 kB cross the lane between them as fast
//! as they go, each acknowledged and all of them proved at the end by count and hash. Prints how fast that was.
//!
//! `cargo run --release -p frameway-examples --example quic_session [FRAMES]`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame,
    ReceiverConfig, SenderConfig, SenderEvent,
};
use quic_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, ConnectConfig, Endpoint, EndpointConfig,
    SessionConfig, SessionHandler, SessionState, Trust,
};

const FRAME_BYTES: usize = 100_000;
const LANE: LaneId = LaneId(0);
/// Frames under way at once; also what the receiver holds.
const WINDOW: u32 = 64;

/// Offers frames as long as there is room, and says when all are proved to have arrived.
struct Sender {
    link: FrameSender,
    payload: Bytes,
    next: u64,
    frames: u64,
    done: mpsc::Sender<bool>,
}

/// Takes every frame that is whole.
struct Receiver {
    link: FrameReceiver,
    frames: u64,
}

impl Sender {
    fn fill(&mut self, now: Instant) {
        while self.next < self.frames {
            let meta = FrameMeta {
                source_id: self.next,
                pts_us: self.next as i64 * 33_333,
                duration_us: 33_333,
                width: 0,
                height: 0,
                encoding: Encoding::Opaque,
                quality: 0,
                keyframe: true,
                released_us: 0,
            };
            let payload = self.payload.clone();
            if self.link.offer(now, OutgoingFrame { meta, payload }) != Offer::Queued {
                return;
            }
            self.next += 1;
        }
        self.link.finish(now);
    }
}

impl SessionHandler for Sender {
    fn on_state(&mut self, _now: Instant, state: SessionState) {
        eprintln!("sender: {state:?}");
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        let limits = LaneLimits {
            max_message_bytes: channel.max_message_bytes,
            ..LaneLimits::default()
        };
        match self.link.lane_opened(now, LANE, limits) {
            Ok(()) => ChannelUse::Accept,
            Err(_) => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, _channel: ChannelId, message: &[u8]) {
        if let Err(error) = self.link.handle_message(now, LANE, message) {
            eprintln!("sender: {error}");
        }
        while let Some(event) = self.link.poll_event() {
            if let SenderEvent::Finished { verified, .. } = event {
                // Nobody may be waiting any more.
                let _ = self.done.send(verified);
            }
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        self.fill(now);
        self.link.poll_message(now, LANE, room_bytes, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}

impl SessionHandler for Receiver {
    fn on_state(&mut self, _now: Instant, state: SessionState) {
        eprintln!("receiver: {state:?} after {} frames", self.frames);
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        let limits = LaneLimits {
            max_message_bytes: channel.max_message_bytes,
            ..LaneLimits::default()
        };
        match self.link.lane_opened(now, LANE, limits) {
            Ok(()) => ChannelUse::Accept,
            Err(_) => ChannelUse::Refuse,
        }
    }

    fn on_message(&mut self, now: Instant, _channel: ChannelId, message: &[u8]) {
        if let Err(error) = self.link.handle_message(now, LANE, message) {
            eprintln!("receiver: {error}");
        }
        while self.link.poll_frame().is_some() {
            self.frames += 1;
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        _channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        self.link.poll_message(now, LANE, room_bytes, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}

fn main() -> anyhow::Result<()> {
    let frames = std::env::args().nth(1).map_or(Ok(2000), |text| {
        text.parse()
            .context("the number of frames must be a number")
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run(frames))
}

async fn run(frames: u64) -> anyhow::Result<()> {
    let bind = "127.0.0.1:0".parse()?;
    let (server, client) = (
        Endpoint::bind(EndpointConfig::new(bind))?,
        Endpoint::bind(EndpointConfig::new(bind))?,
    );
    let now = Instant::now();
    let mut config = ReceiverConfig::every_frame(now);
    config.window.frames = WINDOW;
    let receiver = Box::new(Receiver {
        link: FrameReceiver::new(config)?,
        frames: 0,
    });
    let mut config = SenderConfig::every_frame(7, now);
    config.max_message_bytes = 64 * 1024;
    let (done, finished) = mpsc::channel();
    let sender = Box::new(Sender {
        link: FrameSender::new(config)?,
        payload: vec![0x5a; FRAME_BYTES].into(),
        next: 0,
        frames,
        done,
    });

    // What signalling would tell: the lane's address, and the certificate's hashes.
    let invitation = server.invite_with(receiver, SessionConfig::own_peer())?;
    let url = format!("https://{}{}", server.local_addr()?, invitation.path);
    let trust = Trust::Hashes(server.certificate_hashes());

    let began = Instant::now();
    let channels = [ChannelSpec::new("frames")];
    let connecting = client.connect(&url, ConnectConfig::new(trust), sender, &channels);
    let session = connecting.await?;
    println!("connected in {:?}", began.elapsed());

    let began = Instant::now();
    let verified = tokio::task::spawn_blocking(move || finished.recv()).await??;
    let seconds = began.elapsed().as_secs_f64();
    let megabytes = frames as f64 * FRAME_BYTES as f64 / 1e6;
    println!(
        "{frames} frames, {megabytes:.0} MB in {seconds:.2} s: {:.0} MB/s; every frame proved: {verified}",
        megabytes / seconds
    );
    println!("{:#?}", client.stats(session)?);
    client.close_after_drain(session, Duration::from_secs(1))?;
    client.shutdown().await;
    server.shutdown().await;
    Ok(())
}
