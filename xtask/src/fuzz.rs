//! `cargo xtask fuzz [SECONDS]`: every target that `cargo fuzz list` names, one after another.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// What every target must keep to. The sanitizer's own memory is most of the resident size; one allocation of
/// more than 64 MiB is more than any target's bounds allow. Long inputs are tried soon, for a state machine's
/// findings take a sequence of events.
const LIMITS: [&str; 4] = [
    "-rss_limit_mb=1024",
    "-malloc_limit_mb=64",
    "-timeout=10",
    "-len_control=10",
];

/// Runs each target for `seconds`, all of them even after one has found something (cargo-fuzz prints the
/// input and how to run it again); fails when one did.
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<ExitCode> {
    if !workspace.root.join("fuzz/Cargo.toml").is_file() {
        bail!("there are no fuzz targets: fuzz/Cargo.toml does not exist");
    }
    if !process::succeeds(nightly().arg("--version")) {
        bail!("a nightly toolchain is missing: rustup toolchain install nightly");
    }
    if !process::succeeds(cargo_fuzz(workspace).arg("--version")) {
        bail!("cargo-fuzz is missing: cargo install cargo-fuzz");
    }
    let targets = process::stdout(cargo_fuzz(workspace).arg("list"))?;
    if targets.trim().is_empty() {
        bail!("`cargo fuzz list` names no target in fuzz/");
    }
    let mut broken = Vec::new();
    for target in targets.split_whitespace() {
        let time = format!("-max_total_time={seconds}");
        let mut fuzz = cargo_fuzz(workspace);
        fuzz.args(["run", target, "--", &time]).args(LIMITS);
        if !process::status(&mut fuzz)?.success() {
            broken.push(target);
        }
    }
    if !broken.is_empty() {
        bail!(
            "something was found by {}: see above for the input",
            broken.join(", ")
        );
    }
    println!(
        "\n{} targets ran for {seconds} s each and found nothing",
        targets.split_whitespace().count()
    );
    Ok(ExitCode::SUCCESS)
}

/// libFuzzer's instrumentation is nightly's; the pinned toolchain is in the environment.
fn nightly() -> Command {
    let mut command = Command::new("cargo");
    command.env_remove("RUSTUP_TOOLCHAIN").arg("+nightly");
    command
}

fn cargo_fuzz(workspace: &Workspace) -> Command {
    let mut command = nightly();
    command.current_dir(&workspace.root).arg("fuzz");
    command
}
