//! Sets of user or group names.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Up to this many names, comparing them one by one is cheaper than hashing the name asked for.
const FEW: usize = 4;

/// A set of names, compiled for membership tests. Strings are compared on a hit only.
#[derive(Debug, Clone)]
pub(crate) enum NameSet {
    Few(Box<[Box<str>]>),
    Many(HashTable<(u64, Box<str>)>),
}

impl NameSet {
    pub(crate) fn new(names: Option<&Vec<String>>) -> Self {
        let names = names.map_or(&[][..], Vec::as_slice);
        if names.len() <= FEW {
            return Self::Few(names.iter().map(|name| name.as_str().into()).collect());
        }
        let mut table = HashTable::with_capacity(names.len());
        for name in names {
            let hash = xxh3_64(name.as_bytes());
            let same = |(_, known): &(u64, Box<str>)| **known == **name;
            table.entry(hash, same, |&(hash, _)| hash).or_insert((hash, name.as_str().into()));
        }
        Self::Many(table)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Few(names) if names.is_empty())
    }

    /// Whether `name` is a member; `hash` computes its XXH3 when it is needed.
    #[inline]
    pub(crate) fn contains(&self, name: &str, hash: impl FnOnce() -> u64) -> bool {
        match self {
            Self::Few(names) => names.iter().any(|known| **known == *name),
            Self::Many(table) => {
                let wanted = hash();
                table.find(wanted, |(hash, known)| *hash == wanted && **known == *name).is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_sets_hold_what_they_were_made_of() {
        for size in [0, 1, FEW, FEW + 1, 1_000] {
            let names: Vec<String> = (0..size).map(|n| format!("user-{n}")).collect();
            let set = NameSet::new(Some(&names));
            let contains = |name: &str| set.contains(name, || xxh3_64(name.as_bytes()));

            assert!(names.iter().all(|name| contains(name)));
            assert!(!contains("somebody else"));
            assert_eq!(set.is_empty(), size == 0);
        }
    }
}
