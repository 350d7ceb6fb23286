//! Streams a video held by IPFS, a file or a URL to browsers over WebRTC.
#![forbid(unsafe_code)]

mod add;
mod args;
mod config;
mod serve;

use std::process::ExitCode;

use bin_support::logging;
use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    logging::init();
    let result = match args.command {
        Command::Demo(demo) => serve::demo(*demo),
        Command::Serve(flags) => config::settings(*flags).and_then(serve::serve),
        Command::Add(add) => add::run(&add),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
