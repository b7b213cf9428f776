//! The events of the flags, as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use serde::{Serialize, Serializer};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{SourceError, Warning};
use crate::{
    backend::{CLOCK, Source},
    error::write_chain,
    model::{Field, FlagState},
    serialize::object,
    text::line,
};

/// An event of the flags: a change, a failure, a recovery or a warning.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A new generation is in force.
    #[non_exhaustive]
    Changed {
        /// The number of the generation.
        generation: u64,
        /// The reason for the change.
        cause: ChangeCause,
        /// The flags that differ, sorted by key.
        changes: Vec<Change>,
    },
    /// A source failed, or a part of it was rejected. Its last good state stays in force.
    #[non_exhaustive]
    Failed {
        /// The source.
        source: Source,
        /// The kind of the failure: a short, constant word, as in the
        /// [guide](crate::guide::operations).
        kind: &'static str,
        /// The failure: the problem, its location, and a remedy.
        error: SourceError,
    },
    /// A source that had failed is healthy again.
    #[non_exhaustive]
    Recovered {
        /// The source.
        source: Source,
    },
    /// Values of sources are in force, but have another effect than their writers may expect.
    #[non_exhaustive]
    Warned {
        /// The warnings that are new, sorted by flag.
        warnings: Vec<Warning>,
    },
    /// The receiver was too slow: it missed this many events before the next one.
    Missed(u64),
}

/// The reason for a change of flags.
///
/// # Example
///
/// ```
/// # use flagstaff::{event::{ChangeCause, Event}, Flags, Memory};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let flags = Flags::builder().source(Memory::new()).start().await?;
/// let mut events = flags.events();
///
/// flags.enable("beta").await?;
///
/// let Some(Event::Changed { cause, .. }) = events.next().await else { panic!("not a change") };
/// assert!(matches!(cause, ChangeCause::Source(source) if source.name == "memory"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeCause {
    /// A source has published another state.
    Source(Source),
    /// A date was reached: a stage of a rollout or an active window has begun or ended.
    Time,
    /// A source has been unreachable for longer than the `stale_after` of a flag.
    SourceLost(Source),
    /// A source that was unreachable for so long can be reached again.
    SourceBack(Source),
}

impl ChangeCause {
    /// Returns the word for the reason in logs, metrics and JSON, such as `source_lost`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Time => "time",
            Self::SourceLost(_) => "source_lost",
            Self::SourceBack(_) => "source_back",
        }
    }

    /// Returns the source that has changed, was lost or is back; `None` for a date.
    #[must_use]
    pub const fn source(&self) -> Option<Source> {
        match self {
            Self::Source(source) | Self::SourceLost(source) | Self::SourceBack(source) => {
                Some(*source)
            }
            Self::Time => None,
        }
    }

    /// Returns the name of the source, or that of the clock.
    pub(super) fn source_name(&self) -> &'static str {
        self.source().map_or(CLOCK, |source| source.name)
    }
}

/// Writes the reason behind the description of a change. Writes nothing for a source that has changed, which needs no
/// explanation.
impl fmt::Display for ChangeCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(_) => Ok(()),
            Self::Time => f.write_str(", at its time"),
            Self::SourceLost(source) => write!(f, ", since source `{source}` is lost"),
            Self::SourceBack(source) => write!(f, ", since source `{source}` is back"),
        }
    }
}

/// Writes the event for people: the changes, a line each, or the failure with its causes.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { cause, changes, .. } => {
                for (n, change) in changes.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { "\n" })?;
                    match cause {
                        ChangeCause::Source(_) => write!(f, "{change}")?,
                        // The flag has the same sources as before.
                        _ if change.is_silent() => {
                            write!(f, "{}: {}", line(&change.key), change.after)?;
                        }
                        _ => write!(f, "{change}")?,
                    }
                    write!(f, "{cause}")?;
                }
                Ok(())
            }
            Self::Warned { warnings } => {
                for (n, warning) in warnings.iter().enumerate() {
                    write!(f, "{}{warning}", if n == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            Self::Failed { error, .. } => write_chain(error, f),
            Self::Recovered { source } => write!(f, "source `{source}` is healthy again"),
            Self::Missed(events) => write!(f, "{events} events were missed"),
        }
    }
}

/// The difference of one flag between two generations.
///
/// A change is displayed as `new_checkout: off -> on`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The flag key.
    pub key: String,
    /// The state of the flag before.
    pub before: FlagState,
    /// The state of the flag now.
    pub after: FlagState,
    /// The settings that differ. Empty if only the sources of settings differ.
    pub fields: Vec<Field>,
}

impl Change {
    /// Returns true if neither the state nor a setting differs.
    pub(super) fn is_silent(&self) -> bool {
        self.before == self.after && self.fields.is_empty()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before != self.after {
            return write!(f, "{}: {} -> {}", line(&self.key), self.before, self.after);
        }
        write!(f, "{}: {}, ", line(&self.key), self.after)?;
        if self.fields.is_empty() {
            return f.write_str("set by other sources");
        }
        f.write_str("changed")?;
        for (n, field) in self.fields.iter().enumerate() {
            write!(f, "{} {field}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The stream of [`Event`]s, made by [`Flags::events`](crate::Flags::events).
///
/// The stream holds 256 events for a slow receiver. After that it reports the number of events that
/// were [missed](Event::Missed). It ends when the last [`Flags`](crate::Flags) is dropped or shut
/// down.
#[derive(Debug)]
pub struct Events {
    /// The failures and warnings from before the first event.
    failures: VecDeque<Event>,
    events: BroadcastStream<Arc<Event>>,
}

/// The number of events that a receiver may be behind.
pub(super) const CAPACITY: usize = 256;

impl Events {
    pub(super) fn new(failures: VecDeque<Event>, events: broadcast::Receiver<Arc<Event>>) -> Self {
        Self { failures, events: BroadcastStream::new(events) }
    }

    /// Waits for the next event; `None` once the flags are gone.
    ///
    /// The method is cancel safe.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, event::Event};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
    /// let mut events = flags.events();
    ///
    /// flags.enable("beta").await?;
    /// flags.shutdown().await;
    ///
    /// assert!(matches!(events.next().await, Some(Event::Changed { .. })));
    /// assert!(events.next().await.is_none(), "the flags are shut down");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(failure) = self.failures.pop_front() {
            return Poll::Ready(Some(failure));
        }
        let event = ready!(Pin::new(&mut self.events).poll_next(cx));
        Poll::Ready(event.map(|event| match event {
            // The last receiver takes the event instead of a clone.
            Ok(event) => Arc::unwrap_or_clone(event),
            Err(BroadcastStreamRecvError::Lagged(missed)) => Event::Missed(missed),
        }))
    }
}

/// Serializes with a word for the kind of event: `{"event": "changed", …}`, or `failed`,
/// `recovered`, `warned` and `missed`. The cause of a change is `source`, `time`, `source_lost` or
/// `source_back`. A change that only the time makes has the source `clock`.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Changed { generation, cause, changes } => object!(serializer, "Changed", {
                "event": "changed",
                "generation": generation,
                "cause": cause.as_str(),
                "source": cause.source_name(),
                "changes": changes,
            }),
            Self::Failed { source, kind, error } => object!(serializer, "Failed", {
                "event": "failed",
                "source": source,
                "kind": kind,
                "error": error,
            }),
            Self::Recovered { source } => {
                object!(serializer, "Recovered", { "event": "recovered", "source": source })
            }
            Self::Warned { warnings } => {
                object!(serializer, "Warned", { "event": "warned", "warnings": warnings })
            }
            Self::Missed(events) => {
                object!(serializer, "Missed", { "event": "missed", "events": events })
            }
        }
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Change", {
            "flag": self.key,
            "before": self.before,
            "after": self.after,
            "fields": self.fields,
        })
    }
}
