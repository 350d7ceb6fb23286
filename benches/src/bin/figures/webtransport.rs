//! Frames of 100 kB to a Chromium by WebTransport: as fast as it takes them, and 30 a second over a long and lossy path, beside a
//! data channel on the same path. And how soon the viewer page has its first frame that way.
//!
//! The sender is the product's (quic-session, datachannel-transport) with the settings of its viewers, the receiver is the viewer
//! page's own worker and receiver; the rest of the page is `webtransport.js`. Every frame is sent: none gives way to a newer one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{StatusCode, header};
use quic_session::SessionConfig;
use serde::Deserialize;
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig};
use tokio::net::TcpListener;

use crate::args::Args;
use crate::browser::{self, Browser};
use crate::goodput::incompressible;
use crate::procfs::CpuTimes;
use crate::server::Server;
use crate::source::{self, Source};
use crate::table::Table;
use crate::watch;

pub(crate) const FIGURES: [&str; 6] = [
    "webtransport-goodput",
    "webtransport-age-0",
    "webtransport-age-1",
    "webtransport-age-5",
    "webtransport-age-15",
    "webtransport-first-frame",
];

const FRAME_BYTES: usize = 100_000;
/// Of a run as fast as it goes.
const FRAMES: u64 = 4_000;
const RUNS: usize = 3;
/// Of a run of 30 a second.
const PACED_FRAMES: u64 = 300;
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// Frames that are not here so long after the last was due are not waited for.
const LATE: Duration = Duration::from_secs(10);
const RUN_DEADLINE: Duration = Duration::from_secs(120);
/// Half of the round trip.
const DELAY: Duration = Duration::from_millis(25);
/// Chance of a datagram's loss each way, and the figure.
const LOSSES: [(f64, &str); 4] = [
    (0.0, "webtransport-age-0"),
    (0.01, "webtransport-age-1"),
    (0.05, "webtransport-age-5"),
    (0.15, "webtransport-age-15"),
];

/// What the page has seen.
#[derive(Debug, Default, Deserialize)]
struct Seen {
    frames: u64,
    bytes: u64,
    first_ms: f64,
    last_ms: f64,
    refused: u64,
    ages_ms: Vec<f64>,
    closed: Option<String>,
}

impl Seen {
    /// The age that this share of the frames does not exceed, ms.
    fn age(&self, share: f64) -> Option<f64> {
        let mut ages = self.ages_ms.clone();
        ages.sort_by(f64::total_cmp);
        let last = ages.len().checked_sub(1)?;
        ages.get((share * last as f64).round() as usize).copied()
    }
}

/// One of [`Source`]'s two.
type MakeSource = fn(Bytes, u64, Arc<AtomicU64>) -> Result<Source>;

/// Everything the page's requests need.
struct Bench {
    data: webrtc_session::Endpoint,
    quic: quic_session::Endpoint,
    payload: Bytes,
    frames: u64,
    interval: Option<Duration>,
}

impl Bench {
    fn new(frames: u64, interval: Option<Duration>) -> Result<Self> {
        let any = "127.0.0.1:0".parse()?;
        let mut quic = quic_session::EndpointConfig::new(any);
        quic.resend_at_once = true;
        Ok(Self {
            data: webrtc_session::Endpoint::bind(webrtc_session::EndpointConfig::new(any))?,
            quic: quic_session::Endpoint::bind(quic)?,
            payload: incompressible(FRAME_BYTES),
            frames,
            interval,
        })
    }

    fn paced(&self, make: MakeSource) -> Result<Source, String> {
        let acked = Arc::default();
        let source = make(self.payload.clone(), self.frames, acked);
        let source = source.map_err(|error| error.to_string())?;
        Ok(match self.interval {
            Some(interval) => source.paced(interval),
            None => source,
        })
    }
}

/// As the product has it towards viewers (`stream-service`'s `lanes/sizes.rs`).
fn viewer_session() -> SessionConfig {
    SessionConfig {
        send_buffer_bytes: 1 << 20,
        least_send_buffer_bytes: 256 << 10,
        send_bytes_per_millisecond: 20_000,
        ..SessionConfig::browser()
    }
}

/// Measures them.
pub(crate) async fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let chromium = match browser::find(args) {
        Ok(chromium) => chromium,
        Err(reason) => {
            let mut figures = FIGURES.iter();
            return Ok(figures.try_for_each(|name| table.skipped(name, &reason))?);
        }
    };
    let browser = Browser::launch_with_quic(chromium).await?;
    let result = all(args, &browser, table).await;
    browser.close().await?;
    result
}

async fn all(args: &Args, browser: &Browser, table: &mut Table) -> Result<()> {
    if table.wants(&["webtransport-goodput"]) {
        goodput(browser, table).await?;
    }
    for (loss, figure) in LOSSES {
        if table.wants(&[figure]) {
            age(browser, loss, figure, table).await?;
        }
    }
    if table.wants(&["webtransport-first-frame"]) {
        first_frame(args, browser, table).await?;
    }
    Ok(())
}

async fn goodput(browser: &Browser, table: &mut Table) -> Result<()> {
    let bench = Arc::new(Bench::new(FRAMES, None)?);
    let mut rates = Vec::new();
    let cpu_before = CpuTimes::read(std::process::id())?;
    for _ in 0..RUNS {
        let seen = serving(&bench, |address| async move {
            let url = format!("http://{address}/");
            look(browser, &url, FRAMES, RUN_DEADLINE).await
        })
        .await?;
        ensure!(
            seen.frames == FRAMES && seen.refused == 0,
            "the page has {} frames, {} refused, {:?}",
            seen.frames,
            seen.refused,
            seen.closed
        );
        rates.push(seen.bytes as f64 / 1000.0 / (seen.last_ms - seen.first_ms));
    }
    let cpu = CpuTimes::read(std::process::id())?.since(&cpu_before);
    rates.sort_by(f64::total_cmp);
    let core_seconds = cpu.percent("") / 100.0 * cpu.wall.as_secs_f64();
    let gigabytes = (RUNS as u64 * FRAMES) as f64 * FRAME_BYTES as f64 / 1e9;
    let detail = format!(
        "median of {rates:.1?} MB/s; sender {:.1} s of CPU a GB",
        core_seconds / gigabytes
    );
    Ok(table.measured("webtransport-goodput", rates[RUNS / 2], &detail)?)
}

/// 30 a second through a bad link, by either lane.
async fn age(browser: &Browser, loss: f64, figure: &str, table: &mut Table) -> Result<()> {
    let way = LinkConfig {
        delay: DELAY,
        loss,
        queue_bytes: 8 << 20,
        ..LinkConfig::datagrams()
    };
    let bench = Arc::new(Bench::new(PACED_FRAMES, Some(INTERVAL))?);
    let mut by_lane = Vec::new();
    for lane in ["", "?data"] {
        let seen = serving(&bench, |address| async move {
            let link = BadLink::to_http(address, BadLinkConfig::both(way))?;
            let url = format!("http://{}/{lane}", link.address());
            let lasting = INTERVAL * PACED_FRAMES as u32 + LATE;
            look(browser, &url, PACED_FRAMES, lasting).await
        });
        by_lane.push(seen.await?);
    }
    let [quic, data] = &by_lane[..] else {
        return Ok(());
    };
    let shown = |age: Option<f64>| age.map_or_else(|| "–".to_owned(), |age| format!("{age:.0}"));
    let detail = format!(
        "{} of {PACED_FRAMES} frames arrived, p50 {} ms, worst {} ms; by a data channel {}, p50 {}, p95 {} ms",
        quic.frames,
        shown(quic.age(0.5)),
        shown(quic.age(1.0)),
        data.frames,
        shown(data.age(0.5)),
        shown(data.age(0.95)),
    );
    let p95 = quic
        .age(0.95)
        .with_context(|| format!("no frame came: {:?}", quic.closed))?;
    if quic.frames < PACED_FRAMES {
        return Ok(table.failed(figure, p95, &detail)?);
    }
    Ok(table.measured(figure, p95, &detail)?)
}

/// The viewer page of the real server, by QUIC alone.
async fn first_frame(args: &Args, browser: &Browser, table: &mut Table) -> Result<()> {
    let server = Server::start(args).await?;
    let page = browser.open(&server.url).await?;
    let chosen = "localStorage.setItem('frameway.lanes', 'quic'); true";
    browser::evaluate::<bool>(&page, chosen).await?;
    page.close().await?;
    let page = watch::first_frames(&server, browser, "webtransport-first-frame", table).await?;
    let lane: String = browser::evaluate(&page, "window.frameway.stats().page.lane").await?;
    ensure!(lane == "quic", "the page has its frames by {lane}");
    page.close().await?;
    Ok(())
}

/// Opens the page, and waits for the frames or until they are not waited for any more.
async fn look(browser: &Browser, url: &str, frames: u64, deadline: Duration) -> Result<Seen> {
    let page = browser.open(url).await?;
    let ended = format!(
        "window.seen && (window.seen().frames >= {frames} || window.seen().closed !== null) || null"
    );
    // What has come until then is the figure's, all of it or not.
    let _ = browser::wait_for::<bool>(&page, &ended, deadline).await;
    let seen: Seen = browser::evaluate(&page, "window.seen()").await?;
    page.close().await?;
    Ok(seen)
}

/// While the bench's pages are served, at an address that `job` is given.
async fn serving<T, F>(bench: &Arc<Bench>, job: impl FnOnce(std::net::SocketAddr) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let served = tokio::spawn(axum::serve(listener, pages(Arc::clone(bench))).into_future());
    let outcome = job(address).await;
    served.abort();
    outcome
}

fn pages(bench: Arc<Bench>) -> Router {
    let script = |text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, "text/javascript")], text) })
    };
    let mut pages = Router::new()
        .route(
            "/",
            get(|| async { Html(include_str!("webtransport.html")) }),
        )
        .route("/webtransport.js", script(include_str!("webtransport.js")));
    for (path, text) in [
        (
            "/web/receiver.js",
            include_str!("../../../../web/receiver.js"),
        ),
        (
            "/web/protocol.js",
            include_str!("../../../../web/protocol.js"),
        ),
        ("/web/wire.js", include_str!("../../../../web/wire.js")),
        ("/web/sdp.js", include_str!("../../../../web/sdp.js")),
        (
            "/web/quicworker.js",
            include_str!("../../../../web/quicworker.js"),
        ),
        (
            "/web/framestream.js",
            include_str!("../../../../web/framestream.js"),
        ),
        (
            "/web/deframer.js",
            include_str!("../../../../web/deframer.js"),
        ),
    ] {
        pages = pages.route(path, script(text));
    }
    pages
        .route("/offer", post(offer))
        .route("/lanes/webtransport/bench", post(invite))
        .with_state(bench)
}

async fn offer(State(bench): State<Arc<Bench>>, sdp: String) -> Result<impl IntoResponse, String> {
    let source = bench.paced(Source::new)?;
    let accepted = bench.data.accept(&sdp, Box::new(source)).await;
    let accepted = accepted.map_err(|error| error.to_string())?;
    let kind = [(header::CONTENT_TYPE, "application/sdp")];
    Ok((StatusCode::CREATED, kind, accepted.answer_sdp))
}

async fn invite(State(bench): State<Arc<Bench>>) -> Result<impl IntoResponse, String> {
    let source = bench.paced(Source::by_quic)?;
    let invitation = bench.quic.invite_with(Box::new(source), viewer_session());
    let invitation = invitation.map_err(|error| error.to_string())?;
    let own = bench.quic.local_addr().map_err(|error| error.to_string())?;
    let hashes = bench.quic.certificate_hashes();
    let place = serde_json::json!({
        "port": own.port(), "path": invitation.path, "epoch": source::EPOCH,
        "certificate_hashes": hashes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Ok((StatusCode::CREATED, axum::Json(place)))
}
