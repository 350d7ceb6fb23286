//! A file of the store as a [`ByteSource`], every block checked against its hash as it is read.
//!
//! Fed by packs; feeds the reader. Reading and hashing run on the runtime's blocking threads, two
//! ranges at once.

use super::Store;
use super::catalog::Pack;
use super::pack::Entry;
use crate::driver::positioned::read_exact_at;
use crate::error::{BlockError, OpenError, ReadError};
use crate::multihash::{IDENTITY, verify};
use crate::source::ByteSource;
use crate::unixfs::build::Framing;
use crate::unixfs::stored::{self, Blocks};
use crate::unixfs::walk::FileTree;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io;
use std::ops::Range;
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
        Ok(Self {
            shared: Arc::new(Shared {
                name: location.to_string(),
                tree,
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
        let size_bytes = self.tree.size_bytes();
        if range.start > range.end || range.end > size_bytes {
            return Err(ReadError::OutOfBounds {
                name: self.name.clone(),
                range,
                size_bytes,
            });
        }
        stored::read(&self.tree, range, &self.blocks)
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
}
