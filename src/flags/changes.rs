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

use super::SourceError;
use crate::{
    backend::{CLOCK, Source},
    error::write_chain,
    model::{Field, FlagState},
    serialize::object,
    text::line,
};

/// One thing that happened to the flags.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A new generation is in force.
    #[non_exhaustive]
    Changed {
        /// Its number.
        generation: u64,
        /// The source whose new state made it; `None` if only a date was reached, which logs and
        /// metrics call `clock`.
        source: Option<Source>,
        /// The flags that differ, sorted by key.
        changes: Vec<Change>,
    },
    /// A source failed, or a part of it was refused. Its last good state stays in force.
    #[non_exhaustive]
    Failed {
        /// The source.
        source: Source,
        /// A short, constant word for what kind of failure it is, as in the
        /// [guide](crate::guide#watching-over-it).
        kind: &'static str,
        /// The failure: what is wrong, where, and what to do about it.
        error: SourceError,
    },
    /// A source that had failed is healthy again.
    #[non_exhaustive]
    Recovered {
        /// The source.
        source: Source,
    },
    /// The receiver was too slow: this many events before the next one are lost to it.
    Missed(u64),
}

/// For people: the changes, a line each, or the failure with its causes.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { changes, .. } => {
                for (n, change) in changes.iter().enumerate() {
                    write!(f, "{}{change}", if n == 0 { "" } else { "\n" })?;
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
/// It prints as `new_checkout: off -> on`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The flag key.
    pub key: String,
    /// The state of the flag before.
    pub before: FlagState,
    /// The state of the flag now.
    pub after: FlagState,
    /// The settings that differ; empty if only the sources differ that set them.
    pub fields: Vec<Field>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before != self.after {
            return write!(f, "{}: {} -> {}", line(&self.key), self.before, self.after);
        }
        write!(f, "{}: {}, ", line(&self.key), self.after)?;
        if self.fields.is_empty() {
            return f.write_str("said by other sources");
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
/// It holds 256 events for a slow receiver and then says how many were [missed](Event::Missed).
/// It ends when the last [`Flags`](crate::Flags) is dropped or shut down.
#[derive(Debug)]
pub struct Events {
    /// What was wrong before the first event.
    failures: VecDeque<Event>,
    events: BroadcastStream<Arc<Event>>,
}

/// How many events a receiver may be behind.
pub(super) const CAPACITY: usize = 256;

impl Events {
    pub(super) fn new(failures: VecDeque<Event>, events: broadcast::Receiver<Arc<Event>>) -> Self {
        Self { failures, events: BroadcastStream::new(events) }
    }

    /// Waits for the next event; `None` once the flags are gone.
    ///
    /// It is cancel safe.
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
            // The last receiver takes the event itself.
            Ok(event) => Arc::unwrap_or_clone(event),
            Err(BroadcastStreamRecvError::Lagged(missed)) => Event::Missed(missed),
        }))
    }
}

/// Serializes with a word for what happened: `{"event": "changed", …}`, or `failed`, `recovered` and
/// `missed`. The source of a change that only time makes is `clock`.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Changed { generation, source, changes } => {
                let source = source.map_or(CLOCK, |source| source.name);
                object!(serializer, "Changed", {
                    "event": "changed",
                    "generation": generation,
                    "source": source,
                    "changes": changes,
                })
            }
            Self::Failed { source, kind, error } => object!(serializer, "Failed", {
                "event": "failed",
                "source": source,
                "kind": kind,
                "error": error,
            }),
            Self::Recovered { source } => {
                object!(serializer, "Recovered", { "event": "recovered", "source": source })
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
