//! The builder of flags from their sources.

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc::{self, error::SendError},
    task::JoinSet,
    time,
};

use super::{
    Flags, SourceError,
    clock::Clock,
    counts::gather_counts,
    publisher::{Publisher, keep_time},
    snapshot::Strictness,
};
use crate::{
    backend::{self, Backend, BackendError, IntoBackend, Sink, Source, SourceKind, identify},
    foreign::{info, warn},
    model::Value,
    observe::{Counting, Hook, Hooks, Observer},
};

/// A builder of [`Flags`] from their sources, strongest first. Made by [`Flags::builder`].
#[derive(Default)]
#[must_use]
pub struct FlagsBuilder {
    sources: Vec<Arc<dyn Backend>>,
    max_wait: Option<Duration>,
    require_ready: bool,
    clock: Clock,
    counts: bool,
    hooks: Hooks,
}

impl FlagsBuilder {
    /// Adds a source below those added before: the first source is the strongest.
    pub fn source(mut self, source: impl IntoBackend) -> Self {
        self.sources.push(Arc::new(source.into_backend()));
        self
    }

    /// Adds a source below those added before, if there is one. For a source that only some
    /// deployments have.
    pub fn option_source(self, source: Option<impl IntoBackend>) -> Self {
        match source {
            Some(source) => self.source(source),
            None => self,
        }
    }

    /// Sets the time that [`start`](Self::start) waits for sources that do not answer; 2 seconds unless set. The flags
    /// start without such sources, which join when they are ready. A source on this machine, such as a file, is always
    /// [waited for](Backend::is_awaited).
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// Makes [`start`](Self::start) fail if a source is not ready after [`max_wait`](Self::max_wait), instead of
    /// starting without the source.
    pub fn require_ready(mut self) -> Self {
        self.require_ready = true;
        self
    }

    /// Sets the clock for the date and time, for tests of rollouts and active windows, and for
    /// previews of another time. The system's clock unless set.
    ///
    /// The flags read the clock when tokio's time reaches a boundary, and every 30 seconds. While
    /// the clock panics, the flags keep the last time that it returned.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use flagstaff::{definition::Active, Context, Definition, Flags, Memory};
    /// use tokio::time::{self, Instant};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let (monday, start) = (SystemTime::UNIX_EPOCH, Instant::now());
    /// let tuesday = monday + Duration::from_secs(24 * 3600);
    /// let sale = Definition::new().active(Active::new().from(tuesday));
    /// let flags = Flags::builder()
    ///     .source(Memory::new().with("sale", sale))
    ///     .clock(move || monday + start.elapsed())
    ///     .start()
    ///     .await?;
    ///
    /// assert!(!flags.is_enabled("sale", &Context::anonymous()));
    /// time::sleep(Duration::from_secs(24 * 3600 + 1)).await;
    /// assert!(flags.is_enabled("sale", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Counts all evaluations, by flag and outcome: see [`Flags::counts`]. They are not counted
    /// unless this is set.
    ///
    /// Threads do not contend for the counts. A thread allocates its counts when it evaluates a flag
    /// for the first time, 64 bytes for each flag, and a flag that draws takes 1 KiB for all threads.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).counts().start().await?;
    ///
    /// flags.is_enabled("beta", &Context::user("ana"));
    ///
    /// let counts = flags.counts().expect("they are on");
    /// assert_eq!(counts.flag("beta").map(|beta| beta.total()), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn counts(mut self) -> Self {
        self.counts = true;
        self
    }

    /// Adds a hook, which runs with each evaluation. Evaluations that are
    /// [counted](crate::Flags::counts) run hooks, and no others do.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Adds a hook hint: a value that hooks find in
    /// [each evaluation](crate::observe::HookContext::hint).
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use flagstaff::{Context, Flags, Memory, answer::Value, observe::{Hook, HookContext}};
    ///
    /// struct Region(mpsc::Sender<Option<Value<'static>>>);
    ///
    /// impl Hook for Region {
    ///     type Data = ();
    ///
    ///     fn before(&self, evaluation: &HookContext<'_, '_>, _: &mut ()) {
    ///         let _ = self.0.send(evaluation.hint("region").cloned());
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let (sender, regions) = mpsc::channel();
    /// let source = Memory::new().with("beta", true);
    /// let builder = Flags::builder().source(source).hook(Region(sender)).hook_hint("region", "eu");
    /// let flags = builder.start().await?;
    ///
    /// flags.is_enabled("beta", &Context::anonymous());
    ///
    /// assert_eq!(regions.try_recv(), Ok(Some(Value::from("eu"))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn hook_hint(mut self, name: impl Into<String>, value: impl Into<Value<'static>>) -> Self {
        self.hooks.hint(name.into(), value.into());
        self
    }

    /// Loads all sources and follows them from then on, in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if a source cannot start, such as a file that is missing or does not parse.
    /// Also returns an error if a source does not answer in time, and all are
    /// [required](Self::require_ready).
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, and with more than 254 sources.
    pub async fn start(self) -> Result<Flags, StartError> {
        assert!(self.sources.len() < usize::from(u8::MAX), "at most 254 sources");
        let sources = identify(self.sources.iter().map(|source| (source.kind(), source.name())));
        let counting = self.counts.then(|| Counting::new(self.clock.now()));
        let observer = Observer::new(counting, self.hooks);
        let publisher = Publisher::new(sources, Strictness::Lenient, self.clock, observer);
        let publisher = Arc::new(publisher);
        let target: Weak<Publisher> = Arc::downgrade(&publisher);
        let mut tasks = JoinSet::new();
        let (ended, mut failures) = mpsc::unbounded_channel();
        for (source, backend) in self.sources.iter().enumerate() {
            let name = publisher.sources()[source].name;
            let sink = Sink::new(target.clone(), source);
            let first = backend::run(backend, &sink);
            let (ended, fail) = (ended.clone(), sink.clone());
            let failed = move |error| {
                // The receiver is gone after the start.
                if let Err(SendError((_, error))) = ended.send((source, error)) {
                    fail.fail(error);
                }
            };
            tasks.spawn(backend::follow(name, Arc::clone(backend), sink, first, failed));
        }

        publisher.passes_time_in(tasks.spawn(keep_time(Arc::downgrade(&publisher))));
        if self.counts {
            tasks.spawn(gather_counts(Arc::downgrade(&publisher)));
        }

        let deadline = time::sleep(self.max_wait.unwrap_or(Duration::from_secs(2)));
        tokio::pin!(deadline);
        let is_awaited = |source: usize| self.sources[source].is_awaited();
        let (mut waiting, mut in_time) = (true, true);
        while waiting {
            tokio::select! {
                biased;
                Some((source, error)) = failures.recv() => {
                    publisher.ended(source, error)?;
                }
                () = publisher.answered(|source| in_time || is_awaited(source)) => waiting = false,
                () = &mut deadline, if in_time => in_time = false,
            }
        }
        failures.close();
        while let Ok((source, error)) = failures.try_recv() {
            publisher.ended(source, error)?;
        }
        let all = publisher.health().sources.into_iter().zip(publisher.sources());
        for ((health, &source), backend) in all.zip(&self.sources) {
            let location = backend.location();
            let has_spoken = health.age.is_some();
            if !has_spoken && self.require_ready {
                let error = not_ready(health.last_error);
                return Err(StartError { at: source, error });
            }
            match has_spoken {
                true => {
                    info!(source = source.name, flags = health.flags, location, "source is ready");
                }
                false => warn!(
                    source = source.name,
                    location, "source is not ready, starting on the others"
                ),
            }
        }
        let (snapshot, sources) = (publisher.cell.load(), self.sources.len());
        info!(sources, flags = snapshot.resolved().count(), "flags are started");
        publisher.started();
        Ok(Flags::new(publisher, self.sources, tasks))
    }
}

/// Returns the reason for a source that is not ready.
fn not_ready(last_error: Option<SourceError>) -> BackendError {
    match last_error {
        Some(error) => error.into(),
        None => "it did not answer in time".into(),
    }
}

impl std::fmt::Debug for FlagsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources: Vec<_> = self.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("FlagsBuilder").field("sources", &sources).finish_non_exhaustive()
    }
}

/// The error of a source that could not start.
#[derive(thiserror::Error)]
#[error("source `{at}` cannot start")]
pub struct StartError {
    pub(super) at: Source,
    #[source]
    pub(super) error: BackendError,
}

crate::error::debug_is_message!(StartError);

impl StartError {
    /// Returns the name of the source.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.at.name
    }

    /// Returns the kind of the source.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.at.kind
    }
}
