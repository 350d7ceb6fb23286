//! One request to one origin, on a task of its own: what it brings is checked, counted and cached.
//!
//! Started by a [`Segment`](super::segment::Segment), which takes the blocks from it; dropping the
//! [`Leg`] aborts the task, and with it the request.

use super::company::{Arrived, Company};
use super::failure::Failure;
use super::shared::{Arrival, Shared, now};
use crate::block::Block;
use crate::driver::cache::Keep;
use crate::error::BlockError;
use crate::origin::{Leaf, LeafSpan, OriginError};
use crate::sha256::{messages_at_hand, messages_in_one_go};
use crate::unixfs::MAX_BLOCK_BYTES;
use cid::Cid;
use futures_util::stream::{self, BoxStream, FuturesOrdered};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// One block, as that.
    Block { root: Cid, leaf: [Leaf; 1] },
    /// Leaves of a file, and where the cache keeps them.
    Leaves { span: LeafSpan, keep: Keep },
}

impl Ask {
    pub(super) fn leaves(&self) -> &[Leaf] {
        match self {
            Self::Block { leaf, .. } => leaf,
            Self::Leaves { span, .. } => &span.leaves,
        }
    }

    /// The content that it belongs to.
    pub(super) fn root(&self) -> Cid {
        match self {
            Self::Block { root, .. } => *root,
            Self::Leaves { span, .. } => span.root,
        }
    }

    fn keep(&self) -> Keep {
        match self {
            Self::Block { .. } => Keep::Everywhere,
            Self::Leaves { keep, .. } => *keep,
        }
    }

    /// The part from leaf `at` on.
    fn rest(&self, at: usize) -> Self {
        match self {
            Self::Leaves { span, keep } if at > 0 => Self::Leaves {
                span: LeafSpan {
                    leaves: span.leaves[at..].into(),
                    ..span.clone()
                },
                keep: *keep,
            },
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
    pub(super) items: mpsc::Receiver<Result<Block, Ended>>,
    /// Nothing has come yet.
    pub(super) first: bool,
    task: AbortHandle,
}

impl Leg {
    /// Asks `origin` for `ask` from leaf `at` on. The block in hand, one more, and those being checked are held at most.
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

/// As many blocks wait for each other.
const PAIR: usize = 2;

async fn sleep_until(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// A block that came, and what the verifier says of it.
struct Checked {
    block: Block,
    waiting_since: Instant,
    outcome: Result<(), Failure>,
}

impl Run {
    async fn run(self, ask: Ask, items: mpsc::Sender<Result<Block, Ended>>) {
        self.shared.asked(self.origin);
        let origin = Arc::clone(&self.shared.members[self.origin].origin);
        let blocks = match &ask {
            Ask::Block { leaf: [leaf], .. } => stream::once(origin.block(leaf.cid))
                .map_ok(Block::from)
                .boxed(),
            Ask::Leaves { span, .. } => origin.leaves(span.clone()),
        };
        if let Err((failure, waiting_since)) = self.pass_on(&ask, blocks, &items).await {
            let repeat = self.shared.failed(self.origin, &failure, waiting_since);
            let _ = items.send(Err(Ended { failure, repeat })).await;
        }
    }

    /// Takes the blocks of what was asked for as they come, and gives them on in order as they are found to be right. What comes
    /// while others are being checked is checked next, side by side. An error with when its block began to be
    /// waited for.
    async fn pass_on(
        &self,
        ask: &Ask,
        mut blocks: BoxStream<'_, Result<Block, OriginError>>,
        items: &mpsc::Sender<Result<Block, Ended>>,
    ) -> Result<(), (Failure, Instant)> {
        let (leaves, keep) = (ask.leaves(), ask.keep());
        let mut checking = FuturesOrdered::new();
        let mut company = Company::new(messages_in_one_go().min(PAIR));
        let mut given = 0;
        let mut waiting_since = now();
        let mut ended = None;
        while given < leaves.len() {
            let at_hand = checking.len() + company.len();
            let more = given + at_hand < leaves.len() && ended.is_none();
            for (arrived, leaf) in company
                .take(now(), more)
                .into_iter()
                .zip(&leaves[given + checking.len()..])
            {
                checking.push_back(self.check(leaf.cid, arrived));
            }
            tokio::select! {
                biased;
                Some(checked) = checking.next(), if !checking.is_empty() => {
                    if !self.give((&leaves[given].cid, keep), checked, given == 0, items).await? {
                        return Ok(());
                    }
                    given += 1;
                }
                item = self.next(&mut blocks), if more && at_hand < messages_at_hand() => match item {
                    Ok(block) => {
                        company.came(now(), Arrived { block, waiting_since });
                        waiting_since = now();
                    }
                    Err(failure) => ended = Some(failure),
                },
                () = sleep_until(company.until()), if company.until().is_some() => {}
                // None of them: nothing is at hand, and the answer has ended.
                else => break,
            }
        }
        match ended {
            Some(failure) => Err((failure, waiting_since)),
            None => Ok(()),
        }
    }

    /// The next block, whatever is in it.
    async fn next(
        &self,
        blocks: &mut BoxStream<'_, Result<Block, OriginError>>,
    ) -> Result<Block, Failure> {
        let limit = self.shared.options.stall_timeout;
        let turns = &self.shared.members[self.origin].turns;
        let item = tokio::time::timeout(limit, async {
            // Only while it is waited for, so that a slow reader does not take the others' turns.
            let _turn = turns.acquire().await;
            blocks.next().await
        });
        match item.await {
            Err(_) => Err(Failure::Stalled(limit)),
            Ok(Some(block)) => Ok(block?),
            Ok(None) => {
                let reason = "its answer ended before the last block".into();
                Err(OriginError::Broken { reason }.into())
            }
        }
    }

    async fn check(&self, cid: Cid, arrived: Arrived) -> Checked {
        let Arrived {
            mut block,
            waiting_since,
        } = arrived;
        let mut outcome = self.verify(cid, &block).await;
        if outcome.is_err() && block.has_assumed_framing() {
            outcome = match self.block_itself(cid).await {
                Ok(itself) => {
                    block = itself;
                    self.verify(cid, &block).await
                }
                Err(failure) => Err(failure),
            };
        }
        Checked {
            block,
            waiting_since,
            outcome,
        }
    }

    async fn verify(&self, cid: Cid, block: &Block) -> Result<(), Failure> {
        if self.is_checked() {
            let verdict = self.shared.verifier.verify(cid, block.clone()).await;
            verdict.map_err(Failure::Invalid)?;
        }
        let size_bytes = block.len() as u64;
        if size_bytes > MAX_BLOCK_BYTES {
            return Err(Failure::Invalid(BlockError::TooLarge {
                size_bytes,
                limit_bytes: MAX_BLOCK_BYTES,
            }));
        }
        Ok(())
    }

    /// The block of a leaf whose content alone came, and which is framed in a way of its own.
    async fn block_itself(&self, cid: Cid) -> Result<Block, Failure> {
        let limit = self.shared.options.stall_timeout;
        let member = &self.shared.members[self.origin];
        let asked = tokio::time::timeout(limit, async {
            let _turn = member.turns.acquire().await;
            member.origin.block(cid).await
        });
        match asked.await {
            Err(_) => Err(Failure::Stalled(limit)),
            Ok(block) => Ok(Block::from(block?)),
        }
    }

    /// Counts, caches and hands on a block that is right; whether anybody takes it.
    async fn give(
        &self,
        (cid, keep): (&Cid, Keep),
        checked: Checked,
        first: bool,
        items: &mpsc::Sender<Result<Block, Ended>>,
    ) -> Result<bool, (Failure, Instant)> {
        let Checked {
            block,
            waiting_since,
            outcome,
        } = checked;
        outcome.map_err(|failure| (failure, waiting_since))?;
        self.shared.arrived(&Arrival {
            origin: self.origin,
            bytes: block.len() as u64,
            waiting_since,
            first,
        });
        // First: whoever takes the last block ends this task.
        if let Some(cache) = &self.shared.cache
            && self.is_checked()
        {
            cache.insert_and(keep, cid, &block).await;
        }
        Ok(items.send(Ok(block)).await.is_ok())
    }

    fn is_checked(&self) -> bool {
        let trusted = self.shared.members[self.origin].origin.trusted();
        !trusted || self.shared.options.verify_trusted
    }
}
