//! The walk and the path's resolution driven with blocks that are at hand.
//!
//! Fed by a [`Blocks`], which the embedded store is; feeds the store's source.

use super::resolve::Resolver;
use super::walk::{FileTree, Step};
use crate::error::{OpenError, ReadError};
use bytes::Bytes;
use cid::Cid;
use std::ops::Range;

/// Where blocks come from. Each is verified by whoever implements this.
pub(crate) trait Blocks {
    /// The bytes of a block that match its CID.
    fn block(&self, cid: &Cid) -> Result<Bytes, ReadError>;
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

/// The bytes of `range`, which lies within the file.
pub(crate) fn read(
    tree: &FileTree,
    range: Range<u64>,
    blocks: &dyn Blocks,
) -> Result<Bytes, ReadError> {
    let mut joined = Joined::new((range.end - range.start) as usize);
    let mut walk = tree.walk(range);
    loop {
        let leaves = match walk.step(tree)? {
            Step::Done => return Ok(joined.finish()),
            Step::Content(content) => {
                joined.push(content);
                continue;
            }
            Step::Block(leaf) => vec![leaf],
            Step::Leaves(leaves) => leaves,
        };
        for leaf in &leaves {
            match walk.accept(tree, leaf, blocks.block(&leaf.cid)?)? {
                Some(content) => joined.push(content),
                None => break,
            }
        }
    }
}

/// Pieces put together; a single one, which is the common case, without a copy.
struct Joined {
    len: usize,
    first: Bytes,
    all: Vec<u8>,
}

impl Joined {
    fn new(len: usize) -> Self {
        Self {
            len,
            first: Bytes::new(),
            all: Vec::new(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve_exact(self.len);
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.into()
        }
    }
}
