//! Flag names and their slots.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::{const_xxh3, xxh3::xxh3_64};

/// The index of a flag in every snapshot of one `Flags`, which is stable across reloads.
pub(crate) type Slot = u32;

/// Returns the hash under which a name is found.
#[inline]
pub(crate) fn hash_name(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// Returns the hash of a name at compile time; slower than [`hash_name`] at run time.
pub(crate) const fn hash_name_const(name: &str) -> u64 {
    const_xxh3::xxh3_64(name.as_bytes())
}

/// All names that the flags have had, each with its slot. The list only grows, so a slot stays
/// valid.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The slots by the hash of their names. The names themselves are kept once, in `by_slot`.
    table: HashTable<Slot>,
    by_slot: Vec<Arc<str>>,
}

impl Names {
    #[inline]
    pub(crate) fn find(&self, hash: u64, name: &str) -> Option<Slot> {
        self.table.find(hash, |&slot| **self.name(slot) == *name).copied()
    }

    /// Returns the slot of `name`, and adds the name if it is new.
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

    /// Returns the slot of `name` in names that snapshots share. They are copied only for a new
    /// name.
    pub(crate) fn slot(names: &mut Arc<Self>, name: &Arc<str>) -> Slot {
        match names.find(hash_name(name), name) {
            Some(slot) => slot,
            None => Arc::make_mut(names).intern(name),
        }
    }

    /// Reserves exactly this many names in all. Vectors that grow by doubling take more.
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
