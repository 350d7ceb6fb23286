//! Frames as fast as a Chromium takes them: every frame, opaque, 100 kB, over one data channel.
//!
//! The sender is the product's (webrtc-session, datachannel-transport), the receiver is the viewer page's own module
//! (`web/receiver.js`); the rest of the page is `goodput.js`. Feeds `goodput`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use tokio::net::TcpListener;
use webrtc_session::{Endpoint, EndpointConfig, SessionId};

use crate::args::Args;
use crate::browser::{self, Browser};
use crate::procfs::{self, CpuTimes};
use crate::source::Source;
use crate::table::Table;

pub(crate) const FIGURES: [&str; 1] = ["goodput"];

const FRAME_BYTES: usize = 100_000;
const FRAMES: u64 = 4_000;
const RUNS: usize = 3;
const RUN_DEADLINE: Duration = Duration::from_secs(120);

/// What the page counts.
#[derive(Debug, Deserialize)]
struct Counts {
    bytes: u64,
    first_ms: f64,
    last_ms: f64,
    refused: u64,
}

/// One run's outcome.
#[derive(Debug)]
struct Run {
    megabytes_per_second: f64,
    /// Datagrams lost at the browser's socket because it was full.
    dropped: u64,
    /// Bytes of datagrams per byte of frames.
    overhead: f64,
}

/// Everything the page's requests need.
struct Bench {
    endpoint: Endpoint,
    payload: Bytes,
    acked: Arc<AtomicU64>,
    session: Mutex<Option<SessionId>>,
}

/// Measures it.
pub(crate) async fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let chromium = match browser::find(args) {
        Ok(chromium) => chromium,
        Err(reason) => return Ok(table.skipped("goodput", &reason)?),
    };
    let bench = Arc::new(Bench {
        endpoint: Endpoint::bind(EndpointConfig::new("127.0.0.1:0".parse()?))?,
        payload: incompressible(FRAME_BYTES),
        acked: Arc::default(),
        session: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let served = tokio::spawn(axum::serve(listener, pages(Arc::clone(&bench))).into_future());
    let browser = Browser::launch(chromium).await?;
    let (mut runs, cpu_before) = (Vec::new(), CpuTimes::read(std::process::id())?);
    for _ in 0..RUNS {
        runs.push(run(&bench, &browser, &url).await?);
    }
    let cpu = CpuTimes::read(std::process::id())?.since(&cpu_before);
    served.abort();
    browser.close().await?;
    report(&mut runs, &cpu, table)
}

fn report(runs: &mut [Run], cpu: &procfs::CpuUse, table: &mut Table) -> Result<()> {
    runs.sort_by(|a, b| a.megabytes_per_second.total_cmp(&b.megabytes_per_second));
    let rates: Vec<String> = runs
        .iter()
        .map(|run| format!("{:.1}", run.megabytes_per_second))
        .collect();
    let dropped: u64 = runs.iter().map(|run| run.dropped).sum();
    let median = runs.get(runs.len() / 2).context("no run")?;
    let core_seconds = cpu.percent("") / 100.0 * cpu.wall.as_secs_f64();
    let gigabytes = (RUNS as u64 * FRAMES) as f64 * FRAME_BYTES as f64 / 1e9;
    let detail = format!(
        "median of {} MB/s; {dropped} datagrams dropped at the browser's socket; {:.3} bytes sent per byte; \
         sender {:.1} s of CPU a GB",
        rates.join(", "),
        median.overhead,
        core_seconds / gigabytes,
    );
    if dropped > 0 {
        return Ok(table.failed("goodput", median.megabytes_per_second, &detail)?);
    }
    Ok(table.measured("goodput", median.megabytes_per_second, &detail)?)
}

async fn run(bench: &Bench, browser: &Browser, url: &str) -> Result<Run> {
    bench.acked.store(0, Ordering::Relaxed);
    let page = browser.open(url).await?;
    let all = format!("window.goodput?.().frames >= {FRAMES} || null");
    let ended = browser::wait_for::<bool>(&page, &all, RUN_DEADLINE).await;
    let counts: Counts = browser::evaluate(&page, "window.goodput()").await?;
    ended.with_context(|| {
        format!(
            "the page has {counts:?}; {} acknowledged",
            bench.acked.load(Ordering::Relaxed)
        )
    })?;
    ensure!(counts.refused == 0, "the page refused frames: {counts:?}");
    let session = bench
        .session
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .context("no offer came")?;
    let stats = bench.endpoint.stats(session).await?;
    let port = stats
        .remote_address
        .context("no address of the browser is known")?
        .port();
    let run = Run {
        megabytes_per_second: counts.bytes as f64 / 1000.0 / (counts.last_ms - counts.first_ms),
        dropped: procfs::udp_drops(port)
            .context("/proc/net/udp does not list the browser's socket")?,
        overhead: stats.bytes_sent as f64 / counts.bytes as f64,
    };
    page.close().await?;
    bench.endpoint.close(session).await?;
    Ok(run)
}

fn pages(bench: Arc<Bench>) -> Router {
    let script = |text: &'static str| {
        get(move || async move { ([("content-type", "text/javascript")], text) })
    };
    Router::new()
        .route("/", get(|| async { Html(include_str!("goodput.html")) }))
        .route("/goodput.js", script(include_str!("goodput.js")))
        .route(
            "/web/receiver.js",
            script(include_str!("../../../../web/receiver.js")),
        )
        .route(
            "/web/protocol.js",
            script(include_str!("../../../../web/protocol.js")),
        )
        .route(
            "/web/wire.js",
            script(include_str!("../../../../web/wire.js")),
        )
        .route(
            "/web/sdp.js",
            script(include_str!("../../../../web/sdp.js")),
        )
        .route("/offer", post(offer))
        .with_state(bench)
}

async fn offer(State(bench): State<Arc<Bench>>, sdp: String) -> Result<String, String> {
    let source = Source::new(bench.payload.clone(), FRAMES, Arc::clone(&bench.acked))
        .map_err(|error| error.to_string())?;
    let accepted = bench
        .endpoint
        .accept(&sdp, Box::new(source))
        .await
        .map_err(|error| error.to_string())?;
    *bench.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted.session);
    Ok(accepted.answer_sdp)
}

/// Bytes that no compression shortens, the same in each run (xorshift64, Marsaglia 2003).
pub(crate) fn incompressible(bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words
        .take(bytes.div_ceil(8))
        .flatten()
        .take(bytes)
        .collect()
}
