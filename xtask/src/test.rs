//! `cargo xtask test`: every test there is, and one closing line with the sums.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::args;
use crate::process;
use crate::setup::{self, Policy};
use crate::workspace::Workspace;

/// The oldest node whose test runner finds a folder's tests by itself.
const OLDEST_NODE: u32 = 20;

/// Runs cargo's tests, those of the workspace beside this one, and the page's; fails when either does, and when no test ran at all.
pub(crate) fn run(workspace: &Workspace, args: &args::Test, policy: Policy) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let mut all_ended_well = cargo_tests(workspace, args, policy, &mut tally)?;
    if args.cargo_args.is_empty() {
        all_ended_well &= model_tests(workspace, &mut tally)?;
        all_ended_well &= adapter_tests(workspace, &mut tally)?;
        all_ended_well &= page_tests(workspace, &mut tally)?;
    }
    let line = format!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    println!("\n{line}");
    if tally.passed + tally.failed == 0 {
        eprintln!("no test was run");
    }
    let good = all_ended_well && tally.failed == 0 && tally.passed > 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn cargo_tests(
    workspace: &Workspace,
    args: &args::Test,
    policy: Policy,
    tally: &mut Tally,
) -> Result<bool> {
    let mut command = workspace.cargo();
    command.args(["test", "--no-fail-fast"]);
    if args.cargo_args.is_empty() {
        command.arg("--workspace");
    }
    command.args(&args.cargo_args);
    if let Some(browser) = setup::browser() {
        command.env(setup::BROWSER_VARIABLE, browser);
    }
    if wants_aiortc(&args.cargo_args) {
        match setup::aiortc_python(workspace, policy) {
            Ok(python) => {
                command.env(setup::AIORTC_VARIABLE, python);
            }
            Err(error) => println!("aiortc as a client: skipped, {error:#}"),
        }
    }
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    tee(&mut command, tally)
}

/// Whether the package whose test has aiortc as its client is among those tested.
fn wants_aiortc(cargo_args: &[String]) -> bool {
    let wants = |arg: &String| ["frame-worker", "--workspace"].contains(&arg.as_str());
    cargo_args.is_empty() || cargo_args.iter().any(wants)
}

/// `onnx:` is a feature, for it brings a hundred crates; its tests are a run of their own.
fn model_tests(workspace: &Workspace, tally: &mut Tally) -> Result<bool> {
    let mut command = workspace.cargo();
    command.args(["test", "-p", "frame-pipeline", "--features", "onnx"]);
    command.args(["--test", "onnx_runs_a_model"]);
    tee(&mut command, tally)
}

/// The adapter's dependencies are fixed by a lock file of its own, one of them a version that was yanked.
fn adapter_tests(workspace: &Workspace, tally: &mut Tally) -> Result<bool> {
    let manifest = workspace.root.join("crates/ipfs-api-source/Cargo.toml");
    let mut fetch = workspace.cargo();
    fetch.args(["fetch", "--locked", "--manifest-path"]);
    if !process::status(fetch.arg(&manifest))?.success() {
        if is_lock_behind(workspace, &manifest)? {
            println!(
                "ipfs-api-source: failed, its Cargo.lock is behind the manifests; cargo update --workspace --manifest-path crates/ipfs-api-source/Cargo.toml"
            );
            return Ok(false);
        }
        println!(
            "ipfs-api-source: skipped, its dependencies cannot be fetched (see cargo's message above)"
        );
        return Ok(true);
    }
    let mut command = workspace.cargo();
    command.args(["test", "--no-fail-fast", "--locked", "--manifest-path"]);
    command.arg(&manifest);
    // One target folder, so that what both workspaces need is built once.
    command.arg("--target-dir").arg(&workspace.target_dir);
    tee(&mut command, tally)
}

/// Whether a workspace's lock file lacks what its manifests ask for, as far as can be told without a network.
fn is_lock_behind(workspace: &Workspace, manifest: &Path) -> Result<bool> {
    let mut metadata = workspace.cargo();
    metadata.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    let output = process::output(metadata.arg("--manifest-path").arg(manifest))?;
    Ok(String::from_utf8_lossy(&output.stderr).contains("update the lock file"))
}

/// The page's modules are plain JavaScript: node tests those that need no browser.
fn page_tests(workspace: &Workspace, tally: &mut Tally) -> Result<bool> {
    let dir = workspace.root.join("web").join("tests");
    let files = test_files(&dir)?;
    if files.is_empty() {
        println!("page modules: skipped, web/tests/ holds no *.test.js");
        return Ok(true);
    }
    let Some(node) = process::find_program("node") else {
        println!(
            "page modules: skipped, node is not on PATH (install Node.js {OLDEST_NODE} or later to run them)"
        );
        return Ok(true);
    };
    let version = process::stdout(Command::new(&node).arg("--version"))?;
    if node_major(&version).is_none_or(|major| major < OLDEST_NODE) {
        println!(
            "page modules: skipped, node {} is older than {OLDEST_NODE}",
            version.trim()
        );
        return Ok(true);
    }
    let mut command = Command::new(node);
    command
        .current_dir(&workspace.root)
        .args(["--test", "--test-reporter=tap"])
        .args(files);
    tee(&mut command, tally)
}

fn test_files(dir: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    if dir.is_dir() {
        for entry in
            std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?
        {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if name.ends_with(".test.js") || name.ends_with(".test.mjs") {
                files.push(name.into_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn node_major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Passes the child's output on line by line, counting results; true if it exited 0.
fn tee(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    eprintln!("$ {}", process::describe(command));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::describe(command)))?;
    let output = child
        .stdout
        .take()
        .context("the child's output was not piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the tests' output")?;
        let mut out = std::io::stdout().lock();
        out.write_all(&line)
            .and_then(|()| out.write_all(b"\n"))
            .context("cannot write to standard output")?;
        tally.read(&String::from_utf8_lossy(&line));
    }
    Ok(child.wait()?.success())
}

/// Sums over all test binaries.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Understands libtest's `test result: ok. 3 passed; 0 failed; 1 ignored; …` and TAP's `# pass 3`.
    fn read(&mut self, line: &str) {
        if let Some(tap) = line.strip_prefix("# ") {
            if let Some((word, count)) = tap.split_once(' ') {
                self.add(word, count);
            }
        } else if let Some((_, result)) = line.split_once("test result: ") {
            for part in result.split(['.', ';']) {
                if let Some((count, word)) = part.trim().split_once(' ') {
                    self.add(word, count);
                }
            }
        }
    }

    fn add(&mut self, word: &str, count: &str) {
        let Ok(count) = count.trim().parse::<u64>() else {
            return;
        };
        match word {
            "passed" | "pass" => self.passed += count,
            "failed" | "fail" => self.failed += count,
            "ignored" | "skipped" => self.skipped += count,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_libtest_and_node_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            "# tests 6",
            "# pass 5",
            "# fail 0",
            "# skipped 1",
        ] {
            tally.read(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 10,
                failed: 1,
                skipped: 2
            }
        );
    }

    #[test]
    fn nodes_version_is_read() {
        assert_eq!(node_major("v20.11.1\n"), Some(20));
        assert_eq!(node_major("nonsense"), None);
    }
}
