//! What the tests of protocols share: the built worker, pictures that carry their number, and a client that says text.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::driver::ChildServer;
use tokio::sync::mpsc;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Endpoint, EndpointConfig, MessageKind,
    SessionConfig, SessionHandler, SessionState, SessionWaker,
};

/// The longest that anything may take on a machine busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A running worker.
pub(crate) fn start_worker(arguments: &[&str]) -> ChildServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frame-worker"));
    command
        .env_remove("RUST_LOG")
        .args(["--http", "127.0.0.1:0"])
        .args(arguments);
    ChildServer::start(command, DEADLINE).unwrap_or_else(|e| panic!("{e}"))
}

/// A small picture that says its number.
pub(crate) fn jpeg(number: u32) -> Vec<u8> {
    const WIDTH: u32 = 320;
    const HEIGHT: u32 = 64;
    let mut luma = vec![90; (WIDTH * HEIGHT) as usize];
    let wide = WIDTH as usize;
    testkit::write_frame_number(&mut luma, wide, WIDTH, HEIGHT, number).unwrap();
    let rgb: Vec<u8> = luma.iter().flat_map(|luma| [*luma; 3]).collect();
    let mut jpeg = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 85);
    encoder
        .encode(&rgb, WIDTH, HEIGHT, image::ExtendedColorType::Rgb8)
        .unwrap();
    jpeg
}

/// The `frame_chunk` messages of a frame, in order.
pub(crate) fn chunks(frame_id: u64, payload: &[u8], chunk_bytes: usize) -> Vec<Value> {
    let pieces: Vec<_> = payload.chunks(chunk_bytes).collect();
    let message = |(index, piece): (usize, &&[u8])| {
        json!({
            "type": "frame_chunk", "frame_id": frame_id, "chunk_index": index, "total_chunks": pieces.len(),
            "data": STANDARD.encode(piece),
        })
    };
    pieces.iter().enumerate().map(message).collect()
}

pub(crate) fn frame_id(result: &Value) -> u64 {
    result["video_metadata"]["frame_id"].as_u64().unwrap()
}

/// The number that a result read out of its frame's pixels.
pub(crate) fn number(result: &Value) -> Option<u64> {
    result["serialized_output_data"]["frame-number"]["number"].as_u64()
}

/// What came, on the channel of that label.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) channel: String,
    pub(crate) binary: bool,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    outgoing: Mutex<VecDeque<(MessageKind, Vec<u8>)>>,
    waker: Mutex<Option<SessionWaker>>,
}

struct Handler {
    shared: Arc<Shared>,
    heard: mpsc::UnboundedSender<Option<Heard>>,
    open: Vec<(ChannelId, String)>,
}

impl SessionHandler for Handler {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        *self.shared.waker.lock().unwrap() = Some(waker);
    }

    fn on_state(&mut self, _now: Instant, _state: SessionState) {}

    fn on_channel_open(&mut self, _now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.open.push((channel.id, channel.label));
        let _ = self.heard.send(None);
        ChannelUse::Accept
    }

    fn on_message(&mut self, _now: Instant, channel: ChannelId, binary: bool, message: &[u8]) {
        let (_, label) = self.open.iter().find(|(id, _)| *id == channel).unwrap();
        let _ = self.heard.send(Some(Heard {
            channel: label.clone(),
            binary,
            bytes: message.to_vec(),
        }));
    }

    fn poll_message(
        &mut self,
        _now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let is_frames = |(id, label): &(ChannelId, String)| *id == channel && label == FRAMES;
        if !self.open.iter().any(is_frames) {
            return None;
        }
        let mut outgoing = self.shared.outgoing.lock().unwrap();
        let (kind, bytes) = outgoing.pop_front_if(|(_, bytes)| bytes.len() <= room_bytes)?;
        out.extend_from_slice(&bytes);
        Some(kind)
    }
}

pub(crate) const FRAMES: &str = "upstream_frames";
pub(crate) const RESULTS: &str = "inference";

/// A client of the worker, on this crate's own sessions.
pub(crate) struct Client {
    shared: Arc<Shared>,
    heard: mpsc::UnboundedReceiver<Option<Heard>>,
    _endpoint: Endpoint,
}

impl Client {
    /// Connects, and waits until `channels` are open.
    pub(crate) async fn connect(worker: &str, channels: &[&str]) -> Self {
        let endpoint = Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse().unwrap())).unwrap();
        let shared = Arc::new(Shared::default());
        let (hears, mut heard) = mpsc::unbounded_channel();
        let handler = Box::new(Handler {
            shared: Arc::clone(&shared),
            heard: hears,
            open: Vec::new(),
        });
        let specs: Vec<_> = channels
            .iter()
            .map(|label| ChannelSpec::reliable(label))
            .collect();
        let config = SessionConfig::own_peer();
        let (offer, pending) = endpoint
            .connect_with(handler, &specs, config)
            .await
            .unwrap();
        let request = reqwest::Client::new().post(format!("{worker}/whip/frames"));
        let request = request.header("content-type", "application/sdp");
        let response = request.body(offer).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let answer = response.text().await.unwrap();
        pending.accept_answer(&answer).await.unwrap();
        for _ in channels {
            let opened = tokio::time::timeout(DEADLINE, heard.recv()).await;
            assert!(opened.expect("channels open").unwrap().is_none());
        }
        Self {
            shared,
            heard,
            _endpoint: endpoint,
        }
    }

    pub(crate) fn send(&self, messages: &[Value]) {
        let texts = messages.iter().map(|it| it.to_string().into_bytes());
        self.queue(texts.map(|text| (MessageKind::Text, text)));
    }

    pub(crate) fn send_binary(&self, message: &[u8]) {
        self.queue([(MessageKind::Binary, message.to_vec())].into_iter());
    }

    fn queue(&self, messages: impl Iterator<Item = (MessageKind, Vec<u8>)>) {
        self.shared.outgoing.lock().unwrap().extend(messages);
        let waker = self.shared.waker.lock().unwrap();
        waker.as_ref().unwrap().wake();
    }

    /// The next message of any kind.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = tokio::time::timeout(DEADLINE, self.heard.recv()).await;
        let heard = heard.expect("a message in time");
        heard.expect("the session lives").expect("no more channels")
    }

    /// The next message, which is text, and its channel.
    pub(crate) async fn hear_text(&mut self) -> (String, Value) {
        let heard = self.hear().await;
        assert!(!heard.binary, "{heard:?}");
        (heard.channel, serde_json::from_slice(&heard.bytes).unwrap())
    }

    /// All text up to the answer to the stream's end and `results` results: replies, and results with their channels.
    pub(crate) async fn hear_all(&mut self, results: usize) -> (Vec<Value>, Vec<(String, Value)>) {
        let (mut replies, mut found) = (Vec::<Value>::new(), Vec::new());
        let is_eof = |replies: &[Value]| replies.last().is_some_and(|it| it["type"] == "frame_eof");
        while found.len() < results || !is_eof(&replies) {
            let (channel, message) = self.hear_text().await;
            if message.get("type").is_some() {
                assert_eq!(channel, FRAMES, "{message}");
                replies.push(message);
            } else {
                found.push((channel, message));
            }
        }
        (replies, found)
    }
}
