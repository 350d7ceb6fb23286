//! The blocks on disk: an index in memory over one file each.
//!
//! Fed and read by [`BlockCache`](super::BlockCache) on blocking threads. A disk that refuses is given
//! up with one warning, and the cache goes on in memory.

use super::files::{Files, Listed};
use super::lru::{Key, Lru};
use crate::error::BlockError;
use crate::multihash::{RAW, verify};
use crate::unixfs::MAX_BLOCK_BYTES;
use cid::Cid;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most blocks kept on disk: their index takes some 250 bytes of memory each.
pub(super) const MAX_ENTRIES: usize = 1 << 16;
/// What file systems allot at least.
const GRAIN_BYTES: u64 = 4096;

pub(super) struct Disk {
    name: String,
    files: Box<dyn Files>,
    index: Mutex<Lru<()>>,
    /// No longer written to: full, or broken.
    full: AtomicBool,
    /// No longer used at all.
    broken: AtomicBool,
}

impl Disk {
    /// Takes in what an earlier process left.
    pub(super) fn open(
        name: String,
        files: Box<dyn Files>,
        capacity_bytes: u64,
    ) -> io::Result<Self> {
        let mut listed = files.list()?;
        listed.sort_by_key(|file| file.used);
        let mut index = Lru::new(capacity_bytes, MAX_ENTRIES);
        for Listed { key, len_bytes, .. } in listed {
            for gone in index.insert(key, (), weight(len_bytes)) {
                let _ = files.remove(&gone);
            }
        }
        Ok(Self {
            name,
            files,
            index: Mutex::new(index),
            full: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        })
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        !self.is_broken() && self.index().contains(key)
    }

    /// A block that has the hash it is kept under. One that has not is removed.
    pub(super) fn read(&self, key: &Key) -> Option<Vec<u8>> {
        if self.is_broken() || self.index().get(key).is_none() {
            return None;
        }
        let problem = match self.files.read(key, MAX_BLOCK_BYTES) {
            Ok(block) => match verify(&Cid::new_v1(RAW, *key), &[&block]) {
                Ok(()) => return Some(block),
                Err(problem) => problem,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => BlockError::Missing,
            Err(error) => {
                self.broken.store(true, Ordering::Relaxed);
                self.give_up("read", &error);
                return None;
            }
        };
        tracing::warn!(cache = self.name, ?problem, "a cached block was dropped");
        self.forget(key);
        None
    }

    /// Keeps a block whose hash was checked.
    pub(super) fn write(&self, key: Key, block: &[u8]) {
        if self.is_broken() || self.full.load(Ordering::Relaxed) || self.index().contains(&key) {
            return;
        }
        // Room first, so that the bound holds at every moment.
        let gone = self.index().insert(key, (), weight(block.len() as u64));
        for old in &gone {
            let _ = self.files.remove(old);
        }
        if gone.contains(&key) {
            return;
        }
        if let Err(error) = self.files.write(&key, block) {
            self.index().remove(&key);
            if !self.full.swap(true, Ordering::Relaxed) {
                self.give_up("write", &error);
            }
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.index().weight()
    }

    pub(super) fn blocks(&self) -> usize {
        self.index().len()
    }

    /// Whether blocks are still written.
    pub(super) fn is_writable(&self) -> bool {
        !self.is_broken() && !self.full.load(Ordering::Relaxed)
    }

    fn forget(&self, key: &Key) {
        self.index().remove(key);
        let _ = self.files.remove(key);
    }

    fn give_up(&self, action: &'static str, error: &io::Error) {
        tracing::warn!(
            cache = self.name,
            %error,
            "the block cache cannot {action} its directory and goes on in memory; free some space, or name another directory"
        );
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn index(&self) -> MutexGuard<'_, Lru<()>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(len_bytes: u64) -> u64 {
    len_bytes.max(1).next_multiple_of(GRAIN_BYTES)
}
