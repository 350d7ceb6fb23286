//! The files of a cache's directory: one block each, named by its multihash.
//!
//! Behind a trait, so that a disk that is full or broken can be tried. A block comes to be under a
//! temporary name and is renamed into place. Nothing is synced: what a crash leaves behind half
//! written fails its hash when it is read, and is dropped then.

use super::lru::Key;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A file in the directory.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) key: Key,
    pub(super) len_bytes: u64,
    /// When it was last written or read.
    pub(super) used: SystemTime,
}

/// What a cache does with its directory.
pub(super) trait Files: Send + Sync + 'static {
    /// The blocks that are there; removes what an interrupted write left.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// A block of at most `limit_bytes`, now used last; `NotFound` when it is gone.
    fn read(&self, key: &Key, limit_bytes: u64) -> io::Result<Vec<u8>>;
    /// Writes a block, whole or not at all.
    fn write(&self, key: &Key, block: &[u8]) -> io::Result<()>;
    /// Removes a block.
    fn remove(&self, key: &Key) -> io::Result<()>;
}

const EXTENSION: &str = "block";
const UNFINISHED: &str = "unfinished";

/// A real directory, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    blocks: PathBuf,
    next_temporary: AtomicU64,
    _lock: File,
}

impl Directory {
    /// Makes and locks `dir`; `WouldBlock` when another holds it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let blocks = dir.join("blocks");
        fs::create_dir_all(&blocks)?;
        Ok(Self {
            blocks,
            next_temporary: AtomicU64::new(0),
            _lock: locked(&dir.join("lock"))?,
        })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.blocks
            .join(format!("{}.{EXTENSION}", hex(&key.to_bytes())))
    }
}

impl Files for Directory {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for file in fs::read_dir(&self.blocks)? {
            let file = file?;
            let path = file.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension == Some(UNFINISHED) {
                // Nobody else writes here: this was a process that is gone.
                let _ = fs::remove_file(&path);
                continue;
            }
            let key = path.file_stem().and_then(|stem| unhex(stem.to_str()?));
            let (Some(EXTENSION), Some(key)) = (extension, key) else {
                continue;
            };
            let metadata = file.metadata()?;
            listed.push(Listed {
                key,
                len_bytes: metadata.len(),
                used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
        Ok(listed)
    }

    fn read(&self, key: &Key, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(key))?;
        let mut block = Vec::with_capacity(file.metadata()?.len().min(limit_bytes) as usize);
        (&file).take(limit_bytes + 1).read_to_end(&mut block)?;
        // So that the order of use lasts. Where it cannot be set, the order of writing has to do.
        let _ = file.set_modified(SystemTime::now());
        Ok(block)
    }

    fn write(&self, key: &Key, block: &[u8]) -> io::Result<()> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.blocks.join(format!("{number}.{UNFINISHED}"));
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(block))
            .and_then(|()| fs::rename(&temporary, self.path(key)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn remove(&self, key: &Key) -> io::Result<()> {
        fs::remove_file(self.path(key))
    }
}

/// Holds the file, made where it is not there. One that may only be read can be held too: blocks below it can still be served.
fn locked(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let writable = options.create(true).truncate(false).write(true).open(path);
    let lock = writable.or_else(|error| File::open(path).map_err(|_| error))?;
    lock.try_lock()?;
    Ok(lock)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Key> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<_>>>()?;
    Key::from_bytes(&bytes).ok()
}
