//! What can go wrong with the store's own files.

use crate::error::BlockError;
use cid::Cid;
use std::io;
use std::path::{Path, PathBuf};

/// The store's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("store {}: cannot {action}: {source}{}", path.display(), hint(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or use another store (--store DIR)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; use a store that can be written (--store DIR)"
        }
        _ => "",
    }
}

/// A file could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("{}: is {kind}, not a regular file; add the files in it one by one", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The file changed while it was being added.
    #[error("{}: changed while it was being added; add it again when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The store's directory refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An archive could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The archive cannot be read.
    #[error("the archive cannot be read at byte {offset}: {source}")]
    Source {
        /// Where, in bytes from its start.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The archive ends in the middle of something.
    #[error("the archive is cut off at byte {offset}, in the middle of {what}")]
    CutOff {
        /// Where.
        offset: u64,
        /// In the middle of what.
        what: &'static str,
    },
    /// The archive is not one of this format.
    #[error("the archive is no CAR version 1: {reason} at byte {offset}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A block cannot be used.
    #[error("block {cid} of the archive cannot be used: {problem}")]
    Block {
        /// The block.
        cid: Box<Cid>,
        /// What is wrong with it.
        problem: BlockError,
    },
    /// The archive has more blocks than a pack can index.
    #[error("the archive has more than {0} blocks; split it")]
    TooManyBlocks(usize),
    /// The store's directory refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}
