//! The one place in which snapshots are published and read.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{Snapshot, wakers::Wakers};

/// Holds the current snapshot.
///
/// Readers keep the snapshot that they used last in a thread-local and compare one number, so
/// reading is a load that no other thread writes to. `ArcSwap::load` alone costs some ten
/// nanoseconds more. A lock or a reference count that all threads share costs far more than that.
///
/// A thread that evaluates no flag any more keeps its last snapshot alive until it evaluates again
/// or ends.
#[derive(Debug)]
pub(crate) struct Cell {
    /// The number of the current generation: stored after the snapshot itself. With [`OBSERVED`], it
    /// is the number of no generation.
    generation: AtomicU64,
    current: ArcSwap<Snapshot>,
    /// The tasks that wait for the next snapshot.
    pub(super) wakers: Wakers,
}

/// The bit that marks a generation whose evaluations are observed. It leads questions the longer way, so
/// that those of other flags need no test for an observer.
const OBSERVED: u64 = 1 << 63;

thread_local! {
    static LAST: RefCell<Option<Arc<Snapshot>>> = const { RefCell::new(None) };
}

impl Cell {
    pub(crate) fn new(first: Snapshot) -> Self {
        let generation = AtomicU64::new(marked(&first));
        Self { generation, current: ArcSwap::from_pointee(first), wakers: Wakers::default() }
    }

    /// Publishes a snapshot. Only the publisher calls this, one call at a time.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let generation = marked(&snapshot);
        self.current.store(Arc::new(snapshot));
        self.generation.store(generation, Ordering::Release);
    }

    /// Wakes the tasks that wait for another generation.
    ///
    /// The publisher calls this after it has published the generation: a task that registers later
    /// finds the new one.
    pub(crate) fn wake(&self) {
        self.wakers.wake();
    }

    /// Returns the current snapshot, to keep.
    pub(crate) fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Calls `ask` with the current snapshot.
    #[inline]
    pub(crate) fn with<R>(&self, ask: impl Fn(&Snapshot) -> R) -> R {
        self.ask(&ask, &ask)
    }

    /// Calls `plain` with the current snapshot, or `any` if its evaluations may be observed.
    // Always inlined, here and in the callers that W1 to W4 measure. With the second way, the compiler takes them
    // for too large, and a question costs 16 to 100 instructions more.
    #[inline(always)]
    pub(crate) fn ask<R>(&self, plain: impl Fn(&Snapshot) -> R, any: impl Fn(&Snapshot) -> R) -> R {
        // Generations are unique in the process, so one comparison also distinguishes the flags.
        let generation = self.generation.load(Ordering::Acquire);
        match last(generation, plain) {
            Some(answer) => answer,
            None => self.ask_any(any),
        }
    }

    #[cold]
    #[inline(never)]
    fn ask_any<R>(&self, ask: impl Fn(&Snapshot) -> R) -> R {
        let generation = self.generation.load(Ordering::Acquire) & !OBSERVED;
        match last(generation, &ask) {
            Some(answer) => answer,
            None => self.refresh(ask),
        }
    }

    #[cold]
    #[inline(never)]
    fn refresh<R>(&self, ask: impl Fn(&Snapshot) -> R) -> R {
        let current = self.load();
        let stale = LAST.try_with(|last| {
            // A caller further up the stack may be reading the old snapshot right now.
            let mut last = last.try_borrow_mut().ok()?;
            last.replace(Arc::clone(&current))
        });
        // The publisher of other flags may be gone, and then this frees their last generation. The
        // borrow is over by now.
        drop(stale);
        ask(&current)
    }
}

/// Returns the number of a generation, marked if its evaluations are observed.
fn marked(snapshot: &Snapshot) -> u64 {
    match &snapshot.observed {
        None => snapshot.generation,
        Some(_) => snapshot.generation | OBSERVED,
    }
}

/// Calls `ask` with the snapshot that this thread used last, if it is of this generation.
#[inline(always)]
fn last<R>(generation: u64, ask: impl Fn(&Snapshot) -> R) -> Option<R> {
    let answer = LAST.try_with(|last| {
        let last = last.try_borrow().ok()?;
        let last = last.as_deref().filter(|last| last.generation == generation)?;
        Some(ask(last))
    });
    answer.ok().flatten()
}
