//! The seam between where IPFS blocks come from and who checks them.
//!
//! Implemented by the origins of [`driver`](crate::driver): a Kubo daemon, a gateway, a store; feeds
//! [`Pool`](crate::driver::Pool), which verifies what it is given.

use crate::error::{Cause, Phase};
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One place IPFS blocks come from. What it gives is *not* verified: whoever reads through it does
/// that.
///
/// Dropping a future or stream must stop the work behind it.
pub trait Origin: Send + Sync + 'static {
    /// What a person would call it: kind and URL without secrets.
    fn name(&self) -> String;

    /// Whether its answers may be used without checking hashes: a local daemon, only where the user
    /// said so. Default false.
    fn trusted(&self) -> bool {
        false
    }

    /// One block by CID, at most 2 MiB.
    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>>;

    /// The blocks of consecutive leaves of one file, in order, one item per leaf, each as it is
    /// hashed (a dag-pb leaf with its framing). Ends after the last leaf or the first error.
    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Bytes, OriginError>>;
}

/// Consecutive leaves of a file. `leaves` is never empty, their ranges touch.
#[derive(Debug, Clone)]
pub struct LeafSpan {
    /// Where the path to the file begins.
    pub root: Cid,
    /// The names from the root to the file.
    pub path: Arc<[String]>,
    /// The file's own CID.
    pub file: Cid,
    /// The leaves, in the file's order.
    pub leaves: Arc<[Leaf]>,
}

impl LeafSpan {
    /// The bytes of the file that the leaves hold.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = self.leaves.first().map_or(0, |leaf| leaf.range.start);
        let end = self.leaves.last().map_or(start, |leaf| leaf.range.end);
        start..end
    }
}

/// One leaf of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What its block is called.
    pub cid: Cid,
    /// The bytes of the file that it holds.
    pub range: Range<u64>,
}

/// Why an origin did not give it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It says that it has not got it: 404, "block not found".
    #[error("it has not got the block")]
    NotFound,
    /// It refuses, and would again: any other 4xx.
    #[error("it refuses with status {status}")]
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// It cannot now: 429 or 5xx.
    #[error("it is busy: status {status}")]
    Busy {
        /// The HTTP status code.
        status: u16,
        /// When it says to come back.
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
    /// The exchange failed.
    #[error("{source}")]
    Transport {
        /// What failed.
        source: Cause,
    },
    /// What it sent cannot be used: a body cut short, an `X-Stream-Error` trailer, a malformed CAR,
    /// a 200 for a range.
    #[error("{reason}")]
    Broken {
        /// What is wrong with it.
        reason: String,
    },
}
