//! Origins without a pool's patience: each is tried once, and its failure is what a test sees.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use multihash_codetable::{Code, MultihashDigest};
use progressive_loader::{
    Block, BlockError, Cid, Fetcher, LeafSpan, Origin, OriginError, ReadError,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const MAX_BLOCK_BYTES: u64 = 2 << 20;
const IDENTITY: u64 = 0;

/// Asks origins in order.
#[derive(Clone)]
pub struct FirstOrigin {
    origins: Vec<Arc<dyn Origin>>,
}

impl FirstOrigin {
    /// Asks `origins`, the first one first.
    #[must_use]
    pub fn new(origins: Vec<Arc<dyn Origin>>) -> Self {
        Self { origins }
    }

    fn name(&self) -> String {
        let names: Vec<_> = self.origins.iter().map(|origin| origin.name()).collect();
        names.join(", ")
    }

    async fn find(&self, root: Cid, cid: Cid) -> Result<Bytes, ReadError> {
        let mut last = self.failed(OriginError::NotFound);
        for origin in &self.origins {
            match origin.block(cid).await {
                Ok(block) => match check(origin.as_ref(), root, &cid, &block) {
                    Ok(()) => return Ok(block),
                    Err(error) => last = error,
                },
                Err(error) => last = self.failed(error),
            }
        }
        Err(last)
    }

    fn failed(&self, error: OriginError) -> ReadError {
        ReadError::Transport {
            name: self.name(),
            attempts: self.origins.len() as u32,
            source: Arc::new(error),
        }
    }
}

fn check(origin: &dyn Origin, root: Cid, cid: &Cid, block: &Bytes) -> Result<(), ReadError> {
    let problem = if block.len() as u64 > MAX_BLOCK_BYTES {
        BlockError::TooLarge {
            size_bytes: block.len() as u64,
            limit_bytes: MAX_BLOCK_BYTES,
        }
    } else if origin.trusted() {
        return Ok(());
    } else {
        match verify(cid, block) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        }
    };
    Err(ReadError::Block {
        root: Box::new(root),
        cid: Box::new(*cid),
        problem,
    })
}

fn verify(cid: &Cid, block: &[u8]) -> Result<(), BlockError> {
    let code = cid.hash().code();
    let sound = match Code::try_from(code) {
        Ok(hash) => hash.digest(block) == *cid.hash(),
        Err(_) if code == IDENTITY => cid.hash().digest() == block,
        Err(_) => return Err(BlockError::UnsupportedHash(code)),
    };
    sound.then_some(()).ok_or(BlockError::HashMismatch)
}

/// The leaves of a span that are still to come.
struct Rest<'o> {
    fetcher: &'o FirstOrigin,
    span: LeafSpan,
    next: usize,
    origin: usize,
    open: Option<BoxStream<'o, Result<Block, OriginError>>>,
    last: ReadError,
}

impl Rest<'_> {
    /// The next leaf, from the origin at hand or from those after it; an origin that failed is left for this span.
    async fn next(&mut self) -> Option<Result<Block, ReadError>> {
        let leaf = self.span.leaves.get(self.next)?.clone();
        while let Some(origin) = self.fetcher.origins.get(self.origin) {
            let rest = || LeafSpan {
                leaves: self.span.leaves[self.next..].into(),
                ..self.span.clone()
            };
            let open = self.open.get_or_insert_with(|| origin.leaves(rest()));
            self.last = match open.next().await {
                Some(Ok(block)) => {
                    let whole = block.clone().into_bytes();
                    match check(origin.as_ref(), self.span.root, &leaf.cid, &whole) {
                        Ok(()) => {
                            self.next += 1;
                            return Some(Ok(block));
                        }
                        Err(_) if block.has_assumed_framing() => {
                            let itself = self.fetcher.find(self.span.root, leaf.cid).await;
                            self.next += 1;
                            return Some(itself.map(Block::from));
                        }
                        Err(error) => error,
                    }
                }
                Some(Err(error)) => self.fetcher.failed(error),
                None => self.fetcher.failed(OriginError::Broken {
                    reason: "it ended before the last leaf".into(),
                }),
            };
            self.open = None;
            self.origin += 1;
        }
        self.next = self.span.leaves.len();
        Some(Err(self.last.clone()))
    }
}

impl Fetcher for FirstOrigin {
    fn block(&self, root: Cid, cid: Cid) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(self.find(root, cid))
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'static, Result<Block, ReadError>> {
        let fetcher = self.clone();
        let (items, taken) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut rest = Rest {
                fetcher: &fetcher,
                span,
                next: 0,
                origin: 0,
                open: None,
                last: fetcher.failed(OriginError::NotFound),
            };
            while let Some(item) = rest.next().await {
                if items.send(item).await.is_err() {
                    return;
                }
            }
        });
        // The task ends with the stream.
        stream::unfold((taken, task), |(mut taken, task)| async move {
            Some((taken.recv().await?, (taken, task)))
        })
        .boxed()
    }
}
