//! A film of 100 MB whose index stands at its end, over a link of 20 Mbit/s and 80 ms: how soon its first frame is there, what was
//! fetched for it, beside ffmpeg on the same address; and how soon a place in its middle can be read. By URL, as ffmpeg
//! does; and by CID, where a leaf is checked before any of it is used, in leaves of either size that Kubo makes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use frame_buffer::FramePool;
use progressive_loader::Location;
use progressive_loader::driver::open;
use testkit::driver::{FaultProxy, LinkShape};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::gateway::{Gateway, options};
use crate::table::{Table, median};

const RATE_BPS: u64 = 20_000_000;
const LINK: LinkShape = LinkShape {
    rate_bps: Some(RATE_BPS),
    round_trip: Duration::from_millis(80),
};
const RUNS: usize = 3;
/// As much as a keyframe of such a film.
const KEYFRAME_BYTES: usize = 128 << 10;
const MIB: f64 = (1 << 20) as f64;

/// Measures all that a film is for.
pub(super) async fn measure(
    program: &Path,
    ffmpeg: &Path,
    dir: &Path,
    table: &mut Table,
) -> Result<()> {
    let film = dir.join("film.mp4");
    tokio::task::block_in_place(|| make(ffmpeg, &film))?;
    let size = std::fs::metadata(&film)?.len();
    let index = index_bytes(&std::fs::read(&film)?)?;
    let large = Gateway::start(program, &film)?;
    let small = Gateway::with_profile(program, &film, "legacy-cid-v0")?;
    let by_url =
        |gateway: &Gateway, proxy: &FaultProxy| format!("{}/ipfs/{}", proxy.url(), gateway.cid);
    let by_cid = |gateway: &Gateway, _: &FaultProxy| format!("ipfs://{}", gateway.cid);
    let mut ways = [
        Way::new("by URL", &large, &by_url),
        Way::new("by CID in leaves of 256 KiB", &small, &by_cid),
        Way::new("in leaves of 1 MiB", &large, &by_cid),
    ];
    let mut theirs = Vec::new();
    for _ in 0..RUNS {
        for way in &mut ways {
            way.measure(size).await?;
        }
        let proxy = FaultProxy::over(large.address()?, LINK)?;
        theirs.push(ffmpegs_first(ffmpeg, &by_url(&large, &proxy))?);
    }
    let whole = size as f64 * 8.0 / RATE_BPS as f64;
    let theirs = median(&mut theirs);
    let mut detail = format!(
        "{:.0} MB, index of {:.0} KiB at its end, 20 Mbit/s, 80 ms; ",
        size as f64 / 1e6,
        index as f64 / 1024.0,
    );
    for way in &mut ways {
        let (first, mib) = (median(&mut way.first), way.bytes as f64 / MIB);
        detail += &format!("{} {first:.2} s, {mib:.2} MiB; ", way.name);
    }
    detail += &format!("ffmpeg {theirs:.2} s; all of it {whole:.0} s; medians of {RUNS}");
    let [url, cids @ ..] = &mut ways;
    let ours = median(&mut url.first);
    table.measured("ipfs-first-frame", ours / theirs, &detail)?;
    table.measured("ipfs-first-frame-whole", ours / whole, &detail)?;
    let beyond = url.bytes.saturating_sub(index) as f64 / MIB;
    table.measured("ipfs-first-frame-bytes", beyond, &detail)?;
    let mut detail = format!("until {} KiB from there are read", KEYFRAME_BYTES >> 10);
    for way in cids {
        detail += &format!("; {} {:.0} ms", way.name, median(&mut way.seeks) * 1e3);
    }
    Ok(table.measured("ipfs-seek", median(&mut url.seeks) * 1e3, &detail)?)
}

/// How the film is named, and what came of it.
struct Way<'w> {
    name: &'static str,
    gateway: &'w Gateway,
    location: &'w dyn Fn(&Gateway, &FaultProxy) -> String,
    /// Seconds to the first frame.
    first: Vec<f64>,
    /// The most that was fetched for it.
    bytes: u64,
    /// Seconds for a jump to the middle.
    seeks: Vec<f64>,
}

impl<'w> Way<'w> {
    fn new(
        name: &'static str,
        gateway: &'w Gateway,
        location: &'w dyn Fn(&Gateway, &FaultProxy) -> String,
    ) -> Self {
        Self {
            name,
            gateway,
            location,
            first: Vec::new(),
            bytes: 0,
            seeks: Vec::new(),
        }
    }

    /// Once, each over a link that nothing has come through before.
    async fn measure(&mut self, size: u64) -> Result<()> {
        let proxy = FaultProxy::over(self.gateway.address()?, LINK)?;
        let location = (self.location)(self.gateway, &proxy);
        self.first.push(first_frame(&proxy, &location).await?);
        self.bytes = self.bytes.max(proxy.counts().body_bytes);
        let proxy = FaultProxy::over(self.gateway.address()?, LINK)?;
        let location = (self.location)(self.gateway, &proxy);
        self.seeks.push(seek(&proxy, &location, size / 2).await?);
        Ok(())
    }
}

/// 720p, a noisy pattern, 8 Mbit/s.
fn make(ffmpeg: &Path, film: &Path) -> Result<()> {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i"]);
    command.arg("testsrc2=size=1280x720:rate=30:duration=100,noise=alls=30:allf=t");
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "60",
    ]);
    command.args([
        "-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "4M",
    ]);
    let output = command.arg(film).stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Bytes of the film's `moov`, which must be its last box.
fn index_bytes(film: &[u8]) -> Result<u64> {
    let mut at = 0;
    while let Some([a, b, c, d, kind @ ..]) = film.get(at..at + 8) {
        let bytes = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if kind == b"moov" {
            ensure!(at + bytes == film.len(), "its index is not at its end");
            return Ok(bytes as u64);
        }
        ensure!(bytes >= 8, "a box of {bytes} bytes");
        at += bytes;
    }
    anyhow::bail!("it has no index")
}

/// Seconds until the first frame is decoded.
async fn first_frame(proxy: &FaultProxy, location: &str) -> Result<f64> {
    let started = Instant::now();
    let options = options(&proxy.url())?;
    let mut source =
        media_source::driver::open(&location.parse()?, &options, FramePool::new(4)).await?;
    let frame = tokio::task::spawn_blocking(move || source.next_frame());
    frame.await??.context("it has no frame")?;
    Ok(started.elapsed().as_secs_f64())
}

fn ffmpegs_first(ffmpeg: &Path, url: &str) -> Result<f64> {
    let started = Instant::now();
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-i", url]);
    command
        .args(["-frames:v", "1", "-f", "null", "-"])
        .stdin(Stdio::null());
    command.env("no_proxy", "*");
    let output = tokio::task::block_in_place(|| command.output())?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds from a jump into what was not read until a keyframe's bytes are there.
async fn seek(proxy: &FaultProxy, location: &str, to: u64) -> Result<f64> {
    let location: Location = location.parse()?;
    let mut reader = open(&location, &options(&proxy.url())?).await?.into_async();
    let mut bytes = vec![0; KEYFRAME_BYTES];
    reader.read_exact(&mut bytes).await?;
    let started = Instant::now();
    reader.seek(std::io::SeekFrom::Start(to)).await?;
    reader.read_exact(&mut bytes).await?;
    Ok(started.elapsed().as_secs_f64())
}
