//! A file's bytes, as they come, cut into the blocks of its leaves.
//!
//! Fed with a body by the origins that give content rather than blocks. A raw leaf's block is its content; around
//! that of a dag-pb leaf goes the framing that every known writer gives it. Whoever checks the hash, and finds another framing,
//! asks for the block itself.

use super::http::{Body, broken};
use crate::block::Block;
use crate::multihash::RAW;
use crate::origin::{Leaf, LeafSpan, OriginError};
use crate::unixfs::MAX_BLOCK_BYTES;
use crate::unixfs::build::Framing;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use std::future::Future;

/// Smaller pieces are put together, so that a leaf is in few of them: 257 at most.
const SMALL_BYTES: usize = 16 << 10;

/// The leaves of a span, one after the other, out of a body.
pub(super) struct ContentSpan {
    span: LeafSpan,
    next: usize,
    body: Body,
    /// How much of the body stands before the span.
    skip_bytes: u64,
    /// Whether the body ends with the span.
    ends_with_span: bool,
    pending: Bytes,
}

impl ContentSpan {
    /// A body that is the span and nothing else.
    pub(super) fn exact(span: LeafSpan, body: Body) -> Self {
        Self {
            span,
            next: 0,
            body,
            skip_bytes: 0,
            ends_with_span: true,
            pending: Bytes::new(),
        }
    }

    /// The body of the whole file.
    pub(super) fn whole_file(span: LeafSpan, body: Body) -> Self {
        Self {
            skip_bytes: span.range().start,
            ends_with_span: false,
            ..Self::exact(span, body)
        }
    }

    /// The block of the next leaf; `None` after the last one.
    pub(super) async fn next_block(&mut self) -> Result<Option<Block>, OriginError> {
        let Some(leaf) = self.span.leaves.get(self.next).cloned() else {
            return Ok(None);
        };
        self.next += 1;
        let content = self.content(&leaf).await?;
        if self.ends_with_span && self.next == self.span.leaves.len() {
            self.end().await?;
        }
        Ok(Some(match leaf.cid.codec() {
            RAW => content,
            _ => framed(content).with_assumed_framing(),
        }))
    }

    /// Makes sure that the body ends here.
    async fn end(&mut self) -> Result<(), OriginError> {
        if self.pending.is_empty() && self.body.piece().await?.is_none() {
            return Ok(());
        }
        Err(broken("more bytes than were asked for"))
    }

    async fn content(&mut self, leaf: &Leaf) -> Result<Block, OriginError> {
        let wanted = leaf.range.end - leaf.range.start;
        if wanted > MAX_BLOCK_BYTES {
            return Err(broken("a leaf of more than 2 MiB"));
        }
        let mut missing = wanted as usize;
        let mut content = Block::default();
        let mut small = BytesMut::new();
        while missing > 0 {
            if self.pending.is_empty() {
                self.pending = self.pull(leaf, missing).await?;
            }
            let piece = self.pending.split_to(missing.min(self.pending.len()));
            missing -= piece.len();
            if piece.len() < SMALL_BYTES {
                small.extend_from_slice(&piece);
            } else {
                content.push(small.split().freeze());
                content.push(piece);
            }
        }
        content.push(small.freeze());
        Ok(content)
    }

    /// The next piece of the span.
    async fn pull(&mut self, leaf: &Leaf, missing: usize) -> Result<Bytes, OriginError> {
        loop {
            let Some(mut piece) = self.body.piece().await? else {
                let end = self.span.range().end;
                let missing_bytes = self.skip_bytes + missing as u64 + (end - leaf.range.end);
                return Err(broken(format!(
                    "it ended {missing_bytes} bytes before byte {end} of the file"
                )));
            };
            let skip = self.skip_bytes.min(piece.len() as u64);
            self.skip_bytes -= skip;
            if skip < piece.len() as u64 {
                return Ok(piece.split_off(skip as usize));
            }
        }
    }
}

fn framed(content: Block) -> Block {
    let framing = Framing::dag_pb(content.len() as u64);
    let before = std::iter::once(Bytes::from(framing.before));
    let after = std::iter::once(Bytes::from(framing.after));
    before.chain(content).chain(after).collect()
}

/// What `opening` gives, as a stream of blocks.
pub(super) fn stream<'o>(
    opening: impl Future<Output = Result<ContentSpan, OriginError>> + Send + 'o,
) -> BoxStream<'o, Result<Block, OriginError>> {
    let opened = stream::once(opening).map_ok(|span| {
        stream::try_unfold(span, |mut span| async move {
            let block = span.next_block().await?;
            Ok(block.map(|block| (block, span)))
        })
    });
    opened.try_flatten().boxed()
}
