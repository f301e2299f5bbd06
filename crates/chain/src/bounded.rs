//! A map that remembers at most so many keys and forgets the oldest first.

use std::collections::{BTreeMap, VecDeque};

/// First in, first out.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    most: usize,
    values: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Ord + Copy, V> BoundedMap<K, V> {
    /// An empty map of at most `most` keys.
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, values: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.values.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let mut map = BoundedMap::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            map.insert(key, value);
        }
        assert!(!map.contains(&1), "the oldest key is gone, though its value was renewed");
        assert_eq!((map.get(&2), map.get(&3)), (Some(&'b'), Some(&'d')));
        assert_eq!(map.order.len(), map.values.len());
    }
}
