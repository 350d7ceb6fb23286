//! Many viewers on one stream: what each further one costs the server, and how often a frame is encoded for them.
//!
//! Fed by [`crate::viewers`] in other processes; feeds `viewer-cpu`, `viewer-cpu-quic` and `encode-once`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::driver::ChildServer;

use crate::args::Args;
use crate::procfs::{CpuTimes, CpuUse};
use crate::server::{Server, number};
use crate::table::Table;
use crate::viewers::{QUIC_PATH, WATCHING};

pub(crate) const FIGURES: [&str; 3] = ["viewer-cpu", "viewer-cpu-quic", "encode-once"];

/// Viewers beyond the first, and of the figure `encode-once`.
const MANY: usize = 20;
const START: Duration = Duration::from_secs(90);
const SETTLE: Duration = Duration::from_secs(3);

/// Measures those that are wanted.
pub(crate) async fn measure(args: &Args, table: &mut Table) -> Result<()> {
    if table.wants(&["viewer-cpu"]) {
        let server = Server::start(args).await?;
        let address = server.whep("medium");
        further_viewers(args, table, "viewer-cpu", &server, address).await?;
    }
    if table.wants(&["viewer-cpu-quic"]) {
        let server = Server::start(args).await?;
        let address = server.whep("medium").replace("/whep/", QUIC_PATH);
        further_viewers(args, table, "viewer-cpu-quic", &server, address).await?;
    }
    if table.wants(&["encode-once"]) {
        encode_once(args, table).await?;
    }
    Ok(())
}

async fn further_viewers(
    args: &Args,
    table: &mut Table,
    figure: &str,
    server: &Server,
    address: String,
) -> Result<()> {
    let address = [address];
    let _first = viewers(1, &address)?;
    let (one, one_frames, _) = watch(server, args.seconds).await?;
    let _others = viewers(MANY, &address)?;
    let (many, many_frames, megabits) = watch(server, args.seconds).await?;

    let spent = |cpu: &CpuUse| cpu.percent("") - cpu.percent("decode");
    let each = (spent(&many) - spent(&one)) / MANY as f64;
    let per_thread = |name: &str| (many.percent(name) - one.percent(name)) / MANY as f64;
    let detail = format!(
        "1 viewer {:.2} %, 21 viewers {:.2} % without decode; each: sockets {:.2} %, fan-out {:.2} %; \
         {:.1} Mbit/s each, {:.1} and {:.1} frames/s acknowledged a viewer",
        spent(&one),
        spent(&many),
        per_thread("tokio"),
        per_thread("pace"),
        megabits / (MANY as f64 + 1.0),
        one_frames,
        many_frames / (MANY as f64 + 1.0),
    );
    Ok(table.measured(figure, each, &detail)?)
}

async fn encode_once(args: &Args, table: &mut Table) -> Result<()> {
    let server = Server::start(args).await?;
    let _viewers = viewers(
        MANY,
        &["low", "medium", "high"].map(|quality| server.whep(quality)),
    )?;
    tokio::time::sleep(SETTLE).await;
    let before = server.metrics().await?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let after = server.metrics().await?;
    let frames = delta(&before, &after, "/performance/frames_released")?;
    let encodes = delta(&before, &after, "/performance/encodes")?;
    let hits = delta(&before, &after, "/performance/encode_cache_hits")?;
    let present = after["viewers"].as_array().map_or(0, Vec::len);
    ensure!(
        present == MANY,
        "{present} of {MANY} viewers were still there"
    );
    // Between reading the one count and the other a frame may have been encoded: one frame is not a broken promise.
    let value = if encodes <= 3.0 * (frames + 1.0) {
        (encodes / frames).min(3.0)
    } else {
        encodes / frames
    };
    let detail =
        format!("{encodes} encodes and {hits} cache hits for {frames} frames to {present} viewers");
    Ok(table.measured("encode-once", value, &detail)?)
}

/// CPU time, frames acknowledged per second and Mbit/s over some seconds.
async fn watch(server: &Server, seconds: u64) -> Result<(CpuUse, f64, f64)> {
    tokio::time::sleep(SETTLE).await;
    let (before, cpu_before) = (server.metrics().await?, CpuTimes::read(server.pid())?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (cpu, after) = (
        CpuTimes::read(server.pid())?.since(&cpu_before),
        server.metrics().await?,
    );
    let per_second =
        |pointer| Ok::<_, anyhow::Error>(delta(&before, &after, pointer)? / cpu.wall.as_secs_f64());
    let frames = per_second("/network/frames_acked")?;
    let megabits = per_second("/network/bytes_sent")? * 8.0 / 1e6;
    Ok((cpu, frames, megabits))
}

fn delta(before: &Value, after: &Value, pointer: &str) -> Result<f64> {
    Ok(number(after, pointer)? - number(before, pointer)?)
}

/// Starts viewers and waits until each has a frame.
fn viewers(count: usize, whep: &[String]) -> Result<ChildServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--viewers", &count.to_string()]);
    for url in whep {
        command.args(["--whep", url]);
    }
    let child = tokio::task::block_in_place(|| ChildServer::start(command, START))?;
    ensure!(
        child.first_line() == WATCHING,
        "the viewers said {:?}",
        child.first_line()
    );
    Ok(child)
}
