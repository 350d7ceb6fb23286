//! The cache under eight threads, beside two general caches that also join requests for one key.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use frame_buffer::{FrameId, Picture, VideoFrame};
use jpeg_optimizer::{CacheConfig, EncodeParams, QualityLevel, StreamKey, driver};

const THREADS: u64 = 8;
/// What five frames at three qualities come to.
const ENTRIES: u64 = 15;

/// Frame and quality, as the others' key; ours has the stream and the size too.
type Key = (u64, u8);

pub(crate) fn eight_threads(c: &mut Criterion, picture: &Picture) {
    let mut group = c.benchmark_group("hit, 8 threads");
    let frames: Vec<_> = (0..5).map(|id| frame(id, picture)).collect();
    let params = |n: u64| EncodeParams {
        quality: QualityLevel::ALL[(n % 3) as usize].into(),
        size: None,
    };

    let ours = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let ask = |n: u64| {
        let frame = &frames[(n / 3 % 5) as usize];
        ours.get_or_encode(stream, frame, params(n))
            .expect("a JPEG")
            .bytes
    };
    group.bench_function(BenchmarkId::from_parameter("jpeg-optimizer"), |b| {
        b.iter_custom(|operations| on_all_threads(operations, &ask));
    });

    let jpeg = ask(0);
    let key = |n: u64| -> Key { (n / 3 % 5, params(n).quality.get()) };
    let moka: moka::sync::Cache<Key, Bytes> = moka::sync::Cache::new(ENTRIES);
    let ask = |n: u64| moka.get_with(key(n), || jpeg.clone());
    group.bench_function(BenchmarkId::from_parameter("moka"), |b| {
        b.iter_custom(|operations| on_all_threads(operations, &ask));
    });

    let quick: quick_cache::sync::Cache<Key, Bytes> =
        quick_cache::sync::Cache::new(ENTRIES as usize);
    let ask = |n: u64| {
        let jpeg = quick.get_or_insert_with(&key(n), || Ok::<_, ()>(jpeg.clone()));
        jpeg.expect("a value")
    };
    group.bench_function(BenchmarkId::from_parameter("quick_cache"), |b| {
        b.iter_custom(|operations| on_all_threads(operations, &ask));
    });
    group.finish();
}

/// The time that all threads together need, so that an iteration is one operation of one of them.
fn on_all_threads(operations: u64, ask: &(impl Fn(u64) -> Bytes + Sync)) -> Duration {
    let each = operations.div_ceil(THREADS);
    let together = Barrier::new(THREADS as usize + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                for n in 0..each {
                    std::hint::black_box(ask(thread + n));
                }
            });
        }
        together.wait();
        Instant::now()
    })
    .elapsed()
}

/// A frame of this picture.
pub(crate) fn frame(id: u64, picture: &Picture) -> VideoFrame {
    VideoFrame {
        id: FrameId(id),
        pts: Duration::from_millis(33 * id),
        duration: Duration::from_millis(33),
        picture: picture.clone(),
    }
}
