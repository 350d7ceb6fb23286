//! What an encode costs at the usual sizes, what a rendition adds, and what the cache saves.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frame_buffer::{ColorRange, FrameId, FramePool, Picture, PictureSize, VideoFrame};
use jpeg_optimizer::{
    CacheConfig, EncodeParams, JpegEncoder, QualityLevel, Renderer, StreamKey, driver,
};

const SIZES: [(&str, PictureSize); 3] = [
    ("480p", size(854, 480)),
    ("720p", size(1280, 720)),
    ("1080p", size(1920, 1080)),
];

const fn size(width: u32, height: u32) -> PictureSize {
    PictureSize { width, height }
}

/// Gradients with a little texture: about the bytes per pixel of filmed video.
fn picture(size: PictureSize, range: ColorRange) -> Picture {
    let mut picture = FramePool::new(0).take(size).expect("a valid size");
    let [y_stride, c_stride, _] = picture.strides();
    let [y, u, v] = picture.planes_mut();
    for (row, samples) in y.chunks_mut(y_stride).enumerate() {
        for (x, sample) in samples.iter_mut().enumerate() {
            *sample = (30 + (x + row) / 12 % 160 + ((x * 7) ^ (row * 13)) % 24) as u8;
        }
    }
    for (plane, base) in [(u, 90), (v, 130)] {
        for (row, samples) in plane.chunks_mut(c_stride).enumerate() {
            samples.fill((base + row / 6 % 80) as u8);
        }
    }
    picture.set_range(range);
    picture.freeze()
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode q70");
    let encoder = JpegEncoder::new();
    for (name, size) in SIZES {
        let picture = picture(size, ColorRange::Full);
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::from_parameter(name), &picture, |b, picture| {
            b.iter(|| {
                let jpeg = encoder.encode(picture, QualityLevel::Medium.into());
                black_box(jpeg.expect("a picture that encodes"))
            });
        });
    }
    group.finish();
}

fn render(c: &mut Criterion) {
    let mut group = c.benchmark_group("render");
    let renderer = Renderer::new();
    for (name, size) in SIZES {
        let source = picture(size, ColorRange::Limited);
        group.bench_with_input(
            BenchmarkId::new("full range", name),
            &source,
            |b, source| {
                b.iter(|| black_box(renderer.render(source, size).expect("the same size")));
            },
        );
    }
    let source = picture(SIZES[1].1, ColorRange::Full);
    group.bench_function("scale/720p to 360p", |b| {
        b.iter(|| black_box(renderer.render(&source, size(640, 360)).expect("smaller")));
    });
    group.finish();
}

fn hit(c: &mut Criterion) {
    let cache = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let frame = VideoFrame {
        id: FrameId(0),
        pts: Duration::ZERO,
        duration: Duration::from_millis(33),
        picture: picture(SIZES[1].1, ColorRange::Limited),
    };
    c.bench_function("cache hit", |b| {
        b.iter(|| {
            let jpeg = cache.get_or_encode(stream, &frame, EncodeParams::default());
            black_box(jpeg.expect("a picture that encodes"))
        });
    });
}

criterion_group!(benches, encode, render, hit);
criterion_main!(benches);
