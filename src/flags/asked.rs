//! The record of flags that callers have evaluated by name.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::model::Slot;

/// A mark for each slot. It is set when a caller evaluates the flag by its name, and never cleared:
/// after the first evaluation, all threads only read this memory.
#[derive(Debug, Default)]
pub(super) struct Asked {
    marks: Box<[AtomicBool]>,
}

impl Asked {
    fn with_room(slots: usize) -> Self {
        Self { marks: std::iter::repeat_with(AtomicBool::default).take(slots).collect() }
    }

    #[inline]
    pub(super) fn note(&self, slot: Slot) {
        if let Some(mark) = self.marks.get(slot as usize)
            && !mark.load(Ordering::Relaxed)
        {
            mark.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, slot: Slot) -> bool {
        self.marks.get(slot as usize).is_some_and(|mark| mark.load(Ordering::Relaxed))
    }

    fn note_all_of(&self, other: &Self) {
        for slot in (0..).take(other.marks.len()).filter(|&slot| other.has(slot)) {
            self.note(slot);
        }
    }
}

/// The marks of all generations. Marks of a former generation can be set for as long as a caller
/// holds that generation.
#[derive(Debug, Default)]
pub(super) struct Marks {
    current: Arc<Asked>,
    former: Vec<Arc<Asked>>,
}

impl Marks {
    /// Returns the marks of the next generation, which has this many slots.
    pub(super) fn with_room(&mut self, slots: usize) -> &Arc<Asked> {
        if self.current.marks.len() < slots {
            // Room to spare, since new names may come one by one.
            let larger = Arc::new(Asked::with_room(slots.next_power_of_two()));
            self.former.push(std::mem::replace(&mut self.current, larger));
        }
        &self.current
    }

    /// Returns all marks that were set until now.
    pub(super) fn gathered(&mut self) -> &Asked {
        self.former.retain_mut(|former| {
            // Check the holders before the marks are read: a holder that is gone has set its last mark by then.
            let is_held = Arc::get_mut(former).is_none();
            self.current.note_all_of(former);
            is_held
        });
        &self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_generation_that_is_still_evaluated_are_not_lost() {
        let mut marks = Marks::default();
        let old = Arc::clone(marks.with_room(3));
        old.note(1);
        let new = Arc::clone(marks.with_room(100));
        new.note(99);
        old.note(2);

        let seen = |marks: &mut Marks| -> Vec<Slot> {
            let gathered = marks.gathered();
            (0..200).filter(|&slot| gathered.has(slot)).collect()
        };
        assert_eq!(seen(&mut marks), [1, 2, 99]);
        old.note(0);
        assert_eq!(seen(&mut marks), [0, 1, 2, 99]);
        drop(old);
        assert_eq!(seen(&mut marks), [0, 1, 2, 99]);
        assert!(marks.former.is_empty());
    }
}
