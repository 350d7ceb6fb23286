//! The seam between where bytes come from and who reads them.
//!
//! Implemented by the file, HTTP and store sources of [`driver`](crate::driver), and by anything
//! else that can give a range of an immutable content; feeds
//! [`ProgressiveReader`](crate::driver::ProgressiveReader).

use crate::error::ReadError;
use crate::fetch::Demand;
use bytes::Bytes;
use cid::Cid;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::ops::{Range, RangeInclusive};

/// A content of known size whose ranges can be read in any order, several at once.
///
/// The content must not change while the source lives: a source that can notice a change answers
/// with [`ReadError::Changed`]. Dropping the future or stream must stop the work behind it.
///
/// ```
/// use bytes::Bytes;
/// use futures_util::future::BoxFuture;
/// use progressive_loader::{ByteSource, ReadError};
/// use std::ops::Range;
///
/// struct Zeros(u64);
///
/// impl ByteSource for Zeros {
///     fn name(&self) -> String {
///         format!("{} zeros", self.0)
///     }
///     fn size_bytes(&self) -> u64 {
///         self.0
///     }
///     fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
///         Box::pin(async move { Ok(Bytes::from(vec![0; (range.end - range.start) as usize])) })
///     }
/// }
/// ```
pub trait ByteSource: Send + Sync + 'static {
    /// What a person would call this source in a message: a path, a URL without secrets, a CID.
    fn name(&self) -> String;

    /// The CID of the file that is read, for a content that has one. Default: none.
    fn cid(&self) -> Option<Cid> {
        None
    }

    /// The content's size in bytes.
    fn size_bytes(&self) -> u64;

    /// Reads exactly `range`, which must lie within `0..size_bytes()`.
    ///
    /// # Errors
    /// [`ReadError::OutOfBounds`] for a range outside the content; otherwise what kept the source
    /// from giving every byte of it. A short answer is an error, never fewer bytes.
    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// Reads `range` as pieces in order, each as soon as it is there; ends after the last byte or
    /// after the first error. The default waits for the whole of [`ByteSource::read_range`].
    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        stream::once(self.read_range(range)).boxed()
    }

    /// The size of one fetch that suits this source, in bytes. Default 1 MiB.
    fn preferred_chunk_bytes(&self) -> u64 {
        1 << 20
    }

    /// The least and the most bytes of one fetch that suit this source. Default:
    /// [`ByteSource::preferred_chunk_bytes`] and no other.
    fn chunk_range(&self) -> RangeInclusive<u64> {
        let preferred = self.preferred_chunk_bytes();
        preferred..=preferred
    }

    /// How much of the content's start to ask for first, in bytes: nothing more is asked for until half of it is read or the
    /// reader jumps, and it comes in even then. Default: the least of [`ByteSource::chunk_range`], and no such rule.
    fn first_chunk_bytes(&self) -> u64 {
        *self.chunk_range().start()
    }

    /// Takes what the reader needs from now on. Default: nothing is done about it.
    fn demand(&self, _: Demand) {}

    /// How many ranges are worth reading at once, as things are; asked again before each. Default 2: one more is asked
    /// for while the first arrives, which hides the source's delay.
    fn max_parallel(&self) -> usize {
        2
    }
}
