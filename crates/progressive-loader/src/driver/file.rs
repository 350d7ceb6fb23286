//! A local file as a [`ByteSource`].
//!
//! Opened from a path; reads run on the runtime's blocking threads. Its size and modification time
//! are checked with every read, so that a file that is replaced or still being written is noticed.

use crate::driver::positioned::read_exact_at;
use crate::error::{OpenError, ReadError};
use crate::plan::SMALLEST_CHUNK_BYTES;
use crate::source::ByteSource;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use std::fs::{File, Metadata};
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A regular file of this machine.
#[derive(Debug, Clone)]
pub struct FileSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

impl FileSource {
    /// Opens the file at `path`. Blocks for as long as the file system does.
    ///
    /// # Errors
    /// [`OpenError::NotFound`], [`OpenError::NotAFile`] or [`OpenError::Io`], naming the path.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (file, metadata) = open_regular(path)?;
        let shared = Shared {
            path: path.to_owned(),
            file,
            size_bytes: metadata.len(),
            modified: metadata.modified().ok(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// Opens `path` when it is a regular file. Asks what it is first: opening a FIFO would wait for its writer.
fn open_regular(path: &Path) -> Result<(File, Metadata), OpenError> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => OpenError::NotFound {
            path: path.to_owned(),
            looks_like_cid: path
                .to_str()
                .is_some_and(|text| Cid::try_from(text).is_ok()),
        },
        _ => OpenError::Io {
            path: path.to_owned(),
            source: Arc::new(e),
        },
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() {
            "directory"
        } else {
            "device, pipe or socket"
        };
        return Err(OpenError::NotAFile {
            path: path.to_owned(),
            kind,
        });
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    Ok((file, metadata))
}

impl Shared {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        if range.start > range.end || range.end > self.size_bytes {
            return Err(ReadError::OutOfBounds {
                name: self.name(),
                range,
                size_bytes: self.size_bytes,
            });
        }
        let failed = |e| ReadError::Io {
            name: self.name(),
            range: range.clone(),
            source: Arc::new(e),
        };
        let mut buf = vec![0; (range.end - range.start) as usize];
        let outcome = read_exact_at(&self.file, &mut buf, range.start);
        // After the read: bytes that changed under it are not handed out.
        self.check_unchanged(&self.file.metadata().map_err(failed)?)?;
        outcome.map_err(failed)?;
        Ok(Bytes::from(buf))
    }

    fn check_unchanged(&self, now: &Metadata) -> Result<(), ReadError> {
        let changed = |what, before, now| {
            Err(ReadError::Changed {
                name: self.name(),
                what,
                before,
                now,
            })
        };
        if now.len() != self.size_bytes {
            return changed("size", self.size_bytes.to_string(), now.len().to_string());
        }
        match (self.modified, now.modified().ok()) {
            (Some(before), Some(now)) if before != now => changed(
                "modification time",
                format!("{before:?}"),
                format!("{now:?}"),
            ),
            _ => Ok(()),
        }
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> String {
        self.shared.name()
    }

    fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || shared.read(range)).await;
            reading.unwrap_or_else(|_| Err(ReadError::Cancelled { name: self.name() }))
        })
    }

    /// A file is read the same however it is cut, so that only a hop's cost counts.
    fn chunk_range(&self) -> RangeInclusive<u64> {
        SMALLEST_CHUNK_BYTES..=self.preferred_chunk_bytes()
    }
}
