//! Gathering of what all threads have counted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::{
    Counts, FlagCounts, Outcome, OutcomeCount,
    cells::{Dropped, Table},
    counts::UNKNOWN,
    outcome::Packed,
    units::{Unit, Units},
};
use crate::model::Slot;

/// The counts of the flags, which threads add to and others gather.
#[derive(Debug)]
pub(crate) struct Counting {
    since: SystemTime,
    dropped: AtomicU64,
    // A std mutex: evaluations never take it.
    gathered: Mutex<Gathered>,
}

/// An increase of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct More {
    /// The slot of the flag; `None` for unknown keys.
    pub(crate) slot: Option<Slot>,
    pub(crate) outcome: Outcome,
    pub(crate) count: u64,
}

/// Counts by flag and outcome. The flag `None` stands for all unknown keys.
type Sums = BTreeMap<Option<Slot>, BTreeMap<Packed, u64>>;

#[derive(Debug)]
struct Gathered {
    table: Arc<Table>,
    /// Smaller tables, in which holders of former generations may still count.
    former: Vec<Arc<Table>>,
    /// The counts of tables that are gone.
    folded: Sums,
    last: HashMap<Option<Slot>, Last>,
    /// The counts that were returned as an increase.
    reported: Sums,
    outcomes: HashMap<Packed, Outcome>,
}

/// The evaluations of a flag when they were gathered last.
#[derive(Debug, Clone, Copy)]
struct Last {
    total: u64,
    /// The time at which the total was first found to be this.
    at: SystemTime,
}

impl Counting {
    pub(crate) fn new(since: SystemTime) -> Self {
        let gathered = Gathered {
            table: Arc::new(Table::with_room(0)),
            former: Vec::new(),
            folded: Sums::new(),
            last: HashMap::new(),
            reported: Sums::new(),
            outcomes: HashMap::new(),
        };
        Self { since, dropped: AtomicU64::new(0), gathered: Mutex::new(gathered) }
    }

    /// Returns the table of a generation that has this many slots.
    pub(super) fn with_room(&self, slots: usize) -> Arc<Table> {
        let mut gathered = self.gathered();
        if gathered.table.room() < slots {
            // With room to spare, since names may come one by one.
            let larger = Table::with_room(slots.next_power_of_two());
            larger.merge_units(&gathered.table);
            let former = std::mem::replace(&mut gathered.table, Arc::new(larger));
            gathered.former.push(former);
        }
        Arc::clone(&gathered.table)
    }

    #[inline]
    pub(super) fn count(&self, table: &Table, slot: Option<Slot>, outcome: Outcome, unit: Unit) {
        if let Err(Dropped) = table.count(slot, outcome.pack(), unit) {
            self.drop_one();
        }
    }

    #[cold]
    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds up what the threads have counted, and returns what is new since the last call. `now` is
    /// the time, which evaluations do not read.
    pub(crate) fn gather(&self, now: SystemTime) -> Vec<More> {
        let mut gathered = self.gathered();
        let sums = gathered.gather(now);
        let mut more = Vec::new();
        for (&slot, outcomes) in &sums {
            for (&packed, &sum) in outcomes {
                let reported =
                    gathered.reported.entry(slot).or_default().entry(packed).or_default();
                let count = sum - std::mem::replace(reported, sum);
                if count > 0 {
                    more.push(More { slot, outcome: gathered.outcome(packed), count });
                }
            }
        }
        more
    }

    /// Returns the counts. `name` returns the key of a flag.
    pub(crate) fn counts<'n>(&self, now: SystemTime, name: impl Fn(Slot) -> &'n str) -> Counts {
        let mut gathered = self.gathered();
        let sums = gathered.gather(now);
        let flags = sums.into_iter().map(|(slot, outcomes)| FlagCounts {
            key: slot.map_or(UNKNOWN, &name).to_owned(),
            outcomes: gathered.outcomes(outcomes),
            last_evaluated: gathered.last.get(&slot).map(|last| last.at),
            distinct_units: slot.map_or(0, |slot| gathered.units(slot)),
        });
        let mut flags: Vec<_> = flags.collect();
        flags.sort_by(|a, b| a.key.cmp(&b.key));
        Counts { since: self.since, flags, dropped: self.dropped.load(Ordering::Relaxed) }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn gather(&mut self, now: SystemTime) -> Sums {
        let Self { table, former, folded, .. } = self;
        former.retain_mut(|former| {
            // Checked before the cells are read: a holder that is gone has counted for the last
            // time by then.
            let is_held = Arc::get_mut(former).is_none();
            table.merge_units(former);
            if !is_held {
                add(folded, former);
            }
            is_held
        });
        let mut sums = folded.clone();
        former.iter().chain([&*table]).for_each(|table| add(&mut sums, table));
        for (&slot, outcomes) in &sums {
            let total = outcomes.values().sum();
            let last = self.last.entry(slot).or_insert(Last { total: 0, at: now });
            if last.total != total {
                *last = Last { total, at: now };
            }
        }
        sums
    }

    fn outcome(&mut self, packed: Packed) -> Outcome {
        *self.outcomes.entry(packed).or_insert_with(|| packed.unpack())
    }

    fn outcomes(&mut self, counts: BTreeMap<Packed, u64>) -> Vec<OutcomeCount> {
        let outcomes = counts.into_iter().map(|(packed, count)| {
            let Outcome { on, variant, reason, error_code } = self.outcome(packed);
            OutcomeCount { on, variant, reason, error_code, count }
        });
        let mut outcomes: Vec<_> = outcomes.collect();
        outcomes.sort_by_key(|outcome| {
            let OutcomeCount { on, variant, reason, error_code, count } = outcome;
            let error = error_code.map(|code| code.as_str());
            (std::cmp::Reverse(*count), *variant, !on, reason.as_str(), error)
        });
        outcomes
    }

    fn units(&self, slot: Slot) -> u64 {
        self.table.units(slot).map_or(0, Units::estimate)
    }
}

fn add(sums: &mut Sums, table: &Table) {
    table.each(|slot, outcome, count| {
        *sums.entry(slot).or_default().entry(outcome).or_default() += count;
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{eval::Visitor, model::Reason};

    const ON: Outcome =
        Outcome { on: true, variant: None, reason: Reason::Split, error_code: None };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn drawn(unit: u64) -> Unit {
        let mut drawn = Unit::default();
        drawn.drawing_by(unit);
        drawn
    }

    #[test]
    fn what_holders_of_a_former_generation_count_is_not_lost() {
        let counting = Counting::new(at(0));
        let name = |slot: Slot| if slot == 1 { "a" } else { "b" };
        let old = counting.with_room(3);
        counting.count(&old, Some(1), ON, drawn(1));
        let new = counting.with_room(100);
        counting.count(&new, Some(99), ON, drawn(2));

        let all = |now| -> Vec<_> {
            let counts = counting.counts(at(now), name);
            counts.flags.iter().map(|it| (it.key.clone(), it.total(), it.distinct_units)).collect()
        };
        assert_eq!(all(1), [("a".to_owned(), 1, 1), ("b".to_owned(), 1, 1)]);
        counting.count(&old, Some(1), ON, drawn(u64::MAX));
        assert_eq!(all(2)[0], ("a".to_owned(), 2, 2));
        drop(old);
        assert_eq!(all(3)[0], ("a".to_owned(), 2, 2));
        assert!(counting.gathered().former.is_empty());
        assert_eq!(all(4)[0], ("a".to_owned(), 2, 2));
    }

    #[test]
    fn the_last_evaluation_is_dated_by_the_gathering_that_found_it() {
        let counting = Counting::new(at(0));
        let table = counting.with_room(1);
        let last = |now| counting.counts(at(now), |_| "a").flags[0].last_evaluated;

        counting.count(&table, Some(0), ON, Unit::default());
        counting.gather(at(10));
        counting.gather(at(20));
        assert_eq!(last(25), Some(at(10)));

        counting.count(&table, Some(0), ON, Unit::default());
        assert_eq!(last(30), Some(at(30)));
    }
}
