//! cargo-deny, which only `lint` needs: found, or built once by `cargo install`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Policy;
use crate::process;
use crate::workspace::Workspace;

/// The version that is installed.
const VERSION: &str = "0.20.2";
/// The oldest that reads our deny.toml (`unmaintained = "workspace"`): 0.18.
const OLDEST_MINOR: u32 = 18;

/// The program; installs it when it is missing or too old, and `policy` allows.
pub(crate) fn cargo_deny(workspace: &Workspace, policy: Policy) -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if policy == Policy::NameOnly {
        bail!(
            "cargo-deny 0.{OLDEST_MINOR} or later is missing: cargo install --locked cargo-deny@{VERSION}"
        );
    }
    eprintln!(
        "installing cargo-deny {VERSION} among cargo's own programs; this takes a few minutes, once"
    );
    process::run(&mut install(workspace)).with_context(|| {
        format!("cannot install cargo-deny; try: cargo install --locked cargo-deny@{VERSION}")
    })?;
    find().context(
        "cargo install succeeded, but cargo-deny is neither on PATH nor in cargo's bin folder",
    )
}

fn find() -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))?;
    let installed = cargo_home
        .join("bin")
        .join(format!("cargo-deny{}", env::consts::EXE_SUFFIX));
    process::find_program("cargo-deny")
        .into_iter()
        .chain([installed])
        .filter(|path| path.is_file())
        .find(|path| {
            process::stdout(Command::new(path).arg("--version")).is_ok_and(|text| is_recent(&text))
        })
}

/// Reads `cargo-deny 0.20.2`.
fn is_recent(version: &str) -> bool {
    let mut numbers = version
        .trim()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .split('.')
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0)), Some(Ok(minor))) => minor >= OLDEST_MINOR,
        (Some(Ok(_)), Some(Ok(_))) => true,
        _ => false,
    }
}

/// It runs for two seconds and takes five minutes to build as released: less optimisation, sooner done.
fn install(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command
        .args([
            "install",
            "--locked",
            "--force",
            &format!("cargo-deny@{VERSION}"),
        ])
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn versions_that_read_our_configuration_are_told_from_older_ones() {
        assert!(is_recent("cargo-deny 0.20.2\n"));
        assert!(is_recent("cargo-deny 0.18.0"));
        assert!(is_recent("cargo-deny 1.0.0"));
        assert!(!is_recent("cargo-deny 0.17.9"));
        assert!(!is_recent("cargo-deny"));
    }
}
