//! The checks that are another program's: rustfmt, clippy, rustdoc.

use std::process::Command;

use anyhow::Result;

use super::outcome::Outcome;
use super::{Check, Context};
use crate::process;
use crate::setup;

pub(super) const FMT: Check = Check {
    name: "fmt",
    about: "the code is formatted",
    remedy: "cargo fmt --all; the same with --manifest-path fuzz/Cargo.toml and crates/ipfs-api-source/Cargo.toml",
    compiles: false,
    run: fmt,
};

pub(super) const CLIPPY: Check = Check {
    name: "clippy",
    about: "clippy has nothing to say about any target",
    remedy: "mend what is printed above, or #[expect(…, reason = \"…\")] it where it is wrong",
    compiles: true,
    run: clippy,
};

pub(super) const FUZZ: Check = Check {
    name: "fuzz",
    about: "the fuzz targets compile",
    remedy: "mend what is printed above: fuzz/ is a workspace of its own, which the project's builds know nothing of",
    compiles: true,
    run: fuzz_targets,
};

pub(super) const RUSTDOC: Check = Check {
    name: "rustdoc",
    about: "the docs build, and every link in them leads somewhere",
    remedy: "mend what is printed above",
    compiles: true,
    run: rustdoc,
};

/// The fuzz targets and the adapter are workspaces of their own, and formatted like the rest.
fn fmt(context: &Context) -> Result<Outcome> {
    setup::rust_components(&context.workspace)?;
    let mut findings = Vec::new();
    for manifest in [
        "Cargo.toml",
        "fuzz/Cargo.toml",
        "crates/ipfs-api-source/Cargo.toml",
    ] {
        let mut command = context.workspace.cargo();
        command.args(["fmt", "--all", "--manifest-path", manifest]);
        findings.extend(unformatted(context, command.args(["--", "--check", "-l"]))?);
    }
    // A module that several tests share is named once for each.
    findings.sort();
    findings.dedup();
    Ok(Outcome::from_findings(findings))
}

fn unformatted(context: &Context, fmt: &mut Command) -> Result<Vec<String>> {
    let output = process::output(fmt)?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let mut findings: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|file| {
            format!(
                "{} is not formatted",
                context.workspace.relative(file.as_ref())
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(findings)
}

fn clippy(context: &Context) -> Result<Outcome> {
    setup::rust_components(&context.workspace)?;
    let mut command = context.workspace.cargo();
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    passes(&mut command)
}

fn fuzz_targets(context: &Context) -> Result<Outcome> {
    let mut command = context.workspace.cargo();
    command.args(["check", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    command.args(["--target-dir", "target/fuzz-check"]);
    passes(&mut command)
}

fn rustdoc(context: &Context) -> Result<Outcome> {
    let mut command = context.workspace.cargo();
    command
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    passes(&mut command)
}

/// Runs it in plain sight: these take minutes, and say themselves what is wrong.
fn passes(command: &mut Command) -> Result<Outcome> {
    if process::status(command)?.success() {
        return Ok(Outcome::Passed(Vec::new()));
    }
    Ok(Outcome::failed(format!(
        "`{}` found what is printed above",
        process::describe(command)
    )))
}
