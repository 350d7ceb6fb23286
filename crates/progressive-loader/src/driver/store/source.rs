//! A file of the store as a [`ByteSource`], every block checked against its hash as it is read.
//!
//! Fed by packs; feeds the reader. Reading and hashing run on the runtime's blocking threads, two
//! ranges at once.

use super::Store;
use super::catalog::Pack;
use super::pack::Entry;
use crate::driver::positioned::read_exact_at;
use crate::error::{BlockError, OpenError, ReadError};
use crate::multihash::{IDENTITY, verify, verify_each};
use crate::plan::leaf_chunks;
use crate::source::ByteSource;
use crate::unixfs::build::Framing;
use crate::unixfs::stored::{self, Blocks, Reading};
use crate::unixfs::walk::FileTree;
use bytes::Bytes;
use cid::Cid;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// A file in a [`Store`], by CID. Keeps the store, if temporary, from being removed.
#[derive(Debug, Clone)]
pub struct StoreSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    tree: FileTree,
    leaf_bytes: Option<u64>,
    blocks: StoreBlocks,
}

/// The blocks of a store, for reading one content.
#[derive(Debug, Clone)]
pub(super) struct StoreBlocks {
    root: Cid,
    store: Store,
}

impl StoreSource {
    /// Opens the file at `path` below the blocks' root.
    pub(super) fn open(path: &[String], blocks: StoreBlocks) -> Result<Self, OpenError> {
        let location = crate::Location::Ipfs {
            cid: blocks.root,
            path: path.to_vec(),
        };
        let tree = stored::open(blocks.root, path, &blocks)?;
        let leaf_bytes = stored::first_leaf_bytes(&tree, &blocks)?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: location.to_string(),
                tree,
                leaf_bytes,
                blocks,
            }),
        })
    }

    /// Reads `range` on this thread.
    ///
    /// # Errors
    /// As [`ByteSource::read_range`]; a block that is missing, or whose bytes are not those its CID
    /// names, is [`ReadError::Block`].
    pub fn read_range_blocking(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.shared.read(range)
    }
}

impl Shared {
    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.check(&range)?;
        stored::read(&self.tree, range, &self.blocks)
    }

    fn check(&self, range: &Range<u64>) -> Result<(), ReadError> {
        let size_bytes = self.tree.size_bytes();
        if range.start <= range.end && range.end <= size_bytes {
            return Ok(());
        }
        Err(ReadError::OutOfBounds {
            name: self.name.clone(),
            range: range.clone(),
            size_bytes,
        })
    }
}

impl StoreBlocks {
    pub(super) fn new(root: Cid, store: Store) -> Self {
        Self { root, store }
    }

    /// Whether the block is there, sound or not.
    pub(super) fn has(&self, cid: &Cid) -> bool {
        cid.hash().code() == IDENTITY || !self.store.inner.catalog.find(cid.hash()).is_empty()
    }

    fn bad(&self, cid: &Cid, problem: BlockError) -> ReadError {
        ReadError::block(self.root, *cid, problem)
    }

    fn read(&self, cid: &Cid, pack: &Pack, entry: Entry) -> Result<Bytes, ReadError> {
        let failed = |e: io::Error| ReadError::Io {
            name: pack.path.display().to_string(),
            range: entry.offset..entry.offset + u64::from(entry.len_bytes),
            source: Arc::new(e),
        };
        let block = Self::read_unchecked(pack, entry).map_err(failed)?;
        verify(cid, &[&block]).map_err(|problem| self.bad(cid, problem))?;
        Ok(block)
    }

    /// The block as the first pack has it, if that is any.
    fn read_first(&self, cid: &Cid) -> Option<Bytes> {
        let (pack, entry) = self
            .store
            .inner
            .catalog
            .find(cid.hash())
            .into_iter()
            .next()?;
        Self::read_unchecked(&pack, entry).ok()
    }

    fn read_unchecked(pack: &Pack, entry: Entry) -> io::Result<Bytes> {
        let framing = if entry.wrapped {
            Framing::dag_pb(entry.len_bytes.into())
        } else {
            Framing::raw()
        };
        let content = framing.before.len()..framing.before.len() + entry.len_bytes as usize;
        let mut block = framing.before;
        block.resize(content.end, 0);
        let file = File::open(&pack.path)?;
        read_exact_at(&file, &mut block[content], entry.offset)?;
        block.extend(framing.after);
        Ok(block.into())
    }
}

impl Store {
    /// The block with this CID, as it is on the disk, packs that came lately included; `None` when none has it.
    pub(crate) fn find_unchecked(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        let found = self.block_unchecked(cid)?;
        if found.is_none() {
            let refreshed = self.inner.catalog.refresh();
            refreshed.map_err(io::Error::other)?;
            return self.block_unchecked(cid);
        }
        Ok(found)
    }

    /// The block with this CID, as it is on the disk; `None` when no pack known has it.
    pub(crate) fn block_unchecked(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        let mut outcome = Ok(None);
        for (pack, entry) in self.inner.catalog.find(cid.hash()) {
            match StoreBlocks::read_unchecked(&pack, entry) {
                Ok(block) => return Ok(Some(block)),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }
}

impl Blocks for StoreBlocks {
    /// Tries each pack that has the block: one sound copy is enough.
    fn block(&self, cid: &Cid) -> Result<Bytes, ReadError> {
        if cid.hash().code() == IDENTITY {
            return Ok(Bytes::copy_from_slice(cid.hash().digest()));
        }
        let mut error = self.bad(cid, BlockError::Missing);
        for (pack, entry) in self.store.inner.catalog.find(cid.hash()) {
            match self.read(cid, &pack, entry) {
                Ok(block) => return Ok(block),
                Err(problem) => error = problem,
            }
        }
        Err(error)
    }

    /// Hashed side by side; whichever is then missing or damaged is looked for again, everywhere.
    fn blocks(&self, cids: &[Cid]) -> Vec<Result<Bytes, ReadError>> {
        let first: Vec<_> = cids.iter().map(|cid| self.read_first(cid)).collect();
        let there = cids.iter().zip(&first);
        let there: Vec<_> = there
            .filter_map(|(cid, block)| Some((*cid, std::slice::from_ref(block.as_ref()?))))
            .collect();
        let mut checked = verify_each(&there).into_iter();
        let sound: Vec<bool> = first
            .iter()
            .map(|block| block.is_some() && checked.next().is_some_and(|outcome| outcome.is_ok()))
            .collect();
        let blocks = cids.iter().zip(first).zip(sound);
        blocks
            .map(|((cid, block), sound)| match block {
                Some(block) if sound => Ok(block),
                _ => self.block(cid),
            })
            .collect()
    }
}

/// A range of the file on its way to whoever reads it.
struct Pieces {
    shared: Arc<Shared>,
    reading: Reading,
    ready: VecDeque<Bytes>,
    over: bool,
}

impl Pieces {
    /// The next piece; as many as are hashed at once are read on a blocking thread.
    async fn next(mut self) -> Option<(Result<Bytes, ReadError>, Self)> {
        if self.ready.is_empty() && !self.over {
            let shared = Arc::clone(&self.shared);
            let mut reading = self.reading;
            let read = tokio::task::spawn_blocking(move || {
                let pieces = reading.next(&shared.tree, &shared.blocks);
                (pieces, reading)
            });
            let Ok((pieces, reading)) = read.await else {
                return None;
            };
            self.reading = reading;
            match pieces {
                Ok(pieces) => self.ready = pieces.into(),
                Err(error) => {
                    self.over = true;
                    return Some((Err(error), self));
                }
            }
        }
        let piece = self.ready.pop_front()?;
        Some((Ok(piece), self))
    }
}

impl ByteSource for StoreSource {
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
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || shared.read(range)).await;
            reading.unwrap_or_else(|_| Err(ReadError::Cancelled { name: self.name() }))
        })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        if let Err(error) = self.shared.check(&range) {
            return stream::iter([Err(error)]).boxed();
        }
        let pieces = Pieces {
            shared: Arc::clone(&self.shared),
            reading: Reading::new(&self.shared.tree, range),
            ready: VecDeque::new(),
            over: false,
        };
        stream::unfold(pieces, Pieces::next).boxed()
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        leaf_chunks(self.shared.leaf_bytes)
    }
}
