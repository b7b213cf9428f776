//! Cells in which threads count, each its own.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use super::{
    outcome::Packed,
    thread,
    units::{Unit, Units},
};
use crate::model::Slot;

/// The number of chunks that one cell has at most. An evaluation with a further outcome is dropped.
const CHUNKS: usize = 64;

/// The cells of all threads, with room for some number of slots.
///
/// A cell is written by one thread and read by those who gather. So a thread counts with a load and
/// a store, and waits for no other thread.
#[derive(Debug)]
pub(crate) struct Table {
    /// By the number of the thread: its cells by slot, and one for all keys without a slot.
    threads: Box<[OnceLock<Box<[Chunk<3>]>>]>,
    units: Box<[OnceLock<Box<Units>>]>,
}

/// Outcomes of one flag with their counts. Cells with three of them fill one line of the cache.
#[derive(Debug)]
struct Chunk<const N: usize> {
    rows: [Row; N],
    next: OnceLock<Box<Chunk<4>>>,
}

#[derive(Debug)]
struct Row {
    /// The packed outcome; 0 in a row that is free.
    outcome: AtomicU64,
    count: AtomicU64,
}

/// A cell was full, or the thread has none.
#[derive(Debug)]
pub(super) struct Dropped;

impl Table {
    pub(super) fn with_room(slots: usize) -> Self {
        Self { threads: empty(thread::MOST), units: empty(slots) }
    }

    /// Returns the number of slots that have cells.
    pub(super) fn room(&self) -> usize {
        self.units.len()
    }

    /// Counts an evaluation of the flag with this slot, or of a key without one.
    #[inline]
    pub(super) fn count(
        &self,
        slot: Option<Slot>,
        outcome: Packed,
        unit: Unit,
    ) -> Result<(), Dropped> {
        let room = self.room();
        let cells = self.threads.get(thread::number()).ok_or(Dropped)?;
        let cells = match cells.get() {
            Some(cells) => cells,
            None => cells
                .get_or_init(|| std::iter::repeat_with(Chunk::default).take(room + 1).collect()),
        };
        let at = slot.map_or(room, |slot| slot as usize);
        cells.get(at).ok_or(Dropped)?.count(outcome)?;
        if let Some(unit) = unit.hash()
            && let Some(units) = self.units.get(at)
        {
            units.get_or_init(Box::default).add(unit);
        }
        Ok(())
    }

    /// Calls `f` with each slot that was counted, an outcome and its count. Several threads may
    /// have counted the same outcome.
    pub(super) fn each(&self, mut f: impl FnMut(Option<Slot>, Packed, u64)) {
        let room = self.room();
        for cells in self.threads.iter().filter_map(OnceLock::get) {
            for (at, cell) in cells.iter().enumerate() {
                let slot = (at < room).then_some(at as Slot);
                cell.each(&mut |outcome, count| f(slot, outcome, count));
            }
        }
    }

    /// Returns the units that a flag has drawn for, if there were any.
    pub(super) fn units(&self, slot: Slot) -> Option<&Units> {
        Some(self.units.get(slot as usize)?.get()?)
    }

    /// Adds the units of a smaller table.
    pub(super) fn merge_units(&self, other: &Self) {
        for (units, other) in self.units.iter().zip(&other.units) {
            if let Some(other) = other.get() {
                units.get_or_init(Box::default).merge(other);
            }
        }
    }
}

fn empty<T>(length: usize) -> Box<[OnceLock<T>]> {
    std::iter::repeat_with(OnceLock::new).take(length).collect()
}

impl<const N: usize> Chunk<N> {
    #[inline]
    fn count(&self, outcome: Packed) -> Result<(), Dropped> {
        match self.rows[0].has(outcome) {
            true => self.rows[0].add(),
            false => self.count_further(outcome)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn count_further(&self, outcome: Packed) -> Result<(), Dropped> {
        if count_in(&self.rows, outcome) {
            return Ok(());
        }
        let mut next = &self.next;
        for _ in 0..CHUNKS {
            let chunk = next.get_or_init(Box::default);
            if count_in(&chunk.rows, outcome) {
                return Ok(());
            }
            next = &chunk.next;
        }
        Err(Dropped)
    }

    fn each(&self, f: &mut impl FnMut(Packed, u64)) {
        self.rows.iter().for_each(|row| row.read(f));
        let mut next = &self.next;
        while let Some(chunk) = next.get() {
            chunk.rows.iter().for_each(|row| row.read(f));
            next = &chunk.next;
        }
    }
}

/// Counts an outcome in its row, or in the first free one. Returns false if there is none.
fn count_in(rows: &[Row], outcome: Packed) -> bool {
    let is_for = |row: &&Row| row.has(outcome) || row.claim(outcome);
    rows.iter().find(is_for).map(Row::add).is_some()
}

impl Row {
    #[inline]
    fn has(&self, outcome: Packed) -> bool {
        self.outcome.load(Ordering::Relaxed) == outcome.0
    }

    /// Takes a free row for an outcome. Only the thread that counts in the row calls this.
    fn claim(&self, outcome: Packed) -> bool {
        let is_free = self.outcome.load(Ordering::Relaxed) == 0;
        if is_free {
            self.outcome.store(outcome.0, Ordering::Relaxed);
        }
        is_free
    }

    // A load and a store, since no other thread writes. An addition that is one operation for all
    // threads takes three times as long.
    #[inline]
    fn add(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn read(&self, f: &mut impl FnMut(Packed, u64)) {
        match self.outcome.load(Ordering::Relaxed) {
            0 => {}
            outcome => f(Packed(outcome), self.count.load(Ordering::Relaxed)),
        }
    }
}

impl<const N: usize> Default for Chunk<N> {
    fn default() -> Self {
        let free = || Row { outcome: AtomicU64::new(0), count: AtomicU64::new(0) };
        Self { rows: std::array::from_fn(|_| free()), next: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, thread};

    use super::*;

    fn sums(table: &Table) -> BTreeMap<(Option<Slot>, u64), u64> {
        let mut sums = BTreeMap::new();
        table.each(|slot, outcome, count| *sums.entry((slot, outcome.0)).or_default() += count);
        sums
    }

    #[test]
    fn what_several_threads_count_adds_up() {
        let table = Table::with_room(2);

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..30_000 {
                        table
                            .count(Some(n % 2), Packed(1 + u64::from(n % 10)), Unit::default())
                            .unwrap();
                        table.count(None, Packed(7), Unit::default()).unwrap();
                    }
                });
            }
        });

        let sums = sums(&table);
        assert_eq!(sums.len(), 11);
        assert_eq!(sums[&(None, 7)], 120_000);
        assert!(
            sums.iter().all(|(&(slot, _), &count)| slot.is_none() || count == 12_000),
            "{sums:?}"
        );
    }

    #[test]
    fn a_cell_holds_a_bounded_number_of_outcomes_and_drops_further_ones() {
        let table = Table::with_room(1);

        let counted =
            (1..10_000).filter(|&it| table.count(Some(0), Packed(it), Unit::default()).is_ok());

        assert_eq!(counted.count(), 3 + 4 * CHUNKS);
        assert_eq!(sums(&table).len(), 3 + 4 * CHUNKS);
    }

    #[test]
    fn a_cell_of_three_outcomes_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Chunk<3>>(), 64);
    }
}
