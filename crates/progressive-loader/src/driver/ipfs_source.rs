//! A file by its CID, from wherever its blocks are.
//!
//! Fed with verified blocks by a [`Fetcher`]; feeds the reader. Resolves the path, reads the file's tree as far as
//! the range needs it, and asks for the range's leaves in spans.

use crate::error::{OpenError, ReadError};
use crate::fetch::{Demand, Fetcher};
use crate::origin::{Leaf, LeafSpan};
use crate::plan::{leaf_chunks, whole_leaves};
use crate::source::ByteSource;
use crate::unixfs::resolve::Resolver;
use crate::unixfs::walk::{FileTree, Step, Walk};
use bytes::{Bytes, BytesMut};
use cid::Cid;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// About as much is worth asking for at once: a round trip is short against the time that it takes to arrive.
const CHUNK_BYTES: u64 = 1 << 20;

/// A file by its CID.
#[derive(Clone)]
pub struct IpfsSource {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    root: Cid,
    path: Arc<[String]>,
    tree: FileTree,
    /// Bytes of content in a leaf; all but the last one of a file are alike.
    leaf_bytes: Option<u64>,
    fetcher: Arc<dyn Fetcher>,
}

impl IpfsSource {
    /// Finds the file at `path` below `root`, and reads the part of its tree that leads to its first byte.
    ///
    /// # Errors
    /// [`OpenError::Directory`], [`OpenError::NoSuchEntry`] or [`OpenError::NotADirectory`] for a path that leads to
    /// no file; [`OpenError::Read`] for a block that nobody gives, or that is no UnixFS.
    pub async fn open(
        root: Cid,
        path: &[String],
        fetcher: Arc<dyn Fetcher>,
    ) -> Result<Self, OpenError> {
        let mut resolver = Resolver::new(root, path);
        while let Some(cid) = resolver.needs()? {
            resolver.accept(fetcher.block(root, cid).await?)?;
        }
        let (file, block) = resolver.found();
        let block = match block {
            Some(block) => block,
            None => fetcher.block(root, file).await?,
        };
        let tree = FileTree::open(root, file, block)?;
        let leaf_bytes = first_leaf_bytes(&tree, root, fetcher.as_ref()).await?;
        let name = crate::Location::Ipfs {
            cid: root,
            path: path.to_vec(),
        };
        let shared = Shared {
            name: name.to_string(),
            root,
            path: path.into(),
            tree,
            leaf_bytes,
            fetcher,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn check(&self, range: &Range<u64>) -> Result<(), ReadError> {
        let size_bytes = self.size_bytes();
        if range.start <= range.end && range.end <= size_bytes {
            return Ok(());
        }
        Err(ReadError::OutOfBounds {
            name: self.name(),
            range: range.clone(),
            size_bytes,
        })
    }
}

/// Walks down to the first leaf, without reading it. `None` for a file without leaves below its first block.
async fn first_leaf_bytes(
    tree: &FileTree,
    root: Cid,
    fetcher: &dyn Fetcher,
) -> Result<Option<u64>, ReadError> {
    let mut walk = tree.walk(0..1);
    loop {
        match walk.step(tree)? {
            Step::Leaves(leaves) => {
                let first = leaves.first().map(|leaf| leaf.range.end - leaf.range.start);
                return Ok(first);
            }
            Step::Block(node) => {
                let block = fetcher.block(root, node.cid).await?;
                walk.accept(tree, &node, block)?;
            }
            Step::Content(_) | Step::Done => return Ok(None),
        }
    }
}

/// A range that is being read.
struct Reading<'s> {
    shared: &'s Shared,
    walk: Walk,
    open: Option<Span<'s>>,
    over: bool,
}

/// The leaves that were asked for, and those of them that have not come.
struct Span<'s> {
    blocks: BoxStream<'s, Result<Bytes, ReadError>>,
    leaves: Arc<[Leaf]>,
    next: usize,
}

impl<'s> Reading<'s> {
    /// The next piece of content; `None` at the range's end.
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(content) = self.next_leaf().await? {
                return Ok(Some(content));
            }
            let shared = self.shared;
            match self.walk.step(&shared.tree)? {
                Step::Done => return Ok(None),
                Step::Content(content) => return Ok(Some(content)),
                Step::Block(node) => {
                    let block = shared.fetcher.block(shared.root, node.cid).await?;
                    if let Some(content) = self.walk.accept(&shared.tree, &node, block)? {
                        return Ok(Some(content));
                    }
                }
                Step::Leaves(leaves) => self.open = Some(shared.ask(leaves.into())),
            }
        }
    }

    /// The next piece out of the open span; `None` when the walk has to say how it goes on.
    async fn next_leaf(&mut self) -> Result<Option<Bytes>, ReadError> {
        let Some(span) = &mut self.open else {
            return Ok(None);
        };
        let Some(leaf) = span.leaves.get(span.next) else {
            self.open = None;
            return Ok(None);
        };
        let leaves_left = (span.leaves.len() - span.next) as u64;
        let Some(block) = span.blocks.next().await else {
            return Err(ReadError::Short {
                name: self.shared.name.clone(),
                range: leaf.range.clone(),
                missing_bytes: leaves_left,
                attempts: 1,
            });
        };
        let content = self.walk.accept(&self.shared.tree, leaf, block?)?;
        span.next += 1;
        if content.is_none() {
            // No leaf after all: the walk leads below it.
            self.open = None;
        }
        Ok(content)
    }
}

impl Shared {
    fn ask(&self, leaves: Arc<[Leaf]>) -> Span<'_> {
        let span = LeafSpan {
            root: self.root,
            path: Arc::clone(&self.path),
            file: self.tree.file(),
            leaves: Arc::clone(&leaves),
        };
        Span {
            blocks: self.fetcher.leaves(span),
            leaves,
            next: 0,
        }
    }
}

impl ByteSource for IpfsSource {
    fn name(&self) -> String {
        self.shared.name.clone()
    }

    fn cid(&self) -> Option<Cid> {
        Some(self.shared.tree.file())
    }

    fn size_bytes(&self) -> u64 {
        self.shared.tree.size_bytes()
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let mut pieces = self.stream_range(range).fuse();
            let first = pieces.next().await.transpose()?.unwrap_or_default();
            let Some(second) = pieces.next().await.transpose()? else {
                return Ok(first);
            };
            let mut whole = BytesMut::from(first);
            whole.extend_from_slice(&second);
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(whole.freeze())
        })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        if let Err(error) = self.check(&range) {
            return stream::iter([Err(error)]).boxed();
        }
        let reading = Reading {
            shared: &self.shared,
            walk: self.shared.tree.walk(range),
            open: None,
            over: false,
        };
        stream::unfold(reading, |mut reading| async move {
            if reading.over {
                return None;
            }
            let item = reading.next().await.transpose()?;
            reading.over = item.is_err();
            Some((item, reading))
        })
        .boxed()
    }

    /// Whole leaves, about 1 MiB of them.
    fn preferred_chunk_bytes(&self) -> u64 {
        whole_leaves(self.shared.leaf_bytes, CHUNK_BYTES)
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        leaf_chunks(self.shared.leaf_bytes)
    }

    fn demand(&self, demand: Demand) {
        self.shared.fetcher.demand(demand);
    }
}
