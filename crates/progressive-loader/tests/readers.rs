//! What a reader over any source promises: bytes early, a bounded look-ahead, an end when dropped.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::numbered;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use progressive_loader::driver::{BlockingReader, OpenOptions, ProgressiveReader, Store, open};
use progressive_loader::{ByteSource, Location, OpenError, Profile, ReadError};
use std::collections::HashSet;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt};
use tokio::sync::{Semaphore, mpsc};

/// A source that answers when the test lets it, and tells what was asked and what was dropped.
struct Scripted {
    content: Vec<u8>,
    /// One permit per range that may be answered.
    gate: Arc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
    fail_once: Mutex<HashSet<u64>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Asked(Range<u64>),
    Dropped(Range<u64>),
}

/// Tells when the request it stands for is dropped unanswered.
struct Pending {
    range: Range<u64>,
    events: mpsc::UnboundedSender<Event>,
    answered: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let _ = self.events.send(Event::Dropped(self.range.clone()));
        }
    }
}

impl ByteSource for Scripted {
    fn name(&self) -> String {
        "scripted".into()
    }

    fn size_bytes(&self) -> u64 {
        self.content.len() as u64
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let _ = self.events.send(Event::Asked(range.clone()));
            let mut pending = Pending {
                range: range.clone(),
                events: self.events.clone(),
                answered: false,
            };
            self.gate.acquire().await.unwrap().forget();
            pending.answered = true;
            if self.fail_once.lock().unwrap().remove(&range.start) {
                return Err(ReadError::Short {
                    name: self.name(),
                    range,
                    missing_bytes: 1,
                    attempts: 1,
                });
            }
            Ok(Bytes::copy_from_slice(
                &self.content[range.start as usize..range.end as usize],
            ))
        })
    }

    fn preferred_chunk_bytes(&self) -> u64 {
        16 << 10
    }
}

struct Setup {
    reader: ProgressiveReader,
    gate: Arc<Semaphore>,
    events: mpsc::UnboundedReceiver<Event>,
    content: Vec<u8>,
}

fn setup(size: usize, permits: usize, fail_once: &[u64]) -> Setup {
    let (send, events) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(permits));
    let content = numbered(size);
    let source = Scripted {
        content: content.clone(),
        gate: Arc::clone(&gate),
        events: send,
        fail_once: Mutex::new(fail_once.iter().copied().collect()),
    };
    let options = OpenOptions {
        lookahead_bytes: 64 << 10,
        keep_behind_bytes: 32 << 10,
        ..OpenOptions::default()
    };
    let reader = ProgressiveReader::new(Arc::new(source), &options).unwrap();
    Setup {
        reader,
        gate,
        events,
        content,
    }
}

/// Runs `work` with the reader on a thread of its own, as a decoder would.
async fn on_thread<T: Send + 'static>(
    reader: BlockingReader,
    work: impl FnOnce(BlockingReader) -> T + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(move || work(reader))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_first_bytes_are_there_before_the_rest_is() {
    let Setup {
        reader,
        gate: _gate,
        mut events,
        content,
    } = setup(1 << 20, 1, &[]);
    let progress = reader.progress();
    assert_eq!(
        progress.fetched_bytes(),
        0,
        "nothing is fetched before the first read"
    );
    let mut buf = vec![0; 1000];
    let (reader, buf) = on_thread(reader.into_blocking(), move |mut reader| {
        reader.read_exact(&mut buf).unwrap();
        (reader, buf)
    })
    .await;
    assert_eq!(buf, content[..1000]);
    assert_eq!(events.recv().await, Some(Event::Asked(0..16 << 10)));
    let figures = progress.snapshot();
    assert_eq!(
        (figures.fetched_bytes, figures.total_bytes),
        (16 << 10, 1 << 20)
    );
    assert_eq!(
        figures.ranges,
        vec![Range {
            start: 0,
            end: 16 << 10
        }]
    );
    assert!(figures.bytes_per_second > 0);
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_stops_has_no_more_fetched_than_the_look_ahead() {
    let Setup {
        reader,
        gate: _gate,
        mut events,
        content: _,
    } = setup(1 << 20, 1000, &[]);
    let progress = reader.progress();
    let mut reader = reader.into_async();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    // The window is [10, 10 + 64 KiB): three whole chunks beside the first.
    for start in [0, 16 << 10, 32 << 10, 48 << 10] {
        assert_eq!(
            events.recv().await,
            Some(Event::Asked(start..start + (16 << 10)))
        );
    }
    // The rest of what is wanted has arrived when it can be read without another request.
    reader
        .read_exact(&mut vec![0; (64 << 10) - 10 - 1])
        .await
        .unwrap();
    let asked = std::iter::from_fn(|| events.try_recv().ok()).count();
    assert!(
        asked <= 4,
        "{asked} more requests than the look-ahead allows"
    );
    assert!(progress.fetched_bytes() <= 128 << 10);
}

#[tokio::test]
async fn dropping_the_reader_drops_the_requests() {
    let Setup {
        reader,
        gate: _gate,
        mut events,
        ..
    } = setup(1 << 20, 1, &[]);
    let mut reader = reader.into_async();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(events.recv().await, Some(Event::Asked(0..16 << 10)));
    assert_eq!(events.recv().await, Some(Event::Asked(16 << 10..32 << 10)));
    assert_eq!(events.recv().await, Some(Event::Asked(32 << 10..48 << 10)));
    drop(reader);
    let mut dropped = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    dropped.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(
        dropped,
        [
            Event::Dropped(16 << 10..32 << 10),
            Event::Dropped(32 << 10..48 << 10)
        ]
    );
    assert_eq!(events.recv().await, None, "the source is gone");
}

#[tokio::test]
async fn a_seek_drops_what_it_made_stale() {
    let Setup {
        reader,
        gate,
        mut events,
        content,
    } = setup(1 << 20, 1, &[]);
    let mut reader = reader.into_async();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(events.recv().await, Some(Event::Asked(_))));
    }
    reader.seek(SeekFrom::Start(512 << 10)).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(events.recv().await, Some(Event::Dropped(_))));
    }
    gate.add_permits(1);
    let mut buf = [0; 10];
    reader.read_exact(&mut buf).await.unwrap();
    assert_eq!(buf, content[512 << 10..][..10]);
    assert_eq!(
        events.recv().await,
        Some(Event::Asked(512 << 10..528 << 10))
    );
}

#[tokio::test]
async fn a_fetch_that_was_given_up_before_it_began_keeps_no_other_from_beginning() {
    let Setup {
        reader,
        mut events,
        content,
        ..
    } = setup(1 << 20, 100, &[]);
    let mut reader = reader.into_async();
    // Nothing else runs between these two: the task of the first fetch has not begun.
    assert!(reader.fill_buf().now_or_never().is_none());
    reader.seek(SeekFrom::Start(512 << 10)).await.unwrap();
    let mut buf = [0; 10];
    let read = tokio::time::timeout(Duration::from_secs(10), reader.read_exact(&mut buf));
    read.await.expect("a fetch begins").unwrap();
    assert_eq!(buf, content[512 << 10..][..10]);
    assert_eq!(
        events.recv().await,
        Some(Event::Asked(512 << 10..528 << 10)),
        "the first was never asked for"
    );
}

#[tokio::test]
async fn an_error_is_told_where_it_belongs_and_the_next_read_tries_again() {
    let Setup {
        reader,
        gate: _gate,
        events: _events,
        content,
    } = setup(100_000, 1000, &[32 << 10]);
    let content = content.clone();
    on_thread(reader.into_blocking(), move |mut reader| {
        let mut read = Vec::new();
        let outcome = reader.read_to_end(&mut read);
        // Met while fetching ahead, it is tried again when it is needed, so that it may never show.
        if let Err(error) = outcome {
            assert!(
                error.get_ref().is_some_and(|cause| cause.is::<ReadError>()),
                "{error:?}"
            );
            assert_eq!(read.len(), 32 << 10);
            reader.read_to_end(&mut read).unwrap();
        }
        assert!(read == content);
    })
    .await;
}

#[tokio::test]
async fn seeks_follow_the_standard_librarys_rules() {
    let Setup {
        reader,
        gate: _gate,
        events: _events,
        content,
    } = setup(50_000, 1000, &[]);
    on_thread(reader.into_blocking(), move |mut reader| {
        assert_eq!(reader.seek(SeekFrom::End(-10)).unwrap(), 49_990);
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).unwrap();
        assert_eq!(tail, content[49_990..]);
        assert_eq!(reader.stream_position().unwrap(), 50_000);
        assert!(reader.seek(SeekFrom::Current(-50_001)).is_err());
        assert_eq!(
            reader.stream_position().unwrap(),
            50_000,
            "a failed seek does not move"
        );
        assert_eq!(reader.seek(SeekFrom::Start(60_000)).unwrap(), 60_000);
        assert_eq!(
            reader.read(&mut [0; 10]).unwrap(),
            0,
            "past the end is the end"
        );
        assert!(reader.seek(SeekFrom::End(i64::MIN)).is_err());
        assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert!(reader.seek(SeekFrom::Current(1)).is_err());
    })
    .await;
}

#[test]
fn a_reader_whose_runtime_is_gone_says_so() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let setup = runtime.block_on(async { setup(100_000, 0, &[]) });
    let mut reader = setup.reader.into_blocking();
    runtime.shutdown_background();
    assert!(reader.read(&mut [0; 10]).is_err());
}

/// Zeros as fast as memory gives them, up to a place where nothing more comes.
struct Stalls {
    size_bytes: u64,
    at: u64,
}

impl ByteSource for Stalls {
    fn name(&self) -> String {
        "stalls".into()
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move { Ok(vec![0; (range.end - range.start) as usize].into()) })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        let pieces = stream::unfold(range.start, move |at| async move {
            let end = (at + 10_000).min(range.end).min(self.at);
            // The reader has its turn between two pieces.
            tokio::task::yield_now().await;
            if at >= self.at {
                std::future::pending::<()>().await;
            }
            let piece = Bytes::from(vec![0; (end - at) as usize]);
            (end > at).then_some((Ok(piece), end))
        });
        pieces.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_come_from_a_fast_source_is_told_though_no_more_comes() {
    // Each place lies a little further past what a reader is woken for.
    for at in (2_000_000..2_600_000).step_by(97_003) {
        let source = Stalls {
            size_bytes: 100 << 20,
            at,
        };
        let options = OpenOptions::default();
        let reader = ProgressiveReader::new(Arc::new(source), &options).unwrap();
        let mut reader = reader.into_async();
        let mut all = vec![0; at as usize];
        let started = tokio::time::Instant::now();
        let read = tokio::time::timeout(Duration::from_secs(1), reader.read_exact(&mut all));
        read.await.unwrap().unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_millis(50), "{at}: {took:?}");
    }
}

#[tokio::test]
async fn a_buffered_reader_shows_what_is_there_and_moves_by_what_is_consumed() {
    let content = numbered(300_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    let location = Location::File(file.path().into());
    let options = OpenOptions::default();
    let mut reader = open(&location, &options).await.unwrap().into_async();
    let mut at = 0;
    loop {
        let piece = reader.fill_buf().await.unwrap();
        if piece.is_empty() {
            break;
        }
        let bytes = piece.len().min(7_001);
        assert_eq!(piece[..bytes], content[at..at + bytes]);
        reader.consume(bytes);
        at += bytes;
        let mut next = [0; 3];
        let read = reader.read(&mut next).await.unwrap();
        assert_eq!(next[..read], content[at..at + read]);
        at += read;
        assert_eq!(reader.stream_position().await.unwrap(), at as u64);
    }
    assert_eq!(at, content.len());
    reader.seek(SeekFrom::Start(5)).await.unwrap();
    assert_eq!(reader.fill_buf().await.unwrap()[0], content[5]);
    reader.consume(usize::MAX);
    let position = reader.stream_position().await.unwrap();
    assert!(position <= 300_000, "no further than what was shown");
    let blocking = open(&location, &options).await.unwrap().into_blocking();
    let lines = on_thread(blocking, |reader| reader.split(b'\n').count()).await;
    assert_eq!(lines, content.split(|&byte| byte == b'\n').count());
}

#[tokio::test]
async fn a_file_and_a_stored_content_read_alike() {
    let content = numbered(3_000_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    let store = Store::temporary().unwrap();
    let cid = store.add_bytes(&content, Profile::LegacyCidV0).unwrap().cid;
    let options = OpenOptions {
        store: Some(store),
        lookahead_bytes: 1 << 20,
        ..OpenOptions::default()
    };
    for location in [
        Location::File(file.path().into()),
        Location::Ipfs { cid, path: vec![] },
    ] {
        let mut reader = open(&location, &options).await.unwrap().into_async();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.unwrap();
        assert!(read == content, "{location}");
        reader.seek(SeekFrom::Start(1_234_567)).await.unwrap();
        let mut some = [0; 100];
        reader.read_exact(&mut some).await.unwrap();
        assert_eq!(some, content[1_234_567..][..100]);
    }
}

#[tokio::test]
async fn a_file_that_changes_under_the_reader_is_noticed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), numbered(1_000_000)).unwrap();
    let opened = open(&Location::File(file.path().into()), &OpenOptions::default())
        .await
        .unwrap();
    std::fs::write(file.path(), numbered(500_000)).unwrap();
    let error = opened
        .into_async()
        .read_exact(&mut [0; 10])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let options = OpenOptions::default();
    let fails = async |text: &str| open(&text.parse().unwrap(), &options).await.unwrap_err();
    let cid = "QmWXtfaVCbpaC1wYroGVrcmXYK4cm9GXzEYx8nf9AUXNjB";
    assert!(matches!(
        fails("no/such/clip.mp4").await,
        OpenError::NotFound {
            looks_like_cid: false,
            ..
        }
    ));
    assert!(fails(cid).await.to_string().contains("ipfs://"));
    assert!(matches!(
        fails(".").await,
        OpenError::NotAFile {
            kind: "directory",
            ..
        }
    ));
    let error = fails(&format!("ipfs://{cid}")).await;
    assert!(
        matches!(error, OpenError::NoStore { .. })
            && error.to_string().contains("stream-server add")
    );
    let options = OpenOptions {
        lookahead_bytes: 10,
        ..OpenOptions::default()
    };
    let error = open(&".".parse().unwrap(), &options).await.unwrap_err();
    assert!(error.to_string().contains("lookahead_bytes"), "{error}");
}
