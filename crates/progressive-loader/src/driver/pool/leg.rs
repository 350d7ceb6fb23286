//! One request to one origin, on a task of its own: what it brings is checked, counted and cached.
//!
//! Started by a [`Segment`](super::segment::Segment), which takes the blocks from it; dropping the
//! [`Leg`] aborts the task, and with it the request.

use super::failure::Failure;
use super::shared::{Arrival, Shared, now};
use crate::error::BlockError;
use crate::multihash::verify;
use crate::origin::{Leaf, LeafSpan, OriginError};
use crate::unixfs::MAX_BLOCK_BYTES;
use bytes::Bytes;
use cid::Cid;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// One block, as that.
    Block { root: Cid, leaf: [Leaf; 1] },
    /// Leaves of a file.
    Leaves(LeafSpan),
}

impl Ask {
    pub(super) fn leaves(&self) -> &[Leaf] {
        match self {
            Self::Block { leaf, .. } => leaf,
            Self::Leaves(span) => &span.leaves,
        }
    }

    /// The content that it belongs to.
    pub(super) fn root(&self) -> Cid {
        match self {
            Self::Block { root, .. } => *root,
            Self::Leaves(span) => span.root,
        }
    }

    /// The part from leaf `at` on.
    fn rest(&self, at: usize) -> Self {
        match self {
            Self::Leaves(span) if at > 0 => Self::Leaves(LeafSpan {
                leaves: span.leaves[at..].into(),
                ..span.clone()
            }),
            whole => whole.clone(),
        }
    }
}

/// A request that failed, and whether the origin may be asked again.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) failure: Failure,
    pub(super) repeat: bool,
}

/// A request on its way. Blocks come in order, then at most one failure.
pub(super) struct Leg {
    pub(super) origin: usize,
    pub(super) items: mpsc::Receiver<Result<Bytes, Ended>>,
    /// Nothing has come yet.
    pub(super) first: bool,
    task: AbortHandle,
}

impl Leg {
    /// Asks `origin` for `ask` from leaf `at` on. The block in hand and one more are held at most.
    pub(super) fn start(
        shared: &Arc<Shared>,
        ask: &Ask,
        at: usize,
        origin: usize,
        probe: bool,
    ) -> Self {
        let (send, items) = mpsc::channel(1);
        // Made before the task, so that a probe is given back even when the task never runs.
        let run = Run {
            shared: Arc::clone(shared),
            origin,
            probe,
        };
        let task = tokio::spawn(run.run(ask.rest(at), send)).abort_handle();
        Self {
            origin,
            items,
            first: true,
            task,
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Run {
    shared: Arc<Shared>,
    origin: usize,
    probe: bool,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shared.abandoned(self.origin, self.probe);
    }
}

impl Run {
    async fn run(self, ask: Ask, items: mpsc::Sender<Result<Bytes, Ended>>) {
        self.shared.asked(self.origin);
        let origin = Arc::clone(&self.shared.members[self.origin].origin);
        let mut blocks = match &ask {
            Ask::Block { leaf: [leaf], .. } => stream::once(origin.block(leaf.cid)).boxed(),
            Ask::Leaves(span) => origin.leaves(span.clone()),
        };
        let mut first = true;
        for leaf in ask.leaves() {
            let waiting_since = now();
            let block = match self.next(&mut blocks, leaf).await {
                Ok(block) => block,
                Err(failure) => {
                    let repeat = self.shared.failed(self.origin, &failure, waiting_since);
                    let _ = items.send(Err(Ended { failure, repeat })).await;
                    return;
                }
            };
            self.arrived(&block, waiting_since, first);
            first = false;
            // First: whoever takes the last block ends this task.
            if let Some(cache) = &self.shared.cache
                && self.is_checked()
            {
                cache.insert(&leaf.cid, &block).await;
            }
            if items.send(Ok(block)).await.is_err() {
                return;
            }
        }
    }

    fn arrived(&self, block: &Bytes, waiting_since: Instant, first: bool) {
        self.shared.arrived(&Arrival {
            origin: self.origin,
            bytes: block.len() as u64,
            waiting_since,
            first,
        });
    }

    /// The next block, if it is the one `leaf` names.
    async fn next(
        &self,
        blocks: &mut BoxStream<'_, Result<Bytes, OriginError>>,
        leaf: &Leaf,
    ) -> Result<Bytes, Failure> {
        let limit = self.shared.options.stall_timeout;
        let turns = &self.shared.members[self.origin].turns;
        let item = tokio::time::timeout(limit, async {
            // Only while it is waited for, so that a slow reader does not take the others' turns.
            let _turn = turns.acquire().await;
            blocks.next().await
        });
        let block = match item.await {
            Err(_) => return Err(Failure::Stalled(limit)),
            Ok(None) => {
                let reason = "its answer ended before the last block".into();
                return Err(OriginError::Broken { reason }.into());
            }
            Ok(Some(block)) => block?,
        };
        if self.is_checked() {
            verify(&leaf.cid, &[&block]).map_err(Failure::Invalid)?;
        }
        let size_bytes = block.len() as u64;
        if size_bytes > MAX_BLOCK_BYTES {
            return Err(Failure::Invalid(BlockError::TooLarge {
                size_bytes,
                limit_bytes: MAX_BLOCK_BYTES,
            }));
        }
        Ok(block)
    }

    fn is_checked(&self) -> bool {
        let trusted = self.shared.members[self.origin].origin.trusted();
        !trusted || self.shared.options.verify_trusted
    }
}
