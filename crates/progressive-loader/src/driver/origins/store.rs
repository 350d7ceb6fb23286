//! The embedded store as one of several origins.
//!
//! It gives what is on the disk; the blocks are checked by whoever asked, like everyone's. Reading runs on the
//! runtime's blocking threads.

use crate::block::Block;
use crate::driver::store::Store;
use crate::origin::{LeafSpan, Origin, OriginError};
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use std::io;
use std::sync::Arc;

/// A [`Store`], as an origin of blocks.
#[derive(Debug, Clone)]
pub struct StoreOrigin {
    store: Store,
}

impl StoreOrigin {
    /// The blocks that `store` has.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Origin for StoreOrigin {
    fn name(&self) -> String {
        format!("store {}", self.store.dir().display())
    }

    /// A new content's first blocks are asked for by this, so it looks for packs that came lately.
    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        let store = self.store.clone();
        Box::pin(read(move || store.find_unchecked(&cid)))
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        let cids: Vec<Cid> = span.leaves.iter().map(|leaf| leaf.cid).collect();
        stream::iter(cids)
            .then(move |cid| {
                let store = self.store.clone();
                read(move || store.block_unchecked(&cid))
            })
            .map_ok(Block::from)
            .scan(false, |over, item| {
                let ended = *over;
                *over |= item.is_err();
                std::future::ready((!ended).then_some(item))
            })
            .boxed()
    }
}

async fn read(
    work: impl FnOnce() -> io::Result<Option<Bytes>> + Send + 'static,
) -> Result<Bytes, OriginError> {
    let failed = |source| OriginError::Transport { source };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(Some(block))) => Ok(block),
        Ok(Ok(None)) => Err(OriginError::NotFound),
        Ok(Err(error)) => Err(failed(Arc::new(error))),
        Err(error) => Err(failed(Arc::new(error))),
    }
}
