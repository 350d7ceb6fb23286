//! The embedded store: contents by CID in a directory of this machine.
//!
//! | file | is |
//! |---|---|
//! | `pack` | the file format: one pack holds the blocks of one content and their index |
//! | `write` | a pack comes to be under a temporary name, whole, or not at all |
//! | `pipeline` | a content's leaves, copied and hashed on every core |
//! | `add` | a file → its leaves → the tree over them → pack |
//! | `car` | a CAR archive → pack |
//! | `catalog` | which packs there are, and where each block lies |
//! | `source` | a CID → a [`ByteSource`](crate::ByteSource), every block verified |
//!
//! A pack is named by what is in it and is never changed, so that several processes may use one
//! directory: an add makes a new file and renames it into place.

mod add;
mod car;
mod catalog;
mod error;
mod pack;
mod pipeline;
mod source;
mod write;

pub use add::{AddProgress, Added};
pub use car::Imported;
pub use error::{AddError, ImportError, StoreError};
pub use source::StoreSource;

use crate::error::OpenError;
use crate::profile::Profile;
use catalog::Catalog;
use cid::Cid;
use pack::Origin;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents by CID, each kept once, each block checked against its hash whenever it is read.
///
/// Clones share it. Its methods block: call them from a thread of your own or `spawn_blocking`.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    catalog: Catalog,
    temporary: bool,
}

/// One content of a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredContent {
    /// Its root.
    pub cid: Cid,
    /// Bytes of content, or of all blocks for an imported archive.
    pub size_bytes: u64,
    /// How many blocks it has.
    pub blocks: u64,
    /// How it was cut; `None` for an imported archive.
    pub profile: Option<Profile>,
}

impl Store {
    /// Opens the store in `dir`, which is created when it is not there. Removes what an interrupted
    /// add left behind.
    ///
    /// # Errors
    /// [`StoreError`] naming the path that cannot be made or read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_as(dir.as_ref(), false)
    }

    /// A store in a new directory under the system's one for temporary files, removed with the last clone.
    ///
    /// # Errors
    /// [`StoreError`] naming the path that cannot be made.
    pub fn temporary() -> Result<Self, StoreError> {
        let dir = write::new_temporary_dir()?;
        Self::open_as(&dir, true)
    }

    fn open_as(dir: &Path, temporary: bool) -> Result<Self, StoreError> {
        write::prepare(dir)?;
        let catalog = Catalog::new(write::packs_dir(dir));
        let inner = Inner {
            dir: dir.to_owned(),
            catalog,
            temporary,
        };
        inner.catalog.refresh()?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Adds the file at `path`: copies it, hashes it, and makes it readable by the CID that `ipfs add`
    /// prints under the same profile. A content that is there already is written anew, which also mends
    /// a damaged copy. Uses every core, up to eight, and the memory of eight leaves for each.
    ///
    /// # Errors
    /// [`AddError`] naming the path. Nothing is left behind, and no CID becomes visible.
    pub fn add_file(
        &self,
        path: impl AsRef<Path>,
        profile: Profile,
        progress: &mut dyn FnMut(AddProgress),
    ) -> Result<Added, AddError> {
        add::add_file(&self.inner.dir, path.as_ref(), profile, progress)
    }

    /// Adds `content` as [`Store::add_file`] would a file that holds it.
    ///
    /// # Errors
    /// [`AddError`] for what the store's directory refuses.
    pub fn add_bytes(&self, content: &[u8], profile: Profile) -> Result<Added, AddError> {
        add::add_bytes(&self.inner.dir, content, profile)
    }

    /// Imports a CAR (version 1) archive: each block is checked against its CID, and each root can be
    /// read, as far as the archive has its blocks.
    ///
    /// # Errors
    /// [`ImportError`] naming the block or the offset. Nothing becomes visible then.
    pub fn import_car(&self, archive: impl std::io::Read) -> Result<Imported, ImportError> {
        car::import(&self.inner.dir, archive)
    }

    /// Opens the file that `cid` names.
    ///
    /// # Errors
    /// As [`Store::open_path`].
    pub fn open_cid(&self, cid: &Cid) -> Result<StoreSource, OpenError> {
        self.open_path(cid, &[])
    }

    /// Opens the file at `path` below the directory `cid`.
    ///
    /// # Errors
    /// [`OpenError::NotInStore`] for an unknown root; [`OpenError::Directory`],
    /// [`OpenError::NoSuchEntry`] or [`OpenError::NotADirectory`] for a path that leads to no file;
    /// [`OpenError::Read`] for a block that is missing, damaged or no UnixFS.
    pub fn open_path(&self, cid: &Cid, path: &[String]) -> Result<StoreSource, OpenError> {
        let store = self.inner.dir.clone();
        self.inner
            .catalog
            .refresh()
            .map_err(|error| OpenError::Io {
                path: store.clone(),
                source: Arc::new(std::io::Error::other(error)),
            })?;
        let blocks = source::StoreBlocks::new(*cid, self.clone());
        if !blocks.has(cid) {
            return Err(OpenError::NotInStore {
                cid: Box::new(*cid),
                store,
            });
        }
        StoreSource::open(path, blocks)
    }

    /// What can be opened by CID, in no particular order. A damaged pack is left out, and logged.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<StoredContent>, StoreError> {
        self.inner.catalog.refresh()?;
        let mut contents = Vec::new();
        for pack in self.inner.catalog.packs() {
            let profile = match pack.index.origin {
                Origin::File(profile) => Some(profile),
                Origin::Archive => None,
            };
            contents.extend(pack.index.roots.iter().map(|&cid| StoredContent {
                cid,
                size_bytes: pack.index.content_bytes,
                blocks: pack.index.entries.len() as u64,
                profile,
            }));
        }
        Ok(contents)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            tracing::warn!(dir = %self.dir.display(), %error, "a temporary store could not be removed");
        }
    }
}
