//! Sends every frame of a video to a frame-worker and proves that each has one result.
#![forbid(unsafe_code)]

mod args;
mod progress;
mod run;

use std::process::ExitCode;

use bin_support::logging;
use clap::Parser as _;

/// A sixth of what a session costs is the system's allocator; docs/performance.md has what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    logging::init();
    match run::run(args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
