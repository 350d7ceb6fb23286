//! The QUIC lane: beside libdatachannel on loopback, over long and lossy paths, and when its port is blocked.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig};

use super::link::path;
use super::run::{Binaries, http_address};
use super::{GOODPUT_INPUT, RUNS, listed, peer_run};
use crate::table::{Table, median};

const LANES: [&str; 2] = ["--lanes", "quic"];
const WORKER: [&str; 2] = ["--processor", "none"];
/// 200 MB, as much as was measured of the peers.
const LOSSY_INPUT: &str = "opaque:?bytes=100000&frames=2000";
/// Chance of a datagram's loss each way, and the figure.
const LOSSES: [(f64, &str); 4] = [
    (0.0, "quic-rtt"),
    (0.01, "quic-loss-1"),
    (0.05, "quic-loss-5"),
    (0.15, "quic-loss-15"),
];
/// The longest UDP payload on Ethernet, over IPv4: ends on loopback would agree on more.
const ETHERNET_BYTES: usize = 1472;
/// A takeover that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ours and libdatachannel in turn, and what ours cost.
pub(super) fn goodput(peer: Option<&Path>, binaries: &Binaries, table: &mut Table) -> Result<()> {
    let (mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let outcome = binaries.run(&WORKER, GOODPUT_INPUT, &LANES)?;
        ours.push(outcome.megabytes_per_second());
        let gigabytes = 0.2;
        cpu.push((outcome.sender_cpu_seconds + outcome.worker_cpu_seconds) / gigabytes);
        if let Some(peer) = peer {
            theirs.push(peer_run(peer)?);
        }
    }
    let detail = format!("{} MB/s", listed(&ours));
    table.measured("quic-cpu", median(&mut cpu), &detail)?;
    if theirs.is_empty() {
        return Ok(table.skipped("quic-peer", &format!("{detail}; no peer to compare with"))?);
    }
    let detail = format!("{detail} beside {} MB/s", listed(&theirs));
    let ratio = median(&mut ours) / median(&mut theirs);
    Ok(table.measured("quic-peer", ratio, &detail)?)
}

/// 50 ms, and what is lost each way. The bad link itself takes much of one core.
pub(super) fn lossy(binaries: &Binaries, table: &mut Table) -> Result<()> {
    for (loss, figure) in LOSSES {
        if !table.wants(&[figure]) {
            continue;
        }
        let mut path = path(loss);
        path.up.mtu_bytes = ETHERNET_BYTES;
        path.down.mtu_bytes = ETHERNET_BYTES;
        let outcome = binaries.run_through(path, &WORKER, LOSSY_INPUT, &LANES)?;
        let detail = format!(
            "200 MB; {:.1} and {:.1} s of CPU (sender, worker)",
            outcome.sender_cpu_seconds, outcome.worker_cpu_seconds
        );
        table.measured(figure, outcome.megabytes_per_second(), &detail)?;
    }
    Ok(())
}

/// The port is blocked in mid-stream: how long until data channels bring the next result.
pub(super) fn takeover(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results.jsonl");
    let written = results.to_str().context("a path that is no text")?;
    let worker = binaries.worker(
        "127.0.0.1:0",
        &["--processor", "sleep:5ms", "--workers", "1"],
    )?;
    let way = LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::datagrams()
    };
    let link = BadLink::to_http(http_address(&worker)?, BadLinkConfig::both(way))?;
    let to = format!("http://{}", link.address());
    let input = "opaque:?bytes=20000&frames=4000";
    let sender = binaries
        .sender(&to, input, &["--results", written])
        .spawn()?;
    let mut waits = Vec::new();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        link.control().block_webtransport(true);
        waits.push(longest_pause(&results, Duration::from_secs(3))?);
        link.control().block_webtransport(false);
    }
    let output = sender.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let summary: serde_json::Value =
        serde_json::from_str(text.lines().last().context("no summary")?)?;
    let worst = waits
        .iter()
        .max()
        .copied()
        .unwrap_or_default()
        .as_secs_f64();
    let detail = format!(
        "blocked four times for 3 s; lost {}, duplicated {}, {} changes of carrier",
        summary["lost"], summary["duplicated"], summary["carrier_changes"]
    );
    let whole = output.status.success() && summary["lost"] == 0 && summary["duplicated"] == 0;
    let changed = summary["carrier_changes"].as_u64() >= Some(4);
    if !whole || !changed {
        return Ok(table.failed("quic-takeover", worst, &detail)?);
    }
    Ok(table.measured("quic-takeover", worst, &detail)?)
}

/// The longest time within `lasting` in which no result was written.
fn longest_pause(results: &Path, lasting: Duration) -> Result<Duration> {
    let length = || std::fs::metadata(results).map_or(0, |file| file.len());
    let began = Instant::now();
    let (mut last, mut seen, mut longest) = (began, length(), Duration::ZERO);
    while began.elapsed() < lasting {
        let (now, length) = (Instant::now(), length());
        if length != seen {
            (seen, last) = (length, now);
        }
        longest = longest.max(now - last);
        ensure!(longest < PATIENCE, "no result within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(longest)
}
