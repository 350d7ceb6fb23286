//! Any bytes as an archive of blocks, and what is in it as directories and as a file: nothing is what it says it is,
//! not even the hashes.
#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../../crates/progressive-loader/src/block.rs"]
mod block;
#[path = "../../../crates/progressive-loader/src/car.rs"]
mod car;
#[path = "../../../crates/progressive-loader/src/error.rs"]
mod error;
#[path = "../../../crates/progressive-loader/src/multihash.rs"]
mod multihash;
#[path = "../../../crates/progressive-loader/src/origin.rs"]
mod origin;
#[path = "../../../crates/progressive-loader/src/profile.rs"]
mod profile;
#[path = "../../../crates/progressive-loader/src/sha256/mod.rs"]
mod sha256;
#[path = "../../../crates/progressive-loader/src/unixfs/mod.rs"]
mod unixfs;

use std::collections::HashMap;

use bytes::Bytes;
use car::{CarError, CarReader};
use cid::Cid;
use error::{BlockError, ReadError};
use libfuzzer_sys::fuzz_target;
use unixfs::stored::{self, Blocks};
use unixfs::walk::FileTree;

/// As much of a file is read: a few bytes can claim any size.
const MAX_READ_BYTES: u64 = 4096;

/// Blocks by the CID that they are filed under, true or not.
struct Filed(HashMap<Cid, Bytes>);

impl Blocks for Filed {
    fn block(&self, cid: &Cid) -> Result<Bytes, ReadError> {
        let missing = || ReadError::block(*cid, *cid, BlockError::Missing);
        self.0.get(cid).cloned().ok_or_else(missing)
    }
}

/// The archive's blocks, as far as it is one, whatever pieces it comes in.
fn read(pieces: &[&[u8]]) -> (Vec<(Cid, Bytes)>, Option<CarError>) {
    let mut reader = CarReader::default();
    let mut blocks = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_block() {
                Ok(Some(block)) => blocks.push((block.cid, block.bytes)),
                Ok(None) => break,
                Err(error) => return (blocks, Some(error)),
            }
        }
    }
    (blocks, reader.end().err())
}

fn follow(tree: &FileTree, blocks: &Filed) {
    let end = tree.size_bytes().min(MAX_READ_BYTES);
    let Ok(whole) = stored::read(tree, 0..end, blocks) else {
        return;
    };
    assert_eq!(whole.len() as u64, end);
    for (from, to) in [(0, end / 2), (end / 2, end), (end / 3, end - end / 3)] {
        let part = stored::read(tree, from..to, blocks).expect("part of what could be read");
        assert_eq!(part, whole[from as usize..to as usize]);
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, archive)) = input.split_first() else {
        return;
    };
    let (first, second) = archive.split_at(archive.len().min(usize::from(cut)));
    let (blocks, error) = read(&[archive]);
    assert_eq!(
        (&blocks, &error),
        (&read(&[first, second]).0, &read(&[first, second]).1)
    );
    let filed = Filed(blocks.iter().cloned().collect());
    for (cid, block) in blocks.iter().take(8) {
        let _ = unixfs::node::Node::parse(block);
        for path in [&[][..], &["hello".to_owned()]] {
            if let Ok(tree) = stored::open(*cid, path, &filed) {
                follow(&tree, &filed);
            }
        }
    }
});
