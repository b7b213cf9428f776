//! The flags that are evaluated while a service is polled for readiness, before there is a request.

use std::{cell::RefCell, fmt, mem, sync::Arc, task::Waker};

use super::{Flags, RequestFlags, Snapshot, cell::Cell};

/// The flags that inner gates and switches evaluate while a request layer polls them.
pub(crate) struct ReadyFlags(Option<Arc<Cell>>);

thread_local! {
    // Moved in and out around each poll: a clone would make all threads write to one reference
    // count.
    static CURRENT: RefCell<Option<Arc<Cell>>> = const { RefCell::new(None) };
}

impl ReadyFlags {
    pub(crate) fn new(flags: &Flags) -> Self {
        Self(Some(Arc::clone(&flags.cell)))
    }

    /// Runs `poll` with these flags in force, on the current thread.
    #[inline]
    pub(crate) fn enter<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        let _entered = Entered::new(self);
        poll()
    }

    /// Calls `ask` with the flags in force, or else with those of the request in scope.
    pub(crate) fn read<R>(ask: impl Fn(&Snapshot) -> R) -> Option<R> {
        let current = Self::with(|cell| cell.map(|cell| cell.with(&ask)));
        current.or_else(|| {
            RequestFlags::with_current(|request| request.map(|request| ask(request.snapshot())))
        })
    }

    fn with<R>(read: impl FnOnce(Option<&Arc<Cell>>) -> Option<R>) -> Option<R> {
        CURRENT.try_with(|current| read(current.try_borrow().ok()?.as_ref())).ok()?
    }
}

/// Takes flags out of force when it is dropped, also by a panic.
struct Entered<'a> {
    flags: &'a mut ReadyFlags,
    is_in_force: bool,
}

impl<'a> Entered<'a> {
    #[inline]
    fn new(flags: &'a mut ReadyFlags) -> Self {
        let is_in_force = Self::swap(flags);
        Self { flags, is_in_force }
    }

    // Fails in the destructors of a thread that ends.
    #[inline]
    fn swap(ReadyFlags(flags): &mut ReadyFlags) -> bool {
        let swapped = CURRENT.try_with(|current| {
            current.try_borrow_mut().map(|mut current| mem::swap(&mut *current, flags)).is_ok()
        });
        swapped.unwrap_or(false)
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_in_force {
            Self::swap(self.flags);
        }
    }
}

impl fmt::Debug for ReadyFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyFlags").finish_non_exhaustive()
    }
}

/// A task that waits for a service, and is woken when the flags change, until this is dropped.
#[derive(Debug)]
pub(crate) struct Wake {
    cell: Arc<Cell>,
    key: u64,
}

impl Wake {
    /// Registers `waker` for changes of `own`, or else of the flags of the request layer that
    /// polls. The flags of a request in scope never change.
    pub(crate) fn new(own: Option<&Flags>, waker: &Waker) -> Option<Self> {
        let cell = match own {
            Some(own) => Arc::clone(&own.cell),
            None => ReadyFlags::with(|cell| cell.cloned())?,
        };
        let key = cell.wakers.add(waker);
        Some(Self { cell, key })
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.cell.wakers.remove(self.key);
    }
}
