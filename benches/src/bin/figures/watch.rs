//! One Chromium watches one stream: how soon it sees a frame, how old frames are, and what the server spends on it.
//!
//! Feeds `first-frame`, `frame-age`, `server-cpu` and `memory`.

use std::time::Duration;

use anyhow::Result;
use chromiumoxide::Page;

use crate::args::Args;
use crate::browser::{self, Browser};
use crate::encode;
use crate::procfs::{self, CpuTimes};
use crate::server::{Server, number};
use crate::table::Table;

pub(crate) const FIGURES: [&str; 4] = ["first-frame", "frame-age", "server-cpu", "memory"];

/// Page loads counted, after one that fills the browser's caches.
const LOADS: usize = 5;
const FIRST_FRAME: Duration = Duration::from_secs(30);
/// Connecting, the first encodes and the charts' start are over by then.
const SETTLE: Duration = Duration::from_secs(3);

const FIRST_FRAME_MS: &str = "window.frameway?.stats().page.first_frame_ms ?? null";
const GATHER_AGES: &str =
    "window.ages = []; window.frameway.onframe((frame) => window.ages.push(frame.age_ms)); true";

/// Measures them all in one go.
pub(crate) async fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let chromium = match browser::find(args) {
        Ok(chromium) => chromium,
        Err(reason) => {
            return Ok(FIGURES
                .iter()
                .try_for_each(|name| table.skipped(name, &reason))?);
        }
    };
    let server = Server::start(args).await?;
    let browser = Browser::launch(chromium).await?;
    let page = first_frames(&server, &browser, "first-frame", table).await?;
    let result = steady(args, &server, &page, table).await;
    browser.close().await?;
    result
}

/// Loads the page some times; the last one stays open.
pub(crate) async fn first_frames(
    server: &Server,
    browser: &Browser,
    figure: &str,
    table: &mut Table,
) -> Result<Page> {
    let url = format!("{}/?stream={}", server.url, server.stream);
    let mut times = Vec::new();
    loop {
        let page = browser.open(&url).await?;
        times.push(browser::wait_for::<f64>(&page, FIRST_FRAME_MS, FIRST_FRAME).await?);
        if times.len() > LOADS {
            let cold = times.remove(0);
            let detail = format!("loads in ms: {times:.0?}; the browser's very first: {cold:.0}");
            times.sort_by(f64::total_cmp);
            table.measured(figure, times[LOADS / 2], &detail)?;
            return Ok(page);
        }
        page.close().await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Lets it play, and reads the clocks before and after.
async fn steady(args: &Args, server: &Server, page: &Page, table: &mut Table) -> Result<()> {
    tokio::time::sleep(SETTLE).await;
    browser::evaluate::<bool>(page, GATHER_AGES).await?;
    let (before, cpu_before) = (server.metrics().await?, CpuTimes::read(server.pid())?);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let (cpu, after) = (
        CpuTimes::read(server.pid())?.since(&cpu_before),
        server.metrics().await?,
    );

    let ages: Vec<Option<f64>> = browser::evaluate(page, "window.ages").await?;
    report_ages(ages.into_iter().flatten().collect(), table)?;
    let (rss, peak) = (
        procfs::memory_mib(server.pid(), "VmRSS")?,
        procfs::memory_mib(server.pid(), "VmHWM")?,
    );

    if table.wants(&["server-cpu"]) {
        let encodes =
            number(&after, "/performance/encodes")? - number(&before, "/performance/encodes")?;
        let (each, bytes) = tokio::task::block_in_place(encode::cost)?;
        let encode = 100.0 * encodes * each.as_secs_f64() / cpu.wall.as_secs_f64();
        let (all, decode, pace, media) = (
            cpu.percent(""),
            cpu.percent("decode"),
            cpu.percent("pace"),
            cpu.percent("tokio"),
        );
        let detail = format!(
            "all threads {all:.2} % - decode {decode:.2} % - encode {encode:.2} % ({:.2} ms CPU a frame of {:.0} kB); \
             of the rest: pacing and fan-out {:.2} %, sockets and HTTP {media:.2} %",
            1000.0 * each.as_secs_f64(),
            bytes as f64 / 1000.0,
            pace - encode,
        );
        table.measured("server-cpu", all - decode - encode, &detail)?;
    }
    table.measured(
        "memory",
        rss,
        &format!("VmRSS after {} s of play; peak {peak:.1} MiB", args.seconds),
    )?;
    Ok(())
}

fn report_ages(mut ages: Vec<f64>, table: &mut Table) -> Result<()> {
    ages.sort_by(f64::total_cmp);
    let at = |share: f64| {
        ages.get((share * (ages.len() as f64 - 1.0)).round() as usize)
            .copied()
    };
    let (Some(p50), Some(p95), Some(max)) = (at(0.5), at(0.95), at(1.0)) else {
        return Ok(table.skipped("frame-age", "the page drew no frame whose age it knew")?);
    };
    let detail = format!("{} frames, p50 {p50:.1} ms, worst {max:.1} ms", ages.len());
    Ok(table.measured("frame-age", p95, &detail)?)
}
