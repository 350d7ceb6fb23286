//! What an encode costs at the usual sizes, beside libjpeg-turbo's own bench; what a rendition adds, what the cache
//! saves, beside two others; what decoding costs; and how the two policies land on their targets.

#![allow(missing_docs, clippy::expect_used)]

#[path = "../crates/media-source/tests/clips/mod.rs"]
mod clips;
#[path = "jpeg_optimizer/policies.rs"]
mod policies;
#[path = "jpeg_optimizer/shared.rs"]
mod shared;
#[path = "jpeg_optimizer/tjbench.rs"]
mod tjbench;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frame_buffer::{ColorRange, FramePool, Picture, PictureSize};
use jpeg_optimizer::{
    CacheConfig, DecodeScale, EncodeParams, IdentifyBy, JpegDecoder, JpegEncoder, QualityLevel,
    Renderer, StreamKey, driver,
};
use shared::frame;

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
    let frame = frame(0, &picture(SIZES[1].1, ColorRange::Limited));
    for identify_by in [IdentifyBy::Id, IdentifyBy::Content] {
        let cache = driver::encode_cache(CacheConfig {
            identify_by,
            ..CacheConfig::default()
        });
        let stream = StreamKey::unique();
        c.bench_function(&format!("cache hit/{identify_by:?}"), |b| {
            b.iter(|| {
                let jpeg = cache.get_or_encode(stream, &frame, EncodeParams::default());
                black_box(jpeg.expect("a picture that encodes"))
            });
        });
    }
    shared::eight_threads(c, &picture(size(320, 180), ColorRange::Full));
}

/// One frame to fifty clients over three levels, and the same with an encode for each.
fn fifty_clients(c: &mut Criterion) {
    const CLIENTS: usize = 50;
    let mut group = c.benchmark_group("50 clients, 3 levels, 720p");
    group.sample_size(10);
    let source = picture(SIZES[1].1, ColorRange::Full);
    let quality = |client: usize| QualityLevel::ALL[client % 3].into();
    let (cache, stream) = (
        driver::encode_cache(CacheConfig::default()),
        StreamKey::unique(),
    );
    let mut id = 0;
    group.bench_function("shared", |b| {
        b.iter(|| {
            id += 1;
            let frame = frame(id, &source);
            for client in 0..CLIENTS {
                let params = EncodeParams {
                    quality: quality(client),
                    size: None,
                };
                black_box(cache.get_or_encode(stream, &frame, params).expect("a JPEG"));
            }
        });
    });
    let encoder = JpegEncoder::new();
    group.bench_function("each", |b| {
        b.iter(|| {
            for client in 0..CLIENTS {
                black_box(encoder.encode(&source, quality(client)).expect("a JPEG"));
            }
        });
    });
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode q70");
    for (name, size) in SIZES {
        let picture = picture(size, ColorRange::Full);
        let jpeg = JpegEncoder::new().encode(&picture, QualityLevel::Medium.into());
        let jpeg = jpeg.expect("a JPEG");
        let mut decoder = JpegDecoder::new(FramePool::new(4)).expect("a decoder");
        for scale in [DecodeScale::Whole, DecodeScale::Quarter] {
            let id = BenchmarkId::new(format!("{scale:?}"), name);
            group.bench_function(id, |b| {
                b.iter(|| black_box(decoder.decode_scaled(&jpeg, scale).expect("a picture")));
            });
        }
    }
    group.finish();
}

fn beside_tjbench(_: &mut Criterion) {
    // Not criterion's to measure: with all benches, or by name.
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.is_none_or(|argument| argument == "tjbench") {
        tjbench::compare(&SIZES);
    }
}

criterion_group!(
    benches,
    beside_tjbench,
    encode,
    render,
    hit,
    fifty_clients,
    decode,
    policies::compare
);
criterion_main!(benches);
