//! From a CAR (version 1) archive to a pack: <https://ipld.io/specs/transport/car/carv1/>.
//!
//! Fed with any reader; makes a pack. The archive comes from anyone: every block is checked against its CID before
//! it is written.

use super::error::ImportError;
use super::pack::{Entry, Index, MAX_ENTRIES, Origin};
use super::write::PackWriter;
use crate::car::{CarBlock, CarError, CarReader};
use crate::multihash::{sha2_256, verify};
use cid::Cid;
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What an import made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The archive's roots.
    pub roots: Vec<Cid>,
    /// How many different blocks it has.
    pub blocks: u64,
    /// Their bytes.
    pub block_bytes: u64,
}

pub(super) fn import(dir: &Path, archive: impl Read) -> Result<Imported, ImportError> {
    let mut input = Input::new(archive);
    let pack = PackWriter::create(dir)?;
    let mut entries = HashMap::new();
    let mut end = 0;
    while let Some(CarBlock { cid, bytes: block }) = input.next_block()? {
        let entry = Entry {
            offset: end,
            len_bytes: block.len() as u32,
            wrapped: false,
        };
        if entries.contains_key(cid.hash()) {
            continue;
        }
        if entries.len() >= MAX_ENTRIES {
            return Err(ImportError::TooManyBlocks(MAX_ENTRIES));
        }
        pack.write_at(&block, end)?;
        entries.insert(*cid.hash(), entry);
        end += block.len() as u64;
    }
    let roots = input.reader.roots().unwrap_or_default().to_vec();
    let imported = Imported {
        roots: roots.clone(),
        blocks: entries.len() as u64,
        block_bytes: end,
    };
    let index = Index {
        origin: Origin::Archive,
        content_bytes: end,
        roots,
        entries,
    };
    let name = Cid::new_v1(crate::multihash::RAW, sha2_256(&[&index.encode(end)])).to_string();
    pack.finish(&format!("car-{name}"), &index, end)?;
    Ok(imported)
}

/// Gives an archive's blocks as they are read, each checked against its CID.
struct Input<R> {
    archive: R,
    reader: CarReader,
    piece: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl<R: Read> Input<R> {
    fn new(archive: R) -> Self {
        Self {
            archive,
            reader: CarReader::default(),
            piece: vec![0; PIECE_BYTES],
            offset: 0,
            ended: false,
        }
    }

    /// `None` at the archive's end.
    fn next_block(&mut self) -> Result<Option<CarBlock>, ImportError> {
        loop {
            if let Some(block) = self.reader.next_block()? {
                verify(&block.cid, &[&block.bytes]).map_err(|problem| ImportError::Block {
                    cid: Box::new(block.cid),
                    problem,
                })?;
                return Ok(Some(block));
            }
            if self.ended {
                self.reader.end()?;
                return Ok(None);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), ImportError> {
        match self.archive.read(&mut self.piece) {
            Ok(0) => self.ended = true,
            Ok(n) => {
                self.offset += n as u64;
                self.reader.push(&self.piece[..n]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(ImportError::Source {
                    offset: self.offset,
                    source,
                });
            }
        }
        Ok(())
    }
}

impl From<CarError> for ImportError {
    fn from(error: CarError) -> Self {
        match error {
            CarError::CutOff { offset, what } => Self::CutOff { offset, what },
            CarError::Malformed { offset, reason } => Self::Malformed { offset, reason },
            CarError::Block { cid, problem } => Self::Block { cid, problem },
        }
    }
}
