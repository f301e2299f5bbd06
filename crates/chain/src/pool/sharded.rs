//! An ordered map in shards behind `Arc`s: a snapshot costs one pointer per shard, and a write while a snapshot
//! lives copies one shard instead of the whole map.

use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of shards: one per value of a key's first byte, so that walking shard after shard is walking in key
/// order.
const SHARDS: usize = 256;

/// A key whose first byte tells its shard. The first byte must be the most significant one of `Ord`.
pub(super) trait ShardKey: Ord + Copy {
    /// The first byte.
    fn first_byte(&self) -> u8;
}

impl ShardKey for Address {
    fn first_byte(&self) -> u8 {
        self.0[0]
    }
}

impl ShardKey for B256 {
    fn first_byte(&self) -> u8 {
        self.0[0]
    }
}

/// A `BTreeMap` with cheap snapshots (`clone`).
#[derive(Clone, Debug)]
pub(super) struct Sharded<K, V> {
    shards: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K: ShardKey, V: Clone> Sharded<K, V> {
    /// An empty map.
    pub(super) fn new() -> Self {
        let empty = Arc::new(BTreeMap::new());
        Self { shards: vec![empty; SHARDS], len: 0 }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.shards[usize::from(key.first_byte())].get(key)
    }

    /// Sets a value.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let shard = Arc::make_mut(&mut self.shards[usize::from(key.first_byte())]);
        if shard.insert(key, value).is_none() {
            self.len += 1;
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let shard = &mut self.shards[usize::from(key.first_byte())];
        if !shard.contains_key(key) {
            return None;
        }
        let removed = Arc::make_mut(shard).remove(key);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// All entries in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_do_not_change_and_order_is_by_key() {
        let mut map = Sharded::new();
        for byte in [9u8, 1, 200, 1, 30] {
            map.insert(B256::repeat_byte(byte), byte);
        }
        assert_eq!(map.len(), 4, "one key twice");
        let snapshot = map.clone();
        assert_eq!(map.remove(&B256::repeat_byte(9)), Some(9));
        assert_eq!(map.remove(&B256::repeat_byte(9)), None);
        map.insert(B256::repeat_byte(1), 77);
        assert_eq!(map.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [77, 30, 200]);
        assert_eq!((map.len(), snapshot.len()), (3, 4));
        assert_eq!(snapshot.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1, 9, 30, 200]);
        assert_eq!(snapshot.get(&B256::repeat_byte(1)), Some(&1));
    }
}
