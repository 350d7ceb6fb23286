//! Makes a machine ready: finds the tools a command needs and installs what is missing.
//!
//! Debian and Ubuntu, as root or with a password-less sudo: apt-get. Elsewhere, and with
//! `--no-install`: an error that names each missing tool, why it is needed and what installs it.

mod deny;
mod python;
mod system;
mod tools;

use anyhow::{Result, bail};
use clap::ValueEnum;

pub(crate) use deny::cargo_deny;
pub(crate) use python::{AIORTC_VARIABLE, aiortc_python};
pub(crate) use tools::{BROWSER_VARIABLE, browser};

use crate::workspace::Workspace;
use system::System;
use tools::Tool;

/// What the machine is to be made ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Building and running: C and C++ compilers, make, cmake, nasm, pkg-config.
    #[default]
    Build,
    /// Also a Chromium and ffmpeg.
    Test,
    /// Also rustfmt, clippy and cargo-deny.
    Lint,
    /// As for `test`: some figures are a browser's.
    Bench,
}

/// What to do about a missing tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Install it where we can.
    Install,
    /// Name it and give up.
    NameOnly,
}

/// Returns once every tool for `purpose` is there.
pub(crate) fn run(workspace: &Workspace, purpose: Purpose, policy: Policy) -> Result<()> {
    tools_for(purpose, policy)?;
    if purpose == Purpose::Lint {
        rust_components(workspace)?;
        cargo_deny(workspace, policy)?;
    }
    Ok(())
}

fn tools_for(purpose: Purpose, policy: Policy) -> Result<()> {
    let missing = missing(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    let system = System::detect();
    let names: Vec<_> = missing.iter().map(|tool| tool.name).collect();
    if policy == Policy::NameOnly || !system.can_install() {
        bail!("{}", advice(&missing, &system, policy));
    }
    eprintln!("installing what is missing: {}", names.join(", "));
    system.install(&missing)?;
    let still = self::missing(purpose);
    if !still.is_empty() {
        bail!(
            "after the installation something is still missing.\n{}",
            advice(&still, &system, policy)
        );
    }
    Ok(())
}

fn missing(purpose: Purpose) -> Vec<&'static Tool> {
    tools::needed_for(purpose)
        .filter(|tool| !(tool.is_there)())
        .collect()
}

/// Each missing tool with its reason, then one command that installs them all.
fn advice(missing: &[&Tool], system: &System, policy: Policy) -> String {
    let mut text = String::from("missing on this machine:\n");
    for tool in missing {
        text.push_str(&format!("  {:<14} {}\n", tool.name, tool.why));
    }
    text.push_str(&format!("{}\n", system.how_to_install(missing)));
    if policy == Policy::NameOnly && system.can_install() {
        text.push_str("or run this again without --no-install (and without FRAMEWAY_NO_INSTALL): it does that for you.");
    } else {
        text.push_str("then run this again.");
    }
    text
}

/// rustup installs these with the pinned toolchain; one set up by hand, or offline, may lack them.
pub(crate) fn rust_components(workspace: &Workspace) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !crate::process::succeeds(workspace.cargo().args([subcommand, "--version"])) {
            bail!(
                "this Rust toolchain has no `cargo {subcommand}`: `rustup component add {component}` (with a network), \
                 or install the toolchain that rust-toolchain.toml names together with its components"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_each_tool_why_and_how() {
        let tools: Vec<_> = tools::needed_for(Purpose::Build).collect();
        let text = advice(&tools, &System::Unknown, Policy::Install);
        for tool in tools {
            assert!(
                text.contains(tool.name) && text.contains(tool.why),
                "{text}"
            );
        }
        assert!(
            text.contains("nasm") && text.ends_with("then run this again."),
            "{text}"
        );
    }

    #[test]
    fn each_purpose_needs_at_least_what_building_needs() {
        let count = |purpose| tools::needed_for(purpose).count();
        assert_eq!(count(Purpose::Lint), count(Purpose::Build));
        assert!(count(Purpose::Test) > count(Purpose::Build));
        assert_eq!(count(Purpose::Bench), count(Purpose::Test));
    }
}
