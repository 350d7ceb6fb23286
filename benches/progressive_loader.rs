//! How fast a file is added to the store and read back verified, and what a planner's decision costs.
#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot set up has nothing to measure"
)]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use progressive_loader::driver::{OpenOptions, Store, open};
use progressive_loader::{ByteSource, Location, Profile, Window, WindowConfig};
use std::hint::black_box;
use std::io::Read;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Large enough to hide the fixed costs, small enough to stay in the page cache.
const FILE_BYTES: usize = 256 << 20;

fn content() -> Vec<u8> {
    (0..FILE_BYTES as u64 / 8)
        .flat_map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .collect()
}

fn add(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("content");
    std::fs::write(&path, content()).expect("a file to add");
    let mut group = c.benchmark_group("store/add");
    group.throughput(Throughput::Bytes(FILE_BYTES as u64));
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(10));
    for profile in Profile::ALL {
        group.bench_function(profile.name(), |b| {
            // A new store each time, removed outside the measured time: adding a content again also
            // frees the old copy.
            b.iter_batched(
                || Store::temporary().expect("a store"),
                |store| {
                    let added = store
                        .add_file(&path, profile, &mut |_| {})
                        .expect("an added file");
                    (store, added)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn read_verified(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let store = Store::temporary().expect("a store");
    let content = content();
    let mut group = c.benchmark_group("store/read_verified");
    group.throughput(Throughput::Bytes(FILE_BYTES as u64));
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(10));
    for profile in Profile::ALL {
        let cid = store
            .add_bytes(&content, profile)
            .expect("an added content")
            .cid;
        let location = Location::Ipfs {
            cid,
            path: Vec::new(),
        };
        let options = OpenOptions {
            store: Some(store.clone()),
            ..OpenOptions::default()
        };
        let mut buf = vec![0; 1 << 20];
        group.bench_function(format!("reader/{profile}"), |b| {
            b.iter(|| {
                let mut reader = runtime
                    .block_on(open(&location, &options))
                    .expect("a reader")
                    .into_blocking();
                while reader.read(&mut buf).expect("a sound read") > 0 {
                    black_box(&buf);
                }
            });
        });
        let source = store.open_cid(&cid).expect("a source");
        group.bench_function(format!("one_thread/{profile}"), |b| {
            b.iter(|| {
                for start in (0..source.size_bytes()).step_by(1 << 20) {
                    black_box(
                        source
                            .read_range_blocking(start..start + (1 << 20))
                            .expect("a sound read"),
                    );
                }
            });
        });
    }
    group.finish();
}

fn plan(c: &mut Criterion) {
    let config = WindowConfig {
        size_bytes: 1 << 40,
        lookahead_bytes: 8 << 20,
        keep_behind_bytes: 4 << 20,
        chunk_bytes: 1 << 20,
        smallest_chunk_bytes: 256 << 10,
        first_chunk_bytes: 256 << 10,
        max_in_flight: 2,
    };
    let piece = Bytes::from(vec![0; 64 << 10]);
    // A mebibyte of reading: one range planned, sixteen pieces received, read and at last dropped.
    c.bench_function("window/one_chunk", |b| {
        let mut window = Window::new(config);
        b.iter(|| {
            while let Some(fetch) = window.next_fetch() {
                for _ in 0..(fetch.range.end - fetch.range.start) / piece.len() as u64 {
                    window.received(fetch.id, piece.clone());
                }
                window.finished(fetch.id);
            }
            for _ in 0..16 {
                let read = black_box(window.peek()).map_or(0, |held| held.len());
                window.advance(read as u64);
                black_box(window.take_stale());
            }
        });
    });
}

criterion_group!(benches, add, read_verified, plan);
criterion_main!(benches);
