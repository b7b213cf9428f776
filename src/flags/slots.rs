//! A list by slot whose clones share what they do not change.

use std::sync::Arc;

use crate::model::Slot;

/// The number of values in a part.
const PART: usize = 64;

/// The values of all flags, by slot.
///
/// Each change of one flag makes a generation with a list of its own. As one `Vec`, the list of ten thousand flags would
/// be copied each time, which was a quarter of what such a change cost
/// (`cargo bench -p flagstaff-tests --bench propagation`).
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// Each is full or has no values at all.
    parts: Vec<Arc<Vec<Option<T>>>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone() }
    }
}

impl<T> Slots<T> {
    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        let slot = slot as usize;
        self.parts.get(slot / PART)?.get(slot % PART)?.as_ref()
    }

    /// Returns the slots that have a value, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let parts = (0..).step_by(PART).zip(&self.parts);
        let values = parts.flat_map(|(first, part)| (first..).zip(part.iter()));
        values.filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }
}

impl<T: Clone> Slots<T> {
    /// Sets the value of a slot, and returns the former one.
    pub(super) fn replace(&mut self, slot: Slot, value: Option<T>) -> Option<T> {
        let (part, place) = (slot as usize / PART, slot as usize % PART);
        if part >= self.parts.len() {
            self.parts.resize_with(part + 1, Arc::default);
        }
        let part = Arc::make_mut(&mut self.parts[part]);
        if place >= part.len() {
            part.resize(PART, None);
        }
        std::mem::replace(&mut part[place], value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_copies_one_part_and_leaves_the_clone_alone() {
        let mut before = Slots::default();
        for slot in 0..1_000 {
            before.replace(slot, Some(slot));
        }

        let mut after = before.clone();
        let former = after.replace(70, None);
        after.replace(5_000, Some(0));

        assert_eq!((former, before.get(70), after.get(70)), (Some(70), Some(&70), None));
        assert_eq!((before.get(5_000), after.get(5_000), after.get(9_000)), (None, Some(&0), None));
        assert_eq!((before.iter().count(), after.iter().count()), (1_000, 1_000));
        assert_eq!(after.iter().last(), Some((5_000, &0)));
        let copied = before.parts.iter().zip(&after.parts).filter(|(a, b)| !Arc::ptr_eq(a, b));
        assert_eq!(copied.count(), 1);
    }
}
