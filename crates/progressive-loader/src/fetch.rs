//! The seam between a file's tree and where its verified blocks come from.
//!
//! Implemented over [`Origin`](crate::Origin)s by [`driver`](crate::driver); used by the IPFS source. What the
//! reader wants of it beyond the bytes is a [`Demand`].

use crate::block::Block;
use crate::error::ReadError;
use crate::origin::LeafSpan;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::time::Duration;

/// Verified blocks, from anywhere. Dropping a future or stream gives up what nobody else waits for.
pub trait Fetcher: Send + Sync + 'static {
    /// One verified block; `root` is the content that it belongs to, for messages.
    fn block(&self, root: Cid, cid: Cid) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// Verified leaves, in order, one item each. Ends after the last or the first error.
    fn leaves(&self, span: LeafSpan) -> BoxStream<'static, Result<Block, ReadError>>;

    /// What the reader needs from now on. Default: nothing is done about it.
    fn demand(&self, _: Demand) {}
}

/// How fast a reader consumes, and how soon it has nothing left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// The rate the reader consumes at, in bytes per second; `None` when it is not known.
    pub bytes_per_second: Option<u64>,
    /// Until the reader has consumed what it holds, at the measured rates; `None` when that does not
    /// happen.
    pub dry_in: Option<Duration>,
}
