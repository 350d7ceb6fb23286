//! Reading in order: beside curl from the same gateway, from the embedded store, from a source that dies a hundred times, and
//! what a server that passes it on keeps in memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use progressive_loader::driver::{OpenOptions, Store, open};
use progressive_loader::{Location, Profile};
use testkit::driver::{ChildServer, FaultProxy};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use super::gateway::{Gateway, options};
use crate::add::{random_words, write_random};
use crate::args::Args;
use crate::browser::on_path;
use crate::procfs;
use crate::server;
use crate::table::{Table, median};

const FILE_BYTES: u64 = 200_000_000;
const LONG_BYTES: u64 = 1 << 30;
const RUNS: usize = 5;
/// A reading takes a sixth of a second, and what else the host does shows in each.
const RUNS_BESIDE_CURL: usize = 15;
const KILLS: u64 = 100;
const FROM_BOXO: [&str; 2] = ["ipfs-read", "ipfs-read-verified"];
const FROM_KUBO: [&str; 2] = ["ipfs-read-kubo", "ipfs-read-kubo-verified"];
/// Added as `ipfs add` does by itself: leaves of 256 KiB in dag-pb.
const LEGACY: [&str; 2] = ["ipfs-read-legacy", "ipfs-read-legacy-verified"];
pub(super) const WHOLE: [[&str; 2]; 3] = [FROM_BOXO, LEGACY, FROM_KUBO];
const READ_BYTES: usize = 1 << 20;

/// A file from boxo's gateway, and from Kubo's where there is one.
pub(super) async fn beside_curl(
    args: &Args,
    program: &Path,
    dir: &Path,
    table: &mut Table,
) -> Result<()> {
    let file = dir.join("random");
    write_random(&file, FILE_BYTES)?;
    if table.wants(&FROM_BOXO) {
        let gateway = Gateway::start(program, &file)?;
        from(&gateway, "boxo's", FROM_BOXO, table).await?;
    }
    if table.wants(&LEGACY) {
        let gateway = Gateway::with_profile(program, &file, "legacy-cid-v0")?;
        from(&gateway, "boxo's", LEGACY, table).await?;
    }
    if !table.wants(&FROM_KUBO) {
        return Ok(());
    }
    let Some(ipfs) = args.ipfs.clone().or_else(|| on_path(&["ipfs"])) else {
        for figure in FROM_KUBO {
            table.skipped(
                figure,
                "no ipfs on PATH, name one with --ipfs or FRAMEWAY_IPFS",
            )?;
        }
        return Ok(());
    };
    let gateway = Gateway::kubo(&ipfs, &file)?;
    from(&gateway, "Kubo's", FROM_KUBO, table).await
}

/// Ours without and with checking, and curl, in turns; that each brings the right bytes is seen once before. Ours reads as curl
/// does, on a thread of its own; what it brings on the threads of a server's runtime is told beside it.
async fn from(
    gateway: &Gateway,
    whose: &str,
    [plain_figure, verified_figure]: [&str; 2],
    table: &mut Table,
) -> Result<()> {
    let address = gateway.url.as_str();
    let url = format!("{address}/ipfs/{}", gateway.cid);
    let cid = format!("ipfs://{}", gateway.cid);
    let by_url = OpenOptions::default();
    compare_whole(&url, &by_url).await?;
    compare_whole(&cid, &options(address)?).await?;
    let mut rates: [Vec<f64>; 5] = Default::default();
    for _ in 0..RUNS_BESIDE_CURL {
        // Options of its own each time: nothing is in its cache.
        let by_cid = || options(address);
        let run = [
            rate_of(async { curl_whole(&url) }).await?,
            rate_of(async { read_on_a_thread(&url, || Ok(by_url.clone())) }).await?,
            rate_of(read_whole(&url, &by_url)).await?,
            rate_of(async { read_on_a_thread(&cid, by_cid) }).await?,
            rate_of(read_whole(&cid, &by_cid()?)).await?,
        ];
        for (rates, rate) in rates.iter_mut().zip(run) {
            rates.push(rate);
        }
    }
    let [curl, plain, plain_shared, verified, verified_shared] =
        rates.each_mut().map(|rates| median(rates));
    let detail = format!(
        "200 MB from {whose} gateway, median of {RUNS_BESIDE_CURL}: by URL {plain:.0} MB/s ({plain_shared:.0} on the threads of a \
         runtime), by CID {verified:.0} ({verified_shared:.0}), curl {curl:.0}"
    );
    table.measured(plain_figure, plain / curl, &detail)?;
    Ok(table.measured(verified_figure, verified / curl, &detail)?)
}

/// From the embedded store, every block checked.
pub(super) async fn store(dir: &Path, table: &mut Table) -> Result<()> {
    let file = dir.join("stored");
    write_random(&file, FILE_BYTES)?;
    let store = Store::open(dir.join("store"))?;
    let added =
        tokio::task::block_in_place(|| store.add_file(&file, Profile::default(), &mut |_| {}))?;
    let options = OpenOptions {
        store: Some(store),
        ..OpenOptions::default()
    };
    let cid = format!("ipfs://{}", added.cid);
    compare_whole(&cid, &options).await?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push(rate_of(read_whole(&cid, &options)).await?);
    }
    let detail = format!("200 MB, median of {RUNS}: {rates:.0?} MB/s");
    Ok(table.measured("store-read", median(&mut rates), &detail)?)
}

/// A gigabyte from a source whose connections are all cut every hundredth of it.
pub(super) async fn killed(program: &Path, dir: &Path, table: &mut Table) -> Result<()> {
    let file = dir.join("long");
    write_random(&file, LONG_BYTES)?;
    let gateway = Gateway::start(program, &file)?;
    let proxy = FaultProxy::start(gateway.address()?)?;
    proxy.kill_every(Some(LONG_BYTES / KILLS));
    let options = options(&proxy.url())?;
    let started = Instant::now();
    let whole = compare_whole(&format!("ipfs://{}", gateway.cid), &options).await;
    let counts = proxy.counts();
    let wrong = match &whole {
        Ok(bytes) => f64::from(u8::from(*bytes != LONG_BYTES)),
        Err(_) => 1.0,
    };
    let detail = format!(
        "1 GiB by CID in {:.1} s, {} kills, {} requests, {:.3} GB sent; {}",
        started.elapsed().as_secs_f64(),
        counts.kills,
        counts.requests,
        counts.body_bytes as f64 / 1e9,
        whole.map_or_else(
            |error| format!("{error:#}"),
            |_| "every byte right".to_owned()
        ),
    );
    table.measured("ipfs-kills", wrong, &detail)?;
    let twice = counts.body_bytes.saturating_sub(LONG_BYTES) as f64 / LONG_BYTES as f64;
    Ok(table.measured("ipfs-kills-twice", 100.0 * twice, &detail)?)
}

/// What `stream-server` holds at most while it passes a gigabyte from the gateway on.
pub(super) async fn memory(
    args: &Args,
    program: &Path,
    dir: &Path,
    table: &mut Table,
) -> Result<()> {
    let file = dir.join("long");
    write_random(&file, LONG_BYTES)?;
    let gateway = Gateway::start(program, &file)?;
    let mut command = Command::new(server::binary(args)?);
    command
        .args(["serve", "--http", "127.0.0.1:0", "--gateway", &gateway.url])
        .arg("--store")
        .arg(dir.join("empty"))
        .env("RUST_LOG", "error");
    let start = std::time::Duration::from_secs(30);
    let server = tokio::task::block_in_place(|| ChildServer::start(command, start))?;
    let idle = procfs::memory_mib(server.id(), "VmRSS")?;
    curl_whole(&format!("{}/ipfs/{}", server.first_line(), gateway.cid))?;
    let peak = procfs::memory_mib(server.id(), "VmHWM")?;
    let detail = format!("1 GiB through GET /ipfs/CID: {idle:.1} MiB idle, {peak:.1} at most");
    Ok(table.measured("ipfs-memory", peak - idle, &detail)?)
}

/// MB/s of `FILE_BYTES`.
async fn rate_of(read: impl Future<Output = Result<u64>>) -> Result<f64> {
    let started = Instant::now();
    let bytes = read.await?;
    ensure!(bytes == FILE_BYTES, "{bytes} bytes came");
    Ok(bytes as f64 / 1e6 / started.elapsed().as_secs_f64())
}

/// [`read_whole`] on a thread of its own, with a runtime of its own.
fn read_on_a_thread(
    location: &str,
    options: impl FnOnce() -> Result<OpenOptions> + Send,
) -> Result<u64> {
    let read = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { read_whole(location, &options()?).await })
    };
    let thread = || std::thread::scope(|scope| scope.spawn(read).join());
    tokio::task::block_in_place(thread).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads it to its end; how many bytes came.
async fn read_whole(location: &str, options: &OpenOptions) -> Result<u64> {
    let location: Location = location.parse()?;
    let mut reader = open(&location, options).await?.into_async();
    let mut at = 0;
    loop {
        match reader.fill_buf().await?.len() {
            0 => return Ok(at),
            bytes => {
                reader.consume(bytes);
                at += bytes as u64;
            }
        }
    }
}

/// The same, and compares it with what [`write_random`] wrote.
async fn compare_whole(location: &str, options: &OpenOptions) -> Result<u64> {
    let location: Location = location.parse()?;
    let mut reader = open(&location, options).await?.into_async();
    let (mut words, mut at) = (random_words(), 0_u64);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match reader.read(&mut buffer[filled..]).await? {
                0 => break,
                bytes => filled += bytes,
            }
        }
        let (whole, rest) = buffer[..filled].as_chunks::<8>();
        let right = whole
            .iter()
            .all(|word| words.next() == Some(u64::from_le_bytes(*word)));
        ensure!(right && rest.is_empty(), "wrong bytes near {at}");
        at += filled as u64;
        if filled < buffer.len() {
            return Ok(at);
        }
    }
}

fn curl_whole(url: &str) -> Result<u64> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--fail", "--noproxy", "*", "-o", "/dev/null"]);
    curl.args(["-w", "%{size_download}", url])
        .stdin(Stdio::null());
    let output = tokio::task::block_in_place(|| curl.output()).context("curl")?;
    ensure!(output.status.success(), "curl: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
