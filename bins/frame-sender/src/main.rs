//! Sends every frame of a video to a frame-worker and proves that each has one result.
#![forbid(unsafe_code)]

mod args;
mod inputs;
mod progress;
mod run;
mod totals;

use std::process::ExitCode;

use bin_support::{logging, parse_with_config};

/// A sixth of what a session costs is the system's allocator; docs/performance.md has what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = parse_with_config().and_then(|args| {
        logging::init();
        run::run(&args)
    });
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
