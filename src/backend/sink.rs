//! The way from a backend into the stack.

use std::{fmt, sync::Weak};

use super::{BackendError, Offer};

/// Where a backend publishes its state.
///
/// It outlives the flags without keeping them alive: once they are dropped, nothing that is
/// published arrives anywhere.
#[derive(Clone)]
pub struct Sink {
    target: Weak<dyn Publish>,
    layer: usize,
}

/// What receives the states and reports of all layers.
pub(crate) trait Publish: Send + Sync {
    fn is_started(&self) -> bool;
    fn publish(&self, layer: usize, offer: Offer, problem: Option<BackendError>);
    fn report(&self, layer: usize, report: Report);
}

/// What a backend says about itself.
#[derive(Debug)]
pub(crate) enum Report {
    /// The source was asked and nothing changed.
    Confirmed,
    /// The source failed, or part of what it says is wrong.
    Failed(BackendError),
    /// How the source is followed.
    Mode(&'static str),
}

impl Sink {
    pub(crate) fn new(target: Weak<dyn Publish>, layer: usize) -> Self {
        Self { target, layer }
    }

    /// Puts the whole state of the layer in force, at once. The layer is healthy then.
    ///
    /// It takes about a microsecond per flag and waits for nothing but other layers' states.
    pub fn publish(&self, offer: Offer) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.layer, offer, None);
        }
    }

    /// Puts in force what is good of a state that is wrong in part. The layer fails with
    /// `problem` until the next whole state.
    pub fn publish_partly(&self, offer: Offer, problem: impl Into<BackendError>) {
        if let Some(target) = self.target.upgrade() {
            target.publish(self.layer, offer, Some(problem.into()));
        }
    }

    /// Whether the flags have started. An error that ends [`Backend::run`](super::Backend::run) is
    /// the layer's last then, instead of failing the start.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.target.upgrade().is_some_and(|target| target.is_started())
    }

    /// Says that the state published last is still that of the source.
    pub fn confirm(&self) {
        self.report(Report::Confirmed);
    }

    /// Says that the source failed, or that a part of it was refused. What was published last
    /// stays in force; the error is in logs, events and health until the next state.
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

    fn report(&self, report: Report) {
        if let Some(target) = self.target.upgrade() {
            target.report(self.layer, report);
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("layer", &self.layer).finish_non_exhaustive()
    }
}
