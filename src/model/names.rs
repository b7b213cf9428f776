//! Flag names and the slots they resolve to.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::{const_xxh3, xxh3::xxh3_64};

/// The place of a flag in every snapshot of one `Flags`: stable across reloads.
pub(crate) type Slot = u32;

/// The hash under which a name is found.
#[inline]
pub(crate) fn hash_name(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The same, at compile time; slower at run time.
pub(crate) const fn hash_name_const(name: &str) -> u64 {
    const_xxh3::xxh3_64(name.as_bytes())
}

/// All names that were ever seen, each with its slot. It only grows, so a slot stays valid.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The slots by the hash of their names, which are only kept once.
    table: HashTable<Slot>,
    by_slot: Vec<Arc<str>>,
}

impl Names {
    #[inline]
    pub(crate) fn find(&self, hash: u64, name: &str) -> Option<Slot> {
        self.table.find(hash, |&slot| **self.name(slot) == *name).copied()
    }

    /// The slot of `name`, a new one if it has none.
    pub(crate) fn intern(&mut self, name: &Arc<str>) -> Slot {
        let hash = hash_name(name);
        if let Some(slot) = self.find(hash, name) {
            return slot;
        }
        let slot = Slot::try_from(self.by_slot.len()).expect("fewer than 2^32 flags");
        self.by_slot.push(Arc::clone(name));
        let Self { table, by_slot, .. } = self;
        table.insert_unique(hash, slot, |&slot| hash_name(&by_slot[slot as usize]));
        slot
    }

    /// The slot of `name` in names that snapshots share, and that are copied only for a new name.
    pub(crate) fn slot(names: &mut Arc<Self>, name: &Arc<str>) -> Slot {
        match names.find(hash_name(name), name) {
            Some(slot) => slot,
            None => Arc::make_mut(names).intern(name),
        }
    }

    /// Makes room for this many names in all, and no more, as vectors do that grow by doubling.
    pub(crate) fn reserve(&mut self, names: usize) {
        self.by_slot.reserve_exact(names.saturating_sub(self.by_slot.len()));
    }

    pub(crate) fn len(&self) -> usize {
        self.by_slot.len()
    }

    #[inline]
    pub(crate) fn name(&self, slot: Slot) -> &Arc<str> {
        &self.by_slot[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_hash_alike_at_compile_time() {
        for length in 0..600 {
            let name: String = ('a'..='z').cycle().take(length).collect();
            assert_eq!(hash_name_const(&name), hash_name(&name), "{name}");
        }
    }
}
