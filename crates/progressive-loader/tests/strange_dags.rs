//! Blocks that hash right and make no sense: each is a clear error, none is a panic.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::car::{
    Block, DAG_PB, RAW, archive, block, directory, field_bytes, field_varint, file, link,
    unknown_hash_cid,
};
use progressive_loader::driver::{ImportError, Store};
use progressive_loader::{BlockError, ByteSource, Cid, OpenError, ReadError};
use proptest::prelude::*;

/// Imports `blocks`, the last of which is the root, and reads all of it.
fn read(blocks: &[&Block], path: &[&str]) -> Result<Vec<u8>, OpenError> {
    let store = Store::temporary().unwrap();
    let root = blocks.last().unwrap().cid;
    store
        .import_car(archive(&[&root], blocks).as_slice())
        .unwrap();
    let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
    let source = store.open_path(&root, &path)?;
    // Sizes are claims: reading starts at both ends, not with a buffer of the claimed size.
    let size = source.size_bytes();
    let tail = source.read_range_blocking(size.saturating_sub(4)..size)?;
    let mut content = source.read_range_blocking(0..size.min(4096))?.to_vec();
    if size > 4096 {
        content.extend(tail);
    }
    Ok(content)
}

fn problem(blocks: &[&Block]) -> BlockError {
    match read(blocks, &[]) {
        Err(OpenError::Read(ReadError::Block { problem, .. })) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn leaves_may_be_raw_wrapped_or_inline_at_any_depth() {
    let (a, b, c) = (
        block(RAW, b"raw "),
        file(b"wrapped ", &[], 8),
        file(b"inline ", &[], 7),
    );
    let deep = file(b"own ", &[(&b.cid, 8), (&c.cid, 7)], 19);
    let root = file(b"", &[(&a.cid, 4), (&deep.cid, 19)], 23);
    assert_eq!(
        read(&[&a, &b, &c, &deep, &root], &[]).unwrap(),
        b"raw own wrapped inline "
    );
}

#[test]
fn a_path_leads_through_directories() {
    let clip = block(RAW, b"clip");
    let inner = directory(&[("clip.mp4", &clip.cid)]);
    let root = directory(&[("films", &inner.cid), ("readme", &clip.cid)]);
    let blocks = [&clip, &inner, &root];
    assert_eq!(read(&blocks, &["films", "clip.mp4"]).unwrap(), b"clip");

    let error = read(&blocks, &[]).unwrap_err();
    assert!(matches!(
        &error,
        OpenError::Directory {
            total_entries: 2,
            ..
        }
    ));
    let text = error.to_string();
    assert!(
        text.contains(&root.cid.to_string()) && text.contains("films, readme"),
        "{text}"
    );

    let error = read(&blocks, &["films", "clop.mp4"]).unwrap_err();
    assert!(matches!(&error, OpenError::NoSuchEntry { name, .. } if name == "clop.mp4"));
    assert!(error.to_string().contains("clip.mp4"), "{error}");
    assert!(matches!(
        read(&blocks, &["readme", "x"]),
        Err(OpenError::NotADirectory { .. })
    ));
}

#[test]
fn small_identity_cids_carry_their_content() {
    let identity = Cid::new_v1(RAW, cid::multihash::Multihash::wrap(0, b"inside").unwrap());
    let root = file(b"", &[(&identity, 6)], 6);
    assert_eq!(read(&[&root], &[]).unwrap(), b"inside");
}

#[test]
fn claims_that_do_not_hold_are_errors() {
    let leaf = block(RAW, b"four");
    let too_long = file(b"", &[(&leaf.cid, 5)], 5);
    assert_eq!(
        problem(&[&leaf, &too_long]),
        BlockError::SizeMismatch {
            expected_bytes: 5,
            actual_bytes: 4
        }
    );
    let huge = file(b"", &[(&leaf.cid, 1 << 40)], 1 << 40);
    assert!(matches!(
        problem(&[&leaf, &huge]),
        BlockError::TooLarge { .. }
    ));
    let sum = file(b"", &[(&leaf.cid, 4)], 9);
    assert!(matches!(problem(&[&leaf, &sum]), BlockError::Malformed(_)));
    let overflow = file(
        b"",
        &[(&leaf.cid, u64::MAX), (&leaf.cid, u64::MAX)],
        u64::MAX,
    );
    assert!(matches!(
        problem(&[&leaf, &overflow]),
        BlockError::Malformed(_)
    ));
    let wide = file(b"", &vec![(&leaf.cid, 4); 10_000], 40_000);
    assert!(matches!(problem(&[&leaf, &wide]), BlockError::Malformed(_)));
    let missing = file(b"", &[(&block(RAW, b"gone").cid, 4)], 4);
    assert_eq!(problem(&[&missing]), BlockError::Missing);
}

#[test]
fn a_tree_deeper_than_any_file_needs_is_refused() {
    let mut blocks = vec![block(RAW, b"deep")];
    for _ in 0..100 {
        let below = blocks.last().unwrap().cid;
        blocks.push(file(b"", &[(&below, 4)], 4));
    }
    assert!(matches!(
        problem(&blocks.iter().collect::<Vec<_>>()),
        BlockError::TooDeep(_)
    ));
}

#[test]
fn what_is_no_file_says_what_it_is() {
    let symlink = block(
        DAG_PB,
        &field_bytes(
            1,
            &[field_varint(1, 4), field_bytes(2, b"elsewhere")].concat(),
        ),
    );
    assert_eq!(problem(&[&symlink]), BlockError::NotAFile("symbolic link"));
    let dir = directory(&[]);
    let parent = file(b"", &[(&dir.cid, 4)], 4);
    assert_eq!(problem(&[&dir, &parent]), BlockError::NotAFile("directory"));
    let cbor = block(0x71, &[0xa0]);
    assert_eq!(problem(&[&cbor]), BlockError::UnsupportedCodec(0x71));
    let unlinked = block(DAG_PB, &link("", &unknown_hash_cid()));
    assert!(matches!(problem(&[&unlinked]), BlockError::Malformed(_)));
}

#[test]
fn an_archive_is_checked_block_by_block() {
    let store = Store::temporary().unwrap();
    let import = |bytes: &[u8]| store.import_car(bytes);
    let (a, b) = (block(RAW, b"first"), block(RAW, b"second"));
    let car = archive(&[&a.cid], &[&a, &b]);
    let imported = import(&car).unwrap();
    assert_eq!(
        (imported.roots, imported.blocks, imported.block_bytes),
        (vec![a.cid], 2, 11)
    );

    let mut flipped = car.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(
        matches!(import(&flipped), Err(ImportError::Block { cid, problem: BlockError::HashMismatch }) if *cid == b.cid)
    );
    let unknown = Block {
        cid: unknown_hash_cid(),
        bytes: vec![1],
    };
    let outcome = import(&archive(&[&a.cid], &[&unknown]));
    assert!(matches!(
        outcome,
        Err(ImportError::Block {
            problem: BlockError::UnsupportedHash(0x7777),
            ..
        })
    ));
    let large = block(RAW, &vec![0; (2 << 20) + 1]);
    assert!(import(&archive(&[&large.cid], &[&large])).is_err());
    assert!(import(b"").is_err() && import(b"\x05hello").is_err() && import(&[0xff; 40]).is_err());
    assert_eq!(store.list().unwrap().len(), 1, "what failed left nothing");
}

#[test]
fn an_archive_cut_anywhere_is_an_error_or_ends_between_blocks() {
    let store = Store::temporary().unwrap();
    let (a, b) = (block(RAW, b"first"), block(RAW, b"second"));
    let car = archive(&[&a.cid], &[&a, &b]);
    let ends: Vec<usize> = [archive(&[&a.cid], &[]), archive(&[&a.cid], &[&a])]
        .iter()
        .map(Vec::len)
        .collect();
    for len in 0..car.len() {
        assert_eq!(
            store.import_car(&car[..len]).is_ok(),
            ends.contains(&len),
            "cut to {len} bytes"
        );
    }
}

proptest! {
    #[test]
    fn no_block_panics(mut node in proptest::collection::vec(any::<u8>(), 0..80), valid in any::<bool>(), at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        if valid {
            // One byte of a sound node changed gets further than noise.
            node = file(b"abc", &[(&block(RAW, b"x").cid, 1)], 4).bytes;
            let at = at.index(node.len());
            node[at] = to;
        }
        let _ = read(&[&block(DAG_PB, &node)], &[]);
    }

    #[test]
    fn no_archive_panics(mut car in proptest::collection::vec(any::<u8>(), 0..80), valid in any::<bool>(), at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        if valid {
            let leaf = block(RAW, b"leaf");
            car = archive(&[&leaf.cid], &[&leaf]);
            let at = at.index(car.len());
            car[at] = to;
        }
        let _ = Store::temporary().unwrap().import_car(car.as_slice());
    }
}
