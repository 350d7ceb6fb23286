//! The pack: one file that holds the blocks of one content, and where each of them lies.
//!
//! ```text
//! payload   the content itself, leaf after leaf, then the inner nodes (or an archive's blocks)
//! index     origin u8, content bytes u64, roots, entries: see `Index::encode`; integers little-endian
//! footer    index offset u64, index bytes u64, SHA-256 of the index, magic
//! ```
//!
//! A leaf that dag-pb wraps is kept without its wrapping, which follows from its length: so the
//! content is one stretch of the file under either profile. Blocks are not checksummed here, they are
//! verified against their CIDs; the index is, because it is trusted.

use crate::multihash::sha2_256;
use crate::profile::Profile;
use crate::unixfs::MAX_BLOCK_BYTES;
use cid::Cid;
use cid::multihash::Multihash;
use std::collections::HashMap;

/// Ends every pack; the digits are the format's version.
const MAGIC: [u8; 8] = *b"FWPACK01";
/// Offset, length, SHA-256, magic.
pub(super) const FOOTER_BYTES: u64 = 8 + 8 + 32 + 8;
/// The most blocks in one pack: 16 TiB of 1 MiB leaves. The index takes some 60 bytes of memory each.
pub(super) const MAX_ENTRIES: usize = 1 << 24;
/// The largest index that is loaded.
pub(super) const MAX_INDEX_BYTES: u64 = 1 << 30;

/// Where a pack's blocks came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    File(Profile),
    Archive,
}

/// Where a block lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    /// Bytes in the pack: the block's own, or those of the content that dag-pb wraps.
    pub(super) len_bytes: u32,
    /// Whether the block is the bytes in the pack wrapped as a dag-pb leaf.
    pub(super) wrapped: bool,
}

/// What is in a pack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) origin: Origin,
    pub(super) content_bytes: u64,
    pub(super) roots: Vec<Cid>,
    pub(super) entries: HashMap<Multihash<64>, Entry>,
}

/// Where the index lies in a pack, and what it hashes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) index_offset: u64,
    pub(super) index_bytes: u64,
    sha256: [u8; 32],
}

impl Index {
    /// The index and the footer, as they follow `payload_bytes` of payload.
    pub(super) fn encode(&self, payload_bytes: u64) -> Vec<u8> {
        let mut out = vec![match self.origin {
            Origin::Archive => 0,
            Origin::File(Profile::UnixfsV1_2025) => 1,
            Origin::File(Profile::LegacyCidV0) => 2,
        }];
        out.extend(self.content_bytes.to_le_bytes());
        out.extend((self.roots.len() as u32).to_le_bytes());
        for root in &self.roots {
            put_bytes(&mut out, &root.to_bytes());
        }
        // In the order of the payload, so that equal contents make equal packs.
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(hash, entry)| (entry.offset, entry.len_bytes, *hash));
        out.extend((entries.len() as u32).to_le_bytes());
        for (hash, entry) in entries {
            put_bytes(&mut out, &hash.to_bytes());
            out.extend(entry.offset.to_le_bytes());
            out.extend(entry.len_bytes.to_le_bytes());
            out.push(entry.wrapped.into());
        }
        let digest = sha2_256(&[&out]);
        let index_bytes = out.len() as u64;
        out.extend(payload_bytes.to_le_bytes());
        out.extend(index_bytes.to_le_bytes());
        out.extend(digest.digest());
        out.extend(MAGIC);
        out
    }

    /// Reads an index back; `None` when it is not what was written.
    pub(super) fn decode(bytes: &[u8], footer: &Footer) -> Option<Self> {
        if sha2_256(&[bytes]).digest() != footer.sha256 {
            return None;
        }
        let mut input = Input(bytes);
        let origin = match input.take::<1>()? {
            [0] => Origin::Archive,
            [1] => Origin::File(Profile::UnixfsV1_2025),
            [2] => Origin::File(Profile::LegacyCidV0),
            _ => return None,
        };
        let content_bytes = u64::from_le_bytes(input.take()?);
        let root_count = u32::from_le_bytes(input.take()?);
        let roots = (0..root_count)
            .map(|_| Cid::try_from(input.bytes()?).ok())
            .collect::<Option<_>>()?;
        let entry_count = u32::from_le_bytes(input.take()?);
        let entries = (0..entry_count)
            .map(|_| input.entry(footer.index_offset))
            .collect::<Option<_>>()?;
        input.0.is_empty().then_some(Self {
            origin,
            content_bytes,
            roots,
            entries,
        })
    }
}

impl Footer {
    /// Reads the last [`FOOTER_BYTES`] of a pack of `pack_bytes`; `None` when they are none.
    pub(super) fn decode(bytes: &[u8], pack_bytes: u64) -> Option<Self> {
        let mut input = Input(bytes);
        let index_offset = u64::from_le_bytes(input.take()?);
        let index_bytes = u64::from_le_bytes(input.take()?);
        let sha256 = input.take()?;
        let ends = index_offset
            .checked_add(index_bytes)?
            .checked_add(FOOTER_BYTES)?;
        let sound = input.0 == MAGIC && ends == pack_bytes && index_bytes <= MAX_INDEX_BYTES;
        sound.then_some(Self {
            index_offset,
            index_bytes,
            sha256,
        })
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // CIDs and multihashes have at most 84 bytes.
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let [len] = self.take::<1>()?;
        let (head, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(head)
    }

    fn entry(&mut self, payload_bytes: u64) -> Option<(Multihash<64>, Entry)> {
        let hash = Multihash::from_bytes(self.bytes()?).ok()?;
        let offset = u64::from_le_bytes(self.take()?);
        let len_bytes = u32::from_le_bytes(self.take()?);
        let wrapped = self.take::<1>()? == [1];
        let within = offset.checked_add(len_bytes.into())? <= payload_bytes;
        let entry = Entry {
            offset,
            len_bytes,
            wrapped,
        };
        (within && u64::from(len_bytes) <= MAX_BLOCK_BYTES).then_some((hash, entry))
    }
}
