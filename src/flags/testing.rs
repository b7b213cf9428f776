//! For the tests of services that use flags.
//!
//! [`Flags::for_test`] makes flags that need no files and no runtime, and that panic when the code
//! asks for a flag that the test did not set. [`with_overrides`] changes flags for one future
//! only, which is safe while other tests run in other threads or tasks.

use std::{sync::Arc, time::SystemTime};

use tokio::task::JoinSet;

use super::{
    Flags, WithFlags,
    clock::Clock,
    publisher::Publisher,
    request::{SCOPE, Scope},
    snapshot::Strictness,
};
use crate::{
    backend::{Backend, Heard, Memory, Offer, Publish, Sink, identify},
    model::{Definition, Entry, Percentage},
};

impl Flags {
    /// Sets up flags for a test: those that the test names, and no others.
    ///
    /// Asking for a flag that was not set panics with its name, so that a test cannot pass
    /// because of a typing error.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().on("new_checkout").off("beta").on_for("vip", "ana").start();
    ///
    /// assert!(flags.is_enabled("new_checkout", &Context::anonymous()));
    /// assert!(flags.is_enabled("vip", &Context::user("ana")));
    /// assert!(!flags.is_enabled("vip", &Context::user("bob")));
    /// ```
    ///
    /// ```should_panic
    /// # use flagstaff::{Context, Flags};
    /// let flags = Flags::for_test().start();
    ///
    /// flags.is_enabled("new_chekout", &Context::anonymous());
    /// ```
    pub fn for_test() -> TestFlags {
        TestFlags::default()
    }
}

/// Sets up flags for a test. Made by [`Flags::for_test`].
#[derive(Debug, Default)]
#[must_use]
pub struct TestFlags {
    entries: Vec<(Arc<str>, Entry)>,
    clock: Clock,
}

impl TestFlags {
    /// A flag that is on for everybody.
    pub fn on(self, key: &str) -> Self {
        self.with(key, true)
    }

    /// A flag that is off for everybody.
    pub fn off(self, key: &str) -> Self {
        self.with(key, false)
    }

    /// A flag that is on for one user only. Called again for the same flag, for one more.
    pub fn on_for(mut self, key: &str, user: &str) -> Self {
        let known = self.entries.iter_mut().find(|(known, _)| **known == *key);
        if let Some((_, Entry::Definition(definition))) = known {
            let definition = Arc::make_mut(definition);
            let mut users = definition.allowed_users.value().cloned().unwrap_or_default();
            users.push(user.to_owned());
            *definition = std::mem::take(definition).allowed_users(users);
            return self;
        }
        let only = Definition::new().percentage(Percentage::ZERO).allowed_users([user]);
        self.with(key, only)
    }

    /// A flag with a forced value or a definition. A later one replaces an earlier one.
    pub fn with(mut self, key: &str, entry: impl Into<Entry>) -> Self {
        self.entries.retain(|(known, _)| **known != *key);
        self.entries.push((key.into(), entry.into()));
        self
    }

    /// The date and time at which rollouts and active windows are looked at; now unless set.
    pub fn at(self, instant: SystemTime) -> Self {
        Self { clock: Clock::new(move || instant), ..self }
    }

    /// The flags. They can be changed by [`Flags::enable`] and the like.
    #[must_use]
    pub fn start(self) -> Flags {
        let memory = Memory::new();
        let sources = identify([(memory.kind(), memory.name())]);
        let publisher = Arc::new(Publisher::new(sources, Strictness::Panics, self.clock));
        let target = Arc::downgrade(&publisher);
        publisher.publish(0, Offer::new(), Heard::Whole);
        for (key, entry) in self.entries {
            memory.insert(&key, entry);
        }
        memory.attach(Sink::new(target, 0));
        publisher.started();
        Flags::new(publisher, vec![Arc::new(memory)], JoinSet::new())
    }
}

/// What is overridden in a scope, the innermost last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    flags: Arc<[(Box<str>, bool)]>,
}

impl Overrides {
    /// What is in force once these are added to those around them.
    pub(crate) fn within(self, outer: Self) -> Self {
        match (self.flags.is_empty(), outer.flags.is_empty()) {
            (true, _) => outer,
            (_, true) => self,
            _ => Self { flags: outer.flags.iter().chain(&*self.flags).cloned().collect() },
        }
    }
}

/// Runs a future with some flags on or off, whatever their sources say.
///
/// It holds for everything that the future asks, through any [`Flags`] and for any context, and in
/// tasks that it spawns with
/// [`with_current_flags`](crate::WithCurrentFlags::with_current_flags). Nothing else notices, so
/// tests that run at the same time do not disturb each other. An inner override beats an outer
/// one.
///
/// What a service asks in `call`, before its future is polled, is outside:
/// `async { service.call(request).await }` brings it inside.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, testing::with_overrides};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let flags = Flags::for_test().off("beta").start();
///
/// let inside = with_overrides([("beta", true)], async {
///     flags.is_enabled("beta", &Context::anonymous())
/// });
///
/// assert!(inside.await);
/// assert!(!flags.is_enabled("beta", &Context::anonymous()));
/// # }
/// ```
pub fn with_overrides<'a, F: Future>(
    overrides: impl IntoIterator<Item = (&'a str, bool)>,
    future: F,
) -> WithFlags<F> {
    let overrides = overrides.into_iter().map(|(key, on)| (key.into(), on));
    let overrides = Overrides { flags: overrides.collect() };
    WithFlags::within(Scope { overrides, ..Scope::default() }, future)
}

/// What the running test overrides a flag with.
pub(crate) fn scoped(name: &str) -> Option<bool> {
    let find = |scope: &Scope| {
        let flags = scope.overrides.flags.iter().rev();
        flags.into_iter().find(|(key, _)| **key == *name).map(|&(_, on)| on)
    };
    SCOPE.try_with(find).ok().flatten()
}
