//! Where a name lies in a sharded directory (HAMT): <https://specs.ipfs.tech/unixfs/>, "HAMT directories".
//!
//! Fed with a directory's buckets, from the root down, by `resolve`; leads straight to the one that holds the
//! name. Pure.

use super::link::Link;
use super::node::{Entry, Shard};
use crate::error::BlockError;

/// What a bucket has in the place of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The name.
    Entry(&'a Link),
    /// A deeper bucket, to be asked next.
    Bucket(&'a Link),
    /// Nothing, or another name: it is not in the directory.
    Empty,
}

/// The search for one name.
#[derive(Debug)]
pub(super) struct Search {
    hash: u64,
    used_bits: u32,
}

impl Search {
    pub(super) fn new(name: &str) -> Self {
        Self {
            hash: murmur3_x64_64(name.as_bytes()),
            used_bits: 0,
        }
    }

    /// Looks for `name` in the next bucket: each takes as many of the hash's bits as it has places, highest first.
    pub(super) fn look<'a>(
        &mut self,
        shard: &'a Shard,
        name: &str,
    ) -> Result<Place<'a>, BlockError> {
        let bits = shard.fanout.trailing_zeros();
        let left = (u64::BITS - self.used_bits)
            .checked_sub(bits)
            .ok_or(BlockError::Malformed("its buckets go deeper than its hash"))?;
        let index = self.hash >> left & (shard.fanout - 1);
        self.used_bits += bits;
        let digits = digits(shard.fanout);
        let prefix = format!("{index:0digits$X}");
        let at = |entry: &'a Entry| entry.name.strip_prefix(&prefix).map(|rest| (rest, entry));
        Ok(match shard.entries.iter().find_map(at) {
            Some(("", entry)) => Place::Bucket(&entry.link),
            Some((rest, entry)) if rest == name => Place::Entry(&entry.link),
            _ => Place::Empty,
        })
    }
}

/// The names in a bucket; deeper buckets have none.
pub(super) fn names(shard: &Shard) -> impl Iterator<Item = &str> {
    let digits = digits(shard.fanout);
    let name = move |entry: &'_ Entry| entry.name.len() > digits;
    (shard.entries.iter())
        .filter(move |entry| name(entry))
        .filter_map(move |entry| entry.name.get(digits..))
}

/// How many hex digits stand before a name.
fn digits(fanout: u64) -> usize {
    format!("{:X}", fanout - 1).len()
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The first 64 bits of MurmurHash3 x64-128 with seed 0 (Appleby, `MurmurHash3_x64_128`).
fn murmur3_x64_64(bytes: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0u64, 0u64);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ scramble1(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ scramble2(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    last[..tail.len()].copy_from_slice(tail);
    let (k1, k2) = halves(&last);
    h1 ^= scramble1(k1);
    h2 ^= scramble2(k2);
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    mix(h1).wrapping_add(mix(h2))
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let whole = u128::from_le_bytes(*block);
    (whole as u64, (whole >> 64) as u64)
}

fn scramble1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn scramble2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn mix(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_has_its_published_values() {
        assert_eq!(murmur3_x64_64(b""), 0);
        assert_eq!(murmur3_x64_64(b"hello"), 0xcbd8_a7b3_41bd_9b02);
        assert_eq!(murmur3_x64_64(b"hello, world"), 0x342f_ac62_3a5e_bc8e);
        assert_eq!(
            murmur3_x64_64(b"The quick brown fox jumps over the lazy dog."),
            0xcd99_481f_9ee9_02c9
        );
    }
}
