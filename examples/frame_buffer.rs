//! A decoder that stumbles, a viewer that does not: the ring in between, second by second.
//!
//! Run with `cargo run --example frame_buffer`. It plays 12 s of 25 fps video in virtual time: the
//! source delivers at 40 fps until the ring is full, then hangs for a second and a half, and ends
//! after 10 s of video.

#![allow(clippy::print_stdout)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use frame_buffer::{
    BufferConfig, FrameId, FramePool, OverflowPolicy, PictureSize, Popped, PushOutcome, RingBuffer,
    VideoFrame,
};

const FRAMES: u64 = 250;
const FRAME_TIME: Duration = Duration::from_millis(40);
const STEP: Duration = Duration::from_millis(5);
/// While it lasts, the source delivers nothing.
const HANG: std::ops::Range<Duration> = Duration::from_millis(4000)..Duration::from_millis(5500);

fn main() -> Result<()> {
    let pool = FramePool::new(8);
    let mut ring = RingBuffer::new(BufferConfig::new(30, 0.5, OverflowPolicy::Wait)?);
    let mut source = Source::new(&pool)?;
    let start = Instant::now();
    let mut next_pop = None;
    println!("time   ring                            fill  health   shown    underflows");

    let mut elapsed = Duration::ZERO;
    while !ring.is_finished() {
        if elapsed.as_millis().is_multiple_of(25) && !HANG.contains(&elapsed) {
            source.deliver(&mut ring);
        }
        if ring.ready() && elapsed >= *next_pop.get_or_insert(elapsed) {
            next_pop = next_pop.map(|due| due + FRAME_TIME);
            source.shown = match ring.pop(start + elapsed) {
                Popped::Frame(frame) => frame.id.to_string(),
                Popped::Repeat(frame) => format!("{} again", frame.id),
                Popped::Placeholder => "nothing".to_owned(),
                Popped::Ended => "end".to_owned(),
            };
        }
        if elapsed == Duration::from_secs(7) {
            ring.set_size(60)?;
            println!("       -- size set to 60 --");
        }
        if elapsed.as_millis().is_multiple_of(500) {
            print_line(elapsed, &ring, &source.shown);
        }
        elapsed += STEP;
    }
    print_line(elapsed, &ring, &source.shown);
    println!("\n{:#?}\n{:#?}", ring.metrics(), pool.stats());
    Ok(())
}

/// A decoder that has its pictures ready.
struct Source {
    frames: VecDeque<VideoFrame>,
    shown: String,
}

impl Source {
    fn new(pool: &FramePool) -> Result<Self> {
        let mut picture = pool.take(PictureSize::new(320, 180)?)?;
        picture.fill([126, 128, 128]);
        let picture = picture.freeze();
        let frame = |n: u64| VideoFrame {
            id: FrameId(n),
            pts: FRAME_TIME * n as u32,
            duration: FRAME_TIME,
            picture: picture.clone(),
        };
        Ok(Self {
            frames: (0..FRAMES).map(frame).collect(),
            shown: "nothing".to_owned(),
        })
    }

    fn deliver(&mut self, ring: &mut RingBuffer) {
        let Some(frame) = self.frames.pop_front() else {
            ring.end_of_source();
            return;
        };
        if let PushOutcome::Full(frame) = ring.push(frame) {
            self.frames.push_front(frame); // The ring waits, so the source does.
        }
    }
}

fn print_line(elapsed: Duration, ring: &RingBuffer, shown: &str) {
    let metrics = ring.metrics();
    let bar: String = (0..metrics.size.div_ceil(2))
        .map(|cell| if 2 * cell < metrics.fill { '#' } else { '.' })
        .collect();
    println!(
        "{:4.1} s {bar:<31} {:>2}/{:<3} {:<8} {shown:<10} {}",
        elapsed.as_secs_f64(),
        metrics.fill,
        metrics.size,
        format!("{:?}", metrics.health).to_lowercase(),
        metrics.underflows,
    );
}
