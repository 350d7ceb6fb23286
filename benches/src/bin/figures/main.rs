//! The table of figures: what the product promises, measured from outside, beside its peers.
//!
//! `cargo xtask bench` runs it after the criterion benches. Each measurement is a module of its own: `watch` (one
//! Chromium), `load` (many viewers), `goodput` (unpaced frames), `add` (against Kubo), `ipfs` (against curl and ffmpeg), `process`
//! (frame-sender to frame-worker, against libdatachannel). `docs/performance.md` holds the
//! values of record.

#![forbid(unsafe_code)]

mod add;
mod args;
mod browser;
mod catalogue;
mod encode;
mod goodput;
mod ipfs;
mod load;
mod process;
mod procfs;
mod server;
mod source;
mod table;
mod viewers;
mod watch;
mod webtransport;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::args::Args;
use crate::table::Table;

/// How the figure that needs a fresh machine is measured.
const CLONE: &str = "by hand, on a machine with git, Rust and a C compiler: \
    time (git clone URL frameway && cd frameway && cargo xtask demo), stopped when the page shows its first frame";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let Some(count) = args.viewers {
        viewers::run(count, &args.whep).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.bare_loop {
        writeln!(std::io::stdout(), "{:.1}", process::bare_loop().await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        table::list()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(args.json, args.names.clone());
    if !args.json {
        writeln!(std::io::stdout(), "{}\n", procfs::machine())?;
    }
    let broken = measure(&args, &mut table).await?;
    let missed = table.finish()?;
    Ok(if broken || (args.strict && missed > 0) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Measures what is wanted, one thing at a time. What cannot be measured is said and does not keep the rest from
/// being; whether there was such.
async fn measure(args: &Args, table: &mut Table) -> Result<bool> {
    let mut broken = false;
    if table.wants(&watch::FIGURES) {
        let result = watch::measure(args, table).await;
        broken |= explain(table, &watch::FIGURES, result)?;
    }
    if table.wants(&load::FIGURES) {
        let result = load::measure(args, table).await;
        broken |= explain(table, &load::FIGURES, result)?;
    }
    if table.wants(&goodput::FIGURES) {
        let result = goodput::measure(args, table).await;
        broken |= explain(table, &goodput::FIGURES, result)?;
    }
    if table.wants(&webtransport::FIGURES) {
        let result = webtransport::measure(args, table).await;
        broken |= explain(table, &webtransport::FIGURES, result)?;
    }
    if table.wants(&add::FIGURES) {
        let result = tokio::task::block_in_place(|| add::measure(args, table));
        broken |= explain(table, &add::FIGURES, result)?;
    }
    if table.wants(&ipfs::FIGURES) {
        let result = ipfs::measure(args, table).await;
        broken |= explain(table, &ipfs::FIGURES, result)?;
    }
    if table.wants(&process::FIGURES) {
        let result = tokio::task::block_in_place(|| process::measure(args, table));
        broken |= explain(table, &process::FIGURES, result)?;
    }
    table.skipped("clone", CLONE)?;
    Ok(broken)
}

/// A failed measurement leaves its figures without a value, and says why.
fn explain(table: &mut Table, figures: &[&str], result: Result<()>) -> Result<bool> {
    let Err(error) = result else { return Ok(false) };
    for name in figures {
        table.broken(name, &format!("not measured: {error:#}"))?;
    }
    Ok(true)
}
