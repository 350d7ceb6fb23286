//! `cargo xtask demo`: build stream-server and become it.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::args;
use crate::process;
use crate::workspace::Workspace;

const SERVER: &str = "stream-server";

/// Builds the server, then runs its demo; the server's first line on stdout is the page's address.
pub(crate) fn run(workspace: &Workspace, args: &args::Demo) -> Result<ExitCode> {
    let mut server = Command::new(build(workspace, args.release)?);
    server.arg("demo").args(&args.server_args);
    eprintln!("$ {}", process::describe(&server));
    eprintln!("\n  Open the address on the next line in a browser; Ctrl-C stops the server.\n");
    become_process(server)
}

/// Where the binary is, cargo says itself: a target folder or triple may be configured anywhere.
fn build(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let mut command = workspace.cargo();
    command.args(["build", "--package", SERVER, "--bin", SERVER]);
    if release {
        command.arg("--release");
    }
    eprintln!("$ {}", process::describe(&command));
    command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{SERVER} does not build ({})", output.status);
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("cargo built no {SERVER}"))
}

/// The one executable that cargo's messages, a JSON object a line, name.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

/// Replaces this process, so that Ctrl-C, SIGTERM and the exit code are the server's own.
#[cfg(unix)]
fn become_process(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    Err(command.exec()).with_context(|| format!("cannot start `{}`", process::describe(&command)))
}

/// Waits for it; the console sends Ctrl-C to both.
#[cfg(not(unix))]
fn become_process(mut command: Command) -> Result<ExitCode> {
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"build-script-executed"}
{"reason":"compiler-artifact","executable":"/p/target/debug/stream-server"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages),
            Some(PathBuf::from("/p/target/debug/stream-server"))
        );
        assert_eq!(executable(""), None);
    }
}
