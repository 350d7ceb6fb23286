//! Verified blocks from several origins that are slow, flaky or wrong.
//!
//! | file | is |
//! |---|---|
//! | `options` | how patient, how parallel |
//! | `shared` | the origins, what is known of them, who is asked next |
//! | `company` | which blocks are checked together |
//! | `leg` | one request to one origin, every block of it checked |
//! | `segment` | consecutive blocks: retried, hedged, resumed |
//! | `span` | leaves in order: cached, from one origin, or striped |
//! | `join` | requests for the same block are one |
//! | `failure`, `snapshot` | why an answer is no use; the figures |
//!
//! The decisions are [`plan`](crate::plan)'s. Fed by [`Origin`]s; feeds the file's source, and the
//! [`BlockCache`] with what was checked.

mod company;
mod failure;
mod join;
mod leg;
mod options;
mod segment;
mod shared;
mod snapshot;
mod span;

pub use options::PoolOptions;
pub use snapshot::{OriginSnapshot, PoolSnapshot};

use crate::block::Block;
use crate::driver::cache::BlockCache;
use crate::error::ReadError;
use crate::fetch::{Demand, Fetcher};
use crate::multihash::{IDENTITY, check_supported};
use crate::origin::{Leaf, LeafSpan, Origin};
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use join::Joined;
use leg::Ask;
use segment::Segment;
use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// Several origins as one that is as good as the best of them, and verified. Clones share it.
///
/// A block that is not the one its CID names is never cached or passed on, and its origin is asked last
/// from then on. Memory: ten blocks for each request that is read, and up to 4 MiB for each span that is
/// striped. Needs a tokio runtime with time.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    joined: Arc<Joined>,
}

impl Pool {
    /// A pool over `origins`, asked in this order until more is known of them.
    #[must_use]
    pub fn new(
        origins: Vec<Arc<dyn Origin>>,
        options: PoolOptions,
        cache: Option<BlockCache>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared::new(origins, options, cache)),
            joined: Arc::default(),
        }
    }

    /// The figures now.
    #[must_use]
    pub fn snapshot(&self) -> PoolSnapshot {
        self.shared.snapshot()
    }

    async fn one_block(&self, root: Cid, cid: Cid) -> Result<Bytes, ReadError> {
        if cid.hash().code() == IDENTITY {
            return Ok(Bytes::copy_from_slice(cid.hash().digest()));
        }
        check_supported(&cid).map_err(|problem| ReadError::block(root, cid, problem))?;
        if let Some(cache) = &self.shared.cache
            && let Some(block) = cache.get(&cid).await
        {
            return Ok(block.into_bytes());
        }
        let shared = Arc::clone(&self.shared);
        let start = || {
            async move {
                let leaf = [Leaf { cid, range: 0..0 }];
                let ask = Ask::Block { root, leaf };
                let block = Segment::new(&shared, ask, None).next().await?;
                Ok(block.into_bytes())
            }
            .boxed()
        };
        self.joined.join(cid.hash(), start).await
    }
}

impl Fetcher for Pool {
    fn block(&self, root: Cid, cid: Cid) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        self.one_block(root, cid).boxed()
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'static, Result<Block, ReadError>> {
        let unsupported = span.leaves.iter().find_map(|leaf| {
            let problem = check_supported(&leaf.cid).err()?;
            Some(ReadError::block(span.root, leaf.cid, problem))
        });
        match unsupported {
            Some(error) => stream::iter([Err(error)]).boxed(),
            None => span::leaves(Arc::clone(&self.shared), span),
        }
    }

    fn demand(&self, demand: Demand) {
        self.shared.demanded(demand);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("figures", &self.snapshot())
            .finish()
    }
}
