//! Frames as JSON text (docs/json-protocol.md): each comes back as one result, and whatever is wrong is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Client, FRAMES, RESULTS, chunks, frame_id, jpeg, number, start_worker};

fn eof(frames: u64) -> Value {
    json!({"type": "frame_eof", "total_frames": frames})
}

fn of_type<'a>(replies: &'a [Value], kind: &str) -> Vec<&'a Value> {
    replies.iter().filter(|it| it["type"] == kind).collect()
}

#[tokio::test]
async fn each_frame_has_one_result_on_the_results_channel() {
    let worker = start_worker(&["--processor", "frame-number"]);
    let mut client = Client::connect(worker.first_line(), &[FRAMES, RESULTS]).await;
    for frame in 0..50 {
        let payload = jpeg(1000 + frame as u32);
        let mut messages = chunks(frame, &payload, payload.len() / 3 + 1);
        messages[0]["timestamp_ms"] = json!(40 * frame);
        messages[0]["fps"] = json!(25);
        messages.reverse();
        client.send(&messages);
    }
    client.send(&[eof(50)]);
    let (replies, results) = client.hear_all(50).await;
    for (frame, (channel, result)) in (0..50).zip(&results) {
        assert_eq!(channel, RESULTS);
        assert_eq!(
            (frame_id(result), number(result)),
            (frame, Some(1000 + frame)),
            "{result}"
        );
        assert_eq!(result["video_metadata"]["pts"], 40_000 * frame);
        assert_eq!(result["video_metadata"]["declared_fps"], 25.0);
        assert_eq!(result["errors"], json!([]));
    }
    let acked: Vec<_> = of_type(&replies, "frame_ack")
        .iter()
        .map(|ack| ack["frame_id"].as_u64().unwrap())
        .collect();
    assert_eq!(acked, (0..50).collect::<Vec<_>>());
    assert!(of_type(&replies, "frame_error").is_empty(), "{replies:?}");
    let end = json!({"type": "frame_eof", "frames": 50, "results": 50, "refused": 0});
    assert_eq!(replies.last(), Some(&end));
}

#[tokio::test]
async fn without_a_results_channel_results_come_among_the_replies() {
    let worker = start_worker(&["--processor", "frame-number"]);
    let mut client = Client::connect(worker.first_line(), &[FRAMES]).await;
    client.send(&chunks(7, &jpeg(70), 5000));
    // One that cannot be read, one that is no JPEG, one that never becomes whole.
    client.send(&[json!({
        "type": "frame_chunk", "frame_id": 8, "chunk_index": 0, "total_chunks": 1, "data": "####",
    })]);
    client.send(&chunks(9, b"no JPEG", 100));
    client.send(&chunks(10, &jpeg(100), 500)[..1]);
    client.send(&[eof(4)]);
    let (replies, results) = client.hear_all(4).await;
    assert!(results.iter().all(|(channel, _)| channel == FRAMES));
    let ids: Vec<_> = results.iter().map(|(_, result)| frame_id(result)).collect();
    assert_eq!(ids, [7, 8, 9, 10]);
    assert_eq!(number(&results[0].1), Some(70));
    for ((_, result), named) in results[1..].iter().zip(["base64", "decode", "chunks came"]) {
        assert!(
            result["errors"][0].as_str().unwrap().contains(named),
            "{result}"
        );
    }
    let errors = of_type(&replies, "frame_error");
    let said: Vec<_> = errors
        .iter()
        .map(|error| (error["code"].as_str().unwrap(), &error["frame_id"]))
        .collect();
    let (eight, ten) = (json!(8), json!(10));
    assert_eq!(said, [("bad_base64", &eight), ("incomplete", &ten)]);
}

#[tokio::test]
async fn binary_after_text_is_refused_and_text_after_binary_ends_the_link() {
    let worker = start_worker(&["--processor", "none"]);
    let mut client = Client::connect(worker.first_line(), &[FRAMES, RESULTS]).await;
    client.send(&chunks(0, b"x", 1));
    client.send_binary(b"y");
    client.send(&[eof(1)]);
    let (replies, _) = client.hear_all(1).await;
    assert_eq!(of_type(&replies, "frame_error")[0]["code"], "binary");
    let state = reqwest::get(worker.first_line()).await.unwrap();
    let state: Value = serde_json::from_str(&state.text().await.unwrap()).unwrap();
    let counted = &state["links"][0]["json"];
    assert_eq!(counted["bad_messages"], 1, "{state}");
    assert_eq!(counted["completed"], 1, "{state}");

    let mut client = Client::connect(worker.first_line(), &[FRAMES, RESULTS]).await;
    // A hello of docs/wire.md: sender, 65,536 B, 1 frame of 65,536 B, frame 0.
    let hello = [0x98, 1, 0, 7, 0, 0xce, 0, 1, 0, 0, 1, 0xce, 0, 1, 0, 0, 0];
    client.send_binary(&hello);
    let answer = client.hear().await;
    assert!(answer.binary, "{answer:?}");
    client.send(&chunks(0, b"x", 1));
    // Acks may come before it; kind 7 is goodbye, its code 3 a broken protocol.
    let goodbye = loop {
        let heard = client.hear().await;
        if heard.bytes.get(2) == Some(&7) {
            break heard;
        }
    };
    let said = String::from_utf8_lossy(&goodbye.bytes);
    assert!(said.contains("frames are binary"), "{said}");
}

#[tokio::test]
async fn what_the_worker_cannot_hold_is_given_back() {
    // Nothing leaves this pipeline: it holds 64 frames, one waits before it, 64 are held.
    const HELD: u64 = 64 + 1 + 64;
    let slow = ["--processor", "sleep:600s", "--frame-timeout", "0s"];
    let worker = start_worker(&slow);
    let mut client = Client::connect(worker.first_line(), &[FRAMES, RESULTS]).await;
    let picture = jpeg(1);
    for frame in 0..HELD + 3 {
        client.send(&chunks(frame, &picture, 4000));
    }
    let mut refused = Vec::new();
    while refused.len() < 3 {
        let (_, message) = client.hear_text().await;
        if message["type"] == "frame_error" {
            assert_eq!(
                (&message["code"], &message["retry"]),
                (&json!("busy"), &json!(true))
            );
            refused.push(message["frame_id"].as_u64().unwrap());
        }
    }
    assert_eq!(refused, [HELD, HELD + 1, HELD + 2]);
}

#[tokio::test]
async fn a_client_hears_that_the_worker_goes_down() {
    let worker = start_worker(&["--processor", "none"]);
    let mut client = Client::connect(worker.first_line(), &[FRAMES]).await;
    client.send(&chunks(0, b"x", 1));
    while client.hear_text().await.1.get("video_metadata").is_none() {}
    let id = worker.id().to_string();
    let stopped = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(stopped.unwrap().success());
    let (_, last) = client.hear_text().await;
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("frame_error"), &json!("closing"))
    );
    assert!(last["error"].as_str().unwrap().contains("down"), "{last}");
}
