//! Frames of a real link over the lane: all of them, proved by count and hash, whatever the path does meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame,
    ReceiverConfig, SenderConfig, SenderEvent,
};
use quic_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, ConnectConfig, Endpoint, SessionConfig,
    SessionHandler, SessionId, SessionState, Trust,
};
use support::{endpoint, wait_until};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig};

const LANE: LaneId = LaneId(0);

/// What both ends have come to.
#[derive(Default)]
struct Book {
    delivered: u64,
    bytes: u64,
    verified: Option<bool>,
    faults: Vec<String>,
}

type Shared = Arc<Mutex<Book>>;

struct Sends {
    link: FrameSender,
    left: u64,
    frame_bytes: usize,
    book: Shared,
}

struct Receives {
    link: FrameReceiver,
    book: Shared,
}

impl Sends {
    fn fill(&mut self, now: Instant) {
        while self.left > 0 {
            let meta = FrameMeta {
                source_id: 0,
                pts_us: 0,
                duration_us: 0,
                width: 0,
                height: 0,
                encoding: Encoding::Opaque,
                quality: 0,
                keyframe: true,
                released_us: 0,
            };
            let payload = Bytes::from(vec![self.left as u8; self.frame_bytes]);
            if self.link.offer(now, OutgoingFrame { meta, payload }) != Offer::Queued {
                return;
            }
            self.left -= 1;
        }
        self.link.finish(now);
    }
}

fn limits(channel: &ChannelInfo) -> LaneLimits {
    LaneLimits {
        max_message_bytes: channel.max_message_bytes,
        ..LaneLimits::default()
    }
}

impl SessionHandler for Sends {
    fn on_state(&mut self, _now: Instant, _state: SessionState) {}

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.link.lane_opened(now, LANE, limits(&channel)).unwrap();
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _channel: ChannelId, message: &[u8]) {
        let mut book = self.book.lock().unwrap();
        if let Err(error) = self.link.handle_message(now, LANE, message) {
            book.faults.push(error.to_string());
        }
        while let Some(event) = self.link.poll_event() {
            if let SenderEvent::Finished { verified, .. } = event {
                book.verified = Some(verified);
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

impl SessionHandler for Receives {
    fn on_state(&mut self, _now: Instant, _state: SessionState) {}

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.link.lane_opened(now, LANE, limits(&channel)).unwrap();
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _channel: ChannelId, message: &[u8]) {
        let mut book = self.book.lock().unwrap();
        if let Err(error) = self.link.handle_message(now, LANE, message) {
            book.faults.push(error.to_string());
        }
        while let Some(frame) = self.link.poll_frame() {
            book.delivered += 1;
            book.bytes += frame.payload.len() as u64;
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

struct Transfer {
    book: Shared,
    server: Endpoint,
    client: Endpoint,
    server_session: SessionId,
    client_session: SessionId,
}

impl Transfer {
    /// Begins to send that many frames, through a bad link if there is one.
    async fn begin(
        frames: u64,
        frame_bytes: usize,
        link: Option<LinkConfig>,
    ) -> (Self, Option<BadLink>) {
        let (server, client) = (endpoint(), endpoint());
        let book = Shared::default();
        let now = Instant::now();
        let receives = Receives {
            link: FrameReceiver::new(ReceiverConfig::every_frame(now)).unwrap(),
            book: Arc::clone(&book),
        };
        let mut config = SenderConfig::every_frame(7, now);
        config.max_message_bytes = 64 * 1024;
        let sends = Sends {
            link: FrameSender::new(config).unwrap(),
            left: frames,
            frame_bytes,
            book: Arc::clone(&book),
        };
        let session = SessionConfig::own_peer();
        let invitation = server.invite_with(Box::new(receives), session).unwrap();
        let direct = server.local_addr().unwrap();
        let link = link.map(|link| BadLink::to_udp(direct, BadLinkConfig::both(link)).unwrap());
        let address = link.as_ref().map_or(direct, BadLink::address);
        let url = format!("https://{address}{}", invitation.path);
        let config = ConnectConfig::new(Trust::Hashes(server.certificate_hashes()));
        let channels = [ChannelSpec::new("frames")];
        let connecting = client.connect(&url, config, Box::new(sends), &channels);
        let client_session = connecting.await.unwrap();
        let transfer = Self {
            book,
            server,
            client,
            server_session: invitation.session,
            client_session,
        };
        (transfer, link)
    }

    async fn all_arrive(&self, frames: u64, frame_bytes: usize) {
        let verified = || self.book.lock().unwrap().verified;
        wait_until("all frames arrive", || verified().is_some()).await;
        let book = self.book.lock().unwrap();
        assert_eq!(book.faults, [] as [&str; 0]);
        assert_eq!(book.verified, Some(true), "count and hash");
        assert_eq!(
            (book.delivered, book.bytes),
            (frames, frames * frame_bytes as u64)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_frames_arrive() {
    let (transfer, _) = Transfer::begin(1000, 100_000, None).await;
    transfer.all_arrive(1000, 100_000).await;
    let stats = transfer.server.stats(transfer.server_session).unwrap();
    assert_eq!(stats.frame_streams_received, 1000, "a stream each");
    assert_eq!(stats.streams_reset_by_peer, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_frames_arrive_too() {
    let (transfer, _) = Transfer::begin(5000, 10, None).await;
    transfer.all_arrive(5000, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_through_loss() {
    let link = LinkConfig {
        delay: Duration::from_millis(5),
        loss: 0.05,
        ..LinkConfig::datagrams()
    };
    let (transfer, link) = Transfer::begin(60, 100_000, Some(link)).await;
    transfer.all_arrive(60, 100_000).await;
    let lost = link.unwrap().control().stats();
    let stats = transfer.client.stats(transfer.client_session).unwrap();
    assert!(stats.packets_lost > 100, "{stats:?}, {lost:?}");
    assert!(stats.rtt >= Duration::from_millis(10), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_moves_keeps_its_session() {
    let frames = 1000;
    let (transfer, _) = Transfer::begin(frames, 100_000, None).await;
    let delivered = || transfer.book.lock().unwrap().delivered;
    wait_until("frames flow", || delivered() > 50).await;
    let stats = || transfer.server.stats(transfer.server_session).unwrap();
    let before = stats().remote_address;
    transfer.client.rebind(([127, 0, 0, 1], 0).into()).unwrap();
    assert!(delivered() < frames, "it moves in mid-stream");
    transfer.all_arrive(frames, 100_000).await;
    wait_until("it is seen elsewhere", || stats().migrations >= 1).await;
    assert_ne!(stats().remote_address, before);
    assert_eq!(transfer.server.totals().migrations, stats().migrations);
    assert_eq!(transfer.server.totals().sessions_started, 1);
}
