//! The archives that the gateway conformance tests use: directories, shards, a missing block.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use progressive_loader::driver::{Imported, Store};
use progressive_loader::{BlockError, ByteSource, Location, OpenError, ReadError};
use std::fs::File;

fn import(name: &str) -> Option<(Store, Imported)> {
    let path = common::shared_fixture(name)?;
    let store = Store::temporary().unwrap();
    let imported = store.import_car(File::open(path).unwrap()).unwrap();
    Some((store, imported))
}

fn read(store: &Store, location: &str) -> Result<Vec<u8>, OpenError> {
    let Location::Ipfs { cid, path } = location.parse().unwrap() else {
        panic!("{location}")
    };
    let source = store.open_path(&cid, &path)?;
    Ok(source.read_range_blocking(0..source.size_bytes())?.into())
}

#[test]
fn files_are_read_by_path_and_a_directory_lists_them() {
    let Some((store, imported)) = import("subdir-with-two-single-block-files.car") else {
        return;
    };
    let root = imported.roots[0];
    let error = read(&store, &format!("ipfs://{root}")).unwrap_err();
    assert!(matches!(&error, OpenError::Directory { .. }), "{error}");
    let hello = read(&store, &format!("ipfs://{root}/subdir/ascii.txt")).unwrap();
    assert!(!hello.is_empty());
}

#[test]
fn a_file_of_several_blocks_in_a_subdirectory_is_whole() {
    let Some((store, imported)) = import("subdir-with-mixed-block-files.car") else {
        return;
    };
    let content = read(
        &store,
        &format!("ipfs://{}/subdir/multiblock.txt", imported.roots[0]),
    )
    .unwrap();
    assert_eq!(content.len(), 1026);
}

#[test]
fn a_missing_middle_block_spares_both_sides() {
    let Some((store, imported)) = import("file-3k-and-3-blocks-missing-block.car") else {
        return;
    };
    let source = store.open_cid(&imported.roots[0]).unwrap();
    assert_eq!(source.size_bytes(), 3072);
    assert_eq!(source.read_range_blocking(0..1024).unwrap().len(), 1024);
    assert_eq!(source.read_range_blocking(2048..3072).unwrap().len(), 1024);
    let error = source.read_range_blocking(1000..1100).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Block {
                problem: BlockError::Missing,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_sharded_directory_is_searched_bucket_by_bucket() {
    let Some((store, imported)) = import("single-layer-hamt-with-multi-block-files.car") else {
        return;
    };
    let root = imported.roots[0];
    assert!(matches!(
        read(&store, &format!("ipfs://{root}")),
        Err(OpenError::Directory { .. }) | Err(OpenError::Read(_))
    ));
    let content = read(&store, &format!("ipfs://{root}/1.txt")).unwrap();
    assert!(!content.is_empty());
    assert!(matches!(
        read(&store, &format!("ipfs://{root}/none.txt")),
        Err(OpenError::NoSuchEntry { .. })
    ));
}

#[test]
fn every_archive_is_imported() {
    for name in [
        "dir-with-files.car",
        "dir-with-duplicate-files.car",
        "dir-with-dag-cbor-with-links.car",
        "gateway-raw-block.car",
    ] {
        let Some((store, imported)) = import(name) else {
            return;
        };
        assert!(imported.blocks > 0, "{name}");
        assert!(
            store.list().unwrap().len() >= imported.roots.len().min(1),
            "{name}"
        );
    }
}
