//! `tests/vectors/messages.json`: messages as hex and as fields, for implementations in other languages.
//!
//! The test fails when the file is not what this codec makes. `FRAMEWAY_WRITE_VECTORS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use datachannel_transport::wire::{
    Ack, Chunk, ChunkMeta, DecodeError, Envelope, FrameErrorReport, Hello, Message, Received,
    ReceivedPairs, Role, Window, decode, encode,
};
use datachannel_transport::{
    ClientStats, Encoding, FrameErrorCode, FrameMeta, FrameTotals, GoodbyeCode, HashChain,
    payload_hash,
};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/messages.json");
const EPOCH: u32 = 3_735_928_559;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// Integers as strings where JSON readers would lose digits.
fn exact(value: u64) -> Value {
    if value < 1 << 53 {
        json!(value)
    } else {
        json!(value.to_string())
    }
}

fn fields(message: &Message<'_>) -> Value {
    let window = |w: &Window| (json!(w.frames), exact(w.bytes));
    match message {
        Message::Hello(hello) => {
            let (window_frames, window_bytes) = window(&hello.window);
            json!({ "kind": "hello", "role": hello.role, "max_message_bytes": exact(hello.max_message_bytes),
                "window_frames": window_frames, "window_bytes": window_bytes, "next_sequence": hello.next_sequence })
        }
        Message::Chunk(chunk) => {
            json!({ "kind": "chunk", "sequence": chunk.sequence, "attempt": chunk.attempt,
            "frame_bytes": chunk.frame_bytes, "offset": chunk.offset, "meta": chunk.meta.as_ref().map(meta_fields),
            "payload": hex(chunk.payload) })
        }
        Message::Ack(ack) => {
            let received: Vec<_> = ack
                .received
                .iter()
                .map(|pair| json!([pair.sequence, pair.attempt]))
                .collect();
            let (window_frames, window_bytes) = window(&ack.window);
            json!({ "kind": "ack", "next_sequence": ack.next_sequence, "received": received,
                "window_frames": window_frames, "window_bytes": window_bytes })
        }
        Message::Eof(t) => {
            json!({ "kind": "eof", "frames": t.frames, "bytes": exact(t.bytes), "hash": exact(t.hash) })
        }
        Message::FrameError(e) => json!({ "kind": "frame_error", "sequence": e.refused.sequence,
            "attempt": e.refused.attempt, "code": e.code.code(), "text": e.text }),
        Message::Ping { t0_us } => json!({ "kind": "ping", "t0_us": exact(*t0_us) }),
        Message::Pong { t0_us, t1_us } => {
            json!({ "kind": "pong", "t0_us": exact(*t0_us), "t1_us": exact(*t1_us) })
        }
        Message::Goodbye { code, text } => {
            json!({ "kind": "goodbye", "code": code.code(), "text": text })
        }
        Message::ClientStats(stats) => json!({ "kind": "client_stats", "stats": stats }),
        Message::EofAck { frames, hash } => {
            json!({ "kind": "eof_ack", "frames": frames, "hash": exact(*hash) })
        }
        Message::Unknown { kind } => json!({ "kind": kind }),
        other => panic!("{other:?} has no vector"),
    }
}

fn meta_fields(meta: &ChunkMeta) -> Value {
    let f = &meta.frame;
    json!({ "source_id": exact(f.source_id), "pts_us": f.pts_us, "duration_us": f.duration_us, "width": f.width,
        "height": f.height, "encoding": f.encoding.code(), "quality": f.quality, "keyframe": f.keyframe,
        "given_up": meta.given_up, "released_us": exact(f.released_us), "hash": exact(meta.payload_hash) })
}

fn vector(name: &str, message: &Message<'_>) -> Value {
    let mut bytes = Vec::new();
    encode(EPOCH, message, &mut bytes);
    assert_eq!(
        decode(&bytes).unwrap(),
        Envelope {
            epoch: EPOCH,
            message: message.clone()
        }
    );
    json!({ "name": name, "hex": hex(&bytes), "epoch": EPOCH, "fields": fields(message) })
}

fn sample_meta(payload: &[u8]) -> ChunkMeta {
    let frame = FrameMeta {
        source_id: 41,
        pts_us: 1_366_666,
        duration_us: 33_333,
        width: 1280,
        height: 720,
        encoding: Encoding::Jpeg,
        quality: 85,
        keyframe: true,
        released_us: 12_345_678_901,
    };
    ChunkMeta {
        frame,
        given_up: false,
        payload_hash: payload_hash(payload),
    }
}

fn control_vectors() -> Vec<Value> {
    let window = Window {
        frames: 3,
        bytes: 8 << 20,
    };
    let hello = |role, next_sequence| {
        Message::Hello(Hello {
            role,
            max_message_bytes: 262_144,
            window,
            next_sequence,
        })
    };
    let pairs = [
        Received {
            sequence: 40,
            attempt: 0,
        },
        Received {
            sequence: 43,
            attempt: 1,
        },
    ];
    let ack = |pairs, next_sequence| {
        Message::Ack(Ack {
            next_sequence,
            received: ReceivedPairs::listed(pairs),
            window,
        })
    };
    let mut stats = ClientStats::new();
    for (name, value) in [("drawn", 300.0), ("dropped", 2.0), ("age_p50_ms", 18.25)] {
        assert!(stats.set(name, value));
    }
    let refused = Received {
        sequence: 7,
        attempt: 2,
    };
    let error = FrameErrorReport {
        refused,
        code: FrameErrorCode::HashMismatch,
        text: "wrong hash",
    };
    let totals = FrameTotals {
        frames: 300,
        bytes: 30_000_000,
        hash: u64::MAX - 1,
    };
    vec![
        vector("hello of the frames' sender", &hello(Role::Sender, 0)),
        vector("hello of their receiver", &hello(Role::Receiver, 12)),
        vector("ack of nothing yet", &ack(&[], 0)),
        vector("ack, cumulative and selective", &ack(&pairs, 41)),
        vector("eof", &Message::Eof(totals)),
        vector(
            "eof_ack",
            &Message::EofAck {
                frames: 300,
                hash: u64::MAX - 1,
            },
        ),
        vector("frame_error", &Message::FrameError(error)),
        vector("ping", &Message::Ping { t0_us: 1_000_000 }),
        vector(
            "pong",
            &Message::Pong {
                t0_us: 1_000_000,
                t1_us: 98_765_432_109,
            },
        ),
        vector(
            "goodbye",
            &Message::Goodbye {
                code: GoodbyeCode::StreamDeleted,
                text: "the stream was deleted",
            },
        ),
        vector("client_stats", &Message::ClientStats(stats)),
        vector(
            "a kind of a later revision",
            &Message::Unknown { kind: 200 },
        ),
    ]
}

fn chunk_vectors() -> Vec<Value> {
    let frame: Vec<u8> = (0..=255).cycle().take(700).collect();
    let meta = sample_meta(&frame);
    let mut given_up = sample_meta(&[]);
    given_up.given_up = true;
    let mut unusual = sample_meta(b"x");
    let (pts_us, encoding) = (-1, Encoding::Opaque);
    unusual.frame = FrameMeta {
        pts_us,
        encoding,
        width: 0,
        height: 0,
        quality: 0,
        keyframe: false,
        ..unusual.frame
    };
    unusual.payload_hash = 0;
    let chunk = |sequence, attempt, frame_bytes, offset, meta, payload| {
        Message::Chunk(Chunk {
            sequence,
            attempt,
            frame_bytes,
            offset,
            meta,
            payload,
        })
    };
    vec![
        vector(
            "first chunk of three (bin 8)",
            &chunk(5, 0, 700, 0, Some(meta), &frame[..200]),
        ),
        vector(
            "second chunk (bin 16)",
            &chunk(5, 0, 700, 200, None, &frame[200..500]),
        ),
        vector("last chunk", &chunk(5, 0, 700, 500, None, &frame[500..])),
        vector(
            "sent again, sequence beyond 32 bits",
            &chunk(1 << 40, 3, 700, 500, None, &frame[500..]),
        ),
        vector(
            "an empty frame that was given up",
            &chunk(6, 5, 0, 0, Some(given_up), &[]),
        ),
        vector(
            "opaque, without hash, before the source's start",
            &chunk(0, 0, 1, 0, Some(unusual), b"x"),
        ),
    ]
}

fn refused_vectors() -> Vec<Value> {
    let refused: [(&str, &[u8]); 6] = [
        ("no bytes", &[]),
        ("not an array", b"{}"),
        ("version 2", &[0x93, 2, 5, 0]),
        ("too few elements", &[0x94, 1, 6, 0, 1]),
        (
            "an array that claims four billion elements",
            &[0xdd, 255, 255, 255, 255, 1, 5, 0, 0],
        ),
        ("bytes after the array", &[0x94, 1, 5, 0, 0, 0]),
    ];
    let refused = refused.iter().map(|(name, bytes)| {
        let error: DecodeError = decode(bytes).unwrap_err();
        json!({ "name": name, "hex": hex(bytes), "error": error.to_string() })
    });
    refused.collect()
}

fn hash_vectors() -> Value {
    let frames: [&[u8]; 3] = [b"", b"a", b"frameway"];
    let mut chain = HashChain::default();
    let steps = frames.map(|frame| {
        chain.push(payload_hash(frame));
        json!({ "payload": hex(frame), "payload_hash": payload_hash(frame).to_string(), "chain": chain.value().to_string() })
    });
    json!(steps)
}

#[test]
fn the_vectors_are_what_this_codec_makes() {
    let messages = [control_vectors(), chunk_vectors()].concat();
    let made = json!({
        "about": "docs/wire.md, version 1. `hex` decodes to `epoch` and `fields` and back; integers of 2^53 and above are strings.",
        "messages": messages,
        "refused": refused_vectors(),
        "hashes": hash_vectors(),
    });
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("FRAMEWAY_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert!(
        kept == made,
        "{FILE} is not what the codec makes: FRAMEWAY_WRITE_VECTORS=1 writes it anew"
    );
    for vector in made["messages"].as_array().unwrap() {
        let bytes = unhex(vector["hex"].as_str().unwrap());
        let decoded = decode(&bytes).unwrap();
        assert_eq!(
            fields(&decoded.message),
            vector["fields"],
            "{}",
            vector["name"]
        );
    }
}

/// XXH3-64 of nothing, as its authors publish it: both ends must mean the same function.
#[test]
fn the_hash_is_xxh3() {
    assert_eq!(payload_hash(b""), 0x2d06_8005_38d3_94c2);
}
