//! Blocks out of a CAR (version 1) archive, as its bytes come in: <https://ipld.io/specs/transport/car/carv1/>.
//!
//! Fed by the store's import and by gateways' answers; gives blocks whose hash nobody has checked yet. The archive
//! comes from anyone: every length is bounded. Pure.

use crate::error::BlockError;
use crate::multihash::IDENTITY;
use crate::unixfs::MAX_BLOCK_BYTES;
use crate::unixfs::link::MAX_IDENTITY_BYTES;
use crate::unixfs::wire::{Varint, take_varint};
use bytes::{Bytes, BytesMut};
use cid::{Cid, CidGeneric};

/// The longest header: thousands of roots.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The longest CID in front of a block: an identity's four numbers and what it carries.
const MAX_CID_BYTES: u64 = 16 + MAX_IDENTITY_BYTES as u64;

/// Reads an archive of which any part has come so far. Holds at most one section and the last piece.
#[derive(Debug, Default)]
pub(crate) struct CarReader {
    buffer: BytesMut,
    /// Bytes of the archive before the buffer's first.
    offset: u64,
    roots: Option<Vec<Cid>>,
}

/// One block of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CarBlock {
    pub(crate) cid: Cid,
    pub(crate) bytes: Bytes,
}

/// The bytes are no archive of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CarError {
    #[error("the archive is cut off at byte {offset}, in the middle of {what}")]
    CutOff { offset: u64, what: &'static str },
    #[error("the archive is no CAR version 1: {reason} at byte {offset}")]
    Malformed { offset: u64, reason: &'static str },
    #[error("block {cid} of the archive cannot be used: {problem}")]
    Block { cid: Box<Cid>, problem: BlockError },
}

impl CarReader {
    /// Takes the next bytes of the archive. Ask for its blocks before the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The archive's roots, once its header is there.
    pub(crate) fn roots(&self) -> Option<&[Cid]> {
        self.roots.as_deref()
    }

    /// The next block; `None` until more of the archive has come. Blocks that their CID carries are left out.
    pub(crate) fn next_block(&mut self) -> Result<Option<CarBlock>, CarError> {
        if self.roots.is_none() && !self.read_header()? {
            return Ok(None);
        }
        loop {
            let longest = MAX_BLOCK_BYTES + MAX_CID_BYTES;
            let Some(section) = self.section(1, longest, "a block of more than 2 MiB")? else {
                return Ok(None);
            };
            if let Some(block) = self.parse_section(&section)? {
                return Ok(Some(block));
            }
        }
    }

    /// Says whether the archive may end here.
    pub(crate) fn end(&self) -> Result<(), CarError> {
        let what = match &self.roots {
            None => "the header",
            Some(_) => "a block",
        };
        if self.roots.is_some() && self.buffer.is_empty() {
            return Ok(());
        }
        Err(CarError::CutOff {
            offset: self.offset + self.buffer.len() as u64,
            what,
        })
    }

    fn malformed(&self, reason: &'static str) -> CarError {
        CarError::Malformed {
            offset: self.offset,
            reason,
        }
    }

    /// What stands after the next length; `None` until all of it is there.
    fn section(
        &mut self,
        shortest: u64,
        longest: u64,
        otherwise: &'static str,
    ) -> Result<Option<Bytes>, CarError> {
        let mut rest = &self.buffer[..];
        let len = match take_varint(&mut rest) {
            Varint::Value(len) => len,
            Varint::CutOff => return Ok(None),
            Varint::Overflow => return Err(self.malformed("a length that never ends")),
        };
        if !(shortest..=longest).contains(&len) {
            return Err(self.malformed(otherwise));
        }
        let (start, len) = (self.buffer.len() - rest.len(), len as usize);
        if rest.len() < len {
            return Ok(None);
        }
        self.offset += (start + len) as u64;
        let section = self.buffer.split_to(start + len).freeze();
        Ok(Some(section.slice(start..)))
    }

    fn parse_section(&self, section: &Bytes) -> Result<Option<CarBlock>, CarError> {
        let no_cid = || self.malformed("a section that starts with no CID");
        let mut rest = &section[..];
        let wide = CidGeneric::<MAX_IDENTITY_BYTES>::read_bytes(&mut rest).map_err(|_| no_cid())?;
        let start = section.len() - rest.len();
        if wide.hash().code() == IDENTITY {
            return Ok(None);
        }
        let cid = Cid::try_from(&section[..start]).map_err(|_| no_cid())?;
        let bytes = section.slice(start..);
        if bytes.len() as u64 > MAX_BLOCK_BYTES {
            return Err(CarError::Block {
                cid: Box::new(cid),
                problem: BlockError::TooLarge {
                    size_bytes: bytes.len() as u64,
                    limit_bytes: MAX_BLOCK_BYTES,
                },
            });
        }
        Ok(Some(CarBlock { cid, bytes }))
    }

    /// The header, `{"roots": [CID, …], "version": 1}` in dag-cbor; whether it is there.
    fn read_header(&mut self) -> Result<bool, CarError> {
        let odd = "a header of a size no CAR has";
        let Some(header) = self.section(1, MAX_HEADER_BYTES, odd)? else {
            return Ok(false);
        };
        let (roots, version) =
            parse_header(&header).ok_or_else(|| self.malformed("a header that is not dag-cbor"))?;
        match version {
            1 => self.roots = Some(roots),
            2 => {
                let reason = "version 2 (convert it, for example with `car get-dag`),";
                return Err(self.malformed(reason));
            }
            _ => return Err(self.malformed("an unknown version")),
        }
        Ok(true)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::multihash::{RAW, sha2_256};
    use crate::unixfs::wire::write_varint;
    use proptest::prelude::*;

    fn section(cid: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(&mut out, (cid.len() + bytes.len()) as u64);
        [out.as_slice(), cid, bytes].concat()
    }

    fn header() -> Vec<u8> {
        let cbor = b"\xa2\x65roots\x80\x67version\x01";
        [&[cbor.len() as u8], &cbor[..]].concat()
    }

    /// Two blocks, one that its CID carries, and where each ends.
    fn archive() -> (Vec<u8>, Vec<CarBlock>, Vec<usize>) {
        let block = |bytes: &'static [u8]| CarBlock {
            cid: Cid::new_v1(RAW, sha2_256(&[bytes])),
            bytes: Bytes::from_static(bytes),
        };
        let blocks = vec![block(b"first"), block(&[7; 300])];
        let mut car = header();
        let mut ends = vec![car.len()];
        let carried = [&[1, 0x55, 0, 0x80, 1][..], &[9; 128]].concat();
        car.extend(section(&carried, &[9; 128]));
        ends.push(car.len());
        for block in &blocks {
            car.extend(section(&block.cid.to_bytes(), &block.bytes));
            ends.push(car.len());
        }
        (car, blocks, ends)
    }

    fn read(pieces: &[&[u8]]) -> (Vec<CarBlock>, Result<(), CarError>) {
        let mut reader = CarReader::default();
        let mut blocks = Vec::new();
        for piece in pieces {
            reader.push(piece);
            loop {
                match reader.next_block() {
                    Ok(Some(block)) => blocks.push(block),
                    Ok(None) => break,
                    Err(error) => return (blocks, Err(error)),
                }
            }
        }
        (blocks, reader.end())
    }

    #[test]
    fn an_archive_cut_at_any_byte_is_cut_off_or_ends_between_blocks() {
        let (car, blocks, ends) = archive();
        for len in 0..=car.len() {
            let (read, outcome) = read(&[&car[..len]]);
            assert_eq!(outcome.is_ok(), ends.contains(&len), "cut to {len} bytes");
            let whole = ends.iter().skip(2).filter(|&&end| end <= len).count();
            assert_eq!(read, blocks[..whole]);
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_are_the_same_archive(cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..9)) {
            let (car, blocks, _) = archive();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(car.len())).collect();
            cuts.extend([0, car.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &car[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), (blocks, Ok(())));
        }

        #[test]
        fn a_length_that_overflows_is_malformed(more in 9usize..20, last in 2u8..0x80) {
            let length = [vec![0xff; more], vec![last]].concat();
            let (_, outcome) = read(&[&header(), &length]);
            let malformed = matches!(outcome, Err(CarError::Malformed { .. }));
            prop_assert!(malformed);
        }
    }
}
