//! The way from a backend into the stack.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

use super::{BackendError, Offer};
use crate::model::{Entry, FlagKey, OtherType, SharedDefinition};

/// A handle through which a backend publishes its state.
///
/// A sink does not keep the flags alive. Once they are dropped, publishing does nothing.
#[derive(Clone)]
pub struct Sink {
    target: Weak<dyn Publish>,
    source: usize,
}

/// The receiver of the states and reports of all sources.
pub(crate) trait Publish: Send + Sync {
    fn is_started(&self) -> bool;
    fn publish(&self, source: usize, offer: Offer, heard: Heard);
    fn amend(&self, source: usize, changed: Offer, removed: Vec<String>);
    fn report(&self, source: usize, report: Report);
    fn in_force(&self, source: usize) -> Option<Arc<Offer>>;
    fn standing(&self) -> Standing;
    fn below(&self, source: usize, most: usize) -> Vec<(String, Option<SharedDefinition>)>;
    fn check_type(&self, source: usize, key: &str, entry: &Entry) -> Result<(), OtherType>;
    fn usage(&self) -> Vec<FlagUsage>;
    fn now(&self) -> SystemTime;
    #[cfg(feature = "redis")]
    fn progress(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// The generation and version that a process has, for a backend that reports it to other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The number of the generation in force.
    pub generation: u64,
    /// The combined [fingerprint](Offer::with_fingerprint) of all sources that have one.
    pub fingerprint: Option<u64>,
    /// True if a source with a fingerprint has refused its last content, at least in part, and
    /// serves its last good flags.
    pub has_refused: bool,
}

/// The use of a flag in a process, for a backend that reports it to other processes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagUsage {
    /// The flag key.
    pub key: String,
    /// True if the flag was evaluated since the flags were started, or may have been.
    ///
    /// The flag was evaluated if it was looked up by its name, explained, or required by a flag
    /// that was evaluated. It may have been if a [`Flag`](crate::Flag) or a gate exists for it.
    /// Lists of all flags do not count.
    pub is_evaluated: bool,
}

/// The part of a published state that comes from the source.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The source has just sent it.
    Whole,
    /// The source has just sent it, and a part of it is wrong.
    Partly(BackendError),
    /// The source has sent nothing new.
    Nothing,
}

/// A report of a backend on its source.
#[derive(Debug)]
pub(crate) enum Report {
    /// The source was read and nothing changed.
    Confirmed,
    /// The source failed.
    Failed(BackendError),
    /// The mode in which the source is followed.
    Mode(&'static str),
}

impl Sink {
    pub(crate) fn new(target: Weak<dyn Publish>, source: usize) -> Self {
        Self { target, source }
    }

    /// Puts the whole state of the source in force, at once. The source is healthy then.
    ///
    /// The call takes about a microsecond per flag and waits only for the states of other sources.
    pub fn publish(&self, offer: Offer) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Whole);
        }
    }

    /// Puts the good part of a state in force. The source fails with `problem` until the next whole
    /// state.
    pub fn publish_partly(&self, offer: Offer, problem: impl Into<BackendError>) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Partly(problem.into()));
        }
    }

    /// Puts another state in force that the source did not send, such as after an override has
    /// expired. The health of the source stays as it is.
    pub fn revise(&self, offer: Offer) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Nothing);
        }
    }

    /// Changes single flags of the state that was published last, which takes less time than publishing all of
    /// it. `changed` has the flags that are new or different, with their authors; the source no longer has those in
    /// `removed`. The health of the source stays as it is.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use flagstaff::{
    ///     source::{BackendError, BoxFuture, Offer, Sink},
    ///     Backend, Context, Flags,
    /// };
    ///
    /// struct Two;
    ///
    /// impl Backend for Two {
    ///     fn name(&self) -> &'static str {
    ///         "two"
    ///     }
    ///
    ///     fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
    ///         sink.publish(Offer::from_iter([("a", true), ("b", true)]));
    ///         sink.amend(Offer::from_iter([("a", false)]), vec!["b".to_owned()]);
    ///         Box::pin(std::future::ready(Ok(())))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Two).start().await?;
    ///
    /// assert!(!flags.is_enabled("a", &Context::anonymous()));
    /// assert_eq!(flags.all(&Context::anonymous()).len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn amend(&self, changed: Offer, removed: Vec<String>) {
        if let Some(target) = self.target.upgrade() {
            target.amend(self.source, changed, removed);
        }
    }

    /// Returns `true` if the flags have started. From then on, an error that ends
    /// [`Backend::run`](super::Backend::run) is shown in health, instead of failing the start.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.target.upgrade().is_some_and(|target| target.is_started())
    }

    /// Confirms that the state published last is still that of the source.
    pub fn confirm(&self) {
        self.report(Report::Confirmed);
    }

    /// Reports a failure of the source. The state published last stays in force. The error is in
    /// logs, events and health until the source publishes or confirms a state.
    pub fn fail(&self, error: impl Into<BackendError>) {
        self.report(Report::Failed(error.into()));
    }

    /// Sets the mode in which the source is followed, such as `polling`, which health shows.
    pub fn mode(&self, mode: &'static str) {
        self.report(Report::Mode(mode));
    }

    /// Returns `true` if the flags were dropped, so that publishing does nothing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.target.strong_count() == 0
    }

    /// Returns the state of this source that is in force; `None` if it has not published any.
    pub(crate) fn in_force(&self) -> Option<Arc<Offer>> {
        self.target.upgrade()?.in_force(self.source)
    }

    /// Returns the generation and version that this process has; `None` once the flags were dropped.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.target.upgrade().map(|target| target.standing())
    }

    /// Returns a receiver of the number of states and reports that all sources have published.
    #[cfg(feature = "redis")]
    pub(crate) fn progress(&self) -> Option<tokio::sync::watch::Receiver<u64>> {
        self.target.upgrade().map(|target| target.progress())
    }

    /// Returns the definitions that the sources below this one have for flags that this source
    /// lists. The result has the first `most` flags by name, with `None` for a flag that those
    /// sources do not have.
    #[must_use]
    pub fn below(&self, most: usize) -> Vec<(String, Option<SharedDefinition>)> {
        self.target.upgrade().map(|target| target.below(self.source, most)).unwrap_or_default()
    }

    /// Checks that the values of an entry have the type that the sources below this one have for
    /// the flag. A source refuses to write an entry that fails.
    ///
    /// # Errors
    ///
    /// Returns the first value of another type.
    pub fn check_type(&self, key: impl FlagKey, entry: &Entry) -> Result<(), OtherType> {
        let target = self.target.upgrade();
        target.map_or(Ok(()), |target| target.check_type(self.source, key.as_str(), entry))
    }

    /// Returns the flags of all sources, and which of them this process evaluates.
    #[must_use]
    pub fn usage(&self) -> Vec<FlagUsage> {
        self.target.upgrade().map(|target| target.usage()).unwrap_or_default()
    }

    /// Returns the time by the clock of the flags, which is that of the system unless a test sets
    /// another.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.target.upgrade().map_or_else(SystemTime::now, |target| target.now())
    }

    fn report(&self, report: Report) {
        if let Some(target) = self.target.upgrade() {
            target.report(self.source, report);
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("source", &self.source).finish_non_exhaustive()
    }
}
