//! What a cache of blocks promises over a real directory: nothing wrong, nothing beyond its bound, and
//! still there after a restart.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::origins::cid_of;
use progressive_loader::driver::{BlockCache, CacheOptions};
use progressive_loader::{Block, Cid};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn options(dir: &Path, disk_bytes: u64) -> CacheOptions {
    CacheOptions {
        memory_bytes: 0,
        disk: Some(dir.to_owned()),
        disk_bytes,
    }
}

fn block(number: u8) -> (Cid, Block) {
    let bytes = Bytes::from(vec![number; 8192]);
    (cid_of(&bytes), bytes.into())
}

async fn filled(dir: &Path, disk_bytes: u64, blocks: u8) -> BlockCache {
    let cache = BlockCache::open(&options(dir, disk_bytes));
    for number in 0..blocks {
        let (cid, bytes) = block(number);
        cache.insert(&cid, &bytes).await;
    }
    cache.flush().await;
    cache
}

fn files(dir: &Path) -> Vec<std::fs::DirEntry> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("blocks"))
        .unwrap()
        .flatten()
        .collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    files
}

#[tokio::test]
async fn one_block_has_one_entry_whatever_it_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let cache = filled(dir.path(), 1 << 20, 1).await;
    let (cid, bytes) = block(0);
    let (v0, dag_pb) = (
        Cid::new_v0(*cid.hash()).unwrap(),
        Cid::new_v1(0x70, *cid.hash()),
    );
    for name in [v0, dag_pb, cid] {
        assert_eq!(cache.get(&name).await.as_ref(), Some(&bytes));
        cache.insert(&name, &bytes).await;
    }
    cache.flush().await;
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn blocks_outlive_the_cache_and_the_least_used_of_them_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1 << 20, 4).await);
    // File systems tell times apart by milliseconds: here, by hours.
    for (hour, number) in [(3, 0), (1, 1), (2, 2), (4, 3)] {
        let (cid, _) = block(number);
        let hash: String = cid
            .hash()
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join(format!("blocks/{hash}.block")));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hour);
        file.unwrap().set_modified(time).unwrap();
    }
    {
        let cache = BlockCache::open(&options(dir.path(), 1 << 20));
        assert!(
            cache.get(&block(1).0).await.is_some(),
            "the oldest one is used"
        );
    }
    // Room for three.
    let cache = BlockCache::open(&options(dir.path(), 3 * 8192));
    let there: Vec<_> = (0..4)
        .map(|number| cache.contains(&block(number).0))
        .collect();
    assert_eq!(there, [true, true, false, true]);
    assert_eq!(files(dir.path()).len(), 3, "it is gone from the disk too");
    assert_eq!(cache.snapshot().disk_bytes, 3 * 8192);
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_keeps_to_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1 << 20, 2).await);
    // What another process holds.
    let lock = std::fs::File::options()
        .write(true)
        .open(dir.path().join("lock"))
        .unwrap();
    lock.try_lock().unwrap();
    let second = BlockCache::open(&CacheOptions {
        memory_bytes: 1 << 20,
        ..options(dir.path(), 1 << 20)
    });
    assert!(!second.snapshot().disk_writable && !second.contains(&block(0).0));
    let (cid, bytes) = block(7);
    second.insert(&cid, &bytes).await;
    assert_eq!(second.get(&cid).await, Some(bytes));
    lock.unlock().unwrap();
    let free = BlockCache::open(&options(dir.path(), 1 << 20));
    assert!(free.contains(&block(0).0) && !free.contains(&cid));
    assert_eq!(files(dir.path()).len(), 2);
}

#[tokio::test]
async fn a_lock_that_may_only_be_read_is_held_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1 << 20, 2).await);
    // Nobody can write to a directory, whatever their rights.
    let lock = dir.path().join("lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let cache = BlockCache::open(&options(dir.path(), 1 << 20));
    assert_eq!(cache.get(&block(1).0).await, Some(block(1).1));
    let held = std::fs::File::open(&lock).unwrap();
    assert!(held.try_lock().is_err());
}

#[tokio::test]
async fn within_a_process_a_directory_has_one_cache() {
    let dir = tempfile::tempdir().unwrap();
    let first = filled(dir.path(), 1 << 20, 2).await;
    let again = BlockCache::open(&options(&dir.path().join("."), 1 << 20));
    assert!(again.contains(&block(1).0) && again.snapshot().disk_writable);
    let (cid, bytes) = block(9);
    again.insert(&cid, &bytes).await;
    again.flush().await;
    assert!(first.contains(&cid));
}

#[tokio::test]
async fn a_directory_that_cannot_be_one_is_left_out() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let cache = BlockCache::open(&CacheOptions {
        memory_bytes: 1 << 20,
        ..options(&file.path().join("below"), 1 << 20)
    });
    let (cid, bytes) = block(0);
    cache.insert(&cid, &bytes).await;
    assert_eq!(cache.get(&cid).await, Some(bytes));
    assert!(!cache.snapshot().disk_writable);
}

#[tokio::test]
async fn what_an_interrupted_write_left_is_removed_and_strangers_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1 << 20, 1).await);
    let blocks = dir.path().join("blocks");
    for name in [
        "3.unfinished",
        "notes.txt",
        "12.block",
        "zz.block",
        "€.block",
    ] {
        std::fs::write(blocks.join(name), "something").unwrap();
    }
    let cache = BlockCache::open(&options(dir.path(), 4096));
    let left: Vec<_> = files(dir.path())
        .into_iter()
        .map(|file| file.file_name())
        .collect();
    assert_eq!(
        left,
        ["12.block", "notes.txt", "zz.block", "€.block"],
        "the sound one had no room"
    );
    assert_eq!(cache.snapshot().disk_blocks, 0);
}

#[tokio::test]
async fn damage_of_every_kind_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1 << 20, 4).await);
    let found = files(dir.path());
    let flipped = {
        let mut bytes = std::fs::read(found[0].path()).unwrap();
        bytes[4000] ^= 0x10;
        bytes
    };
    std::fs::write(found[0].path(), flipped).unwrap();
    std::fs::write(found[1].path(), b"").unwrap();
    std::fs::write(found[2].path(), vec![0; 3 << 20]).unwrap();
    std::fs::remove_file(found[3].path()).unwrap();
    let cache = BlockCache::open(&options(dir.path(), 1 << 30));
    for number in 0..4 {
        assert_eq!(cache.get(&block(number).0).await, None);
    }
    assert_eq!(files(dir.path()).len(), 0);
}

#[tokio::test]
async fn a_small_piece_of_something_large_does_not_keep_it_in_memory() {
    let large = Bytes::from(vec![7; 1 << 20]);
    let cache = BlockCache::open(&CacheOptions::default());
    let block: Block = [large.slice(..1000), large.slice(500_000..501_000)]
        .into_iter()
        .collect();
    let cid = cid_of(&block.clone().into_bytes());
    cache.insert(&cid, &block).await;
    drop(block);
    assert!(large.is_unique());
    let kept = cache.get(&cid).await.unwrap();
    assert_eq!(kept.into_bytes(), vec![7; 2000]);
}

#[tokio::test]
async fn an_identity_cid_needs_no_cache() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BlockCache::open(&options(dir.path(), 1 << 20));
    let identity = cid::multihash::Multihash::wrap(0, b"here").unwrap();
    cache
        .insert(
            &Cid::new_v1(0x55, identity),
            &Bytes::from_static(b"here").into(),
        )
        .await;
    cache.flush().await;
    assert_eq!(files(dir.path()).len(), 0);
}
