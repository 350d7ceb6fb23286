//! How a pack comes to be: under a temporary name, synced, then renamed, so that no reader and no
//! crash ever sees a part of one.
//!
//! Fed by `add` and `car`; the catalog sees the result. Directory layout: `packs/*.pack`, and
//! `incoming/` for what is being written.

use super::error::StoreError;
use super::pack::Index;
use crate::driver::positioned::write_all_at;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Younger leftovers are left alone: their writer may not have locked them yet.
const LEFTOVER_AGE: Duration = Duration::from_secs(60);

pub(super) fn packs_dir(dir: &Path) -> PathBuf {
    dir.join("packs")
}

fn incoming_dir(dir: &Path) -> PathBuf {
    dir.join("incoming")
}

/// Makes the directories, and removes what interrupted writers left.
pub(super) fn prepare(dir: &Path) -> Result<(), StoreError> {
    for path in [packs_dir(dir), incoming_dir(dir)] {
        fs::create_dir_all(&path).map_err(StoreError::io(&path, "create the directory"))?;
    }
    let incoming = incoming_dir(dir);
    let leftovers =
        fs::read_dir(&incoming).map_err(StoreError::io(&incoming, "list the directory"))?;
    for leftover in leftovers.flatten() {
        if is_abandoned(&leftover).unwrap_or(false) {
            tracing::info!(path = %leftover.path().display(), "removing what an interrupted add left");
            // Another process may have been quicker.
            let _ = fs::remove_file(leftover.path());
        }
    }
    Ok(())
}

/// A writer holds a lock on its file for as long as it lives.
fn is_abandoned(leftover: &fs::DirEntry) -> io::Result<bool> {
    let age = leftover
        .metadata()?
        .modified()?
        .elapsed()
        .unwrap_or_default();
    Ok(age > LEFTOVER_AGE && File::open(leftover.path())?.try_lock().is_ok())
}

/// A name no other writer has, in this process or another.
fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_nanos();
    format!(
        "{}-{nanos}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A new directory that only this user can read.
pub(super) fn new_temporary_dir() -> Result<PathBuf, StoreError> {
    let dir = std::env::temp_dir().join(format!("progressive-loader-{}", unique_name()));
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(&dir)
        .map_err(StoreError::io(&dir, "create the directory"))?;
    Ok(dir)
}

/// A pack that is being written; removed when dropped before [`PackWriter::finish`].
#[derive(Debug)]
pub(super) struct PackWriter {
    file: File,
    path: PathBuf,
    packs: PathBuf,
    finished: bool,
}

impl PackWriter {
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        let path = incoming_dir(dir).join(unique_name());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(StoreError::io(&path, "create a file"))?;
        let writer = Self {
            file,
            path,
            packs: packs_dir(dir),
            finished: false,
        };
        // Where locks are not supported, leftovers are told by their age alone.
        if let Err(error) = writer.file.try_lock() {
            tracing::debug!(path = %writer.path.display(), %error, "a new pack could not be locked");
        }
        Ok(writer)
    }

    /// Writes `bytes` of the payload at `offset`. Several threads may.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        write_all_at(&self.file, bytes, offset).map_err(self.failed("write"))
    }

    /// Has the disk take what was written so far, so that the last sync has little left to wait for.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(self.failed("sync"))
    }

    /// Appends the index to `payload_bytes` of payload, syncs, and makes the pack visible as `name`.
    pub(super) fn finish(
        mut self,
        name: &str,
        index: &Index,
        payload_bytes: u64,
    ) -> Result<(), StoreError> {
        self.write_at(&index.encode(payload_bytes), payload_bytes)?;
        self.sync()?;
        let target = self.packs.join(format!("{name}.pack"));
        fs::rename(&self.path, &target)
            .map_err(StoreError::io(&target, "move a finished pack into place"))?;
        self.finished = true;
        sync_dir(&self.packs)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        StoreError::io(&self.path, action)
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if !self.finished {
            // At worst it stays until the store is opened again.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a rename last (POSIX; Windows has no such call and needs none).
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io(dir, "sync the directory"))?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
