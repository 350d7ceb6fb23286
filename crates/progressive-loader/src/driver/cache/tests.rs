//! A disk that is full, broken or half written, which no real directory gives on demand.

use super::files::{Files, Listed};
use super::lru::{Key, Lru};
use super::{BlockCache, CacheOptions};
use crate::block::Block;
use crate::multihash::{RAW, sha2_256};
use bytes::Bytes;
use cid::Cid;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A disk in memory that refuses on demand.
#[derive(Default)]
struct Trouble {
    files: Mutex<HashMap<Key, Vec<u8>>>,
    refuse_write: Mutex<Option<io::ErrorKind>>,
    refuse_read: Mutex<Option<io::ErrorKind>>,
    writes: AtomicU32,
    reads: AtomicU32,
}

impl Files for Arc<Trouble> {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let files = self.files.lock().unwrap();
        Ok(files
            .iter()
            .map(|(key, block)| Listed {
                key: *key,
                len_bytes: block.len() as u64,
                used: SystemTime::UNIX_EPOCH,
            })
            .collect())
    }

    fn read(&self, key: &Key, _: u64) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if let Some(kind) = *self.refuse_read.lock().unwrap() {
            return Err(kind.into());
        }
        let files = self.files.lock().unwrap();
        files
            .get(key)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, key: &Key, block: &[u8]) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if let Some(kind) = *self.refuse_write.lock().unwrap() {
            return Err(kind.into());
        }
        self.files.lock().unwrap().insert(*key, block.to_vec());
        Ok(())
    }

    fn remove(&self, key: &Key) -> io::Result<()> {
        self.files.lock().unwrap().remove(key);
        Ok(())
    }
}

fn block(number: u8) -> (Cid, Block) {
    let bytes = Bytes::from(vec![number; 5000]);
    (Cid::new_v1(RAW, sha2_256(&[&bytes])), bytes.into())
}

/// A cache without memory over `disk`, so that every read shows what the disk does.
fn over(disk: &Arc<Trouble>, memory_bytes: u64, disk_bytes: u64) -> BlockCache {
    let options = CacheOptions {
        memory_bytes,
        disk: None,
        disk_bytes,
    };
    BlockCache::over(&options, Some(("test".into(), Box::new(Arc::clone(disk)))))
}

#[tokio::test]
async fn a_full_disk_is_given_up_and_memory_goes_on() {
    let disk = Arc::new(Trouble::default());
    let cache = over(&disk, 1 << 20, 1 << 20);
    let (early, early_bytes) = block(0);
    cache.insert(&early, &early_bytes).await;
    cache.flush().await;
    *disk.refuse_write.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    for number in 1..5 {
        let (cid, bytes) = block(number);
        cache.insert(&cid, &bytes).await;
        cache.flush().await;
        assert_eq!(cache.get(&cid).await, Some(bytes), "memory has it");
    }
    assert_eq!(
        disk.writes.load(Ordering::Relaxed),
        2,
        "one refusal is enough"
    );
    let figures = cache.snapshot();
    assert!(!figures.disk_writable);
    assert_eq!(figures.disk_blocks, 1, "what is there can still be read");
    let without_memory = over(&disk, 0, 1 << 20);
    assert_eq!(without_memory.get(&early).await, Some(early_bytes));
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_not_asked_again() {
    let disk = Arc::new(Trouble::default());
    let cache = over(&disk, 0, 1 << 20);
    let (cid, bytes) = block(1);
    cache.insert(&cid, &bytes).await;
    cache.flush().await;
    *disk.refuse_read.lock().unwrap() = Some(io::ErrorKind::Other);
    assert_eq!(cache.get(&cid).await, None);
    assert_eq!(cache.get(&cid).await, None);
    assert_eq!(disk.reads.load(Ordering::Relaxed), 1);
    assert!(!cache.snapshot().disk_writable);
}

#[tokio::test]
async fn a_damaged_block_is_never_served_and_can_be_mended() {
    let disk = Arc::new(Trouble::default());
    let cache = over(&disk, 0, 1 << 20);
    let (cid, bytes) = block(1);
    cache.insert(&cid, &bytes).await;
    cache.flush().await;
    disk.files.lock().unwrap().get_mut(cid.hash()).unwrap()[7] ^= 1;
    assert!(cache.contains(&cid), "that shows only when it is read");
    assert_eq!(cache.get(&cid).await, None);
    assert!(!cache.contains(&cid) && disk.files.lock().unwrap().is_empty());
    cache.insert(&cid, &bytes).await;
    cache.flush().await;
    assert_eq!(cache.get(&cid).await, Some(bytes));
}

#[tokio::test]
async fn the_bound_holds_and_the_least_used_goes_first() {
    let disk = Arc::new(Trouble::default());
    // Each block takes 8 KiB of the disk's grains: three fit.
    let cache = over(&disk, 0, 3 * 8192);
    let blocks: Vec<_> = (0..4).map(block).collect();
    for (cid, bytes) in &blocks[..3] {
        cache.insert(cid, bytes).await;
        cache.flush().await;
    }
    assert!(cache.get(&blocks[0].0).await.is_some(), "used again");
    cache.insert(&blocks[3].0, &blocks[3].1).await;
    cache.flush().await;
    let there: Vec<_> = blocks.iter().map(|(cid, _)| cache.contains(cid)).collect();
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(disk.files.lock().unwrap().len(), 3);
    assert_eq!(cache.snapshot().disk_bytes, 3 * 8192);
}

#[test]
fn a_map_without_room_keeps_nothing() {
    let (cid, _) = block(1);
    let mut lru = Lru::new(10, 10);
    assert_eq!(lru.insert(*cid.hash(), (), 11), [*cid.hash()]);
    assert_eq!((lru.len(), lru.weight()), (0, 0));
    let mut lru = Lru::new(10, 1);
    lru.insert(*cid.hash(), (), 1);
    lru.insert(*block(2).0.hash(), (), 1);
    assert_eq!(lru.len(), 1, "entries are bounded too");
}
