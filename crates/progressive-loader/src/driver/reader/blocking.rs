//! `Read + BufRead + Seek` for a decoder on a thread of its own.

use super::fetcher::Fetcher;
use crate::driver::progress::LoadProgress;
use bytes::{Buf, Bytes};
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Blocks the calling thread until bytes are there; a runtime task fetches them and more ahead.
///
/// Read it on a thread of its own or in `spawn_blocking`, not in a task: a task that blocks keeps the
/// fetch it waits for from running. Errors carry the [`ReadError`](crate::ReadError) as their source;
/// the read after an error tries again. Dropping it cancels what is being fetched.
///
/// [`BufRead`] shows the bytes where they came to, without a copy; it is the quickest way to read on and on.
pub struct BlockingReader {
    fetcher: Fetcher,
    /// From the position on.
    piece: Bytes,
}

impl BlockingReader {
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

impl Read for BlockingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let piece = self.fill_buf()?;
        let n = piece.len().min(buf.len());
        buf[..n].copy_from_slice(&piece[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for BlockingReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = self.fetcher.piece_blocking()?;
        }
        Ok(&self.piece)
    }

    /// At most as many as `fill_buf` gave; more are not consumed.
    fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.piece.len());
        self.piece.advance(bytes);
        self.fetcher.consume(bytes);
    }
}

impl Seek for BlockingReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.piece.clear();
        self.fetcher.seek(to)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.fetcher.position())
    }
}

impl fmt::Debug for BlockingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingReader")
            .field("source", &self.fetcher.name())
            .finish_non_exhaustive()
    }
}
