//! `AsyncRead + AsyncSeek` for a task.

use super::fetcher::Fetcher;
use crate::driver::progress::LoadProgress;
use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

/// Yields until bytes are there; more are fetched ahead meanwhile.
///
/// Errors carry the [`ReadError`](crate::ReadError) as their source; the read after an error tries
/// again. Dropping it cancels what is being fetched.
pub struct AsyncReader {
    fetcher: Fetcher,
}

impl AsyncReader {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher }
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
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(self.fetcher.poll_read(context, buf.initialize_unfilled()))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for AsyncReader {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
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
