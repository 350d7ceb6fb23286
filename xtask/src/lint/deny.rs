//! cargo-deny: what may be in the dependency tree (deny.toml), and what is known against it.

use std::process::{Command, Output};

use anyhow::Result;

use super::outcome::Outcome;
use super::{Check, Context};
use crate::process;
use crate::setup;

pub(super) const RULES: Check = Check {
    name: "deny",
    about: "dependencies are licensed, sourced and chosen as deny.toml says",
    remedy: "choose another dependency, or extend deny.toml with a reason",
    compiles: false,
    run: rules,
};

pub(super) const ADVISORIES: Check = Check {
    name: "advisories",
    about: "no dependency has a known vulnerability or was yanked",
    remedy: "cargo update -p CRATE; where no release mends it, add the advisory to deny.toml with a reason",
    compiles: false,
    run: advisories,
};

/// What cargo-deny says when the machine cannot reach the advisory database.
const CANNOT_FETCH: &str = "failed to fetch advisory database";

fn rules(context: &Context) -> Result<Outcome> {
    let output = deny(context, &["bans", "licenses", "sources"])?;
    Ok(outcome(&output))
}

fn advisories(context: &Context) -> Result<Outcome> {
    let output = deny(context, &["advisories"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    if let (false, Some(line)) = (
        output.status.success(),
        said.lines().find(|line| line.contains(CANNOT_FETCH)),
    ) {
        let reason = line
            .split_once(CANNOT_FETCH)
            .map_or("", |(_, reason)| reason);
        let database = reason.split_whitespace().next().unwrap_or_default();
        return Ok(Outcome::Skipped(format!(
            "the advisory database {database} cannot be reached from here"
        )));
    }
    Ok(outcome(&output))
}

fn deny(context: &Context, checks: &[&str]) -> Result<Output> {
    let mut command = Command::new(setup::cargo_deny(&context.workspace, context.policy)?);
    command.current_dir(&context.workspace.root);
    command
        .args([
            "--workspace",
            "--color",
            "never",
            "--log-level",
            "error",
            "check",
        ])
        .args(checks);
    process::output(&mut command)
}

fn outcome(output: &Output) -> Outcome {
    if output.status.success() {
        return Outcome::Passed(Vec::new());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Outcome::Failed(
        said.lines()
            .map(str::to_owned)
            .chain([format!("cargo-deny ended with {}", output.status)])
            .collect(),
    )
}
