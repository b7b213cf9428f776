//! Flags for one test.

use std::{iter, sync::Arc, time::SystemTime};

use tokio::task::JoinSet;

use crate::{
    backend::{Backend, Heard, Memory, Offer, Publish, Sink, identify},
    flags::{Flags, clock::Clock, publisher::Publisher, snapshot::Strictness},
    model::{Definition, Entry, FlagKey, Percentage},
};

impl Flags {
    /// Returns a builder of flags for a test: only those that the test sets. Evaluating a flag that was not set panics
    /// and names the flag, so that a test cannot pass because of a typing error.
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

/// A builder of flags for a test. Made by [`Flags::for_test`].
#[derive(Debug, Default)]
#[must_use]
pub struct TestFlags {
    entries: Vec<(Arc<str>, Entry)>,
    /// The name and the text of each flags.toml, the strongest first.
    #[cfg(feature = "definition")]
    files: Vec<(String, String)>,
    now: Option<SystemTime>,
}

impl TestFlags {
    /// Adds a flag that is on for all users.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().on("beta").start();
    ///
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// ```
    pub fn on(self, key: impl FlagKey) -> Self {
        self.with(key, true)
    }

    /// Adds a flag that is off for all users.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().off("beta").start();
    ///
    /// assert!(!flags.is_enabled("beta", &Context::anonymous()));
    /// ```
    pub fn off(self, key: impl FlagKey) -> Self {
        self.with(key, false)
    }

    /// Adds a flag that is on for one user only. Each further call for the flag adds a user.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().on_for("beta", "ana").on_for("beta", "bob").start();
    ///
    /// assert!(flags.is_enabled("beta", &Context::user("bob")));
    /// assert!(!flags.is_enabled("beta", &Context::user("eve")));
    /// ```
    pub fn on_for(mut self, key: impl FlagKey, user: &str) -> Self {
        let known = self.entries.iter_mut().find(|(known, _)| **known == *key.as_str());
        if let Some((_, Entry::Definition(definition))) = known {
            let definition = definition.make_mut();
            let mut users = definition.allowed_users.value().cloned().unwrap_or_default();
            users.push(user.to_owned());
            *definition = std::mem::take(definition).allowed_users(users);
            return self;
        }
        let only = Definition::new().percentage(Percentage::ZERO).allowed_users([user]);
        self.with(key, only)
    }

    /// Adds a flag with a forced value or a definition. A later one replaces an earlier one.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags};
    ///
    /// let prices = Definition::new().variants([("higher_price", 100), ("control", 0)]);
    /// let flags = Flags::for_test().with("pricing_page", prices).start();
    ///
    /// let page = flags.variant("pricing_page", &Context::user("ana"), "control");
    /// assert_eq!(page.value, "higher_price");
    /// ```
    pub fn with(mut self, key: impl FlagKey, entry: impl Into<Entry>) -> Self {
        self.entries.retain(|(known, _)| **known != *key.as_str());
        self.entries.push((key.as_str().into(), entry.into()));
        self
    }

    /// Adds the flags of a flags.toml, below all flags that the test sets by itself. `on` and the
    /// like override the file, as a stronger source does in a service. Cargo runs tests in the
    /// directory of their package.
    ///
    /// The file is read once and not followed. The tests that it contains run at the
    /// [time](Self::at) of the flags.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be read. [`start`](Self::start) panics if it has an error.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use flagstaff::{Context, Flags};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("flags.toml");
    /// # std::fs::write(&path, "[flags]\nsale = { active = { from = 2026-12-24 } }\nbeta = false")?;
    /// // sale = { active = { from = 2026-12-24 } }
    /// let christmas = SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_149_600);
    ///
    /// let flags = Flags::for_test().file(&path).on("beta").at(christmas).start();
    ///
    /// assert!(flags.is_enabled("sale", &Context::anonymous()));
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "definition")]
    pub fn file(self, path: impl AsRef<std::path::Path>) -> Self {
        let path = path.as_ref();
        let name = path.display().to_string();
        match crate::read::text(path) {
            Ok(text) => self.text(name, text),
            Err(error) => panic!("cannot read the flags of the test from `{name}`: {error}"),
        }
    }

    /// Adds the flags of a string in the format of flags.toml, below all flags that the test sets
    /// by itself: see [`file`](Self::file).
    ///
    /// # Panics
    ///
    /// [`start`](Self::start) panics if the text has an error.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// let flags = Flags::for_test().toml("[flags]\nbeta = { allowed_users = [\"ana\"], percentage = 0 }");
    /// let flags = flags.start();
    ///
    /// assert!(flags.is_enabled("beta", &Context::user("ana")));
    /// assert!(!flags.is_enabled("beta", &Context::user("bob")));
    /// ```
    #[cfg(feature = "definition")]
    pub fn toml(self, text: &str) -> Self {
        self.text("flags.toml".to_owned(), text.to_owned())
    }

    #[cfg(feature = "definition")]
    fn text(mut self, name: String, text: String) -> Self {
        self.files.push((name, text));
        self
    }

    /// Returns the flags that each file declares.
    #[cfg(feature = "definition")]
    fn declared(&self) -> impl Iterator<Item = Memory> {
        let now = self.now.unwrap_or_else(SystemTime::now);
        self.files.iter().map(move |(name, text)| declared(name, text, now))
    }

    #[cfg(not(feature = "definition"))]
    fn declared(&self) -> iter::Empty<Memory> {
        iter::empty()
    }

    /// Fixes the date and time of rollouts, active windows and the tests of a file; the system's
    /// clock unless set.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use flagstaff::{Context, Definition, Flags, definition::Active};
    ///
    /// let opening = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// let sale = || Flags::for_test().with("sale", Definition::new().active(Active::new().from(opening)));
    /// let is_on = |flags: &Flags| flags.is_enabled("sale", &Context::anonymous());
    ///
    /// assert!(is_on(&sale().at(opening).start()));
    /// assert!(!is_on(&sale().at(opening - Duration::from_secs(1)).start()));
    /// ```
    pub fn at(self, instant: SystemTime) -> Self {
        Self { now: Some(instant), ..self }
    }

    /// Starts the flags. [`Flags::enable`] and the like can change them.
    ///
    /// # Panics
    ///
    /// Panics if a [file](Self::file) has an error, with its diagnostics.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::WriteError> {
    /// let flags = Flags::for_test().off("beta").start();
    ///
    /// flags.enable("beta").await?;
    ///
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start(self) -> Flags {
        let own = Memory::new();
        for (key, entry) in &self.entries {
            own.insert(&**key, entry.clone());
        }
        let sources: Vec<_> = iter::once(own).chain(self.declared()).collect();
        let identified = identify(sources.iter().map(|memory| (memory.kind(), memory.name())));
        let clock = self.now.map_or_else(Clock::default, |now| Clock::new(move || now));
        let publisher = Arc::new(Publisher::new(identified, Strictness::Panics, clock, None));
        for (source, memory) in sources.iter().enumerate() {
            publisher.publish(source, Offer::new(), Heard::Whole);
            memory.attach(&Sink::new(Arc::downgrade(&publisher) as _, source));
        }
        publisher.started();
        let sources = sources.into_iter().map(|memory| Arc::new(memory) as _).collect();
        Flags::new(publisher, sources, JoinSet::new())
    }
}

/// Reads the flags that a flags.toml declares.
#[cfg(feature = "definition")]
fn declared(name: &str, text: &str, now: SystemTime) -> Memory {
    use crate::definition::FlagsFile;

    let file = FlagsFile::parse(name, text).tested(&Default::default(), now);
    if !file.is_usable() || !file.rejected().is_empty() {
        panic!("the flags of the test have errors:\n{}", file.diagnostics());
    }
    let memory = Memory::new();
    for (key, definition) in file.flags() {
        memory.insert(key, definition.clone());
    }
    memory
}
