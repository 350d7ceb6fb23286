//! A handler that reports what happens to it and sends what it is told to, and messages for it to send.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod raw;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datachannel_transport::wire::{Chunk, ChunkMeta, Message, encode};
use datachannel_transport::{Encoding, FrameMeta};
use quic_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, CloseReason, ConnectConfig, Endpoint,
    EndpointConfig, Invitation, SessionConfig, SessionHandler, SessionId, SessionState,
    SessionWaker, Trust,
};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig};
use tokio::sync::mpsc;

/// No test waits longer for anything; on an idle machine they take milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    State(SessionState),
    Opened(ChannelInfo),
    Message(ChannelId, Vec<u8>),
    ChannelClosed(ChannelId),
}

/// What a test tells a handler.
#[derive(Default)]
struct Script {
    outgoing: VecDeque<(ChannelId, Vec<u8>)>,
    stale: VecDeque<u64>,
    paused: bool,
    refuse: bool,
    waker: Option<SessionWaker>,
}

pub struct Scripted {
    seen: mpsc::UnboundedSender<Seen>,
    script: Arc<Mutex<Script>>,
}

/// The test's end of a [`Scripted`] handler.
pub struct Peer {
    pub seen: mpsc::UnboundedReceiver<Seen>,
    script: Arc<Mutex<Script>>,
}

pub fn scripted() -> (Box<Scripted>, Peer) {
    let (seen, sees) = mpsc::unbounded_channel();
    let script = Arc::new(Mutex::new(Script::default()));
    let handler = Scripted {
        seen,
        script: Arc::clone(&script),
    };
    (Box::new(handler), Peer { seen: sees, script })
}

impl Scripted {
    fn see(&self, seen: Seen) {
        // The test may have seen enough.
        let _ = self.seen.send(seen);
    }
}

impl SessionHandler for Scripted {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        self.script.lock().unwrap().waker = Some(waker);
    }

    fn on_state(&mut self, _now: Instant, state: SessionState) {
        self.see(Seen::State(state));
    }

    fn on_channel_open(&mut self, _now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.see(Seen::Opened(channel));
        if self.script.lock().unwrap().refuse {
            ChannelUse::Refuse
        } else {
            ChannelUse::Accept
        }
    }

    fn on_message(&mut self, _now: Instant, channel: ChannelId, message: &[u8]) {
        self.see(Seen::Message(channel, message.to_vec()));
    }

    fn takes_frames(&self, _channel: ChannelId) -> bool {
        !self.script.lock().unwrap().paused
    }

    fn poll_message(
        &mut self,
        _now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let outgoing = &mut self.script.lock().unwrap().outgoing;
        let Some(at) = outgoing.iter().position(|(to, _)| *to == channel) else {
            return false;
        };
        let (_, message) = outgoing.remove(at).unwrap();
        assert!(message.len() <= room_bytes, "the test sends what fits");
        out.extend_from_slice(&message);
        true
    }

    fn poll_stale(&mut self, _now: Instant, _channel: ChannelId) -> Option<u64> {
        self.script.lock().unwrap().stale.pop_front()
    }

    fn on_channel_closed(&mut self, _now: Instant, channel: ChannelId) {
        self.see(Seen::ChannelClosed(channel));
    }
}

impl Peer {
    fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.script.lock().unwrap();
        change(&mut script);
        if let Some(waker) = &script.waker {
            waker.wake();
        }
    }

    pub fn say(&self, channel: ChannelId, message: Vec<u8>) {
        self.change(|script| script.outgoing.push_back((channel, message)));
    }

    pub fn stale(&self, sequence: u64) {
        self.change(|script| script.stale.push_back(sequence));
    }

    pub fn pause(&self, paused: bool) {
        self.change(|script| script.paused = paused);
    }

    pub fn refuse_channels(&self) {
        self.change(|script| script.refuse = true);
    }

    /// Messages that were not pulled yet.
    pub fn unsaid(&self) -> usize {
        self.script.lock().unwrap().outgoing.len()
    }

    pub async fn next(&mut self) -> Seen {
        let seen = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
        seen.expect("nothing happened for too long")
            .expect("the handler is gone")
    }

    pub async fn connected(&mut self) {
        assert_eq!(self.next().await, Seen::State(SessionState::Connected));
    }

    pub async fn opened(&mut self) -> ChannelInfo {
        match self.next().await {
            Seen::Opened(info) => info,
            other => panic!("{other:?} and not a channel"),
        }
    }

    pub async fn message(&mut self) -> (ChannelId, Vec<u8>) {
        match self.next().await {
            Seen::Message(channel, message) => (channel, message),
            other => panic!("{other:?} and not a message"),
        }
    }

    /// Passes over everything up to the end.
    pub async fn closed(&mut self) -> CloseReason {
        loop {
            if let Seen::State(SessionState::Closed { reason }) = self.next().await {
                return reason;
            }
        }
    }
}

pub fn config() -> EndpointConfig {
    EndpointConfig::new(([127, 0, 0, 1], 0).into())
}

pub fn endpoint() -> Endpoint {
    endpoint_with(|_| {})
}

pub fn endpoint_with(change: impl FnOnce(&mut EndpointConfig)) -> Endpoint {
    let mut config = config();
    change(&mut config);
    Endpoint::bind(config).unwrap()
}

pub fn url(server: &Endpoint, invitation: &Invitation) -> String {
    format!(
        "https://{}{}",
        server.local_addr().unwrap(),
        invitation.path
    )
}

pub fn trusting(server: &Endpoint) -> ConnectConfig {
    ConnectConfig::new(Trust::Hashes(server.certificate_hashes()))
}

/// Two ends of one session.
pub struct Pair {
    pub server: Endpoint,
    pub client: Endpoint,
    pub at_server: Peer,
    pub at_client: Peer,
    pub server_session: SessionId,
    pub client_session: SessionId,
}

pub async fn pair(labels: &[&str]) -> Pair {
    pair_with(endpoint(), SessionConfig::own_peer(), labels).await
}

/// The same through a bad network.
pub async fn pair_through_a_link(labels: &[&str], link: LinkConfig) -> (Pair, BadLink) {
    let server = endpoint();
    let link = BadLink::to_udp(server.local_addr().unwrap(), BadLinkConfig::both(link)).unwrap();
    let address = link.address();
    let config = SessionConfig::own_peer();
    (pair_at(server, address, config, labels).await, link)
}

/// Connected, with its channels open at both ends.
pub async fn pair_with(server: Endpoint, config: SessionConfig, labels: &[&str]) -> Pair {
    let address = server.local_addr().unwrap();
    pair_at(server, address, config, labels).await
}

/// The same, by way of that address.
pub async fn pair_at(
    server: Endpoint,
    address: SocketAddr,
    config: SessionConfig,
    labels: &[&str],
) -> Pair {
    let client = endpoint_with(|config| config.resend_at_once = true);
    let (handler, mut at_server) = scripted();
    let invitation = server.invite_with(handler, config).unwrap();
    let (handler, mut at_client) = scripted();
    let channels: Vec<_> = labels.iter().map(|label| ChannelSpec::new(label)).collect();
    let url = format!("https://{address}{}", invitation.path);
    let connecting = client.connect(&url, trusting(&server), handler, &channels);
    let client_session = connecting.await.unwrap();
    at_client.connected().await;
    at_server.connected().await;
    for label in labels {
        assert_eq!(at_client.opened().await.label, *label);
    }
    // Streams are accepted in order, but their beginnings may be read in another.
    for _ in labels {
        at_server.opened().await;
    }
    Pair {
        server,
        client,
        at_server,
        at_client,
        server_session: invitation.session,
        client_session,
    }
}

pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn ping(t0_us: u64) -> Vec<u8> {
    encoded(&Message::Ping { t0_us })
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(7, message, &mut out);
    out
}

/// A frame as its chunks, each payload of at most `chunk_bytes`; its bytes follow from its number.
pub fn frame(sequence: u64, frame_bytes: usize, chunk_bytes: usize) -> Vec<Vec<u8>> {
    let payload: Vec<u8> = (0..frame_bytes)
        .map(|at| (at as u64 * 31 + sequence * 7) as u8)
        .collect();
    if payload.is_empty() {
        return vec![chunk(sequence, 0, 0, &[])];
    }
    let pieces = payload.chunks(chunk_bytes).enumerate();
    pieces
        .map(|(index, piece)| chunk(sequence, frame_bytes, index * chunk_bytes, piece))
        .collect()
}

pub fn chunk(sequence: u64, frame_bytes: usize, offset: usize, payload: &[u8]) -> Vec<u8> {
    let frame = FrameMeta {
        source_id: sequence,
        pts_us: 0,
        duration_us: 0,
        width: 0,
        height: 0,
        encoding: Encoding::Opaque,
        quality: 0,
        keyframe: true,
        released_us: 0,
    };
    let meta = ChunkMeta {
        frame,
        given_up: false,
        payload_hash: 0,
    };
    encoded(&Message::Chunk(Chunk {
        sequence,
        attempt: 0,
        frame_bytes: frame_bytes as u32,
        offset: offset as u32,
        meta: (offset == 0).then_some(meta),
        payload,
    }))
}
