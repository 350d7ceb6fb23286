//! Frames as a client sends them, and what it hears; every bound at its value and just above.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::limits::{
    CHUNK_OVERHEAD_BYTES, MAX_CHUNKS, MAX_ERROR_BYTES, MAX_FRAME_BYTES, MAX_FRAME_ID,
    MAX_MESSAGE_BYTES, MAX_REPLIES, REMEMBERED_FRAMES,
};
use super::super::message::ChunkMeta;
use super::*;

/// As many bytes as a message of the longest kind holds, in round figures.
const LARGE_CHUNK_BYTES: usize = 128 << 10;
const LARGE_CHUNKS: usize = MAX_FRAME_BYTES / LARGE_CHUNK_BYTES;

fn chunk(frame_id: u64, index: usize, total: usize, data: &[u8]) -> Value {
    json!({
        "type": "frame_chunk", "frame_id": frame_id, "chunk_index": index, "total_chunks": total,
        "data": STANDARD.encode(data),
    })
}

fn send(intake: &mut JsonIntake, message: &Value) {
    intake.on_text(message.to_string().as_bytes());
}

/// The first `count` of a frame's `total` chunks, as large as they are in round figures, past the reading of JSON.
fn send_large(intake: &mut JsonIntake, frame_id: u64, count: usize, total: usize) {
    let data = STANDARD.encode(vec![7; LARGE_CHUNK_BYTES]);
    let mut chunk = Chunk {
        frame_id,
        index: 0,
        total: total as u64,
        data,
        meta: ChunkMeta::default(),
    };
    for index in 0..count as u64 {
        chunk.index = index;
        intake.on_chunk(&chunk);
    }
}

/// A frame of one chunk.
fn send_frame(intake: &mut JsonIntake, frame_id: u64) {
    send(intake, &chunk(frame_id, 0, 1, b"frame"));
}

fn eof(intake: &mut JsonIntake) {
    send(intake, &json!({"type": "frame_eof"}));
}

fn replies(intake: &mut JsonIntake) -> Vec<Value> {
    std::iter::from_fn(|| intake.poll_reply(usize::MAX))
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

/// The errors among the replies, by code and frame.
fn errors(intake: &mut JsonIntake) -> Vec<(String, Option<u64>)> {
    let errors = replies(intake).into_iter();
    let errors = errors.filter(|reply| reply["type"] == "frame_error");
    errors
        .map(|error| {
            let code = error["code"].as_str().unwrap().to_owned();
            (code, error["frame_id"].as_u64())
        })
        .collect()
}

fn error(code: &str, frame_id: impl Into<Option<u64>>) -> (String, Option<u64>) {
    (code.to_owned(), frame_id.into())
}

/// Ids of the frames that come out, and whether each failed.
fn taken(intake: &mut JsonIntake) -> Vec<(u64, bool)> {
    std::iter::from_fn(|| intake.poll_frame())
        .map(|frame| (frame.frame_id, frame.failed.is_some()))
        .collect()
}

fn assert_adds_up(intake: &JsonIntake) {
    let counted = intake.counters();
    let over = counted.completed + counted.failed + counted.abandoned;
    assert_eq!(counted.begun, over + intake.open.len() as u64);
}

#[test]
fn chunks_come_in_any_order_and_more_than_once() {
    let mut intake = JsonIntake::default();
    for (index, data) in [(2, "c"), (0, "aa"), (2, "c"), (1, "bbb")] {
        let mut message = chunk(5, index, 3, data.as_bytes());
        if index == 0 {
            message["timestamp_ms"] = json!(40);
            message["encoding"] = json!("bgr");
            message["width"] = json!(2);
            message["height"] = json!(1);
            message["fps"] = json!(25);
        }
        send(&mut intake, &message);
    }
    let frame = intake.poll_frame().unwrap();
    assert_eq!(frame.duration, Duration::from_millis(40));
    let now = SystemTime::UNIX_EPOCH;
    let encoded = frame.encoded(9, now);
    assert_eq!((encoded.index, encoded.source_id), (9, 5));
    assert_eq!((encoded.width, encoded.height), (2, 1));
    assert_eq!(encoded.kind, FrameKind::Bgr);
    assert_eq!(encoded.pts, Duration::from_millis(40));
    assert_eq!(&encoded.payload[..], b"aabbbc");
    assert_eq!((encoded.failed, encoded.received_at), (None, now));
    let ack = json!({"type": "frame_ack", "frame_id": 5, "next_frame_id": 6, "window": 64});
    assert_eq!(replies(&mut intake), [ack]);
    assert_eq!(intake.counters().needless_chunks, 1);
    assert_adds_up(&intake);
}

#[test]
fn frames_interleave_and_come_out_as_they_become_whole() {
    let mut intake = JsonIntake::default();
    for (frame_id, index) in [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (1, 1)] {
        send(&mut intake, &chunk(frame_id, index, 2, b"x"));
    }
    assert_eq!(taken(&mut intake), [(2, false), (3, false), (1, false)]);
    assert_eq!(replies(&mut intake)[2]["next_frame_id"], 4);
}

#[test]
fn a_frame_that_fails_has_its_place_among_the_results() {
    let bad_data = |data: &str| {
        let mut message = chunk(1, 1, 2, b"");
        message["data"] = json!(data);
        message
    };
    let mut bad_meta = chunk(1, 1, 2, b"");
    bad_meta["encoding"] = json!("x".repeat(1000));
    let mut too_wide = chunk(1, 1, 2, b"");
    too_wide["width"] = json!(16_385);
    for (second, code) in [
        (bad_data("####"), "bad_base64"),
        (chunk(1, 0, 2, b"other"), "contradiction"),
        (chunk(1, 1, 3, b""), "contradiction"),
        (chunk(1, 2, 2, b""), "bad_chunk_index"),
        (chunk(1, 0, 0, b""), "bad_total_chunks"),
        (bad_meta, "unknown_encoding"),
        (too_wide, "bad_dimensions"),
    ] {
        let mut intake = JsonIntake::default();
        send(&mut intake, &chunk(1, 0, 2, b"x"));
        send(&mut intake, &second);
        send_frame(&mut intake, 2);
        // Whatever else comes of it belongs to a frame that is over.
        send(&mut intake, &chunk(1, 1, 2, b"y"));
        assert_eq!(errors(&mut intake), [error(code, 1)], "{second}");
        let failed = intake.poll_frame().unwrap();
        let text = failed.encoded(0, SystemTime::UNIX_EPOCH).failed.unwrap();
        assert!(text.len() <= MAX_ERROR_BYTES, "{text}");
        assert_eq!(taken(&mut intake), [(2, false)], "{second}");
        assert_adds_up(&intake);
    }
}

#[test]
fn what_belongs_to_no_frame_is_told_and_counted() {
    let mut intake = JsonIntake::default();
    intake.on_text(b"nonsense");
    intake.on_binary();
    send(&mut intake, &json!({"type": "x".repeat(1000)}));
    let told = replies(&mut intake);
    let codes: Vec<_> = told.iter().map(|reply| &reply["code"]).collect();
    assert_eq!(codes, ["bad_message", "binary", "bad_message"]);
    for reply in told {
        assert_eq!(reply["frame_id"], Value::Null);
        assert!(reply["error"].as_str().unwrap().len() <= MAX_ERROR_BYTES);
    }
    assert_eq!(intake.counters().bad_messages, 3);
    assert_eq!(taken(&mut intake), []);
}

#[test]
fn the_end_fails_what_is_open_and_is_answered_when_results_are_out() {
    let mut intake = JsonIntake::default();
    send_frame(&mut intake, 0);
    send(&mut intake, &chunk(1, 0, 2, b"x"));
    send(
        &mut intake,
        &json!({"type": "frame_eof", "total_frames": 2, "frame_id": 1}),
    );
    assert_eq!(errors(&mut intake), [error("incomplete", 1)]);
    intake.finish();
    assert_eq!(replies(&mut intake), [] as [Value; 0]);
    assert_eq!(taken(&mut intake), [(0, false), (1, true)]);
    assert!(intake.is_drained());
    replies(&mut intake);
    intake.finish();
    intake.finish();
    let answer = json!({"type": "frame_eof", "frames": 2, "results": 2, "refused": 0});
    assert_eq!(replies(&mut intake), [answer]);
    send_frame(&mut intake, 2);
    eof(&mut intake);
    let late = [error("after_eof", 2), error("after_eof", None)];
    assert_eq!(errors(&mut intake), late);
    assert_adds_up(&intake);
}

#[test]
fn an_end_that_counts_otherwise_is_told() {
    let mut intake = JsonIntake::default();
    send_frame(&mut intake, 7);
    send(
        &mut intake,
        &json!({"type": "frame_eof", "total_frames": 2, "frame_id": 8}),
    );
    let wrong = error("wrong_eof", None);
    assert_eq!(errors(&mut intake), [wrong.clone(), wrong]);
    assert_eq!(taken(&mut intake), [(7, false)]);
}

#[test]
fn nothing_is_taken_after_the_goodbye() {
    let mut intake = JsonIntake::default();
    intake.close("the worker is going down");
    intake.close("again");
    send_frame(&mut intake, 0);
    let told = replies(&mut intake);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["code"], "closing");
    assert_eq!(told[0]["error"], "the worker is going down");
    assert_eq!(taken(&mut intake), []);
}

#[test]
fn a_message_has_a_longest_length() {
    let mut intake = JsonIntake::default();
    let short = chunk(1, 0, 2, b"x").to_string();
    let padded = |bytes: usize| format!("{short}{}", " ".repeat(bytes - short.len()));
    intake.on_text(padded(MAX_MESSAGE_BYTES).as_bytes());
    assert_eq!(intake.counters().begun, 1);
    intake.on_text(padded(MAX_MESSAGE_BYTES + 1).as_bytes());
    assert_eq!(errors(&mut intake), [error("message_too_large", None)]);
}

#[test]
fn frame_ids_and_totals_have_a_largest_and_allocate_nothing_ahead() {
    let mut intake = JsonIntake::default();
    let total = MAX_CHUNKS as usize;
    send(&mut intake, &chunk(MAX_FRAME_ID, total - 1, total, b"x"));
    assert_eq!(intake.held_bytes(), 1 + CHUNK_OVERHEAD_BYTES);
    send(&mut intake, &chunk(MAX_FRAME_ID + 1, 0, 1, b"x"));
    assert_eq!(errors(&mut intake), [error("bad_message", None)]);
    send(&mut intake, &chunk(1, 0, total + 1, b"x"));
    assert_eq!(errors(&mut intake), [error("bad_total_chunks", 1)]);
    let hostile = json!({
        "type": "frame_chunk", "frame_id": 2, "chunk_index": u64::MAX, "total_chunks": u64::MAX, "data": "",
    });
    send(&mut intake, &hostile);
    assert_eq!(errors(&mut intake), [error("bad_total_chunks", 2)]);
    assert_eq!(intake.held_bytes(), 1 + CHUNK_OVERHEAD_BYTES);
}

#[test]
fn a_frame_of_the_most_chunks_becomes_whole() {
    let mut intake = JsonIntake::default();
    let total = MAX_CHUNKS as usize;
    for index in (0..total).rev() {
        intake.on_chunk(&Chunk {
            frame_id: 0,
            index: index as u64,
            total: total as u64,
            data: STANDARD.encode([index as u8]),
            meta: ChunkMeta::default(),
        });
    }
    let payload = intake.poll_frame().unwrap().payload;
    assert_eq!(payload.len(), total);
    let in_order = payload.iter().enumerate();
    assert!(in_order.clone().all(|(at, byte)| *byte == at as u8));
}

#[test]
fn a_frame_has_most_bytes() {
    for over in [false, true] {
        let mut intake = JsonIntake::default();
        let total = LARGE_CHUNKS + 1;
        send_large(&mut intake, 0, LARGE_CHUNKS, total);
        let last: &[u8] = if over { b"x" } else { b"" };
        send(&mut intake, &chunk(0, LARGE_CHUNKS, total, last));
        let expected = over.then(|| error("frame_too_large", 0));
        assert_eq!(errors(&mut intake), Vec::from_iter(expected));
        assert_eq!(taken(&mut intake), [(0, over)]);
        assert_eq!(intake.held_bytes(), 0);
    }
}

#[test]
fn so_many_frames_may_be_open() {
    let mut intake = JsonIntake::default();
    for frame_id in 0..MAX_OPEN_FRAMES as u64 {
        send(&mut intake, &chunk(frame_id, 0, 2, b"x"));
    }
    assert_eq!(errors(&mut intake), []);
    send(&mut intake, &chunk(100, 0, 2, b"x"));
    assert_eq!(errors(&mut intake), [error("incomplete", 0)]);
    send(&mut intake, &chunk(0, 1, 2, b"x"));
    assert_eq!(taken(&mut intake), [(0, true)]);
    assert_adds_up(&intake);
}

#[test]
fn so_many_frames_are_held_and_a_refused_one_may_come_again() {
    let mut intake = JsonIntake::default();
    let most = MAX_HELD_FRAMES as u64;
    for frame_id in 0..most {
        send_frame(&mut intake, frame_id);
    }
    assert_eq!(errors(&mut intake), []);
    for index in 0..3 {
        send(&mut intake, &chunk(most, index, 3, b"x"));
    }
    let told = replies(&mut intake);
    assert_eq!(told.len(), 1, "once, not for every chunk: {told:?}");
    assert_eq!(
        (&told[0]["code"], &told[0]["retry"]),
        (&json!("busy"), &json!(true))
    );
    // Taken by the pipeline, which makes room.
    assert!(intake.poll_frame().is_some());
    for index in 0..3 {
        send(&mut intake, &chunk(most, index, 3, b"x"));
    }
    assert_eq!(taken(&mut intake).last(), Some(&(most, false)));
    let counted = intake.counters();
    assert_eq!((counted.refused, counted.begun), (1, most + 1));
    eof(&mut intake);
    intake.finish();
    let answer = replies(&mut intake).pop().unwrap();
    assert_eq!(
        (&answer["frames"], &answer["refused"]),
        (&json!(65), &json!(1))
    );
}

#[test]
fn so_many_bytes_are_held_and_the_frame_beyond_is_given_back() {
    // What the last chunk may have, where those before it and their keeping fill all but that.
    let last_bytes = LARGE_CHUNK_BYTES - LARGE_CHUNKS * CHUNK_OVERHEAD_BYTES;
    for over in [0, 1] {
        let mut intake = JsonIntake::default();
        send_large(&mut intake, 0, LARGE_CHUNKS, LARGE_CHUNKS);
        send_large(&mut intake, 1, LARGE_CHUNKS - 1, LARGE_CHUNKS + 1);
        let last = vec![7; last_bytes + over];
        let last = chunk(1, LARGE_CHUNKS - 1, LARGE_CHUNKS + 1, &last);
        send(&mut intake, &last);
        if over == 0 {
            assert_eq!(intake.held_bytes(), MAX_HELD_BYTES);
            send_frame(&mut intake, 2);
            assert_eq!(errors(&mut intake), [error("busy", 2)]);
        } else {
            assert_eq!(errors(&mut intake), [error("busy", 1)]);
            assert_eq!(intake.held_bytes(), MAX_FRAME_BYTES);
            assert_eq!(intake.counters().abandoned, 1);
        }
        assert_eq!(taken(&mut intake), [(0, false)]);
        let ack = &replies(&mut intake)[0];
        assert_eq!(
            ack["window"], 1,
            "two such frames and their keeping do not fit"
        );
        assert_adds_up(&intake);
    }
}

#[test]
fn so_many_frames_that_are_over_are_remembered() {
    let mut intake = JsonIntake::default();
    for frame_id in 0..REMEMBERED_FRAMES as u64 {
        send_frame(&mut intake, frame_id);
        taken(&mut intake);
    }
    send_frame(&mut intake, 0);
    assert_eq!(taken(&mut intake), [], "known: its chunks come late");
    send_frame(&mut intake, 1000);
    send_frame(&mut intake, 0);
    assert_eq!(taken(&mut intake), [(1000, false), (0, false)]);
}

#[test]
fn so_many_replies_wait() {
    let mut intake = JsonIntake::default();
    for _ in 0..MAX_REPLIES {
        intake.on_binary();
    }
    assert_eq!(intake.counters().replies_dropped, 0);
    intake.on_text(b"the newest");
    assert_eq!(intake.counters().replies_dropped, 1);
    assert_eq!(intake.poll_reply(10), None, "longer than there is room for");
    let told = replies(&mut intake);
    assert_eq!(told.len(), MAX_REPLIES);
    assert_eq!(told.last().unwrap()["code"], "bad_message");
}

/// What a client may do: a chunk of one of a few frames, right or wrong; or the pipeline takes a frame.
#[derive(Debug, Clone)]
enum Step {
    Chunk {
        frame_id: u64,
        index: usize,
        wrong: bool,
    },
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let chunk = (0..100_u64, 0..3_usize, prop::bool::weighted(0.05));
    let chunk = chunk.prop_map(|(frame_id, index, wrong)| Step::Chunk {
        frame_id,
        index,
        wrong,
    });
    prop::collection::vec(prop_oneof![20 => chunk, 1 => Just(Step::Take)], 0..600)
}

proptest! {
    #[test]
    fn whatever_comes_each_frame_comes_out_once_or_is_given_back(steps in steps()) {
        let mut intake = JsonIntake::default();
        let mut out = Vec::new();
        for step in steps {
            match step {
                Step::Chunk { frame_id, index, wrong } => {
                    let data = if wrong { "wrong" } else { "right" };
                    send(&mut intake, &chunk(frame_id, index, 3, data.as_bytes()));
                }
                Step::Take => out.extend(intake.poll_frame()),
            }
            prop_assert!(intake.held_frames() <= MAX_HELD_FRAMES);
            prop_assert!(intake.open.len() <= MAX_OPEN_FRAMES);
            assert_adds_up(&intake);
        }
        eof(&mut intake);
        out.extend(std::iter::from_fn(|| intake.poll_frame()));
        let counted = intake.counters();
        prop_assert_eq!(intake.held_bytes(), 0);
        prop_assert_eq!(counted.begun, counted.completed + counted.failed + counted.abandoned);
        prop_assert_eq!(out.len() as u64, counted.completed + counted.failed);
        let mut ids: Vec<_> = out.iter().map(|frame| frame.frame_id).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), out.len());
    }
}
