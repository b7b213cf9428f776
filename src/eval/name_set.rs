//! Sets of user or group names.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Up to this many names, comparing them one by one is cheaper than hashing the name asked for.
const FEW: usize = 4;

/// A set of names, compiled for membership tests.
#[derive(Debug, Clone)]
pub(crate) enum NameSet {
    Few(Box<[Box<str>]>),
    Many {
        /// One bit per name, so that most of those who are no members are not looked for.
        filter: u64,
        /// Strings are compared on a hit only.
        table: HashTable<(u64, Box<str>)>,
    },
}

impl NameSet {
    /// The set of these names; `None` if there are none.
    pub(crate) fn new(names: Option<&Vec<String>>) -> Option<Self> {
        let names = names.filter(|names| !names.is_empty())?;
        if names.len() <= FEW {
            return Some(Self::Few(names.iter().map(|name| name.as_str().into()).collect()));
        }
        let mut filter = 0;
        let mut table = HashTable::with_capacity(names.len());
        for name in names {
            let hash = xxh3_64(name.as_bytes());
            filter |= filter_bit(hash);
            let same = |(_, known): &(u64, Box<str>)| **known == **name;
            table.entry(hash, same, |&(hash, _)| hash).or_insert((hash, name.as_str().into()));
        }
        Some(Self::Many { filter, table })
    }

    /// Whether `name` is a member; `hash` computes its XXH3 when it is needed.
    #[inline]
    pub(crate) fn contains(&self, name: &str, hash: impl FnOnce() -> u64) -> bool {
        match self {
            Self::Few(names) => names.iter().any(|known| **known == *name),
            Self::Many { filter, table } => {
                let hash = hash();
                filter & filter_bit(hash) != 0 && find(table, hash, name)
            }
        }
    }
}

// Apart, so that the steps before it are small enough to be inlined.
#[inline(never)]
fn find(table: &HashTable<(u64, Box<str>)>, hash: u64, name: &str) -> bool {
    table.find(hash, |(known_hash, known)| *known_hash == hash && **known == *name).is_some()
}

/// Bits that decide neither bucket nor tag in the table.
#[inline]
fn filter_bit(hash: u64) -> u64 {
    1 << ((hash >> 48) & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_sets_hold_what_they_were_made_of() {
        for size in [1, FEW, FEW + 1, 1_000] {
            let names: Vec<String> = (0..size).map(|n| format!("user-{n}")).collect();
            let set = NameSet::new(Some(&names)).unwrap();
            let contains = |name: &str| set.contains(name, || xxh3_64(name.as_bytes()));

            assert!(names.iter().all(|name| contains(name)));
            assert!(!contains("somebody else"));
        }
    }
}
