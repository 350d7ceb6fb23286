//! The same with another's client: aiortc sends frames as JSON text and gets each one's result.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{frame_id, jpeg, number, start_worker};

/// Names a Python that has aiortc; `cargo xtask test` makes one and sets it.
const PYTHON_VARIABLE: &str = "FRAMEWAY_AIORTC_PYTHON";
/// How the client says that this machine cannot run it.
const NO_ADDRESS: i32 = 77;
const FRAMES: u64 = 100;

/// A Python that has aiortc; one that is named must.
fn python() -> Option<OsString> {
    if let Some(named) = std::env::var_os(PYTHON_VARIABLE) {
        return Some(named);
    }
    let import = ["-c", "import aiortc"];
    let found = Command::new("python3").args(import).output();
    found
        .is_ok_and(|output| output.status.success())
        .then(|| "python3".into())
}

#[test]
fn aiortc_gets_one_result_for_each_frame() {
    let Some(python) = python() else {
        eprintln!(
            "skipped: no Python with aiortc; `cargo xtask test` makes one, {PYTHON_VARIABLE} names one"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for frame in 0..FRAMES {
        let path = folder.path().join(format!("{frame:03}.jpg"));
        std::fs::write(path, jpeg(500 + frame as u32)).unwrap();
    }
    // aiortc gathers no loopback address.
    let worker = start_worker(&["--udp", "0.0.0.0:0", "--processor", "frame-number"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aiortc/client.py");
    let mut client = Command::new(python);
    client
        .arg(script)
        .arg(worker.first_line())
        .arg(folder.path());
    let output = client.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NO_ADDRESS) {
        eprintln!("skipped: {stderr}");
        return;
    }
    assert!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let end = json!({"type": "frame_eof", "frames": FRAMES, "results": FRAMES, "refused": 0});
    assert_eq!(lines.pop(), Some(end));
    assert_eq!(lines.len() as u64, FRAMES);
    for (frame, result) in (0..).zip(&lines) {
        assert_eq!(
            (frame_id(result), number(result)),
            (frame, Some(500 + frame)),
            "{result}"
        );
        assert_eq!(result["video_metadata"]["pts"], 40_000 * frame);
        assert_eq!(result["errors"], json!([]));
    }
}
