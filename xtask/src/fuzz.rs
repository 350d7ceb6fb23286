//! `cargo xtask fuzz [SECONDS]`: every target that `cargo fuzz list` names, one after another.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Runs each target for `seconds`; stops at the first that finds a crash (cargo-fuzz prints its input).
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<ExitCode> {
    let dir = workspace.root.join("fuzz");
    if !dir.join("Cargo.toml").is_file() {
        bail!("there are no fuzz targets yet: fuzz/Cargo.toml does not exist");
    }
    if !process::succeeds(cargo_fuzz(workspace).arg("--version")) {
        bail!(
            "cargo-fuzz on a nightly toolchain is missing: rustup toolchain install nightly && cargo install cargo-fuzz"
        );
    }
    let targets = process::stdout(cargo_fuzz(workspace).arg("list"))?;
    if targets.trim().is_empty() {
        bail!("`cargo fuzz list` names no target in fuzz/");
    }
    for target in targets.split_whitespace() {
        let limit = format!("-max_total_time={seconds}");
        process::run(cargo_fuzz(workspace).args(["run", target, "--", &limit]))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cargo_fuzz(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    // The pinned toolchain is in the environment; libFuzzer's instrumentation is nightly's.
    command
        .current_dir(&workspace.root)
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["+nightly", "fuzz"]);
    command
}
