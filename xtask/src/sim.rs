//! `cargo xtask sim [SEEDS]`: the transport's simulation over many more seeds than a test run has time for.

use std::ops::Range;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::args;
use crate::process;
use crate::workspace::Workspace;

const PACKAGE: &str = "datachannel-transport";
const TEST: &str = "simulation";

/// Runs every mode over the seeds asked for, on all cores; the test prints how far it is, and the seed that fails.
pub(crate) fn run(workspace: &Workspace, args: &args::Sim) -> Result<ExitCode> {
    let seeds = range(args)?;
    let mut cargo = workspace.cargo();
    simulation(&mut cargo, &seeds);
    if !process::status(&mut cargo)?.success() {
        bail!(
            "the simulation failed; where a seed is named above, FRAMEWAY_SEED=n cargo test -p {PACKAGE} --test {TEST} replays it"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn range(args: &args::Sim) -> Result<Range<u64>> {
    match args.from.checked_add(args.seeds) {
        Some(end) => Ok(args.from..end),
        None => bail!("there are not {} seeds from {} on", args.seeds, args.from),
    }
}

/// One mode at a time, for each takes all cores.
fn simulation(cargo: &mut Command, seeds: &Range<u64>) {
    cargo
        .args(["test", "--release", "-p", PACKAGE, "--test", TEST])
        .args(["--", "--nocapture", "--test-threads=1"])
        .env_remove("FRAMEWAY_SEED")
        .env("FRAMEWAY_SEEDS", format!("{}..{}", seeds.start, seeds.end));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_asked_for_are_the_seeds_that_run() {
        let args = args::Sim {
            seeds: 500,
            from: 7,
        };
        let mut cargo = Command::new("cargo");
        simulation(&mut cargo, &range(&args).unwrap());
        let typed = process::describe(&cargo);
        assert!(typed.contains(r#"FRAMEWAY_SEEDS="7..507""#), "{typed}");
        let beyond = args::Sim {
            seeds: 2,
            from: u64::MAX,
        };
        assert!(range(&beyond).is_err());
    }
}
