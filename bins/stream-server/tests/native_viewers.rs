//! Viewers without a browser, over WHEP and docs/wire.md: what arrives is what the header says, encoded once per quality.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, LaneId, LaneLimits, ReceiverConfig, ReceiverEvent,
};
use serde_json::Value;
use support::Server;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Endpoint, EndpointConfig, MessageKind,
    SessionHandler, SessionState,
};

const LANE: LaneId = LaneId(0);

/// What one viewer has seen.
#[derive(Default)]
struct Seen {
    frames: Vec<(FrameMeta, u32)>,
    /// The length of each.
    bytes: Vec<usize>,
    goodbye: Option<String>,
    closed: bool,
}

struct Viewer {
    link: FrameReceiver,
    seen: Arc<Mutex<Seen>>,
}

impl SessionHandler for Viewer {
    fn on_state(&mut self, _: Instant, state: SessionState) {
        self.seen.lock().unwrap().closed |= matches!(state, SessionState::Closed { .. });
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        self.link
            .lane_opened(
                now,
                LANE,
                LaneLimits {
                    max_message_bytes: channel.max_message_bytes,
                    ..LaneLimits::default()
                },
            )
            .unwrap();
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _: ChannelId, _: bool, message: &[u8]) {
        self.link.handle_message(now, LANE, message).unwrap();
        let mut seen = self.seen.lock().unwrap();
        while let Some(frame) = self.link.poll_frame() {
            let number = testkit::read_frame_number_encoded(&frame.payload).unwrap();
            seen.bytes.push(frame.payload.len());
            seen.frames.push((frame.meta, number));
        }
        while let Some(event) = self.link.poll_event() {
            if let ReceiverEvent::PeerGoodbye { text, .. } = event {
                seen.goodbye = Some(text);
            }
        }
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

async fn watch(endpoint: &Endpoint, server: &Server, path: &str) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let link = FrameReceiver::new(ReceiverConfig::realtime(Instant::now())).unwrap();
    let viewer = Box::new(Viewer {
        link,
        seen: Arc::clone(&seen),
    });
    let (offer, pending) = endpoint
        .connect(viewer, &[ChannelSpec::reliable("frames")])
        .await
        .unwrap();
    let answer = server
        .send(reqwest::Method::POST, path, "application/sdp", offer)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(
        answer.header("location").starts_with("/whep/one/"),
        "{answer:?}"
    );
    assert!(!answer.header("etag").is_empty());
    pending.accept_answer(&answer.text()).await.unwrap();
    seen
}

fn endpoint() -> Endpoint {
    Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_viewers_at_three_qualities_cost_three_encodes_a_frame() {
    let server = Server::serve(&["--source", "one=test:?size=320x240&fps=20", "--loop"]);
    let endpoint = endpoint();
    let mut viewers = Vec::new();
    for quality in ["low", "medium", "high"].iter().cycle().take(12) {
        viewers.push(watch(&endpoint, &server, &format!("/whep/one?quality={quality}")).await);
    }
    let all_see = |m: &Value| {
        m["viewers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|v| v["frames_acked"].as_u64() > Some(5))
            .count()
            == 12
    };
    let before = server.until("/api/v1/streams/one/metrics", all_see).await;
    let released = |m: &Value| m["performance"]["frames_released"].as_u64().unwrap();
    let encodes = |m: &Value| m["performance"]["encodes"].as_u64().unwrap();
    let after = server
        .until("/api/v1/streams/one/metrics", |m| {
            released(m) >= released(&before) + 40
        })
        .await;
    let frames = released(&after) - released(&before);
    let per_frame = (encodes(&after) - encodes(&before)) as f64 / frames as f64;
    // A snapshot may fall between a release and its encodes, at either end.
    assert!(
        (2.85..=3.15).contains(&per_frame),
        "{per_frame} encodes a frame"
    );
    let mut sizes: BTreeMap<u8, usize> = BTreeMap::new();
    for seen in &viewers {
        for (meta, number) in &seen.lock().unwrap().frames {
            assert_eq!(
                (meta.encoding, meta.source_id),
                (Encoding::Jpeg, u64::from(*number)),
                "the header names the frame"
            );
            assert_eq!((meta.width, meta.height), (320, 240));
            *sizes.entry(meta.quality).or_default() += 1;
        }
    }
    assert_eq!(sizes.keys().copied().collect::<Vec<_>>(), [50, 70, 90]);
}

/// Bits per second of the frames from `from` on, by the time at which each was released.
fn bitrate_bps(seen: &Mutex<Seen>, from: usize) -> f64 {
    let seen = seen.lock().unwrap();
    let frames = &seen.frames[from..];
    let bytes: usize = seen.bytes[from + 1..].iter().sum();
    let micros = frames.last().unwrap().0.released_us - frames[0].0.released_us;
    bytes as f64 * 8e6 / micros as f64
}

fn has_frames(seen: &Mutex<Seen>, count: usize) {
    let has = || seen.lock().unwrap().frames.len() >= count;
    assert!(testkit::driver::wait_until(support::DEADLINE, has));
}

/// A stream's target, changed while it is watched, holds for those at `auto`; a fixed quality is not touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_gets_the_bitrate_that_is_asked_for_it() {
    let server = Server::serve(&["--source", "one=test:?size=320x240&fps=30", "--loop"]);
    let endpoint = endpoint();
    let medium = watch(&endpoint, &server, "/whep/one?quality=medium").await;
    has_frames(&medium, 60);
    let usual = bitrate_bps(&medium, 0);
    let kbps = |share: f64| (usual * share / 1000.0).round() as u64;
    let asked = kbps(1.2);
    let viewer = watch(&endpoint, &server, &format!("/whep/one?kbps={asked}")).await;
    // Five seconds to settle, three to measure.
    has_frames(&viewer, 240);
    let got = bitrate_bps(&viewer, 150) / 1000.0;
    assert!(
        (got / asked as f64 - 1.0).abs() < 0.1,
        "{got} kbit/s, not {asked}"
    );

    let least = kbps(0.85);
    let patch = serde_json::json!({ "kbps": least });
    assert_eq!(
        server.patch("/api/v1/streams/one", &patch).await.status,
        200
    );
    let before = viewer.lock().unwrap().frames.len();
    has_frames(&viewer, before + 240);
    let got = bitrate_bps(&viewer, before + 150) / 1000.0;
    assert!(
        (got / least as f64 - 1.0).abs() < 0.1,
        "{got} kbit/s, not {least}"
    );
    let is_medium = |(meta, _): &(FrameMeta, u32)| meta.quality == 70;
    // Held no longer than this: its session waits for it.
    let all_medium = medium.lock().unwrap().frames.iter().all(is_medium);
    assert!(all_medium);
    let metrics = server.get("/api/v1/streams/one/metrics").await.json();
    let rate = &metrics["viewers"][1]["rate"];
    assert_eq!(rate["target_bps"], least * 1000, "{rate}");
    assert!(
        rate["bitrate_variance_ratio"].as_f64().unwrap() < 0.2,
        "{rate}"
    );
    let refused = "/whep/one?kbps=0";
    let refused = server
        .send(reqwest::Method::POST, refused, "application/sdp", "v=0")
        .await;
    assert_eq!(refused.problem(422, "10–1000000")["field"], "kbps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_says_goodbye_on_the_channel() {
    let server = Server::serve(&["--source", "one=test:?size=320x240&fps=20", "--loop"]);
    let endpoint = endpoint();
    let seen = watch(&endpoint, &server, "/whep/one").await;
    server
        .until("/api/v1/streams/one/metrics", |m| {
            m["network"]["frames_acked"].as_u64() > Some(3)
        })
        .await;
    assert_eq!(server.delete("/api/v1/streams/one").await.status, 204);
    assert!(testkit::driver::wait_until(support::DEADLINE, || seen
        .lock()
        .unwrap()
        .closed));
    assert_eq!(
        seen.lock().unwrap().goodbye.as_deref(),
        Some("the stream was stopped")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_rendition_at_fewer_frames_is_what_arrives() {
    let server = Server::serve(&[]);
    let wish = serde_json::json!({ "uri": "test:?size=640x360&fps=30", "name": "one", "width": 320, "framerate": 10, "loop": true });
    assert_eq!(server.post("/api/v1/streams", &wish).await.status, 201);
    let endpoint = endpoint();
    let seen = watch(&endpoint, &server, "/whep/one").await;
    assert!(testkit::driver::wait_until(support::DEADLINE, || seen
        .lock()
        .unwrap()
        .frames
        .len()
        >= 12));
    let seen = seen.lock().unwrap();
    for pair in seen.frames.windows(2) {
        assert_eq!(
            pair[1].0.source_id - pair[0].0.source_id,
            3,
            "every third frame of 30 a second is 10 a second"
        );
        assert_eq!((pair[0].0.width, pair[0].0.height), (320, 180));
    }
}
