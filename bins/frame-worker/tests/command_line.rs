//! What a person gets to read when something is wrong, and what HTTP answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

fn assert_said(arguments: &[&str], code: i32, texts: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frame-worker"));
    let output = command
        .env_remove("RUST_LOG")
        .args(arguments)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for text in texts {
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
}

#[test]
fn bad_usage_is_2_and_says_what_would_do() {
    assert_said(
        &["--processor", "nonsense"],
        2,
        &["nonsense", "stats", "dhash"],
    );
    assert_said(&["--workers", "0"], 2, &["workers"]);
    assert_said(&["--batch", "257"], 2, &["batch", "256"]);
    assert_said(&["--batch-wait", "soon"], 2, &["250ms"]);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    assert_said(&["--http", "0.0.0.0:0"], 1, &["--token-file", "--insecure"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_said(&["--http", &address], 1, &[&address, "port 0"]);
}

#[test]
fn a_config_file_is_as_good_as_flags() {
    let folder = tempfile::tempdir().unwrap();
    let config = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let nonsense = config("worker.toml", "processor = ['nonsense']");
    assert_said(&["--config", &nonsense], 2, &["nonsense", "dhash"]);
    // A flag beats the file.
    let many = config("worker.yaml", "workers: 0\nbatch: 300");
    assert_said(&["--config", &many, "--workers=2"], 2, &["batch", "256"]);
    let unknown = config("other.toml", "speed = 1");
    assert_said(&["--config", &unknown], 2, &["speed", "workers"]);
}
