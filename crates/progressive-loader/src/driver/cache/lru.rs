//! What to forget: the least recently used, when the weights exceed the capacity.
//!
//! Pure; holds the memory's blocks, and the index of those on disk.

use cid::multihash::Multihash;
use std::collections::{BTreeMap, HashMap};

/// A block's name, whatever CID version or codec it was asked for by.
pub(super) type Key = Multihash<64>;

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: u64,
    tick: u64,
}

/// A map bounded in weight and in entries.
#[derive(Debug)]
pub(super) struct Lru<V> {
    entries: HashMap<Key, Entry<V>>,
    /// When each was last used; the first is the oldest.
    order: BTreeMap<u64, Key>,
    weight: u64,
    capacity: u64,
    max_entries: usize,
    tick: u64,
}

impl<V> Lru<V> {
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn new(capacity: u64, max_entries: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            weight: 0,
            capacity,
            max_entries,
            tick: 0,
        }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// The value, from now on the one used last.
    pub(super) fn get(&mut self, key: &Key) -> Option<&V> {
        self.tick += 1;
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.tick);
        entry.tick = self.tick;
        self.order.insert(self.tick, *key);
        Some(&entry.value)
    }

    /// Adds a value as the one used last, and gives the keys that had to go for it: its own, when it is
    /// heavier than the capacity.
    pub(super) fn insert(&mut self, key: Key, value: V, weight: u64) -> Vec<Key> {
        self.remove(&key);
        self.tick += 1;
        self.order.insert(self.tick, key);
        self.weight += weight;
        let tick = self.tick;
        self.entries.insert(
            key,
            Entry {
                value,
                weight,
                tick,
            },
        );
        let mut gone = Vec::new();
        while self.weight > self.capacity || self.entries.len() > self.max_entries {
            let Some((_, &oldest)) = self.order.first_key_value() else {
                break;
            };
            self.remove(&oldest);
            gone.push(oldest);
        }
        gone
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.tick);
            self.weight -= entry.weight;
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
