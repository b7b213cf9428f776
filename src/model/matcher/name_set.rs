//! Sets of user or group names.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::print_set::PrintSet;

/// A set of names, compiled for membership tests.
#[derive(Debug, Clone)]
pub(crate) enum NameSet {
    /// Names that fit in a word, such as those of countries.
    Short(PrintSet),
    Many(Members),
}

/// Names by their hash.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// One bit per name, so that most names that are not members are not looked up in the table. Without the filter, W2
    /// by handle takes 232 instructions rather than 204.
    filter: u64,
    /// All names, one after the other: one allocation for any number of names.
    text: Box<str>,
    table: HashTable<Member>,
}

/// A name by its place in the text. It is compared only if the hash is equal.
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
    /// Creates the set of these names; `None` if there are none.
    pub(crate) fn new(names: &[String]) -> Option<Self> {
        if names.is_empty() {
            return None;
        }
        Some(match PrintSet::new(names) {
            Some(short) => Self::Short(short),
            None => Self::Many(Members::new(names)),
        })
    }

    /// Returns true if `name` is a member; `hash` computes its XXH3 when it is needed.
    // A closure, since a context keeps the hash of its user. Hashing here, W2 by handle takes 248 instructions rather than
    // 204.
    #[inline(always)]
    pub(crate) fn contains(&self, name: &str, hash: impl FnOnce() -> u64) -> bool {
        match self {
            Self::Short(prints) => prints.contain(name),
            Self::Many(members) => members.contain(name, hash),
        }
    }

    /// Returns true if any of `names` is a member.
    #[inline]
    pub(crate) fn contains_any<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> bool {
        match self {
            Self::Short(prints) => names.any(|name| prints.contain(name)),
            _ => names.any(|name| self.contains(name, || hash_text(name))),
        }
    }
}

impl Members {
    fn new(names: &[String]) -> Self {
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
        Self { filter, text: text.into(), table }
    }

    #[inline]
    fn contain(&self, name: &str, hash: impl FnOnce() -> u64) -> bool {
        let hash = hash();
        self.filter & filter_bit(hash) != 0 && find(&self.table, &self.text, hash, name)
    }
}

// A function of its own, so that the steps before it are small enough to be inlined.
#[inline(never)]
fn find(table: &HashTable<Member>, text: &str, hash: u64, name: &str) -> bool {
    let same = |member: &Member| member.hash == hash && member.name(text) == name.as_bytes();
    table.find(hash, same).is_some()
}

/// Returns a bit that decides neither the bucket nor the tag in the table.
#[inline]
fn filter_bit(hash: u64) -> u64 {
    1 << ((hash >> 48) & 63)
}

/// Returns the XXH3 of a string.
// Not inlined, since few sets are large enough to need it.
#[inline(never)]
pub(crate) fn hash_text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_sets_contain_exactly_their_members() {
        for size in [1, 4, 5, 16, 17, 1_000] {
            for start in ["", "user-", "somebody-"] {
                let names: Vec<String> = (0..size).map(|n| format!("{start}{n}")).collect();
                let set = NameSet::new(&names).unwrap();
                let contains = |name: &str| set.contains(name, || xxh3_64(name.as_bytes()));

                assert!(names.iter().all(|name| contains(name)));
                for other in ["", "somebody else", "user-x", "1\0", &format!("{start}{size}")] {
                    assert!(!contains(other), "{other}");
                }
            }
        }
    }
}
