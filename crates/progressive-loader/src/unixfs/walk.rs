//! From a range of a file to its blocks: which is needed next, and what of it is content.
//!
//! Fed with verified blocks, by `stored` from a store at hand and by the IPFS source from afar; gives content in
//! order. Only the nodes on the way to the range and its leaves are asked for. Pure: it fetches nothing.

use super::MAX_BLOCK_BYTES;
use super::node::{Child, FileNode, MAX_LINKS, Node};
use crate::block::Block;
use crate::error::{BlockError, ReadError};
use crate::multihash::{DAG_PB, RAW};
use crate::origin::Leaf;
use bytes::Bytes;
use cid::Cid;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The deepest tree that is followed: with two links per node, 32 levels hold 2^32 leaves.
pub(crate) const MAX_DEPTH: usize = 32;
/// Inner nodes kept parsed, in links: at most some 16 MiB, and enough for a 128 GiB file of 1 MiB leaves.
const CACHED_LINKS: usize = 16 * MAX_LINKS;
/// What content that an inner node holds itself counts for in the cache: as much as so many bytes of link.
const BYTES_PER_LINK: usize = 128;
/// The most content, and the most leaves, that are asked for at once.
const MAX_SPAN_BYTES: u64 = 256 << 20;
const MAX_SPAN_LEAVES: usize = 1024;

/// The tree of one file, as far as it is known.
#[derive(Debug)]
pub(crate) struct FileTree {
    /// What errors call the content.
    root: Cid,
    file: Cid,
    top: Top,
    /// Inner nodes already parsed; emptied when full, since a reader rarely comes back.
    nodes: Mutex<Cache>,
    /// No leaf was met above this depth. Writers put all leaves at one depth, so what lies there is taken for one.
    leaf_depth: AtomicUsize,
}

#[derive(Debug)]
enum Top {
    /// The file is one block; its content.
    Leaf(Block),
    Inner(Arc<Inner>),
}

/// An inner node, with the content that it holds itself.
#[derive(Debug)]
struct Inner {
    node: FileNode,
    own: Bytes,
}

#[derive(Debug, Default)]
struct Cache {
    nodes: HashMap<Cid, Arc<Inner>>,
    links: usize,
}

/// What a walk needs or gives next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The block of one node, leaf or not.
    Block(Leaf),
    /// The blocks of what are leaves by all that is known, in order; never empty.
    Leaves(Vec<Leaf>),
    /// Content.
    Content(Block),
    /// The range is through.
    Done,
}

/// One way through a [`FileTree`], over a range.
#[derive(Debug)]
pub(crate) struct Walk {
    at: u64,
    end: u64,
    /// The inner nodes from the top down to `at`.
    path: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    inner: Arc<Inner>,
    start: u64,
}

/// A block as it was found to be.
enum Visited {
    Content(Block),
    Inner(Arc<Inner>),
}

impl FileTree {
    /// The tree of the file `file`, reached from `root`, whose first block is `block`.
    pub(crate) fn open(root: Cid, file: Cid, block: Bytes) -> Result<Self, ReadError> {
        let top = match classify(&file, block.into()) {
            Ok(Visited::Content(content)) => Top::Leaf(content),
            Ok(Visited::Inner(inner)) => Top::Inner(inner),
            Err(problem) => return Err(ReadError::block(root, file, problem)),
        };
        Ok(Self {
            root,
            file,
            top,
            nodes: Mutex::default(),
            leaf_depth: AtomicUsize::new(1),
        })
    }

    /// The file's own CID.
    pub(crate) fn file(&self) -> Cid {
        self.file
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        match &self.top {
            Top::Leaf(content) => content.len() as u64,
            Top::Inner(inner) => inner.node.size_bytes,
        }
    }

    /// A way through `range`, which must lie within the file.
    pub(crate) fn walk(&self, range: Range<u64>) -> Walk {
        Walk {
            at: range.start,
            end: range.end.min(self.size_bytes()),
            path: Vec::new(),
        }
    }

    fn bad(&self, cid: Cid, problem: BlockError) -> ReadError {
        ReadError::block(self.root, cid, problem)
    }

    fn cached(&self, cid: &Cid) -> Option<Arc<Inner>> {
        self.cache().nodes.get(cid).cloned()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `child`, at `depth`, is a leaf as far as can be told without its block.
    fn looks_like_leaf(&self, child: &Child, depth: usize) -> bool {
        if child.link.cid.codec() == RAW {
            return true;
        }
        child.size_bytes <= MAX_BLOCK_BYTES && depth >= self.leaf_depth.load(Ordering::Relaxed)
    }

    /// Refuses what no block could be, before it is asked for.
    fn check(&self, child: &Child) -> Result<(), ReadError> {
        let cid = child.link.cid;
        match cid.codec() {
            RAW if child.size_bytes > MAX_BLOCK_BYTES => {
                let (size_bytes, limit_bytes) = (child.size_bytes, MAX_BLOCK_BYTES);
                let problem = BlockError::TooLarge {
                    size_bytes,
                    limit_bytes,
                };
                Err(self.bad(cid, problem))
            }
            RAW | DAG_PB => Ok(()),
            codec => Err(self.bad(cid, BlockError::UnsupportedCodec(codec))),
        }
    }
}

impl Walk {
    /// What comes next. After [`Step::Block`] and [`Step::Leaves`] the blocks go to [`Walk::accept`].
    pub(crate) fn step(&mut self, tree: &FileTree) -> Result<Step, ReadError> {
        while self.at < self.end {
            while (self.path.last()).is_some_and(|level| self.at >= level.end()) {
                self.path.pop();
            }
            let Some(level) = self.path.last() else {
                match &tree.top {
                    Top::Leaf(content) => return Ok(Step::Content(self.take(content.clone(), 0))),
                    Top::Inner(inner) => self.path.push(Level {
                        inner: Arc::clone(inner),
                        start: 0,
                    }),
                }
                continue;
            };
            let (inner, start) = (Arc::clone(&level.inner), level.start);
            let children = inner.node.children_from(self.at - start);
            let Some(child) = children.first() else {
                return Ok(Step::Content(self.take(inner.own.clone().into(), start)));
            };
            tree.check(child)?;
            let leaf = child.as_leaf(start);
            if let Some(known) = tree.cached(&child.link.cid) {
                self.descend(tree, &leaf, known)?;
            } else if let Some(block) = &child.link.carried {
                if let Some(content) = self.accept(tree, &leaf, block.clone().into())? {
                    return Ok(Step::Content(content));
                }
            } else if tree.looks_like_leaf(child, self.path.len()) {
                return Ok(Step::Leaves(self.span(tree, children, start)));
            } else {
                return Ok(Step::Block(leaf));
            }
        }
        Ok(Step::Done)
    }

    /// Takes the block of `leaf`: what it holds of the range, or `None` for an inner node, after which the next step
    /// leads below it and the rest of a span that was asked for is not wanted.
    pub(crate) fn accept(
        &mut self,
        tree: &FileTree,
        leaf: &Leaf,
        block: Block,
    ) -> Result<Option<Block>, ReadError> {
        let visited = classify(&leaf.cid, block).map_err(|problem| tree.bad(leaf.cid, problem))?;
        match visited {
            Visited::Content(content) => {
                self.check_size(tree, leaf, content.len() as u64)?;
                Ok(Some(self.take(content, leaf.range.start)))
            }
            Visited::Inner(inner) => {
                self.descend(tree, leaf, Arc::clone(&inner))?;
                tree.leaf_depth
                    .fetch_max(self.path.len(), Ordering::Relaxed);
                tree.cache().insert(leaf.cid, inner);
                Ok(None)
            }
        }
    }

    fn descend(&mut self, tree: &FileTree, at: &Leaf, inner: Arc<Inner>) -> Result<(), ReadError> {
        self.check_size(tree, at, inner.node.size_bytes)?;
        if self.path.len() > MAX_DEPTH {
            return Err(tree.bad(at.cid, BlockError::TooDeep(MAX_DEPTH)));
        }
        let start = at.range.start;
        self.path.push(Level { inner, start });
        Ok(())
    }

    fn check_size(&self, tree: &FileTree, at: &Leaf, actual_bytes: u64) -> Result<(), ReadError> {
        let expected_bytes = at.range.end - at.range.start;
        if actual_bytes == expected_bytes {
            return Ok(());
        }
        let problem = BlockError::SizeMismatch {
            expected_bytes,
            actual_bytes,
        };
        Err(tree.bad(at.cid, problem))
    }

    /// The part of `content`, which starts at `start`, that comes next.
    fn take(&mut self, content: Block, start: u64) -> Block {
        let from = self.at.saturating_sub(start).min(content.len() as u64);
        let to = (self.end - start).min(content.len() as u64).max(from);
        self.at = start + to;
        content.slice(from as usize..to as usize)
    }

    /// The leaves among `children`, from the first on, that touch each other and the rest of the range.
    fn span(&self, tree: &FileTree, children: &[Child], start: u64) -> Vec<Leaf> {
        let depth = self.path.len();
        let mut leaves: Vec<Leaf> = Vec::new();
        for child in children.iter().filter(|child| child.size_bytes > 0) {
            let leaf = child.as_leaf(start);
            let first = leaves
                .first()
                .map_or(leaf.range.start, |first| first.range.start);
            let fits = leaves.len() < MAX_SPAN_LEAVES
                && leaf.range.start < self.end
                && (leaves.is_empty() || leaf.range.end - first <= MAX_SPAN_BYTES);
            let plain = child.link.carried.is_none()
                && tree.check(child).is_ok()
                && tree.looks_like_leaf(child, depth)
                && tree.cached(&leaf.cid).is_none();
            if !fits || !plain {
                break;
            }
            leaves.push(leaf);
        }
        leaves
    }
}

impl Level {
    fn end(&self) -> u64 {
        self.start + self.inner.node.size_bytes
    }
}

impl Child {
    fn as_leaf(&self, parent_start: u64) -> Leaf {
        let start = parent_start + self.start;
        Leaf {
            cid: self.link.cid,
            range: start..start + self.size_bytes,
        }
    }
}

fn classify(cid: &Cid, block: Block) -> Result<Visited, BlockError> {
    if block.len() as u64 > MAX_BLOCK_BYTES {
        return Err(BlockError::TooLarge {
            size_bytes: block.len() as u64,
            limit_bytes: MAX_BLOCK_BYTES,
        });
    }
    let block = match cid.codec() {
        RAW => return Ok(Visited::Content(block)),
        DAG_PB => block.into_bytes(),
        codec => return Err(BlockError::UnsupportedCodec(codec)),
    };
    let node = match Node::parse(&block)? {
        Node::File(node) => node,
        Node::Directory(_) | Node::Shard(_) => return Err(BlockError::NotAFile("directory")),
        Node::Symlink => return Err(BlockError::NotAFile("symbolic link")),
    };
    let own = block.slice(node.inline.clone());
    Ok(if node.children.is_empty() {
        Visited::Content(own.into())
    } else {
        // A slice would keep the whole block for as long as the node is cached.
        let own = Bytes::copy_from_slice(&own);
        Visited::Inner(Arc::new(Inner { node, own }))
    })
}

impl Inner {
    /// What it counts for in the cache.
    fn weight(&self) -> usize {
        self.node.children.len() + self.own.len() / BYTES_PER_LINK
    }
}

impl Cache {
    fn insert(&mut self, cid: Cid, inner: Arc<Inner>) {
        let weight = inner.weight();
        if self.links + weight > CACHED_LINKS {
            *self = Self::default();
        }
        if self.nodes.insert(cid, inner).is_none() {
            self.links += weight;
        }
    }
}
