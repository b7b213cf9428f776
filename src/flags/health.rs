//! How the sources are.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// How all sources are, strongest first. Made by [`Flags::health`](crate::Flags::health).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// The generation in force.
    pub generation: u64,
    /// One per source.
    pub sources: Vec<SourceHealth>,
}

impl Health {
    /// Whether every source is [`Status::Ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources.iter().all(|source| source.status == Status::Ready)
    }
}

/// How one source is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SourceHealth {
    /// What the source is called.
    pub name: &'static str,
    /// Whether it can be relied on.
    pub status: Status,
    /// How long ago the source last said what is in force, if it ever did.
    pub age: Option<Duration>,
    /// How many flags it lists.
    pub flags: usize,
    /// How the source is followed, if that is worth a word: `polling`.
    pub mode: Option<&'static str>,
    /// What kind of failure the last one was: the word that logs, events and metrics have for it.
    pub last_error_kind: Option<&'static str>,
    /// What went wrong last. It is kept after a recovery.
    pub last_error: Option<Arc<dyn Error + Send + Sync>>,
}

/// Whether a source can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It has never said anything.
    NotReady,
    /// What it said last is what its source says.
    Ready,
    /// Its source failed since, or part of it was refused; what it said before is in force.
    Error,
}

impl Status {
    /// OpenFeature's spelling for the status of a provider, such as `NOT_READY`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "NOT_READY",
            Self::Ready => "READY",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
