//! The project's own commands: `cargo xtask demo | test | lint | bench | sim | fuzz | link | setup`.
//!
//! One file per command. Each makes sure that the tools it needs are there ([`setup`]), then runs
//! cargo and friends as children ([`process`]). No command needs a shell or a script language.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to a person"
)]

mod args;
mod bench;
mod demo;
mod fuzz;
mod link;
mod lint;
mod process;
mod setup;
mod sim;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Args, Command};
use setup::{Policy, Purpose};
use workspace::Workspace;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let policy = if args.no_install {
        Policy::NameOnly
    } else {
        Policy::Install
    };
    match args.command {
        Command::Link(link) => link::run(&link),
        Command::Setup { purpose } => {
            setup::run(&workspace, purpose, policy).map(|()| ExitCode::SUCCESS)
        }
        Command::Demo(demo) => {
            setup::run(&workspace, Purpose::Build, policy)?;
            demo::run(&workspace, &demo)
        }
        Command::Test(test) => {
            setup::run(&workspace, Purpose::Test, policy)?;
            test::run(&workspace, &test, policy)
        }
        Command::Lint(lint) => lint::run(workspace, &lint, policy),
        Command::Bench(bench) => {
            setup::run(&workspace, Purpose::Bench, policy)?;
            bench::run(&workspace, &bench)
        }
        Command::Sim(sim) => sim::run(&workspace, &sim),
        Command::Fuzz { seconds } => {
            setup::run(&workspace, Purpose::Build, policy)?;
            fuzz::run(&workspace, seconds)
        }
    }
}
