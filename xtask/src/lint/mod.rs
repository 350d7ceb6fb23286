//! `cargo xtask lint`: every rule of this project that a command can check.
//!
//! One file per check, or per few that are one idea; [`CHECKS`] is the list. A check looks at the
//! workspace and returns an [`Outcome`]; this file picks, runs and prints.

mod bounded;
mod commands;
mod crate_files;
mod deny;
mod docs_map;
mod layers;
mod outcome;
mod packaging;
mod purity;
mod simd;
mod sizes;
mod source;
mod tree;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::args;
use crate::setup::{self, Policy, Purpose};
use crate::workspace::Workspace;
use outcome::Outcome;

/// What a check may look at.
struct Context {
    workspace: Workspace,
    policy: Policy,
}

/// One rule.
struct Check {
    name: &'static str,
    /// What holds when it passes.
    about: &'static str,
    /// What to do when it fails.
    remedy: &'static str,
    /// Whether it compiles, and so needs the C tools.
    compiles: bool,
    run: fn(&Context) -> Result<Outcome>,
}

/// Cheap ones first: what is wrong is said soon.
static CHECKS: &[Check] = &[
    layers::CHECK,
    purity::CHECK,
    bounded::CHECK,
    sizes::CHECK,
    simd::CHECK,
    crate_files::CHECK,
    docs_map::CHECK,
    tree::CHECK,
    commands::FMT,
    deny::RULES,
    deny::ADVISORIES,
    commands::CLIPPY,
    commands::FUZZ,
    commands::RUSTDOC,
    packaging::CHECK,
];

/// Runs the chosen checks, all of them even after a failure; fails when one did.
pub(crate) fn run(workspace: Workspace, args: &args::Lint, policy: Policy) -> Result<ExitCode> {
    if args.list {
        for check in CHECKS {
            println!("{:<12} {}", check.name, check.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&args.only, &args.skip)?;
    if chosen.iter().any(|check| check.compiles) {
        setup::run(&workspace, Purpose::Build, policy)?;
    }
    let context = Context { workspace, policy };
    let mut results = Vec::new();
    for check in chosen {
        eprintln!("… {}: {}", check.name, check.about);
        let started = Instant::now();
        let outcome =
            (check.run)(&context).unwrap_or_else(|error| Outcome::failed(format!("{error:#}")));
        results.push((check, outcome, started.elapsed()));
    }
    eprintln!();
    for (check, outcome, took) in &results {
        outcome.print(check, *took);
    }
    let count = |mark: fn(&Outcome) -> bool| {
        results
            .iter()
            .filter(|(_, outcome, _)| mark(outcome))
            .count()
    };
    let failed = count(Outcome::is_failure);
    let skipped = count(Outcome::is_skip);
    println!(
        "\n{} checks hold, {failed} do not, {skipped} could not be made",
        results.len() - failed - skipped
    );
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn choose(only: &[String], skip: &[String]) -> Result<Vec<&'static Check>> {
    for name in only.iter().chain(skip) {
        if !CHECKS.iter().any(|check| check.name == name) {
            let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            bail!(
                "no check is called {name:?}; there are {}",
                names.join(", ")
            );
        }
    }
    let wanted = |name: &str| match only {
        [] => !skip.iter().any(|skipped| skipped == name),
        only => only.iter().any(|chosen| chosen == name),
    };
    Ok(CHECKS.iter().filter(|check| wanted(check.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let own = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        choose(&own(only), &own(skip))
            .unwrap()
            .iter()
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn checks_are_chosen_by_name() {
        assert_eq!(names(&["purity", "fmt"], &[]), ["purity", "fmt"]);
        assert_eq!(names(&[], &["fmt"]).len(), CHECKS.len() - 1);
        assert_eq!(names(&[], &[]).len(), CHECKS.len());
        assert!(choose(&["nonsense".to_owned()], &[]).is_err());
    }

    #[test]
    fn no_two_checks_share_a_name() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }
}
