//! Viewers by QUIC and by WebSocket, without a browser: `?kbps=` and `?quality=` are what arrives, whatever carries it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use datachannel_transport::{FrameReceiver, LaneId, LaneLimits, ReceiverConfig};
use futures_util::{SinkExt as _, StreamExt as _};
use quic_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, ConnectConfig, Endpoint, EndpointConfig,
    SessionConfig, SessionHandler, SessionState, Trust,
};
use serde_json::{Value, json};
use support::mjpeg::{Mjpeg, bitrate_bps};
use support::{Server, figure};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

const PATTERN: [&str; 3] = ["--source", "one=test:?size=320x240&fps=30", "--loop"];
const METRICS: &str = "/api/v1/streams/one/metrics";
const LANE: LaneId = LaneId(0);
/// The largest message of a WebSocket lane (docs/wire.md).
const SOCKET_MESSAGE_BYTES: usize = 256 << 10;

/// A frame that arrived.
struct Frame {
    /// When the server showed it, on its own clock.
    released_us: u64,
    bytes: usize,
    quality: u8,
}

type Seen = Arc<Mutex<Vec<Frame>>>;

/// The receiving end of one viewer's link.
struct Viewer {
    link: FrameReceiver,
    seen: Seen,
}

impl Viewer {
    /// Takes frames of that epoch alone, where it is known beforehand.
    fn new(epoch: Option<u32>) -> (Self, Seen) {
        let seen = Seen::default();
        let mut config = ReceiverConfig::realtime(Instant::now());
        config.epoch = epoch;
        let link = FrameReceiver::new(config).unwrap();
        let viewer = Self {
            link,
            seen: Arc::clone(&seen),
        };
        (viewer, seen)
    }

    fn opened(&mut self, now: Instant, max_message_bytes: usize) {
        let limits = LaneLimits {
            max_message_bytes,
            ..LaneLimits::default()
        };
        self.link.lane_opened(now, LANE, limits).unwrap();
    }

    fn take(&mut self, now: Instant, message: &[u8]) {
        self.link.handle_message(now, LANE, message).unwrap();
        while let Some(frame) = self.link.poll_frame() {
            testkit::read_frame_number_encoded(&frame.payload).unwrap();
            self.seen.lock().unwrap().push(Frame {
                released_us: frame.meta.released_us,
                bytes: frame.payload.len(),
                quality: frame.meta.quality,
            });
        }
        while self.link.poll_event().is_some() {}
    }
}

impl SessionHandler for Viewer {
    fn on_state(&mut self, _: Instant, _: SessionState) {}

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.opened(now, channel.max_message_bytes);
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _: ChannelId, message: &[u8]) {
        self.take(now, message);
    }

    fn poll_message(&mut self, now: Instant, _: ChannelId, room: usize, out: &mut Vec<u8>) -> bool {
        self.link.poll_message(now, LANE, room, out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn on_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }
}

async fn by_quic(endpoint: &Endpoint, server: &Server, wish: &str) -> Seen {
    let path = format!("/lanes/webtransport/one?{wish}");
    let place = server.post(&path, &json!({})).await;
    assert_eq!(place.status, 201, "{}", place.text());
    let place = place.json();
    let hashes = place["certificate_hashes"].as_array().unwrap().iter();
    let hashes = hashes.map(|hash| hash.as_str().unwrap().parse().unwrap());
    let config = ConnectConfig {
        session: SessionConfig::browser(),
        ..ConnectConfig::new(Trust::Hashes(hashes.collect()))
    };
    let (port, path) = (&place["port"], place["path"].as_str().unwrap());
    let url = format!("https://127.0.0.1:{port}{path}");
    // Told by signalling, so that this side greets first.
    let epoch = place["epoch"].as_u64().unwrap();
    let (viewer, seen) = Viewer::new(Some(epoch.try_into().unwrap()));
    let channels = [ChannelSpec::new("frames")];
    let connected = endpoint.connect(&url, config, Box::new(viewer), &channels);
    connected.await.unwrap();
    seen
}

/// The status of a refusal, or the frames that come.
async fn by_websocket(server: &Server, wish: &str) -> Result<Seen, u16> {
    let address = server.address().strip_prefix("http://").unwrap();
    let url = format!("ws://{address}/lanes/websocket/one?{wish}");
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("frameway.lane.1");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = match tokio_tungstenite::client_async(request, tcp).await {
        Ok(connected) => connected,
        Err(Error::Http(answer)) => return Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    };
    let open = json!({ "channels": [{ "label": "frames" }] });
    socket.send(Message::text(open.to_string())).await.unwrap();
    let (mut viewer, seen) = Viewer::new(None);
    viewer.opened(Instant::now(), SOCKET_MESSAGE_BYTES);
    tokio::spawn(async move {
        loop {
            let now = Instant::now();
            viewer.link.handle_timeout(now);
            let mut out = vec![0];
            while viewer
                .link
                .poll_message(now, LANE, SOCKET_MESSAGE_BYTES, &mut out)
            {
                let message = std::mem::replace(&mut out, vec![0]);
                socket.feed(Message::binary(message)).await.unwrap();
            }
            socket.flush().await.unwrap();
            let due = viewer.link.poll_timeout();
            let due = tokio::time::sleep_until(due.unwrap_or(now + support::DEADLINE).into());
            tokio::select! {
                () = due => {}
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(message))) => {
                        assert_eq!(message[0], 0, "the channel's number");
                        viewer.take(Instant::now(), &message[1..]);
                    }
                    Some(Ok(_)) => {}
                    None | Some(Err(_)) => return,
                },
            }
        }
    });
    Ok(seen)
}

async fn has_frames(seen: &Seen, count: usize) {
    let all = || seen.lock().unwrap().len() >= count;
    let come = tokio::task::block_in_place(|| testkit::driver::wait_until(support::DEADLINE, all));
    assert!(come, "{} frames", seen.lock().unwrap().len());
}

fn kbps_from(seen: &Seen, from: usize) -> f64 {
    let seen = seen.lock().unwrap();
    let frames = &seen[from..];
    let bytes: usize = frames[1..].iter().map(|frame| frame.bytes).sum();
    let micros = frames.last().unwrap().released_us - frames[0].released_us;
    bytes as f64 * 8e3 / micros as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_by_quic_and_by_websocket_get_what_they_ask_for() {
    let server = Server::serve(&PATTERN);
    let mut medium = Mjpeg::open(&server, "/streams/one.mjpg?quality=medium").await;
    let usual = bitrate_bps(&medium.parts(60).await);
    drop(medium);
    let kbps = |share: f64| (usual * share / 1000.0).round() as u64;
    let (more, less) = (kbps(1.2), kbps(0.85));
    let endpoint = Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let viewers = [
        (
            "quic",
            more,
            by_quic(&endpoint, &server, &format!("link=1&kbps={more}")).await,
        ),
        (
            "quic",
            less,
            by_quic(&endpoint, &server, &format!("link=2&kbps={less}")).await,
        ),
        (
            "websocket",
            more,
            by_websocket(&server, &format!("link=3&kbps={more}"))
                .await
                .unwrap(),
        ),
        (
            "websocket",
            less,
            by_websocket(&server, &format!("link=4&kbps={less}"))
                .await
                .unwrap(),
        ),
    ];
    for (lane, asked, seen) in &viewers {
        // Five seconds to settle, three to measure.
        has_frames(seen, 240).await;
        let share = kbps_from(seen, 150) / *asked as f64;
        figure(&format!("{lane}, of the target"), share);
        assert!(
            (share - 1.0).abs() < 0.1,
            "{lane}: {share} of {asked} kbit/s"
        );
    }
    let metrics = server.get(METRICS).await.json();
    let told = metrics["viewers"].as_array().unwrap().iter();
    let told: Vec<_> = told
        .map(|it| (it["lane"].as_str(), it["rate"]["target_bps"].as_u64()))
        .collect();
    let asked = viewers
        .iter()
        .map(|(lane, asked, _)| (Some(*lane), Some(asked * 1000)));
    assert_eq!(told, asked.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quality_by_number_holds_on_every_lane_and_nonsense_is_refused() {
    let server = Server::serve(&PATTERN);
    let endpoint = Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse().unwrap())).unwrap();
    for (seen, quality) in [
        (by_quic(&endpoint, &server, "link=1&quality=88").await, 90),
        (
            by_websocket(&server, "link=2&quality=55").await.unwrap(),
            50,
        ),
    ] {
        has_frames(&seen, 5).await;
        assert!(
            seen.lock()
                .unwrap()
                .iter()
                .all(|frame| frame.quality == quality)
        );
    }
    for (wish, field) in [
        ("kbps=0", "kbps"),
        ("kbps=10000000", "kbps"),
        ("quality=0", "quality"),
        ("quality=101", "quality"),
    ] {
        let path = format!("/lanes/webtransport/one?link=3&{wish}");
        let refused = server.post(&path, &json!({})).await;
        assert_eq!(refused.problem(422, "")["field"], field);
        let socket = by_websocket(&server, &format!("link=4&{wish}")).await;
        assert_eq!(socket.err(), Some(422), "{wish}");
    }
    let viewers = |m: &Value| m["viewers"].as_array().unwrap().len();
    assert_eq!(
        viewers(&server.get(METRICS).await.json()),
        2,
        "nobody else was let in"
    );
}
