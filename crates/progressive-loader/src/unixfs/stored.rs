//! The walk and the path's resolution driven with blocks that are at hand.
//!
//! Fed by a [`Blocks`], which the embedded store is; feeds the store's source.

use super::resolve::Resolver;
use super::walk::{FileTree, Step, Walk};
use crate::error::{OpenError, ReadError};
use crate::origin::Leaf;
use crate::sha256::LANES;
use bytes::Bytes;
use cid::Cid;
use std::collections::VecDeque;
use std::ops::Range;

/// Leaves that are read at once: those of a common length are hashed side by side.
const AT_ONCE: usize = LANES;

/// Where blocks come from. Each is verified by whoever implements this.
pub(crate) trait Blocks {
    /// The bytes of a block that match its CID.
    fn block(&self, cid: &Cid) -> Result<Bytes, ReadError>;

    /// Those of several, in order.
    fn blocks(&self, cids: &[Cid]) -> Vec<Result<Bytes, ReadError>> {
        cids.iter().map(|cid| self.block(cid)).collect()
    }
}

/// The tree of the file at `path` below `root`.
pub(crate) fn open(root: Cid, path: &[String], blocks: &dyn Blocks) -> Result<FileTree, OpenError> {
    let mut resolver = Resolver::new(root, path);
    while let Some(cid) = resolver.needs()? {
        resolver.accept(blocks.block(&cid)?)?;
    }
    let (file, block) = resolver.found();
    let block = block.map_or_else(|| blocks.block(&file), Ok)?;
    Ok(FileTree::open(root, file, block)?)
}

/// Bytes of content in the file's first leaf, which all but the last are like, without reading it. `None` for a file
/// without leaves below its first block.
pub(crate) fn first_leaf_bytes(
    tree: &FileTree,
    blocks: &dyn Blocks,
) -> Result<Option<u64>, ReadError> {
    let mut walk = tree.walk(0..1);
    loop {
        match walk.step(tree)? {
            Step::Leaves(leaves) => {
                return Ok(leaves.first().map(|leaf| leaf.range.end - leaf.range.start));
            }
            Step::Block(node) => {
                walk.accept(tree, &node, blocks.block(&node.cid)?.into())?;
            }
            Step::Content(_) | Step::Done => return Ok(None),
        }
    }
}

/// A range of a file that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    walk: Walk,
    leaves: VecDeque<Leaf>,
}

impl Reading {
    /// Of `range`, which lies within the file.
    pub(crate) fn new(tree: &FileTree, range: Range<u64>) -> Self {
        Self {
            walk: tree.walk(range),
            leaves: VecDeque::new(),
        }
    }

    /// The next pieces; none at the range's end.
    pub(crate) fn next(
        &mut self,
        tree: &FileTree,
        blocks: &dyn Blocks,
    ) -> Result<Vec<Bytes>, ReadError> {
        loop {
            let mut pieces = Vec::new();
            if self.leaves.is_empty() {
                match self.walk.step(tree)? {
                    Step::Done => return Ok(pieces),
                    Step::Content(content) => pieces.extend(content),
                    Step::Block(leaf) => self.leaves.push_back(leaf),
                    Step::Leaves(leaves) => self.leaves = leaves.into(),
                }
            }
            pieces.extend(self.next_leaves(tree, blocks)?);
            if !pieces.is_empty() {
                return Ok(pieces);
            }
        }
    }

    fn next_leaves(
        &mut self,
        tree: &FileTree,
        blocks: &dyn Blocks,
    ) -> Result<Vec<Bytes>, ReadError> {
        let count = self.leaves.len().min(AT_ONCE);
        let leaves: Vec<Leaf> = self.leaves.drain(..count).collect();
        let cids: Vec<Cid> = leaves.iter().map(|leaf| leaf.cid).collect();
        let mut pieces = Vec::with_capacity(count);
        for (leaf, block) in leaves.iter().zip(blocks.blocks(&cids)) {
            match self.walk.accept(tree, leaf, block?.into())? {
                Some(content) => pieces.extend(content),
                None => {
                    // No leaf after all: the walk leads below it.
                    self.leaves.clear();
                    break;
                }
            }
        }
        Ok(pieces)
    }
}

/// The bytes of `range`, which lies within the file.
pub(crate) fn read(
    tree: &FileTree,
    range: Range<u64>,
    blocks: &dyn Blocks,
) -> Result<Bytes, ReadError> {
    let mut whole = Vec::new();
    let mut reading = Reading::new(tree, range.clone());
    loop {
        let mut pieces = reading.next(tree, blocks)?;
        let all = (range.end - range.start) as usize;
        match pieces.as_mut_slice() {
            [] => return Ok(whole.into()),
            // The common case: one piece, without a copy.
            [only] if only.len() == all => return Ok(std::mem::take(only)),
            pieces => {
                whole.reserve_exact(all - whole.len());
                pieces
                    .iter()
                    .for_each(|piece| whole.extend_from_slice(piece));
            }
        }
    }
}
