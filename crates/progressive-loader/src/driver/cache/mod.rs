//! Blocks that were fetched, kept for the next time: in memory, and on disk across restarts.
//!
//! | file | is |
//! |---|---|
//! | `options` | how much, and where |
//! | `lru` | what to forget |
//! | `files` | the directory: a file per block |
//! | `disk` | the blocks on disk, and what happens when it refuses |
//!
//! Fed by the [`Pool`](super::Pool) with verified blocks, asked by it before any origin is. A block from
//! disk is checked against its hash again; one from memory was.

mod disk;
mod files;
mod lru;
mod options;
#[cfg(test)]
mod tests;

pub use options::CacheOptions;

use crate::block::Block;
use crate::multihash::IDENTITY;
use bytes::Bytes;
use cid::Cid;
use disk::Disk;
use files::{Directory, Files};
use lru::Lru;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;

/// Reads and writes of the directory under way at once; each holds one block.
const DISK_PARALLEL: usize = 4;
/// The most blocks kept in memory: nodes may be as small as a few bytes.
const MAX_MEMORY_ENTRIES: usize = 1 << 16;

/// What is smaller than this is kept as a copy: it may be a slice of something much larger, where a large one is most of what
/// it is in.
const COPIED_BYTES: usize = 64 << 10;

/// The caches of this process by directory, since only one may use it.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Inner>>> = Mutex::new(BTreeMap::new());

/// Blocks by their hash, so that CIDv0 and CIDv1 of one block share it. Clones share the cache.
#[derive(Clone)]
pub struct BlockCache {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Mutex<Lru<Block>>,
    disk: Option<Arc<Disk>>,
    disk_turns: Arc<Semaphore>,
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    misses: AtomicU64,
}

/// Where a block is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) enum Keep {
    /// In memory, and on disk where there is one.
    Everywhere,
    /// On disk alone, where there is one.
    OnDisk,
}

/// A cache at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheSnapshot {
    /// Blocks found in memory so far.
    pub memory_hits: u64,
    /// Blocks found on disk so far.
    pub disk_hits: u64,
    /// Blocks found in neither so far.
    pub misses: u64,
    /// Bytes held in memory now.
    pub memory_bytes: u64,
    /// Bytes held on disk now, each block rounded up to 4 KiB.
    pub disk_bytes: u64,
    /// Blocks on disk now.
    pub disk_blocks: usize,
    /// Whether blocks are written to disk: not without a directory, nor since one refused.
    pub disk_writable: bool,
}

impl BlockCache {
    /// A cache over the directory, if one is named: within a process the one that is open there already,
    /// whatever its other options are. A directory that cannot be used, or that another process uses, is
    /// left out with a warning. Blocks while it lists the directory.
    #[must_use]
    pub fn open(options: &CacheOptions) -> Self {
        let Some(dir) = options.disk.as_deref() else {
            return Self::over(options, None);
        };
        // Its real name; one that has none yet is made below.
        let made = std::fs::create_dir_all(dir).and_then(|()| dir.canonicalize());
        let dir = made.unwrap_or_else(|_| dir.to_owned());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = open.get(&dir).and_then(Weak::upgrade) {
            return Self { inner };
        }
        let files = open_directory(&dir);
        let cache = Self::over(
            options,
            files.map(|files| (dir.display().to_string(), files)),
        );
        open.retain(|_, inner| inner.strong_count() > 0);
        if cache.inner.disk.is_some() {
            open.insert(dir, Arc::downgrade(&cache.inner));
        }
        cache
    }

    fn over(options: &CacheOptions, disk: Option<(String, Box<dyn Files>)>) -> Self {
        let disk = disk.and_then(|(name, files)| {
            Disk::open(name.clone(), files, options.disk_bytes)
                .inspect_err(|error| warn_unusable(&name, error))
                .ok()
        });
        Self {
            inner: Arc::new(Inner {
                memory: Mutex::new(Lru::new(options.memory_bytes, MAX_MEMORY_ENTRIES)),
                disk: disk.map(Arc::new),
                disk_turns: Arc::new(Semaphore::new(DISK_PARALLEL)),
                memory_hits: AtomicU64::new(0),
                disk_hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
            }),
        }
    }

    /// Whether the block seems to be there; reading it may still find it damaged.
    #[must_use]
    pub fn contains(&self, cid: &Cid) -> bool {
        let on_disk = |disk: &Arc<Disk>| disk.contains(cid.hash());
        self.inner.memory().contains(cid.hash()) || self.inner.disk.as_ref().is_some_and(on_disk)
    }

    /// How the blocks of a span are kept. One that is larger than the whole of the memory would push out all that is there, and
    /// itself, before any of it is read again.
    pub(in crate::driver) fn keep_of(&self, span_bytes: u64) -> Keep {
        if span_bytes > self.inner.memory().capacity() {
            Keep::OnDisk
        } else {
            Keep::Everywhere
        }
    }

    /// The block, when it is there and sound. Needs a tokio runtime for what lies on disk.
    pub async fn get(&self, cid: &Cid) -> Option<Block> {
        self.get_and(Keep::Everywhere, cid).await
    }

    /// The same; one that lay on disk is kept in memory only as `keep` says.
    pub(in crate::driver) async fn get_and(&self, keep: Keep, cid: &Cid) -> Option<Block> {
        let key = *cid.hash();
        if let Some(block) = self.inner.memory().get(&key).cloned() {
            self.inner.memory_hits.fetch_add(1, Ordering::Relaxed);
            return Some(block);
        }
        let found = match &self.inner.disk {
            Some(disk) if disk.contains(&key) => {
                let disk = Arc::clone(disk);
                self.with_turn(move || disk.read(&key)).await.flatten()
            }
            _ => None,
        };
        let Some(block) = found.map(|block| Block::from(Bytes::from(block))) else {
            self.inner.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.inner.disk_hits.fetch_add(1, Ordering::Relaxed);
        if keep == Keep::Everywhere {
            self.inner.remember(&key, block.clone());
        }
        Some(block)
    }

    /// Keeps a block. The caller has checked that it is the one `cid` names. It is in memory at once, and
    /// soon on disk: this waits only while four earlier ones are still being written. Needs a tokio
    /// runtime when there is a directory.
    pub async fn insert(&self, cid: &Cid, block: &Block) {
        self.insert_and(Keep::Everywhere, cid, block).await;
    }

    /// The same, where `keep` says.
    pub(in crate::driver) async fn insert_and(&self, keep: Keep, cid: &Cid, block: &Block) {
        let key = *cid.hash();
        if key.code() == IDENTITY {
            return;
        }
        let block = match keep {
            Keep::Everywhere => {
                let block = block.compact(COPIED_BYTES);
                self.inner.remember(&key, block.clone());
                block
            }
            Keep::OnDisk => block.clone(),
        };
        let Some(disk) = self.inner.disk.clone().filter(|disk| disk.is_writable()) else {
            return;
        };
        let turns = Arc::clone(&self.inner.disk_turns);
        if let Ok(turn) = turns.acquire_owned().await {
            // Not waited for: whoever wanted the block may go before it is written.
            tokio::task::spawn_blocking(move || {
                disk.write(key, &block.into_bytes());
                // In this order: whoever waited for the turn may open the directory anew.
                drop(disk);
                drop(turn);
            });
        }
    }

    /// Waits until what was inserted before is on disk, or given up.
    pub async fn flush(&self) {
        // A turn each for all there are: then none is being written.
        let _ = self
            .inner
            .disk_turns
            .acquire_many(DISK_PARALLEL as u32)
            .await;
    }

    /// The figures now.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        let inner = &self.inner;
        let disk = inner.disk.as_ref();
        CacheSnapshot {
            memory_hits: inner.memory_hits.load(Ordering::Relaxed),
            disk_hits: inner.disk_hits.load(Ordering::Relaxed),
            misses: inner.misses.load(Ordering::Relaxed),
            memory_bytes: inner.memory().weight(),
            disk_bytes: disk.map_or(0, |disk| disk.used_bytes()),
            disk_blocks: disk.map_or(0, |disk| disk.blocks()),
            disk_writable: disk.is_some_and(|disk| disk.is_writable()),
        }
    }

    /// Runs `work` on a blocking thread when it is its turn; `None` when the runtime shuts down.
    async fn with_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.inner.disk_turns.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Lru<Block>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: &lru::Key, block: Block) {
        let weight = block.len() as u64;
        self.memory().insert(*key, block, weight);
    }
}

fn open_directory(dir: &Path) -> Option<Box<dyn Files>> {
    match Directory::open(dir) {
        Ok(files) => Some(Box::new(files)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            tracing::warn!(dir = %dir.display(), "another process uses this block cache; this one keeps to its memory");
            None
        }
        Err(error) => {
            warn_unusable(&dir.display().to_string(), &error);
            None
        }
    }
}

fn warn_unusable(name: &str, error: &std::io::Error) {
    tracing::warn!(cache = name, %error, "the block cache's directory cannot be used; blocks are kept in memory only");
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache")
            .field("figures", &self.snapshot())
            .finish()
    }
}
