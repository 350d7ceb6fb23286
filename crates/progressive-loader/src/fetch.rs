//! The seam between who puts a file together and who gets verified blocks from wherever they are.
//!
//! Implemented over [`Origin`](crate::Origin)s by [`driver`](crate::driver); feeds the IPFS source.

use crate::error::ReadError;
use crate::origin::LeafSpan;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

/// Gives blocks whose hashes were checked.
///
/// Dropping a future or stream must stop the work behind it.
pub trait Fetcher: Send + Sync + 'static {
    /// One block; `root` is what errors call the content.
    fn block(&self, root: Cid, cid: Cid) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// The blocks of consecutive leaves, in order, one item per leaf. Ends after the last leaf or the first error.
    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Bytes, ReadError>>;
}
