//! The order in which the flags that decide about one are evaluated.

use super::need::Need;
use crate::model::Slot;

/// The flags that decide about a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The flags, each behind those that decide about it.
    pub(super) entries: Box<[Entry]>,
    /// The indices of the flags in `entries`, by slot.
    pub(super) places: Box<[(Slot, u16)]>,
    /// The prerequisites of the flag itself.
    pub(super) requires: Box<[Need]>,
}

/// A flag that decides about others, and its prerequisites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) slot: Slot,
    pub(super) requires: Box<[Need]>,
}

impl Program {
    /// Creates the program. There are at most [`MOST_PREREQUISITES`](crate::model::MOST_PREREQUISITES) entries.
    pub(super) fn new(entries: Vec<Entry>, requires: Box<[Need]>) -> Self {
        let places = (0..).zip(&entries).map(|(place, entry)| (entry.slot, place));
        let mut places: Box<[_]> = places.collect();
        places.sort_unstable();
        Self { entries: entries.into(), places, requires }
    }

    /// Returns the flags that decide, in the order in which they are evaluated.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.entries.iter().map(|entry| entry.slot)
    }
}
