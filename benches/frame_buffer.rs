//! What a frame costs on its way through the ring and the pool.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frame_buffer::{
    BufferConfig, FrameId, FramePool, OverflowPolicy, Picture, PictureSize, RingBuffer, VideoFrame,
};

const HD: PictureSize = PictureSize {
    width: 1280,
    height: 720,
};

fn frame(id: u64, picture: &Picture) -> VideoFrame {
    VideoFrame {
        id: FrameId(id),
        pts: Duration::from_millis(40 * id),
        duration: Duration::from_millis(40),
        picture: picture.clone(),
    }
}

fn ring(c: &mut Criterion) {
    let picture = Picture::black(HD).expect("a valid size");
    let now = Instant::now();
    let mut group = c.benchmark_group("ring");

    let mut ring = RingBuffer::new(BufferConfig::default());
    for id in 0..15 {
        drop(ring.push(frame(id, &picture)));
    }
    group.bench_function("push and pop", |b| {
        b.iter(|| {
            drop(ring.push(frame(15, &picture)));
            black_box(ring.pop(now))
        });
    });

    let config = BufferConfig::new(30, 0.5, OverflowPolicy::DropOldest).expect("in range");
    let mut full = RingBuffer::new(config);
    for id in 0..30 {
        drop(full.push(frame(id, &picture)));
    }
    group.bench_function("push to a full ring, drop oldest", |b| {
        b.iter(|| black_box(full.push(frame(30, &picture))));
    });

    let mut empty = RingBuffer::new(BufferConfig::default());
    drop(empty.push(frame(0, &picture)));
    drop(empty.pop(now));
    group.bench_function("underflow", |b| b.iter(|| black_box(empty.pop(now))));
    group.bench_function("metrics", |b| b.iter(|| black_box(ring.metrics())));
    group.finish();
}

fn pool(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool");
    let pool = FramePool::new(4);
    group.bench_function("take, freeze and give back 720p", |b| {
        b.iter(|| black_box(pool.take(HD).expect("a valid size").freeze()));
    });

    let source = Picture::black(HD).expect("a valid size");
    let planes = [source.y(), source.u(), source.v()];
    let strides = [source.y_stride(), source.c_stride(), source.c_stride()];
    group.throughput(Throughput::Bytes(source.size_bytes() as u64));
    group.bench_function("copy a decoder's 720p planes", |b| {
        b.iter(|| {
            let copy = Picture::copy_from_planes(&pool, HD, planes, strides);
            black_box(copy.expect("planes that fit"))
        });
    });
    group.finish();
}

criterion_group!(benches, ring, pool);
criterion_main!(benches);
