//! Numbers of the threads that evaluate flags.

use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The number of threads that are counted separately. Evaluations of further threads are dropped.
///
/// tokio has at most 512 threads for blocking calls unless configured otherwise.
pub(super) const MOST: usize = 1_024;

/// The number of a thread that has none. It is beyond all others.
const NONE: usize = usize::MAX;

thread_local! {
    // Without a destructor, so that reading the number checks nothing.
    static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    static LEASE: Lease = Lease::new();
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { used: 0, free: BinaryHeap::new() });

/// The numbers of threads that are gone, and the smallest number that no thread has had.
#[derive(Debug)]
struct Numbers {
    used: usize,
    free: BinaryHeap<Reverse<usize>>,
}

/// The number of a thread, until the thread ends.
#[derive(Debug)]
struct Lease(usize);

/// Returns the number of this thread. No other thread has the number until this one ends.
#[inline]
pub(super) fn number() -> usize {
    match NUMBER.get() {
        NONE => lease(),
        number => number,
    }
}

/// Takes the smallest free number, so that cells of threads that are gone are used again.
#[cold]
fn lease() -> usize {
    // While the thread ends, its number may already be that of another one.
    let number = LEASE.try_with(|lease| lease.0).unwrap_or(NONE);
    NUMBER.set(number);
    number
}

impl Lease {
    fn new() -> Self {
        let mut numbers = numbers();
        Self(match numbers.free.pop() {
            Some(Reverse(free)) => free,
            None => {
                numbers.used += 1;
                numbers.used - 1
            }
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        NUMBER.set(NONE);
        numbers().free.push(Reverse(self.0));
    }
}

// Held for a few lines, once when a thread begins and once when it ends, so a std mutex.
fn numbers() -> MutexGuard<'static, Numbers> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn threads_that_live_at_once_have_different_numbers_and_later_ones_use_them_again() {
        let barrier = Barrier::new(8);
        let numbers = || {
            thread::scope(|scope| {
                let number = || {
                    barrier.wait();
                    let number = number();
                    barrier.wait();
                    number
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(number)).collect();
                let numbers = threads.into_iter().map(|thread| thread.join().unwrap());
                let mut numbers: Vec<_> = numbers.collect();
                numbers.sort_unstable();
                numbers
            })
        };

        for _ in 0..100 {
            let mut all = numbers();

            // Other tests have numbers too, but not hundreds of them.
            assert!(all.iter().all(|&number| number < 300), "{all:?}");
            all.dedup();
            assert_eq!(all.len(), 8, "{all:?}");
        }
    }
}
