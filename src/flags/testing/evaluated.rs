//! The flags that a test has evaluated.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::ScopedOverrides;
use crate::{
    flags::{Flags, snapshot::Strictness},
    model::FlagKey,
};

/// The names of the flags that were evaluated, if they are recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evaluated(Option<Arc<Mutex<BTreeSet<Box<str>>>>>);

impl Evaluated {
    pub(super) fn recorded() -> Self {
        Self(Some(Arc::default()))
    }

    /// Records names for flags of tests only. Names may come from data, and a service runs for
    /// long.
    pub(in crate::flags) fn of(strictness: Strictness) -> Self {
        match strictness {
            Strictness::Lenient => Self::default(),
            Strictness::Panics => Self::recorded(),
        }
    }

    #[inline]
    pub(crate) fn note(&self, name: &str) {
        if let Some(names) = &self.0 {
            let mut names = lock(names);
            if !names.contains(name) {
                names.insert(name.into());
            }
        }
    }

    /// Panics unless the flag is recorded.
    #[track_caller]
    fn assert(&self, name: &str, unrecorded: &str) {
        let Some(names) = &self.0 else { panic!("{unrecorded}") };
        let names = lock(names);
        if names.contains(name) {
            return;
        }
        let others: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        drop(names);
        match &*others {
            [] => panic!("flag `{name}` was not evaluated, and neither was any other"),
            _ => panic!("flag `{name}` was not evaluated, only {}", others.join(", ")),
        }
    }
}

// Held for a few lines without `.await`, so a std mutex.
fn lock(names: &Mutex<BTreeSet<Box<str>>>) -> MutexGuard<'_, BTreeSet<Box<str>>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Panics if no code has evaluated the flag in the scope of the overrides around the call. So a
/// test fails if its code never evaluates the flag.
///
/// The check counts evaluations within [`with_overrides`](super::with_overrides),
/// [`Overrides::run`](super::Overrides::run) and [`both`](super::both), also in tasks and threads
/// that the scope was carried into. Flags that another flag requires are evaluated with it.
/// [`Flags::assert_evaluated`] does this for the flags of one test, wherever they are evaluated.
///
/// # Panics
///
/// Also panics outside overrides, since nothing is recorded there.
///
/// # Example
///
/// ```
/// use flagstaff::testing::{Overrides, assert_evaluated};
///
/// Overrides::new().on("beta").run(|| {
///     assert!(flagstaff::is_enabled("beta"));
///     assert_evaluated("beta");
/// });
/// ```
///
/// ```should_panic
/// # use flagstaff::testing::{Overrides, assert_evaluated};
/// Overrides::new().on("beta").run(|| assert_evaluated("beta"));
/// ```
#[track_caller]
pub fn assert_evaluated(key: impl FlagKey) {
    let overrides = ScopedOverrides::current();
    let evaluated = overrides.evaluated().cloned().unwrap_or_default();
    evaluated.assert(
        key.as_str(),
        "no overrides are in force, so evaluations are not recorded: call `assert_evaluated` \
         within `with_overrides`, `Overrides::run` or `both`, or that of `Flags::for_test()`",
    );
}

impl Flags {
    /// Panics if no code has evaluated the flag since these flags were started. So a test fails if
    /// its code never evaluates the flag.
    ///
    /// The check counts evaluations in every thread, request and gate. Flags that another flag
    /// requires are evaluated with it.
    ///
    /// # Panics
    ///
    /// Also panics for flags that [`for_test`](Self::for_test) did not make, since others record
    /// nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().on("new_checkout").start();
    ///
    /// assert!(flags.is_enabled("new_checkout", &Context::anonymous()));
    ///
    /// flags.assert_evaluated("new_checkout");
    /// ```
    #[track_caller]
    pub fn assert_evaluated(&self, key: impl FlagKey) {
        self.snapshot().evaluated.assert(
            key.as_str(),
            "these flags do not record evaluations: make them by `Flags::for_test()`",
        );
    }
}
