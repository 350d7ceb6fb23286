//! Frames of a video with their true times: `cargo run --example media_source [VIDEO]`.
//!
//! VIDEO is a path, `ipfs://…`, `http(s)://…` or `test:…`; without one, two seconds of the test pattern.
#![expect(clippy::print_stdout, reason = "the example's purpose")]

use std::time::{Duration, Instant};

use anyhow::Context;
use frame_buffer::FramePool;
use media_source::{PacingClock, VideoUri, driver};
use progressive_loader::driver::OpenOptions;

const FRAMES_PRINTED: u64 = 10;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1);
    let uri: VideoUri = name
        .as_deref()
        .unwrap_or("test:?size=640x360&fps=30&frames=60")
        .parse()?;
    let source = driver::open(&uri, &OpenOptions::default(), FramePool::new(4)).await?;
    // Reading and decoding block: they belong on a thread of their own.
    tokio::task::spawn_blocking(move || play(source))
        .await
        .context("the decoding thread")?
}

fn play(mut source: Box<dyn media_source::FrameSource>) -> anyhow::Result<()> {
    let info = source.info();
    println!(
        "{} ({}), {} at {:.3} fps, {} frames",
        info.codec,
        info.container,
        info.size,
        info.frame_rate,
        info.frame_count.map_or("?".to_owned(), |n| n.to_string()),
    );
    let mut clock = None;
    let (mut frames, mut lost) = (0_u64, 0_u64);
    let mut decoding = Duration::ZERO;
    loop {
        let started = Instant::now();
        let frame = match source.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) if error.is_recoverable() => {
                println!("lost: {error}");
                lost += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        decoding += started.elapsed();
        if frames < FRAMES_PRINTED {
            // The first frames are shown at the video's own rate, as a player would.
            let clock = clock.get_or_insert_with(|| PacingClock::start(Instant::now(), frame.pts));
            std::thread::sleep(clock.wait(Instant::now(), frame.pts));
            clock.released(Instant::now(), frame.pts, frame.duration);
            println!(
                "frame {:>3} at {:>8.3} s for {:.2} ms",
                frame.id.0,
                frame.pts.as_secs_f64(),
                frame.duration.as_secs_f64() * 1000.0
            );
        }
        frames += 1;
    }
    println!(
        "{frames} frames delivered, {lost} lost, {:.2} ms each to decode",
        decoding.as_secs_f64() * 1000.0 / frames.max(1) as f64
    );
    Ok(())
}
