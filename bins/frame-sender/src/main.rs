//! Sends every frame of a video to a frame-worker and proves that each has one result.
#![forbid(unsafe_code)]

mod args;
mod progress;
mod run;

use std::process::ExitCode;

use bin_support::logging;
use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    logging::init();
    match run::run(args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
