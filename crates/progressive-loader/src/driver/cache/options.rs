//! The settings of a [`BlockCache`](super::BlockCache).

use std::path::PathBuf;

/// How much to keep of the blocks that came from elsewhere, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// Bytes of blocks kept in memory; 0 keeps none. What comes in one answer of more than that, as when a content is read in order,
    /// is not kept there: it would push out all else, and itself. Default 12 MiB.
    pub memory_bytes: u64,
    /// The directory for blocks that outlive the process, made when it is not there. One process at a
    /// time uses it, for all its caches there; a second one keeps to its memory. Default: none.
    pub disk: Option<PathBuf>,
    /// Bytes of disk, with each block rounded up to 4 KiB, and at most 65,536 blocks. Default 4 GiB.
    pub disk_bytes: u64,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 12 << 20,
            disk: None,
            disk_bytes: 4 << 30,
        }
    }
}
