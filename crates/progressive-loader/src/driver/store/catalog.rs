//! Which packs the store's directory has, and which of them holds a block.
//!
//! Fed by the directory, read again whenever a content is opened, since other processes add to it;
//! feeds the sources.

use super::error::StoreError;
use super::pack::{Entry, FOOTER_BYTES, Footer, Index};
use crate::driver::positioned::read_exact_at;
use cid::multihash::Multihash;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// A pack whose index is loaded.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) path: PathBuf,
    pub(super) index: Index,
}

#[derive(Debug)]
pub(super) struct Catalog {
    dir: PathBuf,
    known: RwLock<HashMap<OsString, Known>>,
}

/// A file in the directory, as it was when it was last looked at.
#[derive(Debug)]
struct Known {
    version: Version,
    /// `None` for a file that is no sound pack; logged once.
    pack: Option<Arc<Pack>>,
}

/// Differs once a pack was replaced. A file system's clock ticks every few milliseconds only, and equal
/// contents make packs of equal size: what tells two apart for certain is that they are two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    file_id: u64,
    size_bytes: u64,
    modified: Option<std::time::SystemTime>,
}

impl Version {
    fn of(metadata: &fs::Metadata) -> Self {
        #[cfg(unix)]
        let file_id = std::os::unix::fs::MetadataExt::ino(metadata);
        // Elsewhere the clocks of file systems are finer, and have to do.
        #[cfg(not(unix))]
        let file_id = 0;
        Self {
            file_id,
            size_bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl Catalog {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            known: RwLock::default(),
        }
    }

    /// Takes in the packs that came, changed or went since the last time.
    pub(super) fn refresh(&self) -> Result<(), StoreError> {
        let listing =
            fs::read_dir(&self.dir).map_err(StoreError::io(&self.dir, "list the directory"))?;
        let mut found = HashMap::new();
        for file in listing {
            let file = file.map_err(StoreError::io(&self.dir, "list the directory"))?;
            if file
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
                && let Some(known) = self.look_at(&file)
            {
                found.insert(file.file_name(), known);
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// `None` for a file that went away meanwhile.
    fn look_at(&self, file: &fs::DirEntry) -> Option<Known> {
        let version = Version::of(&file.metadata().ok()?);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&file.file_name())
            && known.version == version
        {
            let pack = known.pack.clone();
            return Some(Known { version, pack });
        }
        drop(known);
        let path = file.path();
        let pack = match load(&path) {
            Ok(index) => Some(Arc::new(Pack { path, index })),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a pack cannot be used; add its content again");
                None
            }
        };
        Some(Known { version, pack })
    }

    /// Every sound pack.
    pub(super) fn packs(&self) -> Vec<Arc<Pack>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .values()
            .filter_map(|known| known.pack.clone())
            .collect()
    }

    /// The packs that hold the block with this hash, and where.
    pub(super) fn find(&self, hash: &Multihash<64>) -> Vec<(Arc<Pack>, Entry)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let packs = known.values().filter_map(|known| known.pack.as_ref());
        packs
            .filter_map(|pack| Some((Arc::clone(pack), *pack.index.entries.get(hash)?)))
            .collect()
    }
}

fn load(path: &Path) -> io::Result<Index> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its index is damaged");
    let file = File::open(path)?;
    let pack_bytes = file.metadata()?.len();
    let mut footer = [0; FOOTER_BYTES as usize];
    let footer_offset = pack_bytes.checked_sub(FOOTER_BYTES).ok_or_else(damaged)?;
    read_exact_at(&file, &mut footer, footer_offset)?;
    let footer = Footer::decode(&footer, pack_bytes).ok_or_else(damaged)?;
    let mut index = vec![0; footer.index_bytes as usize];
    read_exact_at(&file, &mut index, footer.index_offset)?;
    Index::decode(&index, &footer).ok_or_else(damaged)
}
