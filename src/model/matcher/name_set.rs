//! Sets of user or group names.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::hash_text;
use crate::model::Print;

/// Up to this many names, comparing them one by one is cheaper than hashing the name asked for.
const FEW: usize = 4;

/// The same for names that fit in a word.
const FEW_SHORT: usize = 16;

/// A set of names, compiled for membership tests.
#[derive(Debug, Clone)]
pub(crate) enum NameSet {
    /// Whole prints, such as those of countries.
    Short(Box<[Print]>),
    Few(Box<[Box<str>]>),
    Many {
        /// One bit per name, so that most of those who are no members are not looked for.
        filter: u64,
        /// All names, one after the other: one allocation however many there are.
        text: Box<str>,
        table: HashTable<Member>,
    },
}

/// A name is compared on a hit only, when the hash is the same.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    hash: u64,
    start: u32,
    end: u32,
}

impl Member {
    #[inline]
    fn name<'a>(&self, text: &'a str) -> &'a [u8] {
        &text.as_bytes()[self.start as usize..self.end as usize]
    }
}

impl NameSet {
    /// The set of these names; `None` if there are none.
    pub(crate) fn new(names: Option<&Vec<String>>) -> Option<Self> {
        let names = names.filter(|names| !names.is_empty())?;
        if names.len() <= FEW_SHORT {
            let prints = names.iter().map(|name| Print::of(name));
            if prints.clone().all(Print::is_whole) {
                return Some(Self::Short(prints.collect()));
            }
        }
        if names.len() <= FEW {
            return Some(Self::Few(names.iter().map(|name| name.as_str().into()).collect()));
        }
        let mut filter = 0;
        let mut text = String::with_capacity(names.iter().map(String::len).sum());
        let mut table: HashTable<Member> = HashTable::with_capacity(names.len());
        for name in names {
            let hash = xxh3_64(name.as_bytes());
            filter |= filter_bit(hash);
            if find(&table, &text, hash, name) {
                continue;
            }
            let place = |text: &str| u32::try_from(text.len()).expect("less than 4 GiB of names");
            let start = place(&text);
            text.push_str(name);
            let member = Member { hash, start, end: place(&text) };
            table.insert_unique(hash, member, |member| member.hash);
        }
        Some(Self::Many { filter, text: text.into(), table })
    }

    /// Whether `name` is a member; `hash` computes its XXH3 when it is needed.
    #[inline(always)]
    pub(crate) fn contains(&self, name: &str, hash: impl FnOnce() -> u64) -> bool {
        match self {
            Self::Short(prints) => has_print(prints, name),
            Self::Few(names) => is_among(names, name),
            Self::Many { filter, text, table } => {
                let hash = hash();
                filter & filter_bit(hash) != 0 && find(table, text, hash, name)
            }
        }
    }

    /// Whether any of `names` is a member.
    #[inline]
    pub(crate) fn contains_any<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> bool {
        match self {
            Self::Short(prints) => names.any(|name| has_print(prints, name)),
            _ => names.any(|name| self.contains(name, || hash_text(name))),
        }
    }
}

// These are apart, so that the steps before them are small enough to be inlined.
#[inline(never)]
fn is_among(names: &[Box<str>], name: &str) -> bool {
    names.iter().any(|known| **known == *name)
}

#[inline(never)]
fn has_print(prints: &[Print], name: &str) -> bool {
    prints.contains(&Print::of(name))
}

#[inline(never)]
fn find(table: &HashTable<Member>, text: &str, hash: u64, name: &str) -> bool {
    let same = |member: &Member| member.hash == hash && member.name(text) == name.as_bytes();
    table.find(hash, same).is_some()
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
        for size in [1, FEW, FEW + 1, FEW_SHORT, FEW_SHORT + 1, 1_000] {
            for start in ["", "user-", "somebody-"] {
                let names: Vec<String> = (0..size).map(|n| format!("{start}{n}")).collect();
                let set = NameSet::new(Some(&names)).unwrap();
                let contains = |name: &str| set.contains(name, || xxh3_64(name.as_bytes()));

                assert!(names.iter().all(|name| contains(name)));
                for other in ["", "somebody else", "user-x", "1\0", &format!("{start}{size}")] {
                    assert!(!contains(other), "{other}");
                }
            }
        }
    }
}
