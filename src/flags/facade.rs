//! The type `Flags`.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Mutex, broadcast, watch},
    task::JoinSet,
};

use super::{
    Drift, Event, Events, FlagsBuilder, Health, NoEffect, Outcome, PendingUndo, PendingWrite,
    RolloutControl, Snapshot, SourceEntry, Status, TrackingEvent, Warning, WriteError,
    blocking::RuntimeThread, cell::Cell, publisher::Publisher,
};
use crate::{
    backend::{Backend, LogEntry, Operation, Source, WritableBackend, Written},
    foreign,
    model::{Answer, Context, Definition, Entry, Flag, FlagKey, FlagState, SharedDefinition},
};

/// The time that the sources have at a shutdown to sign off from other processes.
const LEAVE: Duration = Duration::from_secs(1);

/// All flags of a service, kept up to date.
///
/// Evaluation never waits, locks or fails, and allocates nothing. Clones are cheap and share
/// everything. Dropping the last clone ends the tasks that follow the sources.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let beta = Definition::new().percentage(Percentage::ZERO).allowed_users(["ana"]);
/// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
///
/// assert!(flags.is_enabled("beta", &Context::user("ana")));
/// assert!(!flags.is_enabled("beta", &Context::user("bob")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Flags {
    /// The cell of the publisher: evaluation reads nothing else.
    pub(super) cell: Arc<Cell>,
    inner: Arc<Inner>,
}

struct Inner {
    publisher: Arc<Publisher>,
    sources: Vec<Arc<dyn Backend>>,
    /// The tasks, which end when they are dropped. Locked during a shutdown, so that every caller
    /// waits for them.
    tasks: Mutex<JoinSet<()>>,
    /// The thread that the tasks run in, if the flags have one of their own.
    _thread: Option<RuntimeThread>,
}

impl Flags {
    /// Returns a builder, which starts the flags with their sources, strongest first.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Env, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder()
    ///     .source(Env::with_prefix("FEATURE_").variables([("FEATURE_BETA", "on")]))
    ///     .source(Memory::new().with("beta", false).with("search", true))
    ///     .start()
    ///     .await?;
    ///
    /// // The environment is the stronger source.
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// assert!(flags.is_enabled("search", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> FlagsBuilder {
        FlagsBuilder::default()
    }

    /// Returns `true` if the flag is on for `context`.
    ///
    /// A flag that no source has is off, with one warning per name. While a source is lost, the flag keeps
    /// its last known values, unless `on_stale` is set. [`boolean`](Self::boolean) also returns the
    /// reason, and takes a default.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let beta = Definition::new().percentage(Percentage::ZERO).allowed_users(["ana"]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// assert!(flags.is_enabled("beta", &Context::user("ana")));
    /// assert!(!flags.is_enabled("beta", &Context::user("bob")));
    /// assert!(!flags.is_enabled("no_such_flag", &Context::user("ana")));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn is_enabled(&self, key: impl FlagKey, context: &Context<'_>) -> bool {
        self.cell.ask(
            |snapshot| snapshot.is_enabled_unobserved(&key, context),
            |snapshot| snapshot.is_enabled(&key, context),
        )
    }

    /// Resolves a flag key once, so that evaluating the flag costs less.
    ///
    /// A flag that no source has also gets a [`Flag`], which is evaluated as soon as a source has
    /// it.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Context, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
    /// let a = flags.flag("a");
    ///
    /// assert!(flags.is_enabled(&a, &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn flag(&self, key: impl FlagKey) -> Flag {
        self.inner.publisher.flag(key.as_str())
    }

    /// Returns the current generation, for several evaluations whose answers must be consistent.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let snapshot = flags.snapshot();
    ///
    /// flags.disable("beta").await?;
    ///
    /// assert!(snapshot.is_enabled("beta", &Context::anonymous()), "a snapshot never changes");
    /// assert!(!flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.cell.load()
    }

    /// Returns every flag that a source has, sorted by key, with its answer for `context`.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let source = Memory::new().with("search", true).with("beta", false);
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// let all = flags.all(&Context::user("ana"));
    ///
    /// assert_eq!((&*all[0].0, all[0].1.value), ("beta", false));
    /// assert_eq!((&*all[1].0, all[1].1.value), ("search", true));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn all(&self, context: &Context<'_>) -> Vec<(String, Answer<bool>)> {
        let all = |snapshot: &Snapshot| {
            snapshot.all(context).map(|(key, answer)| (key.to_owned(), answer)).collect()
        };
        self.cell.with(all)
    }

    /// Forces a flag on for all users, in the first writable source.
    ///
    /// The returned change is made when it is awaited. Before that, its methods set an author, a
    /// reason and an end.
    ///
    /// # Errors
    ///
    /// Awaiting the change returns a [`WriteError`] if it was not made, may not have been made, or
    /// is not in force here.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Context, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().source(Memory::new()).start().await?;
    /// flags.enable("beta").await?;
    /// flags.disable("beta").author("ana").reason("incident 42").await?;
    ///
    /// assert!(!flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn enable(&self, key: impl FlagKey) -> PendingWrite<'_> {
        PendingWrite::new(self, &key, Operation::Enable)
    }

    /// Forces a flag off for all users, in the first writable source.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`enable`](Self::enable).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    ///
    /// flags.disable("beta").author("ana").reason("incident 42").await?;
    ///
    /// assert!(!flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn disable(&self, key: impl FlagKey) -> PendingWrite<'_> {
        PendingWrite::new(self, &key, Operation::Disable)
    }

    /// Changes the fields that `patch` sets or removes, in the first writable source. Other fields
    /// of the flag are unchanged.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`enable`](Self::enable).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let beta = Definition::new().percentage(Percentage::ZERO).allowed_users(["ana"]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// flags.set("beta", Definition::new().allowed_users(["ana", "bob"])).await?;
    ///
    /// assert!(flags.is_enabled("beta", &Context::user("bob")));
    /// assert!(!flags.is_enabled("beta", &Context::user("eve")), "the percentage is unchanged");
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, key: impl FlagKey, patch: Definition) -> PendingWrite<'_> {
        PendingWrite::new(self, &key, Operation::Set(patch))
    }

    /// Removes the entry of a flag from the first writable source, so that the sources below decide
    /// again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`enable`](Self::enable). A flag without an entry is not an error.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let declared = Memory::new().with("beta", false);
    /// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    ///
    /// flags.enable("beta").await?;
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    ///
    /// flags.clear("beta").await?;
    /// assert!(!flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self, key: impl FlagKey) -> PendingWrite<'_> {
        PendingWrite::new(self, &key, Operation::Clear)
    }

    /// Returns the latest changes of all flags, the newest first, at most `limit`: the log of the
    /// first writable source.
    ///
    /// # Errors
    ///
    /// Returns a [`WriteError`] if the log cannot be read; [`WriteError::Unsupported`] for a source
    /// without a log.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use flagstaff::{Flags, WriteError};
    /// # async fn example(flags: Flags) -> Result<(), WriteError> {
    /// for entry in flags.history(10).await? {
    ///     println!("{} by {:?}", entry.key, entry.author);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history(&self, limit: usize) -> Result<Vec<LogEntry>, WriteError> {
        self.log(None, limit).await
    }

    /// Returns the latest changes of one flag, the newest first, at most `limit`: the log of the
    /// first writable source.
    ///
    /// # Errors
    ///
    /// Returns a [`WriteError`] if the log cannot be read; [`WriteError::Unsupported`] for a source
    /// without a log.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Flags, Memory, WriteError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    ///
    /// let history = flags.history_of("beta", 10).await;
    ///
    /// assert!(matches!(history, Err(WriteError::Unsupported { .. })), "a `Memory` has no log");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history_of(
        &self,
        key: impl FlagKey,
        limit: usize,
    ) -> Result<Vec<LogEntry>, WriteError> {
        self.log(Some(key.as_str()), limit).await
    }

    async fn log(&self, key: Option<&str>, limit: usize) -> Result<Vec<LogEntry>, WriteError> {
        let (source, backend) = self.writable()?;
        let history = backend.history(key, limit).await;
        history.map_err(|refusal| WriteError::of(source, refusal))
    }

    /// Restores the entry that the first writable source had before a change.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`enable`](Self::enable); [`WriteError::Unsupported`] for a source
    /// without a log. If the flag was changed since, it returns [`WriteError::Conflict`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use flagstaff::{Flags, WriteError};
    /// # async fn example(flags: Flags) -> Result<(), WriteError> {
    /// let last = flags.history_of("beta", 1).await?;
    ///
    /// if let Some(revision) = last.first().and_then(|change| change.revision) {
    ///     flags.undo(revision).author("ana").reason("wrong flag").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn undo(&self, revision: u64) -> PendingUndo<'_> {
        PendingUndo::new(self, revision)
    }

    /// Returns the rollout of a flag, to be started, advanced, paused, resumed or rolled back in
    /// the first writable source.
    ///
    /// # Errors
    ///
    /// Awaiting a step returns a [`RolloutError`](crate::write::RolloutError) if the step was not
    /// made.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     answer::FlagState,
    ///     definition::{Rollout, Stage},
    ///     Definition, Flags, Memory, Percentage,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let stages = [Stage::new(Percentage::whole(10)?).manual(), Stage::new(Percentage::HUNDRED)];
    /// let declared = Memory::new().with("beta", Definition::new().rollout(Rollout::new(stages)));
    /// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// let beta = flags.watch("beta");
    ///
    /// flags.rollout("beta").start().author("ana").reason("release 7").await?;
    /// assert_eq!(beta.borrow().to_string(), "10%");
    ///
    /// flags.rollout("beta").advance().author("ana").await?;
    /// assert_eq!(*beta.borrow(), FlagState::On);
    ///
    /// flags.rollout("beta").roll_back_completely().author("bob").reason("incident 42").await?;
    /// assert_eq!(*beta.borrow(), FlagState::Off);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rollout(&self, key: impl FlagKey) -> RolloutControl<'_> {
        RolloutControl::new(self, &key)
    }

    /// Returns two definitions of a flag. The first is merged from the sources below the first writable one. The second
    /// also has `entry` as the entry of the writable source.
    pub(super) fn with_entry(
        &self,
        key: &str,
        entry: Option<&Entry>,
    ) -> (SharedDefinition, SharedDefinition) {
        let source = self.writable_source().map_or(0, |source| source.position);
        self.inner.publisher.with_entry(key, source, entry)
    }

    /// Returns the reason why a change would change no answer of a flag, if the first writable
    /// source had this entry for it, or none. `None` if the change has an effect, or changes
    /// nothing that is evaluated.
    ///
    /// The [`Outcome`](crate::write::Outcome) of a change has the reason, too.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{definition::Entry, Definition, Env, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let env = Env::with_prefix("FEATURE_").variables([("FEATURE_BETA", "1")]);
    /// let flags = Flags::builder().source(env).source(Memory::new()).start().await?;
    ///
    /// let no_effect = flags.without_effect("beta", Some(&Entry::Forced(false)));
    ///
    /// let no_effect = no_effect.expect("the environment is stronger");
    /// assert_eq!(
    ///     no_effect.to_string(),
    ///     "it stays on: `enabled` is set in source `env` (FEATURE_BETA)"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_effect(&self, key: impl FlagKey, entry: Option<&Entry>) -> Option<NoEffect> {
        let source = self.writable_source()?.position;
        let before = self.inner.publisher.entry(key.as_str(), source);
        self.inner.publisher.no_effect(key.as_str(), source, before.as_ref(), entry)
    }

    /// Returns the outcome of a change of the first writable source. `before` is the entry that it
    /// had.
    pub(super) fn outcome(&self, key: &str, before: Option<&Entry>, written: Written) -> Outcome {
        let no_effect = self.writable_source().and_then(|source| {
            let after = self.entry(key);
            self.inner.publisher.no_effect(key, source.position, before, after.as_ref())
        });
        Outcome { revision: written.revision, no_effect }
    }

    /// Returns the entry that the first writable source has for a flag.
    pub(super) fn entry(&self, key: &str) -> Option<Entry> {
        self.inner.publisher.entry(key, self.writable_source()?.position)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.inner.publisher.now()
    }

    /// Returns the first source that can be written to.
    pub(super) fn writable(&self) -> Result<(Source, &dyn WritableBackend), WriteError> {
        let mut sources = self.inner.publisher.sources().iter().zip(&self.inner.sources);
        let writable =
            sources.find_map(|(source, backend)| Some((*source, backend.as_writable()?)));
        writable.ok_or(WriteError::ReadOnly)
    }

    /// Returns the source that changes are made in: the first one that can be written to, if there
    /// is one.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{source::SourceKind, Env, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let env = Env::with_prefix("FEATURE_");
    /// let flags = Flags::builder().source(env).source(Memory::new()).start().await?;
    ///
    /// let source = flags.writable_source().expect("memory can be written to");
    ///
    /// assert_eq!((source.kind, source.position), (SourceKind::Memory, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn writable_source(&self) -> Option<Source> {
        self.writable().ok().map(|(source, _)| source)
    }

    /// Returns the entries of all sources for a flag, strongest first, with author, time and reason.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{definition::Entry, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// flags.enable("beta").author("ana").await?;
    ///
    /// let sources = flags.sources_of("beta");
    ///
    /// assert_eq!((sources[0].source.name, &sources[0].entry), ("memory", &Entry::Forced(true)));
    /// let who = sources[0].provenance.as_ref().and_then(|by| by.author.as_deref());
    /// assert_eq!(who, Some("ana"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sources_of(&self, key: impl FlagKey) -> Vec<SourceEntry> {
        self.inner.publisher.sources_of(key.as_str())
    }

    /// Returns the changes that the first writable source makes to the sources below it, such as
    /// run-time overrides of a file, sorted by key. Empty without a writable source.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{definition::Field, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let declared = Memory::new().with("beta", false);
    /// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    ///
    /// flags.enable("beta").author("ana").reason("demo").await?;
    ///
    /// let drift = flags.drift();
    /// assert_eq!(drift[0].key, "beta");
    /// assert_eq!(drift[0].fields, [Field::Enabled]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn drift(&self) -> Vec<Drift> {
        let writable = self.writable_source();
        writable.map(|source| self.inner.publisher.drift(source.position)).unwrap_or_default()
    }

    /// Returns the stream of events of the flags from now on.
    ///
    /// The stream begins with the failures and warnings that last, such as a mistake in the file at
    /// the start. So a program that shows events also shows those from before the call.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{event::Event, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
    /// let mut events = flags.events();
    ///
    /// flags.enable("beta").await?;
    ///
    /// match events.next().await {
    ///     Some(Event::Changed { changes, .. }) => {
    ///         assert_eq!(changes[0].to_string(), "beta: off -> on");
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        let events = self.inner.publisher.subscribe();
        // Subscribe before the failures are read, so that a failure in between is reported twice rather than never.
        let all = self.inner.publisher.sources().iter().zip(self.health().sources);
        let failing = all.filter(|(_, health)| health.status == Status::Error);
        let failures = failing.filter_map(|(&source, health)| {
            let (kind, error) = (health.last_error_kind?, health.last_error?);
            Some(Event::Failed { source, kind, error })
        });
        let warnings = Some(self.warnings()).filter(|warnings| !warnings.is_empty());
        let warnings = warnings.map(|warnings| Event::Warned { warnings });
        Events::new(failures.chain(warnings).collect(), events)
    }

    /// Follows the state of one flag, also if no source has it yet.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{answer::FlagState, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let mut beta = flags.watch("beta");
    /// assert_eq!(*beta.borrow_and_update(), FlagState::Unknown);
    ///
    /// flags.enable("beta").await?;
    ///
    /// beta.changed().await?;
    /// assert_eq!(*beta.borrow(), FlagState::On);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self, key: impl FlagKey) -> watch::Receiver<FlagState> {
        self.inner.publisher.watch(key.as_str())
    }

    /// Returns the health of the sources: status, age and last error of each.
    ///
    /// All sources are [stopped](Status::Stopped) after [`shutdown`](Self::shutdown), and when the
    /// runtime in which the flags were started is gone.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Env, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let (env, memory) = (Env::with_prefix("FEATURE_"), Memory::new().with("a", true));
    /// let flags = Flags::builder().source(env).source(memory).start().await?;
    ///
    /// let health = flags.health();
    ///
    /// assert!(health.is_ready());
    /// assert_eq!((health.sources[1].name, health.sources[1].flags), ("memory", 1));
    /// assert!(health.sources[1].last_error.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.publisher.health()
    }

    /// Returns the warnings about the values that sources have, sorted by flag.
    ///
    /// Such a value is in force, but its writer may expect another effect: `FEATURE_BETA=enabled`
    /// is off.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Env, Flags};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let env = Env::with_prefix("FEATURE_").variables([("FEATURE_BETA", "25%")]);
    /// let flags = Flags::builder().source(env).start().await?;
    ///
    /// let warnings = flags.warnings();
    ///
    /// assert_eq!(warnings.len(), 1);
    /// assert!(warnings[0].message.starts_with("`25%` is neither on nor off"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.inner.publisher.warnings()
    }

    /// Stops following the sources, waits until their tasks have ended, and ends the streams of
    /// events. The last generation keeps answering, and the [status](Status::Stopped) of all
    /// sources is `Stopped`.
    ///
    /// A Redis source removes this process from the [fleet](crate::source::Fleet), so that no
    /// writer waits for it. That takes one second at most.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, source::Status};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    ///
    /// flags.shutdown().await;
    ///
    /// assert_eq!(flags.health().sources[0].status, Status::Stopped);
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self) {
        let mut tasks = self.inner.tasks.lock().await;
        if !tasks.is_empty() {
            tasks.shutdown().await;
            let leaving = self.inner.sources.iter().map(|source| source.leave());
            let all = async {
                for leaving in leaving {
                    // A panic of one source does not keep the others from signing off.
                    let _ = foreign::run(leaving).await;
                }
            };
            // A source that cannot be reached must not delay the end of the process.
            let _ = tokio::time::timeout(LEAVE, all).await;
        }
        drop(tasks);
        // The last evaluations reach the recorder of metrics.
        self.inner.publisher.gather_counts();
        self.inner.publisher.close();
    }

    pub(super) fn publisher(&self) -> &Publisher {
        &self.inner.publisher
    }

    pub(super) fn subscribe_tracking(&self) -> broadcast::Receiver<TrackingEvent> {
        self.inner.publisher.subscribe_tracking()
    }

    pub(super) fn new(
        publisher: Arc<Publisher>,
        sources: Vec<Arc<dyn Backend>>,
        tasks: JoinSet<()>,
    ) -> Self {
        Self {
            cell: Arc::clone(&publisher.cell),
            inner: Arc::new(Inner { publisher, sources, tasks: Mutex::new(tasks), _thread: None }),
        }
    }

    /// Stores the thread that the tasks run in, before there are clones.
    pub(super) fn with(mut self, thread: RuntimeThread) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("there are no clones yet");
        inner._thread = Some(thread);
        self
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flags").field(&self.snapshot()).finish()
    }
}
