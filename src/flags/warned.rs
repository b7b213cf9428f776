//! A record of warnings, so that each appears once.

use std::{collections::HashSet, hash::Hash};

use arc_swap::ArcSwap;

/// The number of warnings that are kept. Later ones are not logged: more warnings than code can
/// cause come from data.
const CAP: usize = 1_000;

/// A set that only grows, up to [a bound](CAP), and that never locks.
#[derive(Debug)]
pub(crate) struct Warned<T> {
    seen: ArcSwap<HashSet<T>>,
}

impl<T: Copy + Eq + Hash> Warned<T> {
    /// Adds an item. Returns true if a warning is due: the item is new, and there was room.
    pub(crate) fn is_new(&self, item: T) -> bool {
        let seen = self.seen.load();
        if seen.contains(&item) || seen.len() >= CAP {
            return false;
        }
        let before = self.seen.rcu(|seen| {
            let mut seen = HashSet::clone(seen);
            seen.insert(item);
            seen
        });
        // False if another thread was faster.
        !before.contains(&item)
    }
}

impl<T> Default for Warned<T> {
    fn default() -> Self {
        Self { seen: ArcSwap::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn threads_that_come_at_once_warn_once() {
        let (warned, barrier, warnings) = (Warned::default(), Barrier::new(4), AtomicUsize::new(0));

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..100 {
                        barrier.wait();
                        if warned.is_new(n) {
                            warnings.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });

        assert_eq!(warnings.into_inner(), 100);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let warned = Warned::default();

        let warnings = (0..10 * CAP).filter(|&n| warned.is_new(n)).count();

        assert_eq!((warnings, warned.seen.load().len()), (CAP, CAP));
    }
}
