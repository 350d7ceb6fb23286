//! Takes every frame of a video over WebRTC, runs it through processors, and answers each once.
#![forbid(unsafe_code)]

mod args;
mod work;

use std::process::ExitCode;

use bin_support::{logging, parse_with_config};

/// A sixth of what a session costs is the system's allocator; docs/performance.md has what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = parse_with_config().and_then(|args| {
        logging::init();
        work::run(args)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
