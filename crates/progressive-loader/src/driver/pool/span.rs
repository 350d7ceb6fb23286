//! The leaves of a span in order: from the cache where they are there, else from one origin, or striped
//! over several when one cannot keep up.
//!
//! Made by [`Pool`](super::Pool); polled by the file's source. Nothing is asked for before it is polled,
//! and dropping it gives up what is on its way.

use super::leg::Ask;
use super::segment::Segment;
use super::shared::Shared;
use crate::block::Block;
use crate::driver::cache::Keep;
use crate::error::ReadError;
use crate::multihash::IDENTITY;
use crate::origin::{Leaf, LeafSpan};
use crate::plan::{origins_needed, split, weights};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Leaves that several origins fetch at the same time wait for their turn in memory: this much of them.
const STRIPED_BYTES: u64 = 4 << 20;
/// So much comes from one origin before it is looked at again whether that one keeps up.
const ALONE_BYTES: u64 = 8 << 20;

struct Reading {
    shared: Arc<Shared>,
    span: LeafSpan,
    keep: Keep,
    at: usize,
    parts: VecDeque<Part>,
    /// What the origin that brings them alone has brought since that was decided.
    alone_bytes: u64,
    over: bool,
}

/// Who brings the next leaves.
enum Part {
    /// Polled by the reader itself.
    Inline(Box<Segment>),
    /// On a task, beside others.
    Beside(Beside),
}

struct Beside {
    blocks: mpsc::Receiver<Result<Block, ReadError>>,
    task: AbortHandle,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn leaves(
    shared: Arc<Shared>,
    span: LeafSpan,
) -> BoxStream<'static, Result<Block, ReadError>> {
    let keep = shared.cache.as_ref().map_or(Keep::Everywhere, |cache| {
        cache.keep_of(bytes_of(&span.leaves))
    });
    let reading = Reading {
        shared,
        span,
        keep,
        at: 0,
        parts: VecDeque::new(),
        alone_bytes: 0,
        over: false,
    };
    stream::unfold(reading, |mut reading| async move {
        if reading.over || reading.at == reading.span.leaves.len() {
            return None;
        }
        let item = reading.next().await;
        reading.at += 1;
        reading.over = item.is_err();
        Some((item, reading))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Block, ReadError> {
        loop {
            match self.parts.front_mut() {
                None => {
                    if let Some(block) = self.cached().await {
                        return Ok(block);
                    }
                    self.plan();
                }
                Some(Part::Inline(segment)) => {
                    let item = segment.next().await;
                    let is_over = segment.is_over();
                    self.alone_bytes += item.as_ref().map_or(0, |block| block.len() as u64);
                    if is_over || self.one_does_not_do() {
                        self.parts.pop_front();
                    }
                    return item;
                }
                Some(Part::Beside(part)) => {
                    if let Some(item) = part.blocks.recv().await {
                        return item;
                    }
                    self.parts.pop_front();
                }
            }
        }
    }

    async fn cached(&self) -> Option<Block> {
        let leaf = self.span.leaves.get(self.at)?;
        if leaf.cid.hash().code() == IDENTITY {
            return Some(Bytes::copy_from_slice(leaf.cid.hash().digest()).into());
        }
        let cache = self.shared.cache.as_ref()?;
        if cache.contains(&leaf.cid) {
            cache.get_and(self.keep, &leaf.cid).await
        } else {
            None
        }
    }

    /// Whether the origin that brings the leaves alone is to be helped from here on.
    fn one_does_not_do(&mut self) -> bool {
        if self.alone_bytes < ALONE_BYTES {
            return false;
        }
        self.alone_bytes = 0;
        let rest = bytes_of(&self.span.leaves[(self.at + 1).min(self.span.leaves.len())..]);
        let working = self.shared.working(rest);
        let bandwidths: Vec<_> = working.iter().map(|(_, bandwidth)| *bandwidth).collect();
        self.origins_needed(&bandwidths) > 1
    }

    fn origins_needed(&self, bandwidths: &[Option<u64>]) -> usize {
        let most = self.shared.options.max_origins_per_span.max(1);
        origins_needed(self.shared.demand(), bandwidths).min(most)
    }

    /// Decides who brings the leaves from here to the next cached one.
    fn plan(&mut self) {
        let missing = self.missing();
        self.alone_bytes = 0;
        let working = self
            .shared
            .working(bytes_of(&self.span.leaves[missing.clone()]));
        let bandwidths: Vec<_> = working.iter().map(|(_, bandwidth)| *bandwidth).collect();
        let needed = self.origins_needed(&bandwidths);
        if needed < 2 {
            let ask = self.ask(missing);
            let segment = Segment::new(&self.shared, ask, None);
            self.parts.push_back(Part::Inline(Box::new(segment)));
            return;
        }
        let round = self.first_bytes(missing, STRIPED_BYTES);
        let sizes: Vec<_> = self.span.leaves[round.clone()]
            .iter()
            .map(size_of)
            .collect();
        let weights = weights(&bandwidths[..needed]);
        for (part, (origin, _)) in split(&sizes, &weights).into_iter().zip(working) {
            let leaves = round.start + part.start..round.start + part.end;
            self.start_beside(leaves, origin);
        }
    }

    fn start_beside(&mut self, leaves: Range<usize>, origin: usize) {
        let (send, blocks) = mpsc::channel(leaves.len().max(1));
        let mut segment = Segment::new(&self.shared, self.ask(leaves), Some(origin));
        let task = tokio::spawn(async move {
            while !segment.is_over() {
                let item = segment.next().await;
                let over = item.is_err();
                if send.send(item).await.is_err() || over {
                    return;
                }
            }
        });
        let task = task.abort_handle();
        self.parts.push_back(Part::Beside(Beside { blocks, task }));
    }

    fn ask(&self, leaves: Range<usize>) -> Ask {
        Ask::Leaves {
            span: LeafSpan {
                leaves: self.span.leaves[leaves].into(),
                ..self.span.clone()
            },
            keep: self.keep,
        }
    }

    /// From the next leaf to the first one after it that the cache has.
    fn missing(&self) -> Range<usize> {
        let leaves = &self.span.leaves;
        let has = |leaf: &Leaf| {
            let cache = self.shared.cache.as_ref();
            let is_identity = leaf.cid.hash().code() == IDENTITY;
            is_identity || cache.is_some_and(|cache| cache.contains(&leaf.cid))
        };
        let later = leaves.iter().skip(self.at + 1);
        let run = later.take_while(|leaf| !has(leaf)).count();
        self.at..self.at + 1 + run
    }

    /// The leaves of `leaves` that fit `bytes`; one at least.
    fn first_bytes(&self, leaves: Range<usize>, bytes: u64) -> Range<usize> {
        let mut sum = 0;
        let fitting = self.span.leaves[leaves.clone()].iter().take_while(|leaf| {
            sum += size_of(leaf);
            sum <= bytes
        });
        let count = fitting.count().max(1);
        leaves.start..leaves.start + count
    }
}

fn size_of(leaf: &Leaf) -> u64 {
    leaf.range.end.saturating_sub(leaf.range.start)
}

fn bytes_of(leaves: &[Leaf]) -> u64 {
    leaves.iter().map(size_of).sum()
}
