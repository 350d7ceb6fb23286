//! A file by its CID, from wherever its blocks are.
//!
//! Fed with verified blocks by a [`Fetcher`]; feeds the reader. Resolves the path, reads the file's tree as far as
//! the range needs it, and asks for the range's leaves in spans. Of a file that is read in order, the spans go on past the
//! range, and wait for the next one.

use super::clock::now;
use crate::block::Block;
use crate::error::{OpenError, ReadError};
use crate::fetch::{Demand, Fetcher};
use crate::origin::{Leaf, LeafSpan};
use crate::plan::{Run, leaf_chunks, whole_leaves};
use crate::source::ByteSource;
use crate::unixfs::resolve::Resolver;
use crate::unixfs::walk::{FileTree, Step, Walk};
use bytes::{Bytes, BytesMut};
use cid::Cid;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// About as much is worth asking for at once: a round trip is short against the time that it takes to arrive.
const CHUNK_BYTES: u64 = 1 << 20;
/// However long the file has been read in order.
const MOST_AHEAD_BYTES: u64 = 256 << 20;

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
    run: Mutex<Run>,
    /// A reading that stands where the next range may start.
    parked: Mutex<Option<Reading>>,
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
            run: Mutex::default(),
            parked: Mutex::default(),
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
                walk.accept(tree, &node, block.into())?;
            }
            Step::Content(_) | Step::Done => return Ok(None),
        }
    }
}

/// A stretch of the file that is being read.
struct Reading {
    walk: Walk,
    /// The next byte, and where the stretch ends.
    rest: Range<u64>,
    open: Option<Span>,
    /// Pieces that were read and not given.
    ready: VecDeque<Bytes>,
}

/// The leaves that were asked for, and those of them that have not come.
struct Span {
    blocks: BoxStream<'static, Result<Block, ReadError>>,
    leaves: Arc<[Leaf]>,
    next: usize,
}

impl Reading {
    /// The next piece, of `limit_bytes` at most; `None` at the stretch's end.
    async fn next(
        &mut self,
        shared: &Shared,
        limit_bytes: u64,
    ) -> Result<Option<Bytes>, ReadError> {
        let mut piece = loop {
            match self.ready.pop_front() {
                Some(piece) => break piece,
                None => match self.pull(shared).await? {
                    Some(content) => self.ready.extend(content),
                    None => return Ok(None),
                },
            }
        };
        if piece.len() as u64 > limit_bytes {
            self.ready.push_front(piece.split_off(limit_bytes as usize));
        }
        self.rest.start += piece.len() as u64;
        Ok(Some(piece))
    }

    async fn pull(&mut self, shared: &Shared) -> Result<Option<Block>, ReadError> {
        loop {
            if let Some(content) = self.next_leaf(shared).await? {
                return Ok(Some(content));
            }
            match self.walk.step(&shared.tree)? {
                Step::Done => return Ok(None),
                Step::Content(content) => return Ok(Some(content)),
                Step::Block(node) => {
                    let block = shared.fetcher.block(shared.root, node.cid).await?;
                    if let Some(content) = self.walk.accept(&shared.tree, &node, block.into())? {
                        return Ok(Some(content));
                    }
                }
                Step::Leaves(leaves) => self.open = Some(shared.ask(leaves.into())),
            }
        }
    }

    /// The next content out of the open span; `None` when the walk has to say how it goes on.
    async fn next_leaf(&mut self, shared: &Shared) -> Result<Option<Block>, ReadError> {
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
                name: shared.name.clone(),
                range: leaf.range.clone(),
                missing_bytes: leaves_left,
                attempts: 1,
            });
        };
        let content = self.walk.accept(&shared.tree, leaf, block?)?;
        span.next += 1;
        if content.is_none() {
            // No leaf after all: the walk leads below it.
            self.open = None;
        }
        Ok(content)
    }
}

impl Shared {
    fn ask(&self, leaves: Arc<[Leaf]>) -> Span {
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

    /// What reads `range`: the reading that stands at its start, or a new one.
    fn reading(&self, range: &Range<u64>) -> Reading {
        let now = now();
        let parked = self.parked().take();
        let mut run = self.run();
        // After a pause the server may have left it.
        let is_fresh = !run.is_over(now);
        run.starts(now, range);
        drop(run);
        match parked {
            Some(reading) if is_fresh && reading.rest.start == range.start => reading,
            _ => self.new_reading(range),
        }
    }

    fn new_reading(&self, range: &Range<u64>) -> Reading {
        let ahead = self.run().ahead_bytes(range, MOST_AHEAD_BYTES);
        let end = range.start.saturating_add(ahead);
        let rest = range.start..end.min(self.tree.size_bytes()).max(range.end);
        Reading {
            walk: self.tree.walk(rest.clone()),
            rest,
            open: None,
            ready: VecDeque::new(),
        }
    }

    /// Keeps a reading for the range that follows. What is left of a range that was given up is not worth it.
    fn park(&self, reading: Reading) {
        let mut run = self.run();
        run.ended(now());
        if !reading.rest.is_empty() && run.next() == reading.rest.start {
            *self.parked() = Some(reading);
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parked(&self) -> MutexGuard<'_, Option<Reading>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One range that is being read.
struct Pull<'s> {
    shared: &'s Shared,
    reading: Option<Reading>,
    end: u64,
}

impl Pull<'_> {
    /// The range's next content; `None` at its end, and after an error.
    async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        let mut reading = self.reading.take()?;
        let missing_bytes = self.end.saturating_sub(reading.rest.start);
        if missing_bytes == 0 {
            self.reading = Some(reading);
            return None;
        }
        if reading.rest.is_empty() {
            // The reading ended within the range.
            reading = self.shared.new_reading(&(reading.rest.start..self.end));
        }
        match reading.next(self.shared, missing_bytes).await {
            Ok(content) => {
                self.reading = Some(reading);
                content.map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl Drop for Pull<'_> {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take() {
            self.shared.park(reading);
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
        let pull = Pull {
            shared: &self.shared,
            reading: Some(self.shared.reading(&range)),
            end: range.end,
        };
        stream::unfold(pull, |mut pull| async move {
            let item = pull.next().await?;
            Some((item, pull))
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

    /// One reading at a time where it goes on past its range.
    fn max_parallel(&self) -> usize {
        if self.shared.run().is_long() { 1 } else { 2 }
    }
}
