//! Processed frames on the disk: a JPEG each, or one stream of H.264.
//!
//! Fed by the ledger, which counts their bytes: what a dying run wrote and did not count is written again.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use super::ledger::{LedgerError, io};
use super::options::SendOptions;
use crate::process::protocol::PictureEncoding;

/// Where processed frames go.
pub(super) enum Pictures {
    Nowhere,
    Folder(PathBuf),
    Stream(PathBuf, BufWriter<File>),
}

impl Pictures {
    /// Makes the folder; or opens the stream behind its first `bytes`, which earlier runs have counted.
    pub(super) fn open(options: &SendOptions, bytes: u64) -> Result<Self, LedgerError> {
        let Some(path) = &options.pictures else {
            return Ok(Self::Nowhere);
        };
        let fail = |source| io(path, source);
        if options.output_encoding == PictureEncoding::Jpeg {
            std::fs::create_dir_all(path).map_err(fail)?;
            return Ok(Self::Folder(path.clone()));
        }
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail)?;
        let there = file.metadata().map_err(fail)?.len();
        if there < bytes {
            let why = format!("the ledger counts {bytes} bytes of pictures, the file has {there}");
            return Err(fail(std::io::Error::other(why)));
        }
        file.set_len(bytes).map_err(fail)?;
        file.seek(SeekFrom::Start(bytes)).map_err(fail)?;
        Ok(Self::Stream(path.clone(), BufWriter::new(file)))
    }

    /// Not through a temporary file: what a dying run leaves half written has no line in the ledger.
    pub(super) fn write(&mut self, frame: u64, picture: &[u8]) -> Result<(), LedgerError> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Folder(folder) => {
                let path = folder.join(format!("{frame:08}.jpg"));
                std::fs::write(&path, picture).map_err(|source| io(&path, source))
            }
            Self::Stream(path, file) => file.write_all(picture).map_err(|source| io(path, source)),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        match self {
            Self::Stream(path, file) => file.flush().map_err(|source| io(path, source)),
            _ => Ok(()),
        }
    }
}
