//! Tasks to wake when a new generation is published.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Mutex, PoisonError},
    task::Waker,
};

use crate::foreign;

/// The wakers of tasks that wait for a service which a flag may close.
///
/// A list of wakers rather than `tokio::sync::watch`, whose future would have to be boxed to be
/// kept in a service.
// A std mutex: it is held for a few lines, and only by tasks that wait and by the publisher.
#[derive(Default)]
pub(super) struct Wakers(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    // The next key. Keys are never used again: a task that was woken still removes its key.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP layers wait"))]
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Wakers {
    /// Wakes all tasks that wait. They register again if they wait for longer.
    pub(super) fn wake(&self) {
        let woken = mem::take(&mut self.lock().wakers);
        // Not under the lock: a waker may run any code, such as the destructor of a task that
        // waits.
        for waker in woken.into_values() {
            foreign::call(|| waker.wake());
        }
    }

    #[cfg(feature = "http")]
    pub(super) fn add(&self, waker: &Waker) -> u64 {
        let mut waiting = self.lock();
        let key = waiting.next;
        waiting.next += 1;
        waiting.wakers.insert(key, waker.clone());
        key
    }

    #[cfg(feature = "http")]
    pub(super) fn remove(&self, key: u64) {
        let removed = self.lock().wakers.remove(&key);
        // This also runs in a destructor.
        foreign::call(|| drop(removed));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakers").finish_non_exhaustive()
    }
}
