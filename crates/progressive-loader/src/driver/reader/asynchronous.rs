//! `AsyncRead + AsyncBufRead + AsyncSeek` for a task.

use super::fetcher::Fetcher;
use crate::driver::progress::LoadProgress;
use bytes::{Buf, Bytes};
use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, ReadBuf};

/// Yields until bytes are there; more are fetched ahead meanwhile.
///
/// Errors carry the [`ReadError`](crate::ReadError) as their source; the read after an error tries
/// again. Dropping it cancels what is being fetched.
///
/// [`AsyncBufRead`] shows the bytes where they came to, without a copy; it is the quickest way to read on and on.
pub struct AsyncReader {
    fetcher: Fetcher,
    /// From the position on.
    piece: Bytes,
}

impl AsyncReader {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self {
            fetcher,
            piece: Bytes::new(),
        }
    }

    /// The content's size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.fetcher.size_bytes()
    }

    /// Whether the content has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The live figures; the handle outlives the reader.
    #[must_use]
    pub fn progress(&self) -> LoadProgress {
        self.fetcher.progress()
    }
}

impl AsyncRead for AsyncReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let piece = ready!(self.as_mut().poll_fill_buf(context))?;
        let n = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for AsyncReader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty() {
            this.piece = ready!(this.fetcher.poll_piece(context))?;
        }
        Poll::Ready(Ok(&this.piece))
    }

    /// At most as many as `poll_fill_buf` gave; more are not consumed.
    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        let bytes = bytes.min(self.piece.len());
        self.piece.advance(bytes);
        self.fetcher.consume(bytes);
    }
}

impl AsyncSeek for AsyncReader {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.piece.clear();
        self.fetcher.seek(to).map(|_| ())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.fetcher.position()))
    }
}

impl fmt::Debug for AsyncReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncReader")
            .field("source", &self.fetcher.name())
            .finish_non_exhaustive()
    }
}
