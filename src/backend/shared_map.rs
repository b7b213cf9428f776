//! A map by flag keys whose clones share their unchanged parts.

use std::{collections::HashMap, fmt, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

/// The number of entries of a part, on average, from which there are twice as many parts.
const FULL: usize = 128;

/// A map in parts. A clone shares all of them, and a change copies one.
///
/// Every snapshot keeps the state that it was made of, which may have ten thousand overrides. A
/// change of one override makes a new state, for which a plain map would be copied as a whole.
#[derive(Clone)]
pub(super) struct SharedMap<V> {
    /// The parts; their number is a power of two.
    parts: Vec<Part<V>>,
    len: usize,
}

type Part<V> = Arc<HashMap<Arc<str>, V>>;

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self { parts: vec![Arc::default()], len: 0 }
    }
}

impl<V: Clone> SharedMap<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.parts[self.part(key)].get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn insert(&mut self, key: Arc<str>, value: V) {
        if self.len >= FULL * self.parts.len() {
            self.grow();
        }
        let part = self.part(&key);
        let before = Arc::make_mut(&mut self.parts[part]).insert(key, value);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, key: &str) {
        let part = self.part(key);
        // An absent key needs no copy of its part.
        if self.parts[part].contains_key(key) {
            Arc::make_mut(&mut self.parts[part]).remove(key);
            self.len -= 1;
        }
    }

    fn part(&self, key: &str) -> usize {
        xxh3_64(key.as_bytes()) as usize & (self.parts.len() - 1)
    }

    fn grow(&mut self) {
        let larger = Self { parts: vec![Arc::default(); 2 * self.parts.len()], len: 0 };
        let smaller = std::mem::replace(self, larger);
        let entries = smaller.parts.into_iter().flat_map(Arc::unwrap_or_clone);
        entries.for_each(|(key, value)| self.insert(key, value));
    }
}

impl<V: Clone + fmt::Debug> fmt::Debug for SharedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V: Clone> FromIterator<(Arc<str>, V)> for SharedMap<V> {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Arc<str> {
        format!("flag_{n}").into()
    }

    #[test]
    fn a_change_copies_one_part_and_leaves_the_clone_alone() {
        let before: SharedMap<usize> = (0..10_000).map(|n| (key(n), n)).collect();

        let mut after = before.clone();
        after.insert(key(7), 0);
        after.remove(&key(8));
        after.remove("none");

        assert_eq!((before.get(&key(7)), before.get(&key(8))), (Some(&7), Some(&8)));
        assert_eq!((after.get(&key(7)), after.get(&key(8))), (Some(&0), None));
        assert_eq!((before.len(), after.len(), after.keys().count()), (10_000, 9_999, 9_999));
        let copied = before.parts.iter().zip(&after.parts).filter(|(a, b)| !Arc::ptr_eq(a, b));
        assert!(copied.count() <= 2);
    }
}
