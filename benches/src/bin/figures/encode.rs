//! What encoding alone costs: the server's frames, at the server's pace, by the server's encoder, and nothing else.
//!
//! Fed by media-source's pattern and jpeg-optimizer; feeds the figure `server-cpu`, which is about all the rest.
//! The pace matters: an encoder that runs every 33 ms finds cold caches, one that runs in a loop does not.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use frame_buffer::{FramePool, Picture};
use jpeg_optimizer::{JpegEncoder, QualityLevel};
use media_source::{FrameSource as _, PatternOptions, TestPattern};

use crate::procfs;

/// Pictures that take turns: as many as the server's ring holds, so that none is in a cache by chance.
const PICTURES: usize = 30;
const FRAMES: u32 = 300;
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// CPU time of one frame at medium quality, and its bytes, both on average over ten seconds.
pub(crate) fn cost() -> Result<(Duration, usize)> {
    thread::spawn(measure)
        .join()
        .map_err(|_| anyhow::anyhow!("the encoder panicked"))?
}

fn measure() -> Result<(Duration, usize)> {
    let pictures = pictures()?;
    let (encoder, quality) = (JpegEncoder::new(), QualityLevel::Medium.quality());
    // The first one makes the compressor.
    encoder.encode(pictures.first().context("no picture")?, quality)?;
    thread::sleep(INTERVAL);
    let (begun, started) = (procfs::this_thread()?, Instant::now());
    let mut bytes = 0;
    for (index, picture) in (0..FRAMES).zip(pictures.iter().cycle()) {
        bytes += encoder.encode(picture, quality)?.len();
        thread::sleep((started + INTERVAL * (index + 1)).saturating_duration_since(Instant::now()));
    }
    // The scheduler brings the count up to date when a thread sleeps.
    thread::sleep(INTERVAL);
    Ok((
        (procfs::this_thread()? - begun) / FRAMES,
        bytes / FRAMES as usize,
    ))
}

fn pictures() -> Result<Vec<Picture>> {
    let mut pattern = TestPattern::new(PatternOptions::default(), FramePool::new(0))?;
    (0..PICTURES)
        .map(|_| Ok(pattern.next_frame()?.context("the pattern ended")?.picture))
        .collect()
}
