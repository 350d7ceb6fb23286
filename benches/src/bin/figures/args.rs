//! The command line: what `cargo xtask bench --figures-only -- --help` teaches.

use std::path::PathBuf;

use clap::Parser;

/// Measures the product against its figures and prints a table: value, target, ✓ or ✗.
///
/// Drives a release build of stream-server from outside: a Chromium watches it, native viewers in a process of their
/// own load it, and its CPU time and memory are read from /proc, so this needs Linux. A figure whose browser or peer
/// is missing is skipped with the reason, never passed. Values on a busy machine are worse than on an idle one: the
/// load average stands beside each.
#[derive(Debug, Parser)]
#[command(
    name = "figures",
    bin_name = "cargo xtask bench --figures-only --",
    after_help = AFTER_HELP
)]
pub(crate) struct Args {
    /// The figures to measure; all when none is named
    #[arg(value_name = "NAME", value_parser = crate::catalogue::names())]
    pub(crate) names: Vec<String>,
    /// Print the figures' names, targets and what each means, and exit
    #[arg(long)]
    pub(crate) list: bool,
    /// One JSON object per figure and line instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit 1 when a figure is missed
    #[arg(long)]
    pub(crate) strict: bool,
    /// How long CPU time and frame ages are gathered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub(crate) seconds: u64,
    /// The server to measure [default: stream-server beside this program]
    #[arg(long, env = "FRAMEWAY_SERVER", value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// The browser [default: the first of chromium, chromium-browser, google-chrome, google-chrome-stable on PATH]
    #[arg(long, env = "FRAMEWAY_CHROMIUM", value_name = "PATH")]
    pub(crate) chromium: Option<PathBuf>,
    /// Kubo, to compare `stream-server add` with and to read from [default: ipfs on PATH]
    #[arg(long, env = "FRAMEWAY_IPFS", value_name = "PATH")]
    pub(crate) ipfs: Option<PathBuf>,
    /// libdatachannel's part of the comparison [default: target/peers/release/peer-libdatachannel]
    #[arg(long, env = "FRAMEWAY_LIBDATACHANNEL", value_name = "PATH")]
    pub(crate) libdatachannel: Option<PathBuf>,
    /// Be two bare sessions, print megabytes a second (what the figures start themselves)
    #[arg(long, hide = true)]
    pub(crate) bare_loop: bool,
    /// Be COUNT viewers of the WHEP addresses given, in turn, until stdin ends (what the figures start themselves)
    #[arg(long, hide = true, value_name = "COUNT", requires = "whep")]
    pub(crate) viewers: Option<usize>,
    /// See --viewers
    #[arg(long, hide = true, value_name = "URL")]
    pub(crate) whep: Vec<String>,
}

const AFTER_HELP: &str = "\
Examples:
  cargo xtask bench --figures-only                       all of them, about four minutes
  cargo xtask bench --figures-only -- add                one
  cargo xtask bench --figures-only -- --list             what there is
  cargo xtask bench --figures-only -- --json goodput     for a script
  FRAMEWAY_IPFS=/opt/kubo/ipfs cargo xtask bench --figures-only -- add";
