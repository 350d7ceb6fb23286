//! A film with its index in front, whatever its file's order, as a [`ByteSource`] over that of the file.
//!
//! Fed by any source; read as any other. What [`crate::faststart`] decides is done here.

use crate::error::ReadError;
use crate::faststart::{AsIs, Layout, Piece, Scan, Step};
use crate::fetch::Demand;
use crate::source::ByteSource;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// How much is read where a few bytes are wanted: small boxes that follow come along, and a remote source is asked
/// once for them.
const READ_BYTES: u64 = 4096;

/// The virtual file that `layout` describes, over the file it was made of.
pub struct FaststartSource {
    source: Arc<dyn ByteSource>,
    layout: Arc<Layout>,
}

impl std::fmt::Debug for FaststartSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaststartSource")
            .field("source", &self.source.name())
            .finish_non_exhaustive()
    }
}

/// Looks for the boxes of `source`: the layout with the index in front, or why the file stays as it is.
///
/// Reads each box's head and, where it is behind the media data, the index: up to 16 MiB.
///
/// # Errors
/// The source cannot be read.
pub async fn faststart_layout(source: &dyn ByteSource) -> Result<Result<Layout, AsIs>, ReadError> {
    let size_bytes = source.size_bytes();
    let mut scan = Scan::new(size_bytes);
    let mut step = scan.step();
    let (mut held_at, mut held) = (0, Bytes::new());
    loop {
        let wanted = match step {
            Step::Done(outcome) => return Ok(outcome),
            Step::Read(wanted) => wanted,
        };
        let held_range = held_at..held_at + held.len() as u64;
        if wanted.start < held_range.start || wanted.end > held_range.end {
            let end = wanted.end.max(wanted.start.saturating_add(READ_BYTES));
            held = source.read_range(wanted.start..end.min(size_bytes)).await?;
            held_at = wanted.start;
        }
        let within = (wanted.start - held_at) as usize..(wanted.end - held_at) as usize;
        step = match held.get(within) {
            Some(bytes) => scan.take(bytes),
            None => Step::Done(Err(AsIs::Damaged)),
        };
    }
}

impl FaststartSource {
    /// `layout` must be that of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn ByteSource>, layout: Arc<Layout>) -> Self {
        Self { source, layout }
    }

    fn pieces(&self, range: &Range<u64>) -> Result<Vec<Piece>, ReadError> {
        let size_bytes = self.layout.size_bytes();
        if range.start > range.end || range.end > size_bytes {
            return Err(ReadError::OutOfBounds {
                name: self.name(),
                range: range.clone(),
                size_bytes,
            });
        }
        Ok(self.layout.pieces(range))
    }
}

impl ByteSource for FaststartSource {
    fn name(&self) -> String {
        format!("{} (index in front)", self.source.name())
    }

    fn size_bytes(&self) -> u64 {
        self.layout.size_bytes()
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let mut pieces = self.pieces(&range)?;
            if let [Piece::Source(range)] = &*pieces {
                return self.source.read_range(range.clone()).await;
            }
            let mut all = BytesMut::with_capacity((range.end - range.start) as usize);
            for piece in pieces.drain(..) {
                match piece {
                    Piece::Here(bytes) => all.extend_from_slice(&bytes),
                    Piece::Source(range) => {
                        all.extend_from_slice(&self.source.read_range(range).await?);
                    }
                }
            }
            Ok(all.freeze())
        })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        let pieces = match self.pieces(&range) {
            Ok(pieces) => pieces,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let streams = stream::iter(pieces).flat_map(|piece| match piece {
            Piece::Here(bytes) => stream::once(async { Ok(bytes) }).boxed(),
            Piece::Source(range) => self.source.stream_range(range),
        });
        let mut failed = false;
        // Nothing after an error: the bytes that follow would stand in the wrong place.
        let until_error = streams.take_while(move |piece| {
            let go_on = !failed;
            failed = piece.is_err();
            std::future::ready(go_on)
        });
        until_error.boxed()
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
