//! One client's messages into the worker's intake, and what must hold after each.

use std::sync::OnceLock;
use std::time::SystemTime;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

// The pure part of `stream-service`, compiled where its crate has it. Nothing is made public for the fuzzer, and
// nothing else of that crate (sockets, codecs) is built with its instrumentation.
#[allow(dead_code, unused_imports)]
#[path = "../../../../crates/stream-service/src/process/worker/json/mod.rs"]
mod json;

use self::json::JsonIntake;

/// docs/limits.md: frames open, frames held, their bytes, an error's text.
const MAX_OPEN_FRAMES: u64 = 8;
const MAX_HELD_FRAMES: usize = 64;
const MAX_HELD_BYTES: usize = 64 << 20;
const MAX_ERROR_BYTES: usize = 256;
const MAX_SIDE: u32 = 16_384;
const MAX_FRAME_BYTES: usize = 32 << 20;

/// The true chunks of frame `n` are as many as this says, and each has this many bytes.
const CHUNKS_OF_FRAME: [usize; 4] = [1, 2, 3, 7];
const CHUNK_BYTES: usize = 40;

#[derive(Arbitrary, Debug)]
pub enum Event {
    /// Anything.
    Text(Vec<u8>),
    /// A true chunk of a frame out of few.
    Chunk {
        frame: u8,
        index: u8,
    },
    /// A chunk of such a frame with other numbers or bytes, and more fields.
    Lie(Lie),
    /// A chunk as long as messages may be, of a frame of many: what is held grows.
    Large {
        frame: u8,
        index: u8,
    },
    Eof {
        last: Option<u8>,
        frames: Option<u64>,
    },
    Binary,
    PollFrame,
    PollReply {
        room: u16,
    },
    Finish,
    Close,
}

#[derive(Arbitrary, Debug)]
pub struct Lie {
    frame: u8,
    index: u64,
    total: u64,
    data: String,
    name: String,
    value: Field,
}

/// A field's value, of any type and size.
#[derive(Arbitrary, Debug)]
enum Field {
    Number(f64),
    Whole(u64),
    Text(String),
    Pair(f64, f64),
    Nothing,
}

#[derive(Default)]
pub struct Harness {
    intake: JsonIntake,
    /// Something was said that could make up any frame.
    anything_said: bool,
    eof_replies: usize,
    taken: u64,
}

fn total_of(frame: u8) -> usize {
    CHUNKS_OF_FRAME[usize::from(frame) % CHUNKS_OF_FRAME.len()]
}

/// As much as a message holds, in round figures.
fn large_data() -> &'static str {
    static DATA: OnceLock<String> = OnceLock::new();
    DATA.get_or_init(|| STANDARD.encode(vec![7; 190_000]))
}

fn true_bytes(frame: u8, index: usize) -> Vec<u8> {
    (0..CHUNK_BYTES)
        .map(|at| (at * 7 + index * 3 + usize::from(frame)) as u8)
        .collect()
}

fn chunk(frame: u8, index: u64, total: u64, data: String) -> Value {
    json!({
        "type": "frame_chunk", "frame_id": frame, "chunk_index": index, "total_chunks": total, "data": data,
    })
}

impl Lie {
    fn message(&self) -> Value {
        let mut message = chunk(self.frame % 16, self.index, self.total, self.data.clone());
        let names = [
            "pts",
            "time_base",
            "timestamp_ms",
            "fps",
            "width",
            "height",
            "encoding",
        ];
        let at = self.name.len() % (names.len() + 1);
        let name = names.get(at).copied().unwrap_or(&self.name);
        message[name] = match &self.value {
            Field::Number(number) => json!(number),
            Field::Whole(number) => json!(number),
            Field::Text(text) => json!(text),
            Field::Pair(over, under) => json!([over, under]),
            Field::Nothing => Value::Null,
        };
        message
    }
}

impl Harness {
    pub fn step(&mut self, event: &Event) {
        match event {
            Event::Text(text) => {
                self.anything_said = true;
                self.intake.on_text(text);
            }
            Event::Chunk { frame, index } => {
                let (frame, total) = (frame % 16, total_of(*frame % 16));
                let index = usize::from(*index) % total;
                let data = STANDARD.encode(true_bytes(frame, index));
                self.say(&chunk(frame, index as u64, total as u64, data));
            }
            Event::Lie(lie) => {
                self.anything_said = true;
                self.say(&lie.message());
            }
            Event::Large { frame, index } => {
                let (id, index, data) = (16 + frame % 64, index, large_data());
                let text = format!(
                    r#"{{"type":"frame_chunk","frame_id":{id},"chunk_index":{index},"total_chunks":256,"data":"{data}"}}"#
                );
                self.intake.on_text(text.as_bytes());
            }
            Event::Eof { last, frames } => {
                self.say(&json!({"type": "frame_eof", "frame_id": last, "total_frames": frames}));
            }
            Event::Binary => self.intake.on_binary(),
            Event::PollFrame => self.poll_frame(),
            Event::PollReply { room } => self.poll_reply((*room).into()),
            Event::Finish => self.intake.finish(),
            Event::Close => self.intake.close("the test says so"),
        }
        self.check();
    }

    /// A client that reads everything, until nothing is left.
    pub fn drain(&mut self) {
        self.say(&json!({"type": "frame_eof"}));
        (0..MAX_HELD_FRAMES).for_each(|_| self.poll_frame());
        self.intake.finish();
        self.check();
        let counters = self.intake.counters();
        if self.intake.is_drained() {
            // The end has come: every frame that was begun has its fate.
            assert_eq!(
                counters.begun,
                counters.completed + counters.failed + counters.abandoned
            );
            assert_eq!(self.taken, counters.completed + counters.failed);
            assert_eq!(self.intake.held_bytes(), 0);
        }
        while let Some(reply) = self.intake.poll_reply(usize::MAX) {
            self.read_reply(&reply);
        }
        assert!(self.eof_replies <= 1, "the end was answered twice");
    }

    fn say(&mut self, message: &Value) {
        self.intake.on_text(message.to_string().as_bytes());
    }

    fn poll_frame(&mut self) {
        let Some(frame) = self.intake.poll_frame() else {
            return;
        };
        let frame = frame.encoded(self.taken, SystemTime::UNIX_EPOCH);
        self.taken += 1;
        assert!(frame.width <= MAX_SIDE && frame.height <= MAX_SIDE);
        assert!(frame.payload.len() <= MAX_FRAME_BYTES);
        if let Some(failed) = frame.failed {
            assert!(failed.len() <= MAX_ERROR_BYTES && frame.payload.is_empty());
        } else if !self.anything_said && frame.source_id < 16 {
            let id = frame.source_id as u8;
            let whole: Vec<u8> = (0..total_of(id))
                .flat_map(|at| true_bytes(id, at))
                .collect();
            assert_eq!(
                frame.payload, whole,
                "frame {id} has other bytes than were sent"
            );
        }
    }

    fn poll_reply(&mut self, room: usize) {
        if let Some(reply) = self.intake.poll_reply(room) {
            assert!(reply.len() <= room);
            self.read_reply(&reply);
        }
    }

    fn read_reply(&mut self, reply: &str) {
        let reply: Value = serde_json::from_str(reply).expect("a reply is JSON");
        match reply["type"].as_str() {
            Some("frame_ack") => assert!(reply["window"].as_u64() >= Some(1)),
            Some("frame_error") => {
                assert!(reply["error"].as_str().unwrap().len() <= MAX_ERROR_BYTES);
            }
            Some("frame_eof") => self.eof_replies += 1,
            other => panic!("a reply of type {other:?}"),
        }
    }

    fn check(&self) {
        let counters = self.intake.counters();
        let over = counters.completed + counters.failed + counters.abandoned;
        let open = counters.begun - over;
        assert!(open <= MAX_OPEN_FRAMES, "{open} frames are open");
        let waiting = counters.completed + counters.failed - self.taken;
        assert!(open + waiting <= MAX_HELD_FRAMES as u64);
        assert!(self.intake.held_bytes() <= MAX_HELD_BYTES);
    }
}
