//! The command line: what `cargo xtask --help` teaches.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::link::values::{self, Cut};
use crate::setup::Purpose;

/// Frameway's own commands.
///
/// On a fresh machine with git, Rust and a C compiler, start with `cargo xtask demo`: it installs
/// what the build needs, builds, and prints the address of a page that plays a video over WebRTC.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Install nothing: name what is missing, how to install it, and exit 1.
    #[arg(long, global = true, env = "FRAMEWAY_NO_INSTALL", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_install: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Installing works on Debian and Ubuntu, as root or with a password-less sudo, by apt-get; elsewhere
a command names what to install and how. Rust itself is pinned by rust-toolchain.toml.

Examples:
  cargo xtask demo                             watch the built-in clip in a browser
  cargo xtask demo -- --http 127.0.0.1:9000    the same, on another port
  cargo xtask test                             everything, from unit tests to a real browser
  cargo xtask test -- -p frame-buffer          the tests of one crate
  cargo xtask sim --from 100000                seeds that the default does not run
  cargo xtask lint --only purity               one check
  cargo xtask lint --list                      the names of all checks
  cargo xtask link --to http://127.0.0.1:8080 --delay 25ms --loss 1%
                                               the demo, over a bad network";

const LINK_HELP: &str = "\
Every quantity holds each way: a delay of 25ms is a round-trip time of 50 ms. HTTP is not impaired.
The server must name a candidate at 127.0.0.1 (the demo does), and the browser must take it (Chromium
does, Firefox does not).

Example, in two terminals:
  cargo xtask demo
  cargo xtask link --to http://127.0.0.1:8080 --delay 25ms --jitter 5ms --loss 1% --cut 30s/5s
Open the address that the second prints: the page and its WebRTC go through the link.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build stream-server and start its demo: a generated clip, a page that plays it.
    ///
    /// Everything before the server's own output goes to stderr, so the first line on stdout is
    /// the page's address. Ctrl-C drains the viewers and exits 0.
    Demo(Demo),
    /// Run every test: unit, property, simulation, end to end, browser, doctests, and the page's own.
    ///
    /// Needs a Chromium and ffmpeg, and installs them where it can. FRAMEWAY_CHROMIUM=PATH names a
    /// browser that is not on PATH.
    Test(Test),
    /// Check everything a change must satisfy; prints each check with what to do when it fails.
    Lint(Lint),
    /// Run the criterion benches, then the table of figures (release profile).
    Bench(Bench),
    /// Run the transport's simulation over SEEDS seeds (release profile, all cores).
    ///
    /// Each seed is a link in weather of its own: lanes that die, are cut and come late, processes that
    /// come back. A failure names its seed; FRAMEWAY_SEED=n cargo test -p datachannel-transport --test
    /// simulation replays it.
    Sim(Sim),
    /// Run every target under fuzz/ for SECONDS each (needs a nightly toolchain and cargo-fuzz).
    Fuzz {
        /// How long each target runs.
        #[arg(default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        seconds: u32,
    },
    /// Put a bad network before a running server: delay, loss, a low rate, cuts.
    ///
    /// The first line on stdout is the address to use in place of the server's. Requests to it are passed on to the
    /// server, whose answers then name the link instead of the server, so that datagrams go through it as well. Runs
    /// until Ctrl-C, and counts once a second what became of the datagrams when stderr is a terminal.
    #[command(after_help = LINK_HELP)]
    Link(Link),
    /// Only install (or, with --no-install, name) what the other commands need.
    Setup {
        /// What the machine is to be made ready for.
        #[arg(long = "for", value_enum, default_value_t = Purpose::Build)]
        purpose: Purpose,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Build with optimisation throughout: slower to build, and shares nothing with `cargo xtask test`.
    #[arg(long)]
    pub(crate) release: bool,
    /// Passed on to `stream-server demo`; `-- --help` lists them.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) server_args: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Passed on to `cargo test` in place of `--workspace`, e.g. `-p frame-buffer overflow`.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) cargo_args: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sim {
    /// How many seeds.
    #[arg(default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) from: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lint {
    /// Run this check alone (repeatable).
    #[arg(long, value_name = "NAME", conflicts_with = "skip")]
    pub(crate) only: Vec<String>,
    /// Leave this check out (repeatable).
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<String>,
    /// Print the checks and what each is about, and exit.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Run the criterion benches whose name contains this; all when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) filter: Option<String>,
    /// Print the table of figures alone.
    #[arg(long, conflicts_with = "filter")]
    pub(crate) figures_only: bool,
    /// Passed on to the program that prints the table of figures.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) figures_args: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Link {
    /// The server, e.g. http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", value_parser = values::server)]
    pub(crate) to: SocketAddr,
    /// Where to listen; port 0 picks one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// How much later datagrams arrive, e.g. 25ms.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = values::duration)]
    pub(crate) delay: Duration,
    /// Up to this much more; keeps the order.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = values::duration)]
    pub(crate) jitter: Duration,
    /// Share of datagrams that vanish, e.g. 1%.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    pub(crate) loss: f64,
    /// Share of datagrams that arrive twice.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    pub(crate) duplicate: f64,
    /// Share of datagrams held back by up to 10 ms, so that later ones overtake them.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    pub(crate) reorder: f64,
    /// Bytes per second, e.g. 10MB/s, with a queue of 256 KiB that drops what finds it full; without limit when absent.
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    pub(crate) rate: Option<u64>,
    /// Drop everything once per EVERY, for so long: 30s/5s.
    #[arg(long, value_name = "EVERY/FOR", value_parser = values::cut)]
    pub(crate) cut: Option<Cut>,
    /// Of all chances; another seed loses other datagrams.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
