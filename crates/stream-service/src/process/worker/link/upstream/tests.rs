//! A link whose client sends text, with a pipeline behind it and no network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datachannel_transport::{LaneId, LaneLimits};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{PipelineConfig, RawDecoder, builtin};
use serde_json::{Value, json};
use testkit::driver::wait_until;
use webrtc_session::MessageKind;

use super::super::{MAX_WINDOW_FRAMES, WorkerLink};
use crate::lanes::end::{Channel, LinkEnd as _, Opened};
use crate::process::protocol::LinkQuery;

const LANE: LaneId = LaneId(0);
/// Reached by a hang alone.
const DEADLINE: Duration = Duration::from_secs(60);
const ROOM_BYTES: usize = 64 << 10;
/// Half of the frames that may be held before the pipeline.
const AT_ONCE: usize = 32;

struct Client {
    link: Arc<WorkerLink>,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        let link = Arc::new(WorkerLink::new(now, &LinkQuery::default(), 1).unwrap());
        let pipeline = Pipeline::start(
            PipelineConfig::default(),
            Arc::new(RawDecoder::default()),
            vec![builtin("none").unwrap()],
            0,
            WorkerLink::on_result(&Arc::downgrade(&link), None),
        );
        link.set_pipeline(pipeline.unwrap());
        link.joined(now, LANE, 0);
        for channel in [Channel::Frames, Channel::Results] {
            let opened = Opened {
                channel,
                limits: LaneLimits {
                    max_message_bytes: ROOM_BYTES,
                    ..LaneLimits::default()
                },
                max_message_bytes: ROOM_BYTES,
                protocol: "",
            };
            assert!(link.opened(now, LANE, &opened));
        }
        Self { link, now }
    }

    fn send(&self, message: &Value) {
        let text = message.to_string();
        self.link
            .message(self.now, LANE, Channel::Frames, false, text.as_bytes());
    }

    fn send_frames(&self, frames: std::ops::Range<u64>) {
        for frame_id in frames {
            self.send(&json!({
                "type": "frame_chunk", "frame_id": frame_id, "chunk_index": 0, "total_chunks": 1, "data": "AAAA",
            }));
        }
    }

    fn wait_for_results(&self, results: u64) {
        let made = || self.link.snapshot(self.now).results_made;
        assert!(wait_until(DEADLINE, || made() >= results));
    }

    fn poll(&self, channel: Channel) -> Option<Value> {
        let mut out = Vec::new();
        let kind = self
            .link
            .poll(self.now, LANE, channel, ROOM_BYTES, &mut out)?;
        assert_eq!(kind, MessageKind::Text);
        Some(serde_json::from_slice(&out).unwrap())
    }
}

#[test]
fn results_that_leave_let_held_frames_in() {
    let client = Client::new();
    let held = u64::from(MAX_WINDOW_FRAMES);
    // No more at once than may be held: a client that sends more hears `busy`, when the pipeline's threads get no turn.
    for sent in (0..held).step_by(AT_ONCE) {
        let end = held.min(sent + AT_ONCE as u64);
        client.send_frames(sent..end);
        client.wait_for_results(end);
    }
    // As many results wait as may: these frames stay outside, and the client says nothing more.
    client.send_frames(held..held + 30);
    let mut results = 0;
    let all_came = wait_until(DEADLINE, || {
        while let Some(result) = client.poll(Channel::Results) {
            assert_eq!(result["video_metadata"]["frame_id"], results);
            results += 1;
        }
        results == held + 30
    });
    assert!(all_came, "{results} results");
    client.send(&json!({"type": "frame_eof"}));
    let replies: Vec<_> = std::iter::from_fn(|| client.poll(Channel::Frames)).collect();
    assert_eq!(
        replies.len() as u64,
        held + 30 + 1,
        "an ack of each, the end"
    );
    assert_eq!(replies.last().unwrap()["results"], held + 30);
}
