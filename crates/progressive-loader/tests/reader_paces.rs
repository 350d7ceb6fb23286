//! How much a reader fetches, and when: little where it hops, more where it reads, never beyond its bound.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use progressive_loader::driver::{OpenOptions, ProgressiveReader};
use progressive_loader::plan::{LARGEST_CHUNK_BYTES, SMALLEST_CHUNK_BYTES};
use progressive_loader::{ByteSource, Demand, ReadError};
use std::io::SeekFrom;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Zeros over a link, counted; each piece takes its time on the runtime's clock.
struct Link {
    size_bytes: u64,
    piece_bytes: u64,
    delay: Duration,
    bytes_per_second: AtomicU64,
    sent_bytes: AtomicU64,
    asked: Mutex<Vec<Range<u64>>>,
    demands: Mutex<Vec<Demand>>,
}

impl Link {
    fn new(size_bytes: u64, delay: Duration, bytes_per_second: u64) -> Arc<Self> {
        Arc::new(Self {
            size_bytes,
            piece_bytes: 16 * KIB,
            delay,
            bytes_per_second: AtomicU64::new(bytes_per_second),
            sent_bytes: AtomicU64::new(0),
            asked: Mutex::default(),
            demands: Mutex::default(),
        })
    }

    fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    fn largest_request(&self) -> u64 {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|range| range.end - range.start)
            .max()
            .unwrap()
    }
}

impl ByteSource for Link {
    fn name(&self) -> String {
        "link".into()
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        async move {
            let mut whole = Vec::new();
            let mut pieces = self.stream_range(range);
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(whole.into())
        }
        .boxed()
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        self.asked.lock().unwrap().push(range.clone());
        stream::unfold((range, true), move |(mut rest, first)| async move {
            let bytes = (rest.end - rest.start).min(self.piece_bytes);
            if bytes == 0 {
                return None;
            }
            let rate = self.bytes_per_second.load(Ordering::Relaxed);
            let transfer = Duration::from_secs_f64(bytes as f64 / rate as f64);
            tokio::time::sleep(if first {
                self.delay + transfer
            } else {
                transfer
            })
            .await;
            self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
            rest.start += bytes;
            Some((Ok(vec![0; bytes as usize].into()), (rest, false)))
        })
        .boxed()
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        SMALLEST_CHUNK_BYTES..=LARGEST_CHUNK_BYTES
    }

    fn demand(&self, demand: Demand) {
        self.demands.lock().unwrap().push(demand);
    }
}

fn reader(link: &Arc<Link>) -> ProgressiveReader {
    ProgressiveReader::new(
        Arc::clone(link) as Arc<dyn ByteSource>,
        &OpenOptions::default(),
    )
    .unwrap()
}

/// What a demuxer does with an MP4 whose index is at the end, through a buffer of 256 KiB: the first
/// boxes, the index, the first picture.
async fn first_frame(link: &Arc<Link>, index_bytes: u64, frame_bytes: usize) {
    let mut reader = tokio::io::BufReader::with_capacity(256 << 10, reader(link).into_async());
    reader.seek(SeekFrom::End(0)).await.unwrap();
    reader.seek(SeekFrom::Start(0)).await.unwrap();
    reader.read_exact(&mut [0; 48]).await.unwrap();
    let index_at = link.size_bytes - index_bytes;
    reader.seek(SeekFrom::Start(index_at)).await.unwrap();
    reader
        .read_exact(&mut vec![0; index_bytes as usize])
        .await
        .unwrap();
    reader.seek(SeekFrom::Start(48)).await.unwrap();
    reader.read_exact(&mut vec![0; frame_bytes]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_of_an_mp4_with_its_index_at_the_end_costs_a_mebibyte_and_the_index() {
    // 20 Mbit/s at 80 ms, and one that is limited by nothing.
    for (delay, rate) in [(80, 2_500_000), (0, 1 << 40)] {
        for (index_bytes, frame_bytes) in
            [(50 * KIB, 30_000), (700 * KIB, 200_000), (3 * MIB, 350_000)]
        {
            let link = Link::new(100 * MIB, Duration::from_millis(delay), rate);
            let started = tokio::time::Instant::now();
            first_frame(&link, index_bytes, frame_bytes).await;
            let (sent, took) = (link.sent_bytes(), started.elapsed());
            println!("index {index_bytes}, frame {frame_bytes}, {rate} B/s: {sent} B, {took:?}");
            assert!(
                sent <= MIB + index_bytes,
                "{sent} B for an index of {index_bytes} B"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hops_are_cheap_and_each_costs_no_more_than_what_it_wants() {
    let link = Link::new(1 << 30, Duration::ZERO, 1 << 40);
    let mut reader = reader(&link).into_async();
    for hop in 0..32 {
        reader.seek(SeekFrom::Start(hop * 32 * MIB)).await.unwrap();
        reader.read_exact(&mut [0; 100]).await.unwrap();
    }
    assert!(
        link.sent_bytes() <= 32 * 384 * KIB,
        "{} B",
        link.sent_bytes()
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_in_order_gets_its_whole_look_ahead_and_chunks_that_suit_the_link() {
    let link = Link::new(64 * MIB, Duration::from_millis(20), 50_000_000);
    let reader = reader(&link);
    let progress = reader.progress();
    let mut reader = reader.into_async();
    reader.read_exact(&mut vec![0; 16 << 20]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let figures = progress.snapshot();
    assert!(figures.held_ahead_bytes >= 4 * MIB, "{figures:?}");
    assert!(
        figures.held_ahead_bytes <= 8 * MIB,
        "no more than the look-ahead: {figures:?}"
    );
    assert!(link.largest_request() > MIB, "larger than the usual chunk");
    let asked = link.asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|range| range.end.is_multiple_of(SMALLEST_CHUNK_BYTES))
    );
    assert!(
        figures.bandwidth_bytes_per_second.unwrap() > 10_000_000,
        "{figures:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_link_slower_than_the_playback_is_foreseen_told_and_asked_for_less_at_once() {
    let link = Link::new(64 * MIB, Duration::from_millis(20), 3_000_000);
    let reader = reader(&link);
    reader.set_playback_bytes_per_second(1_000_000);
    let progress = reader.progress();
    let mut reader = reader.into_async();
    // A second of video each second: the link keeps up.
    for _ in 0..10 {
        reader.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(progress.underrun_in(), None, "{:?}", progress.snapshot());
    // Then it does not.
    link.bytes_per_second.store(50_000, Ordering::Relaxed);
    let mut foreseen = None;
    let mut dry_at = Duration::ZERO;
    let started = tokio::time::Instant::now();
    for _ in 0..40 {
        reader.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
        dry_at = started.elapsed();
        if let Some(underrun_in) = progress.underrun_in() {
            foreseen.get_or_insert((dry_at, underrun_in));
        }
        if dry_at > Duration::from_secs(40) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (when, underrun_in) = foreseen.unwrap();
    assert!(
        when + Duration::from_secs(1) < dry_at,
        "foreseen at {when:?}, dry at {dry_at:?}"
    );
    assert!(underrun_in < Duration::from_secs(60), "{underrun_in:?}");
    let demands = link.demands.lock().unwrap();
    assert!(demands.iter().any(|demand| demand.dry_in.is_some()));
    assert_eq!(demands.last().unwrap().bytes_per_second, Some(1_000_000));
    let last = link.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!(
        last.end - last.start,
        SMALLEST_CHUNK_BYTES,
        "small ones when it presses"
    );
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_measured_where_nobody_tells_it() {
    let link = Link::new(64 * MIB, Duration::from_millis(1), 50_000_000);
    let reader = reader(&link);
    let progress = reader.progress();
    let mut reader = reader.into_async();
    for _ in 0..100 {
        reader.read_exact(&mut vec![0; 50_000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let measured = progress.snapshot().playback_bytes_per_second.unwrap();
    assert!((400_000..650_000).contains(&measured), "{measured} B/s");
}
