//! What a frame costs: the test pattern, H.264 and MJPEG, at 1280x720.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros; the set-up of a bench may fail loudly"
)]

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frame_buffer::{FramePool, Picture, PictureSize};
use media_source::{FrameSource, PatternOptions, TestPattern, open_reader};
use turbojpeg::{Subsamp, YuvImage};

#[path = "../crates/media-source/tests/common/mux.rs"]
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
mod mux;

const SIZE: PictureSize = PictureSize {
    width: 1280,
    height: 720,
};
const FRAMES: u64 = 60;

fn pattern(frames: Option<u64>) -> TestPattern {
    let options = PatternOptions {
        size: SIZE,
        frames,
        ..PatternOptions::default()
    };
    TestPattern::new(options, FramePool::new(4)).unwrap()
}

fn open(bytes: Vec<u8>) -> Box<dyn FrameSource> {
    let len = bytes.len() as u64;
    open_reader(
        Box::new(Cursor::new(bytes)),
        len,
        "bench",
        FramePool::new(4),
    )
    .unwrap()
}

/// One pass over a video; the throughput is in frames.
fn play(criterion: &mut Criterion, name: &str, mut source: Box<dyn FrameSource>) {
    let mut group = criterion.benchmark_group("media_source");
    group
        .throughput(Throughput::Elements(FRAMES))
        .sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            source.rewind().unwrap();
            while let Some(frame) = source.next_frame().unwrap() {
                black_box(frame);
            }
        });
    });
    group.finish();
}

fn jpeg(picture: &Picture) -> Vec<u8> {
    let pixels = [picture.y(), picture.u(), picture.v()].concat();
    let image = YuvImage {
        pixels: pixels.as_slice(),
        width: SIZE.width as usize,
        align: frame_buffer::STRIDE_ALIGN_BYTES,
        height: SIZE.height as usize,
        subsamp: Subsamp::Sub2x2,
    };
    turbojpeg::compress_yuv(image, 85).unwrap().to_vec()
}

fn bench_pattern(criterion: &mut Criterion) {
    let mut pattern = pattern(None);
    let mut group = criterion.benchmark_group("media_source");
    group.throughput(Throughput::Elements(1));
    group.bench_function("pattern_720p", |bencher| {
        bencher.iter(|| black_box(pattern.next_frame().unwrap()));
    });
    group.finish();
}

fn bench_h264(criterion: &mut Criterion) {
    let clip = mux::encode_pattern(SIZE, FRAMES, 30);
    play(criterion, "h264_720p", open(mux::Mux::h264(&clip).write()));
}

fn bench_mjpeg(criterion: &mut Criterion) {
    let mut pattern = pattern(Some(FRAMES));
    let mut jpegs = Vec::new();
    while let Some(frame) = pattern.next_frame().unwrap() {
        jpegs.extend(jpeg(&frame.picture));
    }
    play(criterion, "mjpeg_720p", open(jpegs));
}

criterion_group!(benches, bench_pattern, bench_h264, bench_mjpeg);
criterion_main!(benches);
