//! Child processes, on systems with a POSIX shell.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use testkit::driver::{ChildServer, StartError, wait_until};

const DEADLINE: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn the_first_line_is_read_and_the_process_ends_with_its_handle() {
    let script = "echo listening; echo noise >&2; echo second; exec sleep 1000";
    let server = ChildServer::start(shell(script), DEADLINE).unwrap();
    assert_eq!(server.first_line(), "listening");
    assert_eq!(server.next_line(DEADLINE).as_deref(), Some("second"));
    assert!(wait_until(DEADLINE, || server.stderr() == "noise\n"));
    let process = format!("{}", server.id());
    drop(server);
    let alive = Command::new("kill")
        .args(["-0", &process])
        .output()
        .unwrap();
    assert!(!alive.status.success(), "process {process} is still there");
}

#[test]
fn a_server_that_fails_says_why() {
    let error = ChildServer::start(shell("echo 'port in use' >&2; exit 3"), DEADLINE).unwrap_err();
    assert!(matches!(error, StartError::Ended { .. }));
    let text = error.to_string();
    assert!(text.contains("port in use") && text.contains('3'), "{text}");

    let missing = Command::new("no-such-binary-anywhere");
    let error = ChildServer::start(missing, DEADLINE).unwrap_err();
    assert!(error.to_string().contains("no-such-binary-anywhere"));
}

#[test]
fn a_silent_server_is_given_up() {
    let error = ChildServer::start(shell("exec sleep 1000"), Duration::ZERO).unwrap_err();
    assert!(matches!(error, StartError::Silent { .. }), "{error}");
}

#[test]
fn waiting_ends_with_the_condition_or_the_deadline() {
    let mut tries = 0;
    assert!(wait_until(DEADLINE, || {
        tries += 1;
        tries == 3
    }));
    assert!(!wait_until(Duration::ZERO, || false));
}
