//! cargo-deny, which only `lint` needs: found, or built once by `cargo install`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Policy;
use crate::process;
use crate::workspace::Workspace;

/// Pinned, so that the same deny.toml is read the same way everywhere.
const VERSION: &str = "0.19.0";

/// The program; installs it when it is missing and `policy` allows.
pub(crate) fn cargo_deny(workspace: &Workspace, policy: Policy) -> Result<PathBuf> {
    if let Some(path) = process::find_program("cargo-deny") {
        return Ok(path);
    }
    let root = workspace.target_dir().join("tools");
    let own = root
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if own.is_file() {
        return Ok(own);
    }
    if policy == Policy::NameOnly {
        bail!("cargo-deny is missing: cargo install --locked cargo-deny@{VERSION}");
    }
    eprintln!("installing cargo-deny {VERSION}; this takes a few minutes, once");
    process::run(&mut install(workspace)?).with_context(|| {
        format!("cannot install cargo-deny; try: cargo install --locked cargo-deny@{VERSION}")
    })?;
    Ok(own)
}

fn install(_workspace: &Workspace) -> Result<Command> {
    bail!("not yet")
}
