//! The process path from outside: frame-sender to frame-worker, beside libdatachannel and beside bare sessions.
//!
//! Feeds the figures whose names begin with `process-`. Runs that are compared alternate, so that a busy machine is busy for
//! both.

mod bare;
mod link;
mod quic;
mod recovery;
mod run;
mod shares;
mod tcp;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::run::{Binaries, Outcome};
use crate::args::Args;
use crate::table::{Table, median};

pub(crate) use self::bare::loop_once as bare_loop;

pub(crate) const FIGURES: [&str; 22] = [
    "process-peer",
    "process-bare",
    "process-memory",
    "process-workers",
    "process-batch",
    "process-rtt",
    "process-loss",
    "process-cuts",
    "quic-peer",
    "quic-cpu",
    "quic-rtt",
    "quic-loss-1",
    "quic-loss-5",
    "quic-loss-15",
    "quic-takeover",
    "quic-share-05",
    "quic-share-1",
    "quic-share-4",
    "quic-two",
    "quic-alone-1",
    "quic-tcp-1",
    "quic-tcp-5",
];

const RUNS: usize = 3;
/// Half a second each, of which the host's other guests take their share.
const SHORT_RUNS: usize = 7;
/// 2,000 frames of 100 kB, as the peers were measured.
const GOODPUT_INPUT: &str = "opaque:?bytes=100000&frames=2000";
const ONE_DATA_LANE: [&str; 2] = ["--lanes", "data:1"];
/// 2 GB: what is kept of it would show.
const LONG_INPUT: &str = "opaque:?bytes=100000&frames=20000";

/// Measures them.
pub(crate) fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let binaries = Binaries::find(args)?;
    if table.wants(&["process-peer", "process-bare"]) {
        goodput(args, &binaries, table)?;
    }
    if table.wants(&["process-memory"]) {
        memory(&binaries, table)?;
    }
    if table.wants(&["process-workers"]) {
        workers(&binaries, table)?;
    }
    if table.wants(&["process-batch"]) {
        batch(&binaries, table)?;
    }
    if table.wants(&["process-rtt"]) {
        link::round_trip(&binaries, table)?;
    }
    if table.wants(&["process-loss"]) {
        link::loss(&binaries, table)?;
    }
    if table.wants(&["process-cuts"]) {
        recovery::measure(&binaries, table)?;
    }
    if table.wants(&["quic-peer", "quic-cpu"]) {
        quic::goodput(peer(args).as_deref(), &binaries, table)?;
    }
    quic::lossy(&binaries, table)?;
    if table.wants(&["quic-takeover"]) {
        quic::takeover(&binaries, table)?;
    }
    shares::measure(&binaries, table)
}

fn listed(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(|value| format!("{value:.0}")).collect();
    texts.join(", ")
}

/// Ours, libdatachannel, str0m in a plain loop and our bare sessions, in turn.
fn goodput(args: &Args, binaries: &Binaries, table: &mut Table) -> Result<()> {
    let (peer, str0m) = (peer(args), built_peer("peer-str0m"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut plain, mut bare) = (Vec::new(), Vec::new());
    let mut cpu = (0.0, 0.0);
    for _ in 0..SHORT_RUNS {
        let outcome = binaries.run(&["--processor", "none"], GOODPUT_INPUT, &ONE_DATA_LANE)?;
        ours.push(outcome.megabytes_per_second());
        cpu = (outcome.sender_cpu_seconds, outcome.worker_cpu_seconds);
        if let Some(peer) = &peer {
            theirs.push(peer_run(peer)?);
        }
        if let Some(str0m) = &str0m {
            plain.push(peer_run(str0m)?);
        }
        bare.push(bare_run()?);
    }
    let (ours_at, bare_at) = (median(&mut ours), median(&mut bare));
    let gigabytes = 0.2;
    let detail = format!(
        "{} MB/s beside {} MB/s; {:.0} % of our own bare sessions ({} MB/s); {:.1} and {:.1} s of CPU a GB (sender, worker)",
        listed(&ours),
        listed(&plain),
        100.0 * ours_at / bare_at,
        listed(&bare),
        cpu.0 / gigabytes,
        cpu.1 / gigabytes
    );
    match plain.is_empty() {
        true => table.skipped(
            "process-bare",
            &format!("{detail}; {}", how_to_build("str0m")),
        )?,
        false => {
            let share = 100.0 * ours_at / median(&mut plain);
            table.measured("process-bare", share, &detail)?;
        }
    }
    if theirs.is_empty() {
        let how = how_to_build("libdatachannel");
        let reason = format!("ours {ours_at:.0} MB/s; {how}");
        return Ok(table.skipped("process-peer", &reason)?);
    }
    let theirs_at = median(&mut theirs);
    let detail = format!("{} MB/s beside {} MB/s", listed(&ours), listed(&theirs));
    Ok(table.measured("process-peer", ours_at / theirs_at, &detail)?)
}

/// libdatachannel's program, if it is built.
fn peer(args: &Args) -> Option<PathBuf> {
    let named = args.libdatachannel.clone().filter(|path| path.is_file());
    named.or_else(|| built_peer("peer-libdatachannel"))
}

/// A program of benches/peers, if it is built.
fn built_peer(name: &str) -> Option<PathBuf> {
    let target = std::env::current_exe().ok()?.parent()?.parent()?.to_owned();
    let path = target.join("peers/release").join(name);
    path.is_file().then_some(path)
}

fn how_to_build(peer: &str) -> String {
    format!(
        "no peer to compare with: build it with `cargo build --release --manifest-path benches/peers/{peer}/Cargo.toml \
         --target-dir target/peers`"
    )
}

fn peer_run(peer: &Path) -> Result<f64> {
    rate_printed(Command::new(peer).args(["2000", "100000"]))
}

/// Bare sessions in a process of their own, as ours are.
fn bare_run() -> Result<f64> {
    rate_printed(Command::new(std::env::current_exe()?).arg("--bare-loop"))
}

/// The number that a program prints.
fn rate_printed(command: &mut Command) -> Result<f64> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.trim()
        .parse()
        .with_context(|| format!("{command:?} printed {text:?}"))
}

/// By data channels and by QUIC; the most that any of the four processes ever had counts.
fn memory(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (mut most, mut details) = (0.0_f64, Vec::new());
    for lanes in ["data:1", "quic"] {
        let worker = ["--processor", "none"];
        let outcome = binaries.run(&worker, LONG_INPUT, &["--lanes", lanes])?;
        let (sender, worker) = (
            mib(outcome.sender_peak_bytes),
            mib(outcome.worker_peak_bytes),
        );
        most = most.max(sender).max(worker);
        details.push(format!(
            "{lanes}: sender {sender:.1} MiB, worker {worker:.1} MiB at {:.0} MB/s",
            outcome.megabytes_per_second()
        ));
    }
    let detail = format!("most ever resident over 2 GB; {}", details.join("; "));
    Ok(table.measured("process-memory", most, &detail)?)
}

/// A model of 75 ms, by one worker and by four.
fn workers(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let input = "opaque:?bytes=10000&frames=200";
    let rate = |workers: &str| -> Result<Outcome> {
        binaries.run(
            &["--processor", "sleep:75ms", "--workers", workers],
            input,
            &[],
        )
    };
    let (one, four) = (rate("1")?, rate("4")?);
    let detail = format!(
        "200 frames: {:.2} and {:.2} frames/s",
        one.fps(),
        four.fps()
    );
    Ok(table.measured("process-workers", four.fps() / one.fps(), &detail)?)
}

/// A model that takes 75 ms whatever it is given, alone and in tens.
fn batch(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let input = "opaque:?bytes=10000&frames=400";
    let rate = |batch: &str| -> Result<Outcome> {
        let worker = [
            "--processor",
            "sleep:75ms/batch",
            "--workers",
            "1",
            "--batch",
            batch,
        ];
        binaries.run(&worker, input, &[])
    };
    let (one, ten) = (rate("1")?, rate("10")?);
    let detail = format!("400 frames: {:.2} and {:.2} frames/s", one.fps(), ten.fps());
    Ok(table.measured("process-batch", ten.fps() / one.fps(), &detail)?)
}
