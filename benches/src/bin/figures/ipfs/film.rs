//! A film of 100 MB whose index stands at its end, over a link of 20 Mbit/s and 80 ms: how soon its first frame is there, what was
//! fetched for it, beside ffmpeg on the same address; and how soon a place in its middle can be read.

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
const ROUND_TRIP: Duration = Duration::from_millis(80);
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
    let gateway = Gateway::start(program, &film)?;
    let shape = LinkShape {
        rate_bps: Some(RATE_BPS),
        round_trip: ROUND_TRIP,
    };
    let whole = size as f64 * 8.0 / RATE_BPS as f64;
    let (mut ours, mut theirs, mut fetched, mut seeks) = (vec![], vec![], 0_u64, vec![]);
    for _ in 0..RUNS {
        let proxy = FaultProxy::over(gateway.address()?, shape)?;
        ours.push(first_frame(&proxy, &gateway.cid).await?);
        fetched = fetched.max(proxy.counts().body_bytes);
        let proxy = FaultProxy::over(gateway.address()?, shape)?;
        theirs.push(ffmpegs_first(ffmpeg, &proxy, &gateway.cid)?);
        let proxy = FaultProxy::over(gateway.address()?, shape)?;
        seeks.push(seek(&proxy, &gateway.cid, size / 2).await?);
    }
    let (ours, theirs, seek) = (median(&mut ours), median(&mut theirs), median(&mut seeks));
    let detail = format!(
        "{:.0} MB, index of {:.0} KiB at its end, 20 Mbit/s, 80 ms: ours {ours:.2} s, {:.2} MiB; ffmpeg {theirs:.2} s; \
         all of it {whole:.0} s; median of {RUNS}",
        size as f64 / 1e6,
        index as f64 / 1024.0,
        fetched as f64 / MIB,
    );
    table.measured("ipfs-first-frame", ours / theirs, &detail)?;
    table.measured("ipfs-first-frame-whole", ours / whole, &detail)?;
    let beyond = fetched.saturating_sub(index) as f64 / MIB;
    table.measured("ipfs-first-frame-bytes", beyond, &detail)?;
    let detail = format!(
        "from the start to its middle, until {} KiB from there are read",
        KEYFRAME_BYTES >> 10
    );
    Ok(table.measured("ipfs-seek", seek * 1e3, &detail)?)
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
async fn first_frame(proxy: &FaultProxy, cid: &str) -> Result<f64> {
    let started = Instant::now();
    let options = options(&proxy.url())?;
    let uri = format!("ipfs://{cid}").parse()?;
    let mut source = media_source::driver::open(&uri, &options, FramePool::new(4)).await?;
    let frame = tokio::task::spawn_blocking(move || source.next_frame());
    frame.await??.context("it has no frame")?;
    Ok(started.elapsed().as_secs_f64())
}

fn ffmpegs_first(ffmpeg: &Path, proxy: &FaultProxy, cid: &str) -> Result<f64> {
    let started = Instant::now();
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-i", &format!("{}/ipfs/{cid}", proxy.url())]);
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
async fn seek(proxy: &FaultProxy, cid: &str, to: u64) -> Result<f64> {
    let location: Location = format!("ipfs://{cid}").parse()?;
    let mut reader = open(&location, &options(&proxy.url())?).await?.into_async();
    let mut bytes = vec![0; KEYFRAME_BYTES];
    reader.read_exact(&mut bytes).await?;
    let started = Instant::now();
    reader.seek(std::io::SeekFrom::Start(to)).await?;
    reader.read_exact(&mut bytes).await?;
    Ok(started.elapsed().as_secs_f64())
}
