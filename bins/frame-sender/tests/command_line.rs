//! What a person gets to read when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Output};

use support::{Run, Worker};

fn frame_sender(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frame-sender"));
    command
        .env_remove("RUST_LOG")
        .args(arguments)
        .output()
        .unwrap()
}

/// Exit code and the texts that must be on stderr.
fn assert_said(arguments: &[&str], code: i32, texts: &[&str]) {
    let output = frame_sender(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for text in texts {
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
}

#[test]
fn bad_usage_is_2_and_says_what_would_do() {
    let to = "http://127.0.0.1:9";
    assert_said(&["--input", "x.mp4"], 2, &["--to"]);
    assert_said(
        &["--to", "nowhere", "--input", "test:"],
        2,
        &["http://HOST:PORT"],
    );
    assert_said(
        &["--to", to, "--input", "test:", "--quality", "0"],
        2,
        &["--quality", "1..=100"],
    );
    assert_said(
        &["--to", to, "--input", "test:", "--lanes", "data:17"],
        2,
        &["1 to 16"],
    );
    assert_said(
        &["--to", to, "--input", "opaque:?bytes=1"],
        1,
        &["bytes=1", "8 to"],
    );
}

#[test]
fn what_is_not_there_is_1_and_says_where() {
    let to = "http://127.0.0.1:9";
    assert_said(
        &["--to", to, "--input", "/nowhere/film.mp4"],
        1,
        &["/nowhere/film.mp4"],
    );
    assert_said(
        &[
            "--to",
            to,
            "--input",
            "test:?frames=3",
            "--connect-timeout",
            "300ms",
        ],
        1,
        &["127.0.0.1:9", "is the worker running?"],
    );
}

#[test]
fn a_server_that_is_no_worker_is_told_apart() {
    let worker = Worker::start(&["--processor", "none"]);
    let elsewhere = format!("{}/deeper", worker.address());
    assert_said(
        &["--to", &elsewhere, "--input", "test:?frames=3"],
        1,
        &["404"],
    );
}

#[test]
fn a_wrong_token_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (dir.path().join("right"), dir.path().join("wrong"));
    std::fs::write(&right, "correct-token\n").unwrap();
    std::fs::write(&wrong, "another-token\n").unwrap();
    let worker = Worker::start(&[
        "--processor",
        "none",
        "--token-file",
        right.to_str().unwrap(),
    ]);
    let to = worker.address();
    let input = "opaque:?bytes=100&frames=3";
    assert_said(&["--to", to, "--input", input], 1, &["401"]);
    assert_said(
        &[
            "--to",
            to,
            "--input",
            input,
            "--token-file",
            wrong.to_str().unwrap(),
        ],
        1,
        &["401"],
    );
    let run = Run::new(to, input, &["--token-file", right.to_str().unwrap()]);
    run.complete().assert_whole(3);
}

#[test]
fn a_ledger_of_another_run_is_not_touched() {
    let worker = Worker::start(&["--processor", "none"]);
    let run = Run::new(worker.address(), "opaque:?bytes=100&frames=3", &[]);
    run.complete().assert_whole(3);
    let ledger = run.dir.path().join("ledger.jsonl");
    let before = std::fs::read(&ledger).unwrap();
    let ledger_text = ledger.to_str().unwrap();
    assert_said(
        &[
            "--to",
            worker.address(),
            "--input",
            "test:?frames=3",
            "--ledger",
            ledger_text,
        ],
        2,
        &["ledger of another run", "delete it"],
    );
    assert_eq!(std::fs::read(&ledger).unwrap(), before);
}

#[test]
fn help_teaches() {
    let output = frame_sender(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "--ledger",
        "opaque:",
        "Exit codes",
        "data:N",
        "[default: 85]",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
