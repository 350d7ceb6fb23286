//! The seam between where blocks come from and who puts files together from them.
//!
//! Implemented by the origins of [`driver`](crate::driver): Kubo's RPC, gateways, the store. Feeds a
//! [`Fetcher`](crate::Fetcher), which checks every block.

use crate::block::Block;
use crate::error::{Cause, Phase};
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One place that IPFS blocks come from. What it gives is *not* verified: whoever reads through it does that.
///
/// Dropping a future or stream must stop the work behind it.
pub trait Origin: Send + Sync + 'static {
    /// What a person would call it: kind and URL without secrets.
    fn name(&self) -> String;

    /// Whether its answers may be used without checking hashes: a local daemon, and only where the user said so.
    /// Default `false`.
    fn trusted(&self) -> bool {
        false
    }

    /// One block by CID, of at most 2 MiB.
    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>>;

    /// The blocks of consecutive leaves of one file, in order, one item per leaf, each as it is hashed (a dag-pb
    /// leaf with its framing, [assumed](Block::with_assumed_framing) where only the content came) and in as many pieces as it
    /// came. Pieces of a few bytes are better put together: each has its cost. Ends after the last leaf or the first error.
    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>>;
}

/// Consecutive leaves of a file. There is at least one, and each starts where the one before ends.
#[derive(Debug, Clone)]
pub struct LeafSpan {
    /// The root of the location.
    pub root: Cid,
    /// Names of directory entries from the root down to the file; empty when the root is the file.
    pub path: Arc<[String]>,
    /// The file's own CID.
    pub file: Cid,
    /// The leaves, in the file's order.
    pub leaves: Arc<[Leaf]>,
}

impl LeafSpan {
    /// The bytes of the file that the leaves cover.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        match (self.leaves.first(), self.leaves.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => 0..0,
        }
    }
}

/// One leaf of a file's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The CID of its block.
    pub cid: Cid,
    /// The bytes of the file that it holds.
    pub range: Range<u64>,
}

/// Why an origin did not give what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It says that it has not got it.
    #[error("it has not got it")]
    NotFound,
    /// It will not give it, however often it is asked.
    #[error("it refused with status {status}{}", if matches!(status, 401 | 403) { "; it wants other credentials" } else { "" })]
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// It cannot give it now.
    #[error("it answered {status}, try later")]
    Busy {
        /// The HTTP status code: 429 or 5xx.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// A step took longer than its limit.
    #[error("timed out after {} s {phase}", limit.as_secs_f32())]
    Timeout {
        /// The step.
        phase: Phase,
        /// Its limit.
        limit: Duration,
    },
    /// The exchange with it failed.
    #[error("{source}")]
    Transport {
        /// What failed.
        source: Cause,
    },
    /// It answered what cannot be used: a body that is too short or too long, or in another format.
    #[error("its answer cannot be used: {reason}")]
    Broken {
        /// What is wrong with it.
        reason: String,
    },
}
