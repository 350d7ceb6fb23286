//! Ten thousand frames through twenty cuts and five deaths of the worker.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::driver::{BadLink, BadLinkConfig, ChildServer, Ways};
use testkit::{LinkConfig, Rng};

use super::run::{Binaries, http_address};
use crate::table::Table;

const FRAMES: u64 = 10_000;
const CUTS: u32 = 20;
const KILLS: u32 = 5;
/// Between a recovery and the next fault.
const CALM: Duration = Duration::from_millis(700);
/// A recovery that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// So slow that the faults find frames under way.
const WORKER: [&str; 4] = ["--processor", "sleep:10ms", "--workers", "1"];

/// Measures it: frames lost or doubled must be 0, and the longest wait from the path's return to the next result counts.
pub(super) fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results.jsonl");
    let mut worker = binaries.worker("127.0.0.1:0", &WORKER)?;
    let http = http_address(&worker)?;
    let way = LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::datagrams()
    };
    let link = BadLink::to_http(http, BadLinkConfig::both(way))?;
    let to = format!("http://{}", link.address());
    let written = results.to_str().context("a path that is no text")?;
    let input = format!("opaque:?bytes=20000&frames={FRAMES}");
    let sender = binaries.sender(&to, &input, &["--results", written, "--lanes", "data:2"]);
    let sender = { sender }.spawn()?;
    let mut waits = Vec::new();
    let mut rng = Rng::new(7);
    for fault in 0..CUTS + KILLS {
        std::thread::sleep(CALM);
        if fault % 5 == 4 {
            worker = killed(binaries, worker, http)?;
        } else {
            let cut = Duration::from_millis(1000 + rng.below(9000));
            link.control().cut(Ways::Both, false);
            std::thread::sleep(cut);
            link.control().restore();
        }
        waits.push(until_next(&results)?);
    }
    let output = sender.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let summary: Value = serde_json::from_str(text.lines().last().context("no summary")?)?;
    drop(worker);
    let worst = waits
        .iter()
        .max()
        .copied()
        .unwrap_or_default()
        .as_secs_f64();
    let detail = format!(
        "{CUTS} cuts of 1–10 s, {KILLS} kills; lost {}, duplicated {}, repeated {}, resumed {}; in order {}",
        summary["lost"],
        summary["duplicated"],
        summary["repeated"],
        summary["resumed"],
        each_once(&results)?
    );
    let whole = output.status.success() && summary["lost"] == 0 && summary["duplicated"] == 0;
    if !whole || !each_once(&results)? {
        return Ok(table.failed("process-cuts", worst, &detail)?);
    }
    Ok(table.measured("process-cuts", worst, &detail)?)
}

/// The worker dies and another takes its address.
fn killed(
    binaries: &Binaries,
    worker: ChildServer,
    http: std::net::SocketAddr,
) -> Result<ChildServer> {
    drop(worker);
    binaries.worker(&http.to_string(), &WORKER)
}

/// How long until another result is written.
fn until_next(results: &Path) -> Result<Duration> {
    let length = || std::fs::metadata(results).map_or(0, |file| file.len());
    let (began, before) = (Instant::now(), length());
    while length() == before {
        ensure!(
            began.elapsed() < PATIENCE,
            "no result within {PATIENCE:?} of the path's return"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(began.elapsed())
}

fn each_once(results: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(results)?;
    let mut expected = 0;
    for line in text.lines() {
        let result: Value = serde_json::from_str(line)?;
        if result["video_metadata"]["frame_id"] != expected {
            return Ok(false);
        }
        expected += 1;
    }
    Ok(expected == FRAMES)
}
