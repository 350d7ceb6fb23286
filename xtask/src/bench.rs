//! `cargo xtask bench`: the criterion benches, then the table of figures.

use std::process::ExitCode;

use anyhow::Result;

use crate::args;
use crate::process;
use crate::workspace::Workspace;

const PACKAGE: &str = "frameway-benches";
const FIGURES: &str = "figures";

/// Runs both; the table is left out, with a word why, while the program that prints it is not there.
pub(crate) fn run(workspace: &Workspace, args: &args::Bench) -> Result<ExitCode> {
    if !args.figures_only {
        let mut bench = workspace.cargo();
        bench.args(["bench", "--package", PACKAGE, "--benches"]);
        if let Some(filter) = &args.filter {
            bench.args(["--", filter]);
        }
        process::run(&mut bench)?;
    }
    if args.filter.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    let has_figures = workspace
        .packages
        .iter()
        .filter(|package| package.name == PACKAGE)
        .flat_map(|package| &package.targets)
        .any(|target| target.name == FIGURES && target.kind.iter().any(|kind| kind == "bin"));
    if !has_figures {
        eprintln!("no table of figures: package {PACKAGE} has no binary named {FIGURES}");
        return Ok(if args.figures_only {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    // The figures drive a release build of the server.
    process::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "stream-server"])
            .args(["--package", "frame-sender", "--package", "frame-worker"]),
    )?;
    let mut figures = workspace.cargo();
    figures
        .args([
            "run",
            "--release",
            "--package",
            PACKAGE,
            "--bin",
            FIGURES,
            "--",
        ])
        .args(&args.figures_args);
    process::run(&mut figures)?;
    Ok(ExitCode::SUCCESS)
}
