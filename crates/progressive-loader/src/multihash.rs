//! Hashes of blocks: making CIDs and checking bytes against them.
//!
//! Fed with blocks by the store. SHA-256 and SHA-512 run on aws-lc, several SHA-256 at once in
//! `sha256`, the rarer functions on their Rust implementations.

use crate::error::BlockError;
use crate::sha256;
use aws_lc_rs::digest;
use cid::Cid;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

/// Multicodec of raw bytes.
pub(crate) const RAW: u64 = 0x55;
/// Multicodec of dag-pb nodes.
pub(crate) const DAG_PB: u64 = 0x70;
/// Multicodec of the identity "hash": the CID carries the block itself.
pub(crate) const IDENTITY: u64 = 0x00;
/// Multicodec of SHA-256.
const SHA2_256: u64 = 0x12;
/// Multicodec of SHA-512.
const SHA2_512: u64 = 0x13;

/// The SHA-256 multihash of `parts`, one after the other.
pub(crate) fn sha2_256<P: AsRef<[u8]>>(parts: &[P]) -> Multihash<64> {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_ref());
    }
    wrap(SHA2_256, context.finish().as_ref())
}

/// The SHA-256 multihash of each of `messages`, which are in pieces; side by side where they have one length and the CPU
/// gains by it.
pub(crate) fn sha2_256_each<P: AsRef<[u8]>>(messages: &[&[P]]) -> Vec<Multihash<64>> {
    let mut hashes = Vec::with_capacity(messages.len());
    for alike in messages.chunk_by(|a, b| sha256::len(a) == sha256::len(b)) {
        for group in alike.chunks(sha256::messages_in_one_go()) {
            match sha256::digests(group) {
                Some(digests) => hashes.extend(digests.iter().map(|it| wrap(SHA2_256, it))),
                None => hashes.extend(group.iter().map(|message| sha2_256(message))),
            }
        }
    }
    hashes
}

/// Checks each block, which is in pieces, against the hash its CID names, like [`verify`]; those of one length side by side.
pub(crate) fn verify_each<P: AsRef<[u8]>>(blocks: &[(Cid, &[P])]) -> Vec<Result<(), BlockError>> {
    if blocks.iter().any(|(cid, _)| cid.hash().code() != SHA2_256) {
        let each = blocks.iter().map(|(cid, block)| verify(cid, block));
        return each.collect();
    }
    let messages: Vec<&[P]> = blocks.iter().map(|(_, block)| *block).collect();
    let actual = sha2_256_each(&messages).into_iter();
    actual
        .zip(blocks)
        .map(|(actual, (cid, _))| matches(&actual, cid))
        .collect()
}

fn matches(actual: &Multihash<64>, cid: &Cid) -> Result<(), BlockError> {
    if actual == cid.hash() {
        Ok(())
    } else {
        Err(BlockError::HashMismatch)
    }
}

/// Digests longer than a multihash holds do not exist among those made here.
fn wrap(code: u64, digest: &[u8]) -> Multihash<64> {
    Multihash::wrap(code, digest).unwrap_or_default()
}

/// Whether blocks of this CID can be checked at all.
pub(crate) fn check_supported(cid: &Cid) -> Result<(), BlockError> {
    let code = cid.hash().code();
    let supported = matches!(code, SHA2_256 | SHA2_512 | IDENTITY) || Code::try_from(code).is_ok();
    supported
        .then_some(())
        .ok_or(BlockError::UnsupportedHash(code))
}

/// Checks the block made of `parts` against the hash its CID names.
pub(crate) fn verify<P: AsRef<[u8]>>(cid: &Cid, parts: &[P]) -> Result<(), BlockError> {
    let expected = cid.hash();
    let actual = match expected.code() {
        SHA2_256 => sha2_256(parts),
        SHA2_512 => wrap(
            SHA2_512,
            digest::digest(&digest::SHA512, &concat(parts)).as_ref(),
        ),
        IDENTITY => {
            return if concat(parts) == expected.digest() {
                Ok(())
            } else {
                Err(BlockError::HashMismatch)
            };
        }
        code => match Code::try_from(code) {
            Ok(function) => function.digest(&concat(parts)),
            Err(_) => return Err(BlockError::UnsupportedHash(code)),
        },
    };
    matches(&actual, cid)
}

fn concat<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
    parts.concat()
}
