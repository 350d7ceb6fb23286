//! From a range of a file to its blocks, each verified before a byte of it is used.
//!
//! Fed with blocks by a [`Blocks`]; feeds the store's source. Only the nodes on the way to the range
//! and its leaves are touched.

use super::node::{FileNode, MAX_LINKS, Node};
use crate::error::{BlockError, ReadError};
use crate::multihash::{DAG_PB, RAW};
use bytes::Bytes;
use cid::Cid;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The deepest tree that is followed: with two links per node, 32 levels hold 2^32 leaves.
pub(crate) const MAX_DEPTH: usize = 32;
/// Inner nodes kept parsed, in links: at most some 16 MiB, and enough for a 128 GiB file of 1 MiB leaves.
const CACHED_LINKS: usize = 16 * MAX_LINKS;

/// Where blocks come from. Each is verified by whoever implements this.
pub(crate) trait Blocks {
    /// The bytes of a block that match its CID.
    fn block(&self, cid: &Cid) -> Result<Bytes, ReadError>;
}

/// The tree of one file.
#[derive(Debug)]
pub(crate) struct FileTree {
    /// What errors call the content.
    root: Cid,
    file: Cid,
    size_bytes: u64,
    /// Inner nodes already parsed; emptied when full, since a reader rarely comes back.
    nodes: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    nodes: HashMap<Cid, Arc<FileNode>>,
    links: usize,
}

/// A leaf's content, or the inner node that was met instead.
enum Visited {
    Content(Bytes),
    Inner(Arc<FileNode>),
}

impl FileTree {
    /// Reads the root of the file `file`, reached from `root`.
    pub(crate) fn open(root: Cid, file: Cid, blocks: &dyn Blocks) -> Result<Self, ReadError> {
        let mut tree = Self {
            root,
            file,
            size_bytes: 0,
            nodes: Mutex::default(),
        };
        tree.size_bytes = match tree.visit(&file, blocks)? {
            Visited::Content(content) => content.len() as u64,
            Visited::Inner(node) => node.size_bytes,
        };
        Ok(tree)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes of `range`, which lies within the file.
    pub(crate) fn read(&self, range: Range<u64>, blocks: &dyn Blocks) -> Result<Bytes, ReadError> {
        let mut first = Bytes::new();
        let mut joined = Vec::new();
        let mut position = range.start;
        while position < range.end {
            let mut piece = self.piece_at(position, blocks)?;
            piece.truncate(usize::try_from(range.end - position).unwrap_or(usize::MAX));
            position += piece.len() as u64;
            // One leaf is the common case, and needs no copy.
            if first.is_empty() {
                first = piece;
                continue;
            }
            if joined.is_empty() {
                joined.reserve_exact((range.end - range.start) as usize);
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&piece);
        }
        Ok(if joined.is_empty() {
            first
        } else {
            joined.into()
        })
    }

    /// The content from `offset` to the end of the block that holds it; never empty.
    fn piece_at(&self, offset: u64, blocks: &dyn Blocks) -> Result<Bytes, ReadError> {
        let (mut cid, mut start, mut size_bytes) = (self.file, 0, self.size_bytes);
        for _ in 0..=MAX_DEPTH {
            let visited = self.visit(&cid, blocks)?;
            let actual_bytes = match &visited {
                Visited::Content(content) => content.len() as u64,
                Visited::Inner(node) => node.size_bytes,
            };
            if actual_bytes != size_bytes {
                return Err(self.bad(
                    cid,
                    BlockError::SizeMismatch {
                        expected_bytes: size_bytes,
                        actual_bytes,
                    },
                ));
            }
            let node = match visited {
                Visited::Content(content) => return Ok(content.slice((offset - start) as usize..)),
                Visited::Inner(node) => node,
            };
            if let Some(child) = node.child_at(offset - start) {
                (cid, start, size_bytes) = (child.cid, start + child.start, child.size_bytes);
                continue;
            }
            let own = blocks.block(&cid)?.slice(node.inline.clone());
            return Ok(own.slice((offset - start) as usize..));
        }
        Err(self.bad(cid, BlockError::TooDeep(MAX_DEPTH)))
    }

    fn visit(&self, cid: &Cid, blocks: &dyn Blocks) -> Result<Visited, ReadError> {
        if let Some(node) = self.cache().nodes.get(cid) {
            return Ok(Visited::Inner(Arc::clone(node)));
        }
        let block = blocks.block(cid)?;
        if cid.codec() == RAW {
            return Ok(Visited::Content(block));
        }
        let node = match Node::parse(&block) {
            _ if cid.codec() != DAG_PB => Err(BlockError::UnsupportedCodec(cid.codec())),
            Ok(Node::File(node)) => Ok(node),
            Ok(Node::Directory(_) | Node::Shard(_)) => Err(BlockError::NotAFile("directory")),
            Ok(Node::Symlink) => Err(BlockError::NotAFile("symbolic link")),
            Err(problem) => Err(problem),
        };
        let node = node.map_err(|problem| self.bad(*cid, problem))?;
        if node.children.is_empty() {
            return Ok(Visited::Content(block.slice(node.inline)));
        }
        let node = Arc::new(node);
        self.cache().insert(*cid, &node);
        Ok(Visited::Inner(node))
    }

    fn bad(&self, cid: Cid, problem: BlockError) -> ReadError {
        ReadError::block(self.root, cid, problem)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn insert(&mut self, cid: Cid, node: &Arc<FileNode>) {
        if self.links + node.children.len() > CACHED_LINKS {
            *self = Self::default();
        }
        if self.nodes.insert(cid, Arc::clone(node)).is_none() {
            self.links += node.children.len();
        }
    }
}
