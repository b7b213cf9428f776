//! The flags that a test asked for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::ScopedOverrides;
use crate::{
    flags::{Flags, snapshot::Strictness},
    model::FlagKey,
};

/// The names of the flags that were asked for, if anything records them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evaluated(Option<Arc<Mutex<BTreeSet<Box<str>>>>>);

impl Evaluated {
    pub(super) fn recorded() -> Self {
        Self(Some(Arc::default()))
    }

    /// Records for the flags of tests only: names may come from data, and services run for long.
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

/// Panics if the flag was not evaluated since the overrides around the call are in force, so that a
/// test fails whose code never asks for the flag.
///
/// It counts who asks within [`with_overrides`](super::with_overrides),
/// [`Overrides::run`](super::Overrides::run) and [`both`](super::both), also in tasks and threads
/// that the scope was carried into. Flags that another one requires are evaluated with it. For the
/// flags of one test, wherever they are asked, there is [`Flags::assert_evaluated`].
///
/// # Panics
///
/// Panics outside overrides, too, since nothing is recorded there.
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
    /// Panics if the flag was not evaluated since these flags were started, so that a test fails
    /// whose code never asks for the flag.
    ///
    /// It counts who asks, whichever thread, request or gate that is. Flags that another one
    /// requires are evaluated with it.
    ///
    /// # Panics
    ///
    /// Panics for flags that [`for_test`](Self::for_test) did not make, too: others record
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
