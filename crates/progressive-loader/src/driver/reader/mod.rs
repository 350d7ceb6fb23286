//! Readers over any source: bytes as soon as they are there, fetched ahead up to a bound.
//!
//! Fed by a [`ByteSource`]; feeds a decoder on its own thread ([`BlockingReader`]) or a task
//! ([`AsyncReader`]).

mod asynchronous;
mod blocking;
mod fetcher;
mod pace;

pub use asynchronous::AsyncReader;
pub use blocking::BlockingReader;

use crate::driver::options::OpenOptions;
use crate::driver::progress::LoadProgress;
use crate::error::{OpenError, ReadError};
use crate::source::ByteSource;
use crate::window::WindowConfig;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// An opened content that has not been read yet: choose how to read it.
///
/// Nothing is fetched before the first read. Memory: at most
/// [`lookahead_bytes`](OpenOptions::lookahead_bytes) plus
/// [`keep_behind_bytes`](OpenOptions::keep_behind_bytes) plus two pieces.
pub struct ProgressiveReader {
    source: Arc<dyn ByteSource>,
    window: WindowConfig,
    progress: LoadProgress,
    runtime: Handle,
}

impl ProgressiveReader {
    /// A reader over a source of one's own. Must be called within a tokio runtime, which runs the fetches.
    ///
    /// # Errors
    /// [`OpenError::Option`] for an option outside its range; [`ReadError::Cancelled`] when there is no
    /// runtime.
    pub fn new(source: Arc<dyn ByteSource>, options: &OpenOptions) -> Result<Self, OpenError> {
        options.check()?;
        let runtime = Handle::try_current().map_err(|_| ReadError::Cancelled {
            name: source.name(),
        })?;
        let size_bytes = source.size_bytes();
        let window = WindowConfig {
            size_bytes,
            lookahead_bytes: options.lookahead_bytes,
            keep_behind_bytes: options.keep_behind_bytes,
            chunk_bytes: source.preferred_chunk_bytes(),
            smallest_chunk_bytes: *source.chunk_range().start(),
            first_chunk_bytes: source.first_chunk_bytes(),
            max_in_flight: source.max_parallel(),
        };
        Ok(Self {
            source,
            window,
            progress: LoadProgress::new(size_bytes),
            runtime,
        })
    }

    /// What the source calls itself.
    #[must_use]
    pub fn name(&self) -> String {
        self.source.name()
    }

    /// The content's size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.window.size_bytes
    }

    /// Whether the content has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.window.size_bytes == 0
    }

    /// The live figures; the handle outlives the reader.
    #[must_use]
    pub fn progress(&self) -> LoadProgress {
        self.progress.clone()
    }

    /// Tells how fast the content is consumed, in bytes per second; see
    /// [`LoadProgress::set_playback_bytes_per_second`].
    pub fn set_playback_bytes_per_second(&self, rate: u64) {
        self.progress.set_playback_bytes_per_second(rate);
    }

    /// For a decoder on a thread of its own.
    #[must_use]
    pub fn into_blocking(self) -> BlockingReader {
        BlockingReader::new(self.into_fetcher())
    }

    /// For a task.
    #[must_use]
    pub fn into_async(self) -> AsyncReader {
        AsyncReader::new(self.into_fetcher())
    }

    fn into_fetcher(self) -> fetcher::Fetcher {
        fetcher::Fetcher::new(self.source, self.window, self.progress, self.runtime)
    }
}

impl fmt::Debug for ProgressiveReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressiveReader")
            .field("source", &self.source.name())
            .field("size_bytes", &self.window.size_bytes)
            .finish_non_exhaustive()
    }
}
