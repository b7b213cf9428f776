//! Changes of flags at run time.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};

use super::BackendError;
use crate::{
    model::{Definition, Entry, Field, FlagKey},
    serialize::object,
    text::instant,
    text::line,
};

/// A change of one flag in one source: the operation, with author, reason, end and condition.
///
/// # Example
///
/// ```
/// use flagstaff::write::{Operation, Write};
///
/// let write = Write::new(Operation::Disable).author("ana").reason("incident 42");
///
/// assert_eq!(write.author.as_deref(), Some("ana"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Write {
    /// The operation.
    pub operation: Operation,
    /// The author.
    pub author: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The instant at which the change ends by itself.
    pub expires_at: Option<SystemTime>,
    /// The condition on which the change is made.
    pub expected: Option<Expected>,
    /// Fields that a [`Set`](Operation::Set) takes out of the source's entry, so that the sources
    /// below decide about them again. An entry without any fields is removed. Any other operation
    /// with such fields is [refused](Refusal::Unsupported).
    pub inherited: Vec<Field>,
    /// True if the source keeps author and reason only in its log, if it has one. A plain on or off
    /// is then stored in the form that readers in other languages understand.
    pub plain: bool,
}

/// An operation on a flag.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "a change is made by hand, and a box would be in the way of everyone who matches on it"
)]
pub enum Operation {
    /// Force the flag on for all users.
    Enable,
    /// Force the flag off for all users.
    Disable,
    /// Change the fields that the definition sets or removes. All other fields stay.
    Set(Definition),
    /// Remove the source's entry for the flag: the sources below decide again.
    Clear,
}

/// The condition of a [`Write`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expected {
    /// The flag was changed last by the write with this [revision](Written::revision).
    Revision(u64),
    /// The source has this entry for the flag, or none.
    Entry(Option<Entry>),
}

impl Write {
    /// Returns a change without author, reason, end and condition.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            author: None,
            reason: None,
            expires_at: None,
            expected: None,
            inherited: Vec::new(),
            plain: false,
        }
    }

    /// Sets the author.
    #[must_use]
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { author: Some(author.into()), ..self }
    }

    /// Sets the reason.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Sets the instant at which the change ends by itself.
    #[must_use]
    pub fn expires_at(self, at: SystemTime) -> Self {
        Self { expires_at: Some(at), ..self }
    }

    /// Makes the change only on this condition.
    #[must_use]
    pub fn expect(self, expected: Expected) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// Takes fields out of the source's entry: see [`inherited`](Self::inherited).
    #[must_use]
    pub fn inheriting(self, fields: impl IntoIterator<Item = Field>) -> Self {
        Self { inherited: fields.into_iter().collect(), ..self }
    }

    /// Keeps author and reason only in the log: see [`plain`](Self::plain).
    #[must_use]
    pub fn plainly(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Refuses to remove fields from a forced or cleared flag, and to set values that no process
    /// could read.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match (&self.operation, &*self.inherited) {
            (Operation::Set(patch), _) => patch.keep_variant_names().map_err(Refusal::failed),
            (_, []) => Ok(()),
            _ => Err(Refusal::Unsupported(
                "remove fields in a change that is not a `set`: a forced value has no fields",
            )),
        }
    }
}

/// The reason why no field can be removed from a forced value.
pub(super) const NO_FIELDS: &str = "a forced value has no settings to remove: clear it as a whole";

/// A change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The number of the change in its source, if the source numbers changes. Each number is larger
    /// than the one before.
    pub revision: Option<u64>,
}

impl Written {
    /// Returns a change without a number.
    #[must_use]
    pub const fn unnumbered() -> Self {
        Self { revision: None }
    }

    /// Returns the change with this number.
    #[must_use]
    pub const fn revision(revision: u64) -> Self {
        Self { revision: Some(revision) }
    }
}

/// A refusal of a source to make a change, or a failure to confirm one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The flag has not the expected value. Nothing was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The source does not support this operation. Nothing was changed.
    #[error("this source cannot {0}")]
    Unsupported(&'static str),
    /// The change was sent and no answer came: the change may be in force, now or in a moment.
    #[error("no answer came, so the change may or may not have been made")]
    Unconfirmed(#[source] BackendError),
    /// The change is stored but not in force in this process: the source cannot be followed at the
    /// moment.
    #[error("the change is stored, but it is not in force here")]
    NotInForce {
        /// The change.
        written: Written,
        /// The reason why the source is not followed.
        #[source]
        error: BackendError,
    },
    /// The source could not be reached or refused. Nothing was changed.
    #[error("the change was not made")]
    Failed(#[source] BackendError),
}

crate::error::debug_is_message!(Refusal);

impl Refusal {
    /// Returns a refusal for any other reason.
    pub fn failed(source: impl Into<BackendError>) -> Self {
        Self::Failed(source.into())
    }
}

/// A conflict: another writer has changed the flag since.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Conflict {
    /// The value that is stored now; `None` if none is.
    pub current: Option<String>,
    /// The number of the change that stored the current value, if it is known.
    pub revision: Option<u64>,
    /// The author of that change, if it is known.
    pub author: Option<String>,
}

impl Conflict {
    /// Returns a conflict with the value that is stored now.
    #[must_use]
    pub fn new(current: Option<String>) -> Self {
        Self { current, revision: None, author: None }
    }

    /// Adds the author and the number of the change that stored it.
    #[must_use]
    pub fn made_by(self, author: Option<String>, revision: Option<u64>) -> Self {
        Self { author, revision, ..self }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was changed since: the source now has ")?;
        match &self.current {
            Some(current) => write!(f, "`{}`", line(current))?,
            None => f.write_str("nothing")?,
        }
        match (self.author.as_deref().map(line), self.revision) {
            (Some(author), Some(revision)) => write!(f, ", by {author} in revision {revision}"),
            (Some(author), None) => write!(f, ", by {author}"),
            (None, Some(revision)) => write!(f, ", since revision {revision}"),
            (None, None) => Ok(()),
        }
    }
}

/// The author, reason, time and end of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Provenance {
    /// The author.
    pub author: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The time at which the entry was written.
    pub at: Option<SystemTime>,
    /// The instant at which the entry expires.
    pub expires_at: Option<SystemTime>,
    /// The instant until which the flag is forced on or off. The settings stored beside that count
    /// again then.
    pub forced_until: Option<SystemTime>,
}

impl Provenance {
    /// Returns the provenance of a change made at the instant `at`.
    #[must_use]
    pub fn of(write: &Write, at: SystemTime) -> Self {
        Self {
            author: write.author.clone(),
            reason: write.reason.clone(),
            at: Some(at),
            expires_at: write.expires_at,
            forced_until: None,
        }
    }

    /// Returns the next instant after `now` at which the entry changes by itself.
    #[must_use]
    pub fn changes_at(&self, now: SystemTime) -> Option<SystemTime> {
        let changes = [self.forced_until, self.expires_at].into_iter().flatten();
        changes.filter(|&change| change > now).min()
    }

    /// Returns the age of the entry at the instant `now`.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(self.at?).ok()
    }
}

/// One change in the log of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The number of the change; `None` for a change by a writer that keeps no log, which was found
    /// by comparing values.
    pub revision: Option<u64>,
    /// The flag key.
    pub key: String,
    /// The time of the change; unknown for one without a revision.
    pub at: Option<SystemTime>,
    /// The author.
    pub author: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The revision that this change undid, if it is an undo.
    pub undoes: Option<u64>,
    /// The former name of the flag, if the change moved its override from there.
    pub renamed_from: Option<String>,
    /// The new name of the flag, if the change moved its override there.
    pub renamed_to: Option<String>,
    /// The stored value before the change; `None` if there was none.
    pub before: Option<String>,
    /// The stored value after the change; `None` if there is none.
    pub after: Option<String>,
}

impl LogEntry {
    /// Returns a change in the log of a source.
    #[must_use]
    pub fn new(key: impl FlagKey, before: Option<String>, after: Option<String>) -> Self {
        Self {
            revision: None,
            key: key.as_str().to_owned(),
            at: None,
            author: None,
            reason: None,
            undoes: None,
            renamed_from: None,
            renamed_to: None,
            before,
            after,
        }
    }

    /// Returns `true` if the writer keeps no log, such as one in another language.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.revision.is_none()
    }
}

impl Serialize for Provenance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Provenance", {
            "by": self.author,
            "reason": self.reason,
            "at": self.at.map(instant),
            "expiresAt": self.expires_at.map(instant),
            "forcedUntil": self.forced_until.map(instant),
        })
    }
}

impl Serialize for LogEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "LogEntry", {
            "revision": self.revision,
            "at": self.at.map(instant),
            "flag": self.key,
            "by": self.author,
            "reason": self.reason,
            "undoes": self.undoes,
            "renamedFrom": self.renamed_from,
            "renamedTo": self.renamed_to,
            "before": self.before,
            "after": self.after,
        })
    }
}
