//! `exec` against commands made of POSIX tools alone.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{DEADLINE, NEVER, Rig, config, frame, gray, opaque};
use frame_buffer::{Picture, Plane};
use frame_pipeline::driver::Stages;
use frame_pipeline::{
    EncoderFactory, FrameKind, FrameResult, PictureEncoder, PipelineConfig, RawDecoder, builtin,
};
use serde::{Deserialize, Serialize};
use testkit::driver::wait_until;

/// A frame's length in `$n`; ends the command where there are no more. `dd` of single bytes reads
/// no further than it should.
const LENGTH: &str =
    "n=$(dd bs=1 count=4 2>/dev/null | od -An -tu4 | tr -d ' '); [ -n \"$n\" ] || exit 0;";
/// `{"ok": true}`, five bytes.
const ANSWER: &str = r"printf '\005\000\000\000\201\242ok\303';";

/// A command that does `with` the frame on its stdin before it answers.
fn answering(with: &str) -> String {
    format!("exec:while true; do {LENGTH} dd bs=1 count=$n 2>/dev/null {with} {ANSWER} done")
}

fn is_ok(result: &FrameResult) -> bool {
    result.errors.is_empty() && result.output["exec"]["ok"] == true
}

fn rig(batch: usize, spec: &str) -> Rig {
    let config = PipelineConfig {
        batch,
        batch_wait: NEVER,
        ..config(1)
    };
    Rig::start(config, vec![builtin(spec).unwrap()])
}

#[derive(Debug, PartialEq, Deserialize)]
struct Message {
    index: u64,
    source_id: u64,
    pts_us: u64,
    width: u32,
    height: u32,
    format: String,
    full_range: bool,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

#[test]
fn the_command_sees_frames_and_its_answers_are_their_fields() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let rig = rig(3, &answering(&format!(">> '{}';", seen.display())));
    let data: Vec<u8> = (0..6 * 4 * 3 / 2).collect();
    let results = rig.run([
        frame(0, FrameKind::I420, (6, 4), Bytes::from(data.clone())),
        gray(1, 200),
        opaque(2, 5),
    ]);
    assert!(results.iter().all(is_ok), "{results:?}");
    let messages = std::fs::read(seen).unwrap();
    let mut rest = &messages[..];
    let expected = [
        (6, 4, "i420", data),
        (16, 8, "bgr", vec![200; 16 * 8 * 3]),
        (0, 0, "opaque", vec![7; 5]),
    ];
    for (index, (width, height, format, data)) in (0..).zip(expected) {
        let message: Message = rmp_serde::from_read(&mut rest).unwrap();
        assert_eq!(
            message,
            Message {
                index,
                source_id: 1000 + index,
                pts_us: 40_000 * index,
                width,
                height,
                format: format.to_owned(),
                full_range: format == "bgr",
                data,
            }
        );
    }
    assert!(rest.is_empty());
}

#[test]
fn a_command_that_dies_costs_its_frame_and_is_started_again() {
    // Answers once, and dies over the next.
    let once = format!("exec:{LENGTH} dd bs=1 count=$n >/dev/null 2>&1; {ANSWER} {LENGTH} exit 3");
    let rig = rig(4, &once);
    let results = rig.run((0..8).map(|index| opaque(index, 10)));
    for result in results {
        if result.index % 2 == 0 {
            assert!(is_ok(&result), "{result:?}");
        } else {
            assert_eq!(result.errors, ["exec: the command ended without an answer"]);
        }
    }
}

/// Echoes what a pipeline's encoder gets: a picture as its luma.
struct Luma;

impl PictureEncoder for Luma {
    fn encode(&mut self, picture: &Picture) -> Result<Bytes, String> {
        Ok(picture.plane(Plane::Y).rows().flatten().copied().collect())
    }
}

impl EncoderFactory for Luma {
    fn make(&self) -> Box<dyn PictureEncoder> {
        Box::new(Self)
    }
}

#[derive(Serialize)]
struct Drawn {
    width: u32,
    height: u32,
    format: &'static str,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

/// What a command's answer of this picture comes to.
fn drawn(picture: Drawn) -> FrameResult {
    #[derive(Serialize)]
    struct Answer {
        picture: Drawn,
        seen: u32,
    }
    let answer = rmp_serde::to_vec_named(&Answer { picture, seen: 3 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer");
    let length = u32::try_from(answer.len()).unwrap().to_le_bytes();
    std::fs::write(&file, [&length[..], &answer].concat()).unwrap();
    let command = format!(
        "exec:while true; do {LENGTH} dd bs=1 count=$n >/dev/null 2>&1; cat '{}'; done",
        file.display()
    );
    let rig = Rig::start_stages(
        config(1),
        Stages {
            decoder: Arc::new(RawDecoder::default()),
            processors: vec![builtin(&command).unwrap()],
            encoder: Some(Arc::new(Luma)),
        },
    );
    rig.run([gray(0, 200)]).remove(0)
}

#[test]
fn a_picture_in_the_answer_is_what_the_frame_is_shown_as() {
    for (format, data, luma) in [
        (
            "i420",
            (1..=12).collect::<Vec<u8>>(),
            (1..=8).collect::<Vec<u8>>(),
        ),
        ("bgr", vec![90; 24], vec![90; 8]),
    ] {
        let result = drawn(Drawn {
            width: 4,
            height: 2,
            format,
            data,
        });
        assert_eq!(result.errors, [] as [&str; 0]);
        let picture = result.picture.unwrap();
        assert_eq!((picture.width, picture.height), (4, 2));
        assert_eq!(picture.payload, luma, "{format}");
        assert_eq!(result.output["exec"], serde_json::json!({ "seen": 3 }));
    }
    let short = drawn(Drawn {
        width: 4,
        height: 2,
        format: "bgr",
        data: vec![0; 23],
    });
    assert!(
        short.errors[0].contains("has 24 bytes, not 23"),
        "{short:?}"
    );
    // The frame itself is shown all the same.
    assert_eq!(short.picture.unwrap().width, 16);
}

#[test]
fn nonsense_costs_its_frame() {
    // The frame itself comes back, whose bytes are no field.
    let results = rig(1, "exec:cat").run((0..2).map(|index| opaque(index, 10)));
    for result in results {
        assert!(result.errors[0].contains("no msgpack map"), "{result:?}");
    }
    // Four bytes of text are a length of a gigabyte and more.
    let results = rig(1, "exec:yes").run([opaque(0, 10)]);
    assert!(results[0].errors[0].contains("longer than"), "{results:?}");
}

#[test]
fn a_large_frame_that_comes_back_at_once_fills_no_pipe() {
    // Neither side reads all before it writes.
    let results = rig(2, "exec:cat").run((0..2).map(|index| opaque(index, 1 << 20)));
    assert!(
        results[1].errors[0].contains("no msgpack map"),
        "{results:?}"
    );
}

/// Whether the process whose number is in the file is there.
fn is_alive(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("kill -0 {} 2>/dev/null", pid.trim())])
        .status();
    status.unwrap().success()
}

/// A command that never answers, and starts another in its own group; both leave their numbers.
fn hanging(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "exec:echo $$ > '{folder}/outer'; sh -c 'echo $$ > \"{folder}/inner\"; sleep 1000'; true"
    )
}

fn are_running(folder: &Path) -> bool {
    ["outer", "inner"]
        .iter()
        .all(|name| std::fs::read_to_string(folder.join(name)).is_ok_and(|pid| pid.ends_with('\n')))
}

fn are_gone(folder: &Path) -> bool {
    ["outer", "inner"]
        .iter()
        .all(|name| !is_alive(&folder.join(name)))
}

#[test]
fn a_command_that_cannot_run_is_told_before_the_first_frame() {
    for (command, told) in [
        ("no-such-program --fast", "no program \"no-such-program\""),
        ("/nowhere/model", "no program \"/nowhere/model\""),
        ("while true; do", "cannot be read"),
    ] {
        let processor = builtin(&format!("exec:{command}")).unwrap();
        let error = processor.make().err().unwrap().to_string();
        assert!(error.contains(told), "{error}");
    }
    // Of what begins otherwise only running it tells.
    for command in ["MODEL=small cat", "cd / && cat", "while true; do cat; done"] {
        let processor = builtin(&format!("exec:{command}")).unwrap();
        assert!(processor.make().is_ok(), "{command}");
    }
}

#[test]
fn the_command_is_killed_when_the_pipeline_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let rig = rig(1, &hanging(folder.path()));
    rig.pipeline.submit(opaque(0, 10)).unwrap();
    assert!(wait_until(DEADLINE, || are_running(folder.path())));
    drop(rig);
    assert!(wait_until(DEADLINE, || are_gone(folder.path())));
}

#[test]
fn an_idle_command_is_killed_too() {
    let folder = tempfile::tempdir().unwrap();
    let rig = rig(1, &hanging(folder.path()));
    assert!(wait_until(DEADLINE, || are_running(folder.path())));
    drop(rig);
    assert!(wait_until(DEADLINE, || are_gone(folder.path())));
}

#[test]
fn a_command_that_hangs_is_killed_at_the_timeout_and_leaves_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let config = PipelineConfig {
        frame_timeout: Some(Duration::from_millis(50)),
        ..config(1)
    };
    let rig = Rig::start(config, vec![builtin(&hanging(folder.path())).unwrap()]);
    // The limit of one thread left behind would stop the second, were the first still there.
    for index in 0..3 {
        rig.pipeline.submit(opaque(index, 10)).unwrap();
        assert!(rig.next().errors[0].starts_with("timeout"));
    }
    assert!(wait_until(DEADLINE, || rig.pipeline.stats().abandoned == 0));
}
