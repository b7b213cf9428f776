//! The way from a backend into the stack.

use std::{fmt, sync::Weak, time::SystemTime};

use super::{BackendError, Offer};

/// Where a backend publishes its state.
///
/// It outlives the flags without keeping them alive: once they are dropped, nothing that is
/// published arrives anywhere.
#[derive(Clone)]
pub struct Sink {
    target: Weak<dyn Publish>,
    source: usize,
}

/// What receives the states and reports of all sources.
pub(crate) trait Publish: Send + Sync {
    fn is_started(&self) -> bool;
    fn publish(&self, source: usize, offer: Offer, heard: Heard);
    fn report(&self, source: usize, report: Report);
    fn standing(&self) -> Standing;
    fn usage(&self) -> Vec<FlagUsage>;
    fn now(&self) -> SystemTime;
}

/// Where a process stands, for a backend that tells other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The number of the generation in force.
    pub generation: u64,
    /// The [fingerprints](Offer::with_fingerprint) of all sources that have one, made into one.
    pub fingerprint: Option<u64>,
}

/// Whether a process evaluates a flag, for a backend that tells other processes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagUsage {
    /// The flag key.
    pub key: String,
    /// Whether anybody has asked for it since the flags were started: by its name, by a
    /// [`Flag`](crate::Flag) that was made for it, through a gate, by an explanation, or for a flag
    /// that requires it. Lists of all flags do not count.
    pub is_evaluated: bool,
}

/// What the source had to do with a state that is published.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It has just said so.
    Whole,
    /// It has just said so, and a part of what it said is wrong.
    Partly(BackendError),
    /// It said nothing new.
    Nothing,
}

/// What a backend says about itself.
#[derive(Debug)]
pub(crate) enum Report {
    /// The source was asked and nothing changed.
    Confirmed,
    /// The source failed.
    Failed(BackendError),
    /// How the source is followed.
    Mode(&'static str),
}

impl Sink {
    pub(crate) fn new(target: Weak<dyn Publish>, source: usize) -> Self {
        Self { target, source }
    }

    /// Puts the whole state of the source in force, at once. The source is healthy then.
    ///
    /// It takes about a microsecond per flag and waits for nothing but other sources' states.
    pub fn publish(&self, offer: Offer) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Whole);
        }
    }

    /// Puts in force what is good of a state that is wrong in part. The source fails with
    /// `problem` until the next whole state.
    pub fn publish_partly(&self, offer: Offer, problem: impl Into<BackendError>) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Partly(problem.into()));
        }
    }

    /// Puts another state in force without a word from the source, such as when an override has
    /// ended by itself. The source is as healthy as before.
    pub fn revise(&self, offer: Offer) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.source, offer, Heard::Nothing);
        }
    }

    /// Whether the flags have started. An error that ends [`Backend::run`](super::Backend::run) is
    /// the source's last then, instead of failing the start.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.target.upgrade().is_some_and(|target| target.is_started())
    }

    /// Says that the state published last is still that of the source.
    pub fn confirm(&self) {
        self.report(Report::Confirmed);
    }

    /// Says that the source failed. What was published last stays in force; the error is in logs,
    /// events and health until the source says something again.
    pub fn fail(&self, error: impl Into<BackendError>) {
        self.report(Report::Failed(error.into()));
    }

    /// Says how the source is followed, such as `polling`; health shows it.
    pub fn mode(&self, mode: &'static str) {
        self.report(Report::Mode(mode));
    }

    /// Whether the flags are gone, so that nothing published here arrives anywhere.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.target.strong_count() == 0
    }

    /// Where this process stands; `None` once the flags are gone.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.target.upgrade().map(|target| target.standing())
    }

    /// The flags of all sources, and which of them this process evaluates.
    #[must_use]
    pub fn usage(&self) -> Vec<FlagUsage> {
        self.target.upgrade().map(|target| target.usage()).unwrap_or_default()
    }

    /// What the flags take for now: the time of the system, unless a test of a service sets another.
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
