//! An answer's body: one range, or several with a head each, read as the client takes them.
//!
//! Fed by a content; feeds the HTTP connection. What is read ahead of the client is bounded by [`LOOKAHEAD_BYTES`]. A read that
//! fails ends the body with an error, which closes the connection: a client never takes less for all of it.

use std::collections::VecDeque;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream};
use progressive_loader::driver::{AsyncReader, OpenOptions, ProgressiveReader};
use progressive_loader::{ByteSource, Cid, Demand, ReadError};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::OwnedSemaphorePermit;

/// How far ahead of the client is read, in bytes: enough that a source some round trips away is not waited for after each
/// piece. It is memory of every answer.
const LOOKAHEAD_BYTES: u64 = 4 << 20;
/// One piece of a body, in bytes.
const PIECE_BYTES: usize = 128 << 10;
/// The longest that a piece may take: longer than a source's own limits together with its retries.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// A stretch of a body.
#[derive(Debug)]
pub(super) enum Part {
    /// Not of the content: what stands between its parts.
    Text(Bytes),
    /// Of the content.
    Content(Range<u64>),
}

/// A body that has not been read to its end.
pub(super) struct Body {
    source: Arc<dyn ByteSource>,
    parts: VecDeque<Part>,
    /// What was read before the answer's head was sent.
    ready: VecDeque<Bytes>,
    reading: Option<Reading>,
    /// The place among the answers that are served at once.
    _place: Arc<OwnedSemaphorePermit>,
}

struct Reading {
    reader: AsyncReader,
    left_bytes: u64,
}

impl Body {
    pub(super) fn new(
        source: Arc<dyn ByteSource>,
        parts: impl Into<VecDeque<Part>>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            source,
            parts: parts.into(),
            ready: VecDeque::new(),
            reading: None,
            _place: place,
        }
    }

    /// Reads up to the first bytes of the content, so that what keeps them back can still be said with a status.
    pub(super) async fn prime(&mut self) -> io::Result<()> {
        while let Some(piece) = self.read().await? {
            self.ready.push_back(piece);
            if self.reading.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The pieces, for the connection to pull.
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match body.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(body))),
                Ok(None) => None,
                Err(error) => {
                    tracing::warn!(source = %body.source.name(), %error, "an answer was cut off");
                    Some((Err(error), None))
                }
            }
        })
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self.ready.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(reading) = &mut self.reading {
                if reading.left_bytes > 0 {
                    return reading.piece().await.map(Some);
                }
                self.reading = None;
            }
            match self.parts.pop_front() {
                None => return Ok(None),
                Some(Part::Text(text)) => return Ok(Some(text)),
                Some(Part::Content(range)) => {
                    self.reading = Some(Reading::open(&self.source, range).await?);
                }
            }
        }
    }
}

impl Reading {
    async fn open(source: &Arc<dyn ByteSource>, range: Range<u64>) -> io::Result<Self> {
        let options = OpenOptions {
            lookahead_bytes: LOOKAHEAD_BYTES,
            keep_behind_bytes: 0,
            ..OpenOptions::default()
        };
        let source = Arc::new(UpTo {
            source: Arc::clone(source),
            end: range.end,
        });
        let reader = ProgressiveReader::new(source, &options).map_err(io::Error::other)?;
        let mut reader = reader.into_async();
        reader.seek(io::SeekFrom::Start(range.start)).await?;
        Ok(Self {
            reader,
            left_bytes: range.end - range.start,
        })
    }

    /// The next bytes, at least one.
    async fn piece(&mut self) -> io::Result<Bytes> {
        let most = self.left_bytes.min(PIECE_BYTES as u64) as usize;
        let mut piece = BytesMut::with_capacity(most);
        let reading = self.reader.read_buf(&mut piece);
        let read = tokio::time::timeout(PIECE_TIMEOUT, reading).await;
        if read.map_err(|_| io::ErrorKind::TimedOut)?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left_bytes = self.left_bytes.saturating_sub(piece.len() as u64);
        Ok(piece.freeze())
    }
}

/// A source that ends early, so that nothing is read ahead past a range's end.
struct UpTo {
    source: Arc<dyn ByteSource>,
    end: u64,
}

impl ByteSource for UpTo {
    fn name(&self) -> String {
        self.source.name()
    }

    fn size_bytes(&self) -> u64 {
        self.end
    }

    fn cid(&self) -> Option<Cid> {
        None
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        self.source.read_range(range)
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        self.source.stream_range(range)
    }

    fn preferred_chunk_bytes(&self) -> u64 {
        self.source.preferred_chunk_bytes()
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        self.source.chunk_range()
    }

    fn demand(&self, demand: Demand) {
        self.source.demand(demand);
    }

    fn max_parallel(&self) -> usize {
        self.source.max_parallel()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::Semaphore;

    const SIZE: u64 = 64 << 20;

    /// Zeros, of which it is known how far they were read.
    #[derive(Default)]
    struct Counted {
        read_to: AtomicU64,
        fails_from: Option<u64>,
    }

    impl ByteSource for Counted {
        fn name(&self) -> String {
            "zeros".to_owned()
        }

        fn size_bytes(&self) -> u64 {
            SIZE
        }

        fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
            self.read_to.fetch_max(range.end, Ordering::Relaxed);
            let failed = self.fails_from.is_some_and(|from| range.end > from);
            Box::pin(async move {
                if failed {
                    let name = self.name();
                    return Err(ReadError::Cancelled { name });
                }
                Ok(Bytes::from(vec![0; (range.end - range.start) as usize]))
            })
        }
    }

    fn body(source: &Arc<Counted>, parts: Vec<Part>) -> Body {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Body::new(
            Arc::clone(source) as Arc<dyn ByteSource>,
            parts,
            Arc::new(place),
        )
    }

    #[tokio::test]
    async fn a_client_that_stops_is_not_read_for() {
        let source = Arc::new(Counted::default());
        let mut body = body(&source, vec![Part::Content(0..SIZE)]);
        body.prime().await.unwrap();
        let mut pieces = Box::pin(body.into_stream());
        let mut taken = 0;
        while taken < 8 << 20 {
            taken += pieces.next().await.unwrap().unwrap().len() as u64;
        }
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        let read_to = source.read_to.load(Ordering::Relaxed);
        assert!(
            read_to <= taken + LOOKAHEAD_BYTES + (1 << 20),
            "{read_to} for {taken}"
        );
    }

    #[tokio::test]
    async fn nothing_is_read_past_a_range() {
        let source = Arc::new(Counted::default());
        let parts = vec![
            Part::Text(Bytes::from_static(b"<")),
            Part::Content(5..10),
            Part::Text(Bytes::from_static(b"-")),
            Part::Content(100..103),
            Part::Text(Bytes::from_static(b">")),
        ];
        let pieces: Vec<_> = body(&source, parts).into_stream().collect().await;
        let all: Vec<u8> = pieces
            .into_iter()
            .flat_map(|it| it.unwrap().to_vec())
            .collect();
        assert_eq!(all, b"<\0\0\0\0\0-\0\0\0>");
        assert_eq!(source.read_to.load(Ordering::Relaxed), 103);
    }

    #[tokio::test]
    async fn a_failure_ends_the_body_as_one() {
        let source = Arc::new(Counted {
            fails_from: Some(3 << 20),
            ..Counted::default()
        });
        let mut body = body(&source, vec![Part::Content(0..SIZE)]);
        body.prime().await.unwrap();
        let pieces: Vec<_> = body.into_stream().collect().await;
        let (last, before) = pieces.split_last().unwrap();
        assert!(last.is_err() && before.iter().all(Result::is_ok));
    }
}
