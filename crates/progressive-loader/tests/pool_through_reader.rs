//! A reader over a pool of origins: bounded memory, cheap hops, and a seek that lets go at once.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::origins::{Fake, File};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use progressive_loader::driver::{
    BlockCache, CacheOptions, OpenOptions, Pool, PoolOptions, ProgressiveReader,
};
use progressive_loader::plan::{LARGEST_CHUNK_BYTES, SMALLEST_CHUNK_BYTES};
use progressive_loader::{
    Block, ByteSource, Demand, Fetcher, LeafSpan, Origin, OriginError, ReadError,
};
use std::io::SeekFrom;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const MIB: u64 = 1 << 20;

/// A file of raw leaves, read through a pool.
struct Leaves {
    file: File,
    pool: Pool,
}

impl ByteSource for Leaves {
    fn name(&self) -> String {
        "leaves".into()
    }

    fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    fn read_range(&self, _: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        unreachable!("the reader streams")
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        let leaf = self.file.leaf_bytes;
        let (first, last) = (range.start / leaf, range.end.div_ceil(leaf));
        let span = self.file.part(first as usize..last as usize);
        let mut at = first * leaf;
        let cut = move |block: Result<Block, ReadError>| {
            let block = block?.into_bytes();
            let from = range.start.saturating_sub(at).min(leaf);
            let to = (range.end - at).min(leaf);
            at += leaf;
            Ok(block.slice(from as usize..to as usize))
        };
        self.pool.leaves(span).map(cut).boxed()
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        self.file.leaf_bytes.max(SMALLEST_CHUNK_BYTES)..=LARGEST_CHUNK_BYTES
    }

    fn demand(&self, demand: Demand) {
        self.pool.demand(demand);
    }
}

/// Knows how many bytes of its blocks are still held by anybody.
struct Tracked {
    inner: Fake,
    live: Arc<Live>,
}

#[derive(Default)]
struct Live {
    now: AtomicU64,
    most: AtomicU64,
}

struct Held(Vec<u8>, Arc<Live>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

impl Origin for Tracked {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn block(&self, cid: progressive_loader::Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        self.inner.block(cid)
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        let track = |block: Block| {
            let now = self
                .live
                .now
                .fetch_add(block.len() as u64, Ordering::Relaxed)
                + block.len() as u64;
            self.live.most.fetch_max(now, Ordering::Relaxed);
            Bytes::from_owner(Held(block.into_bytes().to_vec(), Arc::clone(&self.live))).into()
        };
        self.inner
            .leaves(span)
            .map(move |block| block.map(track))
            .boxed()
    }
}

fn reader(
    file: &File,
    origins: Vec<Arc<dyn Origin>>,
    cache: Option<BlockCache>,
) -> (ProgressiveReader, Pool) {
    let options = PoolOptions {
        seed: 3,
        ..PoolOptions::default()
    };
    let pool = Pool::new(origins, options, cache);
    let source = Leaves {
        file: file.clone(),
        pool: pool.clone(),
    };
    (
        ProgressiveReader::new(Arc::new(source), &OpenOptions::default()).unwrap(),
        pool,
    )
}

#[tokio::test(start_paused = true)]
async fn memory_stays_within_the_look_ahead_and_32_mebibytes() {
    for leaf_bytes in [256 << 10, 1 << 20] {
        let file = File::new((96 << 20) / leaf_bytes, leaf_bytes);
        let live = Arc::new(Live::default());
        let origin = |name| {
            let inner = Fake::new(name, &file).speed(Duration::from_millis(30), 12 << 20);
            Arc::new(Tracked {
                inner,
                live: Arc::clone(&live),
            }) as Arc<dyn Origin>
        };
        let cache = BlockCache::open(&CacheOptions::default());
        let (reader, pool) = reader(
            &file,
            vec![origin("a"), origin("b"), origin("c")],
            Some(cache.clone()),
        );
        // More than one of them gives: they stripe.
        reader.set_playback_bytes_per_second(30 << 20);
        let mut reader = reader.into_async();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.unwrap();
        let blocks = read.chunks(leaf_bytes).enumerate();
        assert!(
            blocks
                .into_iter()
                .all(|(number, block)| block == file.block(number))
        );
        let most = live.most.load(Ordering::Relaxed) + cache.snapshot().memory_bytes;
        println!(
            "leaves of {leaf_bytes} B: {:.1} MiB held at most",
            most as f64 / MIB as f64
        );
        assert!(most <= 8 * MIB + 32 * MIB, "{most} B");
        let figures = pool.snapshot();
        assert!(
            figures
                .origins
                .iter()
                .filter(|origin| origin.bytes > 8 * MIB)
                .count()
                > 1,
            "{figures:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_lets_go_of_what_it_left_at_once() {
    let file = File::new(256, 256 << 10);
    let origin = Arc::new(Fake::new("a", &file).speed(Duration::from_secs(3600), 10 << 20));
    let (reader, _) = reader(&file, vec![Arc::clone(&origin) as _], None);
    let mut reader = reader.into_async();
    let mut buf = [0; 10];
    let first = tokio::time::timeout(Duration::from_millis(1), reader.read_exact(&mut buf));
    assert!(first.await.is_err());
    assert_eq!(
        (origin.requests(), origin.dropped.load(Ordering::Relaxed)),
        (1, 0)
    );
    let before = tokio::time::Instant::now();
    reader.seek(SeekFrom::Start(40 * MIB)).await.unwrap();
    // The request is dropped by its task, which has to get its turn.
    while origin.dropped.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_killed_source_is_not_noticed_by_the_reader() {
    let file = File::new(512, 64 << 10);
    let mut blocks = 0_u64;
    let flaky = Fake::new("flaky", &file).scripted(move |_| {
        blocks += 1;
        if blocks.is_multiple_of(20) {
            common::origins::Fault::Break
        } else {
            common::origins::Fault::None
        }
    });
    let flaky = Arc::new(flaky);
    let (reader, pool) = reader(
        &file,
        vec![Arc::clone(&flaky) as _],
        Some(BlockCache::open(&CacheOptions::default())),
    );
    let mut read = Vec::new();
    reader.into_async().read_to_end(&mut read).await.unwrap();
    assert!(
        read.chunks(64 << 10)
            .enumerate()
            .all(|(number, block)| block == file.block(number))
    );
    assert!(pool.snapshot().origins[0].failures >= 25);
    assert!(
        flaky.sent_bytes() as f64 <= 1.05 * file.size_bytes() as f64,
        "{}",
        flaky.sent_bytes()
    );
}

/// Blocks are verified whole, so that a hop costs the leaves it touches.
#[tokio::test(start_paused = true)]
async fn the_first_frame_of_an_mp4_over_leaves_costs_its_leaves() {
    for (leaf_bytes, spare) in [(256_u64 << 10, 0), (1 << 20, MIB)] {
        let file = File::new((100 * MIB / leaf_bytes) as usize, leaf_bytes as usize);
        let origin = Arc::new(Fake::new("a", &file).speed(Duration::from_millis(80), 2_500_000));
        let cache = BlockCache::open(&CacheOptions::default());
        let (reader, _) = reader(&file, vec![Arc::clone(&origin) as _], Some(cache));
        let mut reader = tokio::io::BufReader::with_capacity(256 << 10, reader.into_async());
        let index_bytes = 700 << 10;
        let started = tokio::time::Instant::now();
        reader.read_exact(&mut [0; 48]).await.unwrap();
        reader
            .seek(SeekFrom::Start(file.size_bytes() - index_bytes))
            .await
            .unwrap();
        reader
            .read_exact(&mut vec![0; index_bytes as usize])
            .await
            .unwrap();
        reader.seek(SeekFrom::Start(48)).await.unwrap();
        reader.read_exact(&mut vec![0; 150_000]).await.unwrap();
        let sent = origin.sent_bytes();
        println!(
            "leaves of {leaf_bytes} B: {sent} B for an index of {index_bytes} B, {:?}",
            started.elapsed()
        );
        assert!(sent <= MIB + index_bytes + spare, "{sent} B");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_the_reader_with_its_block() {
    let (file, other) = (File::new(8, 256 << 10), File::new(1, 10));
    let origin = Arc::new(Fake::new("elsewhere", &other));
    let (reader, _) = reader(&file, vec![origin], None);
    let error = reader
        .into_async()
        .read_exact(&mut [0; 10])
        .await
        .unwrap_err();
    let cause = error
        .get_ref()
        .unwrap()
        .downcast_ref::<ReadError>()
        .unwrap();
    let ReadError::GaveUp { cid, range, .. } = cause else {
        panic!("{cause}")
    };
    assert_eq!((**cid, range.start), (file.span.leaves[0].cid, 0));
}
