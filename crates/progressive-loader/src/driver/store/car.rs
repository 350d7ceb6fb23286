//! From a CAR (version 1) archive to a pack: <https://ipld.io/specs/transport/car/carv1/>.
//!
//! Fed with any reader; makes a pack. The archive comes from anyone: every length is bounded, every
//! block is checked against its CID before it is written.

use super::error::ImportError;
use super::pack::{Entry, Index, MAX_ENTRIES, Origin};
use super::write::PackWriter;
use crate::error::BlockError;
use crate::multihash::{sha2_256, verify};
use crate::unixfs::MAX_BLOCK_BYTES;
use cid::Cid;
use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The longest header: thousands of roots.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The longest CID in front of a block.
const MAX_CID_BYTES: u64 = 128;

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
    let mut input = Input {
        reader: BufReader::with_capacity(1 << 20, archive),
        offset: 0,
    };
    let roots = read_header(&mut input)?;
    let pack = PackWriter::create(dir)?;
    let mut entries = HashMap::new();
    let mut end = 0;
    while let Some((cid, block)) = read_block(&mut input)? {
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

/// One section: its length, a CID, and the block. `None` at the archive's end.
fn read_block(input: &mut Input<impl Read>) -> Result<Option<(Cid, Vec<u8>)>, ImportError> {
    let Some(section_bytes) = input.varint("a section's length")? else {
        return Ok(None);
    };
    if section_bytes > MAX_BLOCK_BYTES + MAX_CID_BYTES {
        return Err(input.malformed("a block of more than 2 MiB"));
    }
    let section = input.bytes(section_bytes, "a block")?;
    let mut rest = section.as_slice();
    let cid = Cid::read_bytes(&mut rest)
        .map_err(|_| input.malformed("a section that starts with no CID"))?;
    let bad = |problem| ImportError::Block {
        cid: Box::new(cid),
        problem,
    };
    if rest.len() as u64 > MAX_BLOCK_BYTES {
        let size_bytes = rest.len() as u64;
        return Err(bad(BlockError::TooLarge {
            size_bytes,
            limit_bytes: MAX_BLOCK_BYTES,
        }));
    }
    verify(&cid, &[rest]).map_err(bad)?;
    Ok(Some((cid, rest.to_vec())))
}

struct Input<R> {
    reader: BufReader<R>,
    offset: u64,
}

impl<R: Read> Input<R> {
    fn malformed(&self, reason: &'static str) -> ImportError {
        ImportError::Malformed {
            offset: self.offset,
            reason,
        }
    }

    /// One byte; `None` at the end.
    fn byte(&mut self) -> Result<Option<u8>, ImportError> {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(ImportError::Source {
                        offset: self.offset,
                        source,
                    });
                }
            }
        }
        self.offset += 1;
        Ok(Some(byte[0]))
    }

    /// A varint; `None` when the archive ends before it.
    fn varint(&mut self, what: &'static str) -> Result<Option<u64>, ImportError> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = match self.byte()? {
                Some(byte) => byte,
                None if shift == 0 => return Ok(None),
                None => {
                    return Err(ImportError::CutOff {
                        offset: self.offset,
                        what,
                    });
                }
            };
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Err(self.malformed("a length that never ends"))
    }

    fn bytes(&mut self, len: u64, what: &'static str) -> Result<Vec<u8>, ImportError> {
        let mut bytes = vec![0; len as usize];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => ImportError::CutOff {
                    offset: self.offset,
                    what,
                },
                _ => ImportError::Source {
                    offset: self.offset,
                    source,
                },
            })?;
        self.offset += len;
        Ok(bytes)
    }
}

/// The header, `{"roots": [CID, …], "version": 1}` in dag-cbor, and its roots.
fn read_header(input: &mut Input<impl Read>) -> Result<Vec<Cid>, ImportError> {
    let len = input
        .varint("the header's length")?
        .ok_or_else(|| input.malformed("nothing"))?;
    if len == 0 || len > MAX_HEADER_BYTES {
        return Err(input.malformed("a header of a size no CAR has"));
    }
    let header = input.bytes(len, "the header")?;
    let (roots, version) =
        parse_header(&header).ok_or_else(|| input.malformed("a header that is not dag-cbor"))?;
    match version {
        1 => Ok(roots),
        2 => Err(input.malformed("version 2 (convert it, for example with `car get-dag`),")),
        _ => Err(input.malformed("an unknown version")),
    }
}

fn parse_header(header: &[u8]) -> Option<(Vec<Cid>, u64)> {
    let mut cbor = Cbor(header);
    let (mut roots, mut version) = (Vec::new(), None);
    for _ in 0..cbor.head(5)? {
        let key_bytes = cbor.head(3)?;
        match cbor.take(key_bytes)? {
            b"version" => version = Some(cbor.head(0)?),
            b"roots" => {
                let count = cbor.head(4)?;
                for _ in 0..count {
                    roots.push(cbor.cid()?);
                }
            }
            _ => return None,
        }
    }
    Some((roots, version?))
}

/// As much of CBOR (RFC 8949 §3) as a CAR header uses.
struct Cbor<'a>(&'a [u8]);

impl<'a> Cbor<'a> {
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    /// The argument of an item, which must be of `major` type.
    fn head(&mut self, major: u8) -> Option<u64> {
        let first = self.take(1)?[0];
        let argument = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            more @ 24..=27 => self
                .take(1 << (more - 24))?
                .iter()
                .fold(0, |value, &byte| value << 8 | u64::from(byte)),
            _ => return None,
        };
        (first >> 5 == major).then_some(argument)
    }

    /// A CID: tag 42 around its bytes, after a zero.
    fn cid(&mut self) -> Option<Cid> {
        let tag = self.head(6)?;
        let len = self.head(2)?;
        let bytes = self.take(len)?.strip_prefix(&[0])?;
        if tag == 42 {
            Cid::try_from(bytes).ok()
        } else {
            None
        }
    }
}
