//! Twenty viewers, three qualities, two sizes: what each costs, and what all of them cost. Then one viewer whose bitrate
//! changes, and what it is sent.
//!
//! Run with `cargo run --release --example jpeg_optimizer [OUTPUT.jpg]`. With a path it writes the
//! last high-quality JPEG there.

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use frame_buffer::{FrameId, FramePool, PictureMut, PictureSize, VideoFrame};
use jpeg_optimizer::{
    Bitrate, CacheConfig, ClientConfig, ClientQuality, EncodeCache, EncodeParams, ModelBased,
    QualityLevel, SentFrame, SizeModel, StreamKey, driver, fit_within,
};

const VIEWERS: usize = 20;
const FRAMES: u64 = 60;

fn main() -> Result<()> {
    let pool = FramePool::new(4);
    let cache = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let size = PictureSize::new(1280, 720)?;
    let phone = fit_within(size, Some(480), None);

    let mut sent_bytes = 0;
    let mut last = Bytes::new();
    let start = Instant::now();
    for n in 0..FRAMES {
        let mut picture = pool.take(size)?;
        paint(&mut picture, n as usize);
        let frame = VideoFrame {
            id: FrameId(n),
            pts: Duration::from_millis(33) * n as u32,
            duration: Duration::from_millis(33),
            picture: picture.freeze(),
        };
        for viewer in 0..VIEWERS {
            let params = EncodeParams {
                quality: QualityLevel::ALL[viewer % 3].into(),
                size: (viewer % 2 == 1).then_some(phone),
            };
            let jpeg = cache.get_or_encode(stream, &frame, params)?;
            sent_bytes += jpeg.bytes.len();
        }
        last = describe(&cache, stream, &frame, phone, n + 1 == FRAMES)?;
    }

    let stats = cache.stats();
    println!(
        "\n{FRAMES} frames to {VIEWERS} viewers in {:.0} ms: {:.1} MB delivered",
        start.elapsed().as_secs_f64() * 1e3,
        sent_bytes as f64 / 1e6
    );
    println!(
        "{} encodes, {} requests answered without one, {} renditions shared",
        stats.misses, stats.hits, stats.renditions
    );
    let [encode, rendition] = [stats.encode_ms, stats.rendition_ms];
    println!(
        "encode    p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        encode.p50, encode.p95, encode.p99
    );
    println!(
        "rendition p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        rendition.p50, rendition.p95, rendition.p99
    );
    follow_targets(&pool, &cache)?;
    if let Some(path) = std::env::args_os().nth(1) {
        std::fs::write(&path, &last)
            .with_context(|| format!("cannot write {}", path.to_string_lossy()))?;
        println!("wrote {}", path.to_string_lossy());
    }
    Ok(())
}

/// Five seconds at each of three bitrates.
fn follow_targets(pool: &FramePool, cache: &EncodeCache) -> Result<()> {
    let policy = ModelBased::new(Arc::new(SizeModel::new()));
    let mut client = ClientQuality::new(ClientConfig::default(), Box::new(policy));
    let (stream, start) = (StreamKey::unique(), Instant::now());
    for (phase, target) in ["12M", "7M", "20M"].into_iter().enumerate() {
        client.set_target(Some(target.parse::<Bitrate>()?));
        for n in phase as u64 * 150..(phase as u64 + 1) * 150 {
            let mut picture = pool.take(PictureSize::new(640, 360)?)?;
            paint(&mut picture, n as usize);
            let frame = VideoFrame {
                id: FrameId(n),
                pts: Duration::from_millis(33) * n as u32,
                duration: Duration::from_millis(33),
                picture: picture.freeze(),
            };
            let at = start + frame.pts; // As if it were sent when it is due.
            let Some(quality) = client.next_quality(at) else {
                continue; // Even the worst quality is too much for the target.
            };
            let params = EncodeParams {
                quality,
                size: None,
            };
            let bytes = cache.get_or_encode(stream, &frame, params)?.bytes.len();
            client.sent(SentFrame {
                frame: frame.id,
                at,
                bytes,
                quality,
            });
        }
        let stats = client.stats();
        println!(
            "target {target:>3}bit/s: sent {:.2} Mbit/s, {} changes of quality so far",
            stats.bitrate_bps / 1e6,
            stats.quality_changes
        );
    }
    Ok(())
}

/// Prints what each choice costs, and returns the best picture.
fn describe(
    cache: &EncodeCache,
    stream: StreamKey,
    frame: &VideoFrame,
    phone: PictureSize,
    print: bool,
) -> Result<Bytes> {
    let mut best = Bytes::new();
    for size in [phone, frame.picture.size()] {
        for level in QualityLevel::ALL {
            let params = EncodeParams {
                quality: level.into(),
                size: Some(size),
            };
            best = cache.get_or_encode(stream, frame, params)?.bytes;
            if print {
                println!("{size:>10} {level:<6} {:>7} bytes", best.len());
            }
        }
    }
    Ok(best)
}

/// A gradient that moves, with a texture for the encoder to chew on.
fn paint(picture: &mut PictureMut, n: usize) {
    let [y_stride, c_stride, _] = picture.strides();
    let [y, u, v] = picture.planes_mut();
    for (row, samples) in y.chunks_mut(y_stride).enumerate() {
        for (x, sample) in samples.iter_mut().enumerate() {
            let texture = ((x * 7) ^ (row * 13)) % 24;
            *sample = (30 + (x + row + 4 * n) / 12 % 160 + texture) as u8;
        }
    }
    for (row, (u, v)) in u
        .chunks_mut(c_stride)
        .zip(v.chunks_mut(c_stride))
        .enumerate()
    {
        u.fill((90 + row / 6 % 80) as u8);
        v.fill((170 - row / 6 % 80) as u8);
    }
}
