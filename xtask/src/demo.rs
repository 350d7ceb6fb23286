//! `cargo xtask demo`: build stream-server and become it.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::args;
use crate::process;
use crate::workspace::Workspace;

const SERVER: &str = "stream-server";

/// Builds the server, then runs its demo; the server's first line on stdout is the page's address.
pub(crate) fn run(workspace: &Workspace, args: &args::Demo) -> Result<ExitCode> {
    let mut build = workspace.cargo();
    build.args(["build", "--package", SERVER, "--bin", SERVER]);
    if args.release {
        build.arg("--release");
    }
    process::run(&mut build)?;

    let profile = if args.release { "release" } else { "debug" };
    let binary = workspace
        .target_dir()
        .join(profile)
        .join(format!("{SERVER}{}", std::env::consts::EXE_SUFFIX));
    let mut server = Command::new(binary);
    server.arg("demo").args(&args.server_args);
    eprintln!("$ {}", process::describe(&server));
    eprintln!("\n  Open the address on the next line in a browser; Ctrl-C stops the server.\n");
    become_process(server)
}

/// Replaces this process, so that Ctrl-C, SIGTERM and the exit code are the server's own.
#[cfg(unix)]
fn become_process(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    use anyhow::Context as _;
    Err(command.exec()).with_context(|| format!("cannot start `{}`", process::describe(&command)))
}

/// Waits for it; the console sends Ctrl-C to both.
#[cfg(not(unix))]
fn become_process(mut command: Command) -> Result<ExitCode> {
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
