//! A Python with aiortc, the client of the JSON protocol's test: made once under the target folder, from wheels.
//!
//! Used by `test`, which goes on without it: another's client is worth a minute, not a failure where there is no network.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Policy;
use crate::process::{self, find_program};
use crate::workspace::Workspace;

/// Names a Python that has aiortc; the test reads it too.
pub(crate) const AIORTC_VARIABLE: &str = "FRAMEWAY_AIORTC_PYTHON";

/// What is installed, each at a fixed version.
const REQUIREMENTS: &str = "bins/frame-worker/tests/aiortc/requirements.txt";
/// Its copy in the environment, written when all of it was installed.
const INSTALLED: &str = "installed.txt";

/// The Python that the variable names, else one of our own, made if need be and `policy` allows.
///
/// # Errors
/// Why there is none.
pub(crate) fn aiortc_python(workspace: &Workspace, policy: Policy) -> Result<PathBuf> {
    if let Some(named) = env::var_os(AIORTC_VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    let path = workspace.root.join(REQUIREMENTS);
    let requirements =
        fs::read_to_string(&path).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let home = workspace.target_dir.join("aiortc-python");
    if !is_made(&home, &requirements) {
        if policy == Policy::NameOnly {
            bail!("installing is not wanted; {AIORTC_VARIABLE} can name a Python that has it");
        }
        make(&home, &path)?;
        fs::write(home.join(INSTALLED), &requirements)
            .with_context(|| format!("cannot write to {}", home.display()))?;
    }
    Ok(program(&home))
}

fn is_made(home: &Path, requirements: &str) -> bool {
    let installed = fs::read_to_string(home.join(INSTALLED));
    program(home).is_file() && installed.is_ok_and(|installed| installed == requirements)
}

fn make(home: &Path, requirements: &Path) -> Result<()> {
    let python = ["python3", "python"].iter().find_map(|it| find_program(it));
    let python = python.context("python3 is not on PATH")?;
    eprintln!("making a Python with aiortc for the tests; this takes half a minute, once");
    quietly(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(home),
    )
    .context("python3 cannot make an environment (Debian: apt-get install python3-venv)")?;
    let mut pip = Command::new(program(home));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--timeout", "15"])
        .args(["--retries", "1", "--no-deps", "--only-binary", ":all:"])
        .arg("--requirement")
        .arg(requirements);
    quietly(&mut pip).context("pip cannot install aiortc's wheels")
}

/// Runs it; only a failure shows what it said.
fn quietly(command: &mut Command) -> Result<()> {
    process::stdout(command).map(drop)
}

fn program(home: &Path) -> PathBuf {
    if cfg!(windows) {
        home.join("Scripts").join("python.exe")
    } else {
        home.join("bin").join("python")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_used_again_until_its_requirements_change() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        assert!(!is_made(home, "aiortc==1"));
        fs::write(home.join(INSTALLED), "aiortc==1").unwrap();
        assert!(!is_made(home, "aiortc==1"), "there is no program in it");
        fs::create_dir_all(program(home).parent().unwrap()).unwrap();
        fs::write(program(home), "").unwrap();
        assert!(is_made(home, "aiortc==1"));
        assert!(!is_made(home, "aiortc==2"));
    }
}
