//! Changes before they are made, and their outcomes.

use std::{
    fmt,
    future::IntoFuture,
    time::{Duration, SystemTime},
};

use super::{Flags, NoEffect};
use crate::{
    backend::{
        BackendError, BoxFuture, Conflict, Expected, Operation, Refusal, Source, Write, Written,
    },
    model::{Entry, Field, FlagKey},
};

/// A change of a flag that is made when it is awaited. Made by [`Flags::enable`],
/// [`disable`](Flags::disable), [`set`](Flags::set) and [`clear`](Flags::clear).
#[must_use = "nothing is changed until it is awaited"]
pub struct PendingWrite<'a> {
    flags: &'a Flags,
    key: String,
    write: Write,
}

impl<'a> PendingWrite<'a> {
    pub(super) fn new(flags: &'a Flags, key: &impl FlagKey, operation: Operation) -> Self {
        Self { flags, key: key.as_str().to_owned(), write: Write::new(operation) }
    }

    /// Sets the author, which the source keeps in its log and beside the override.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    ///
    /// flags.enable("beta").author("ana").await?;
    ///
    /// let provenance = flags.sources_of("beta").swap_remove(0).provenance.expect("it is known");
    /// assert_eq!(provenance.author.as_deref(), Some("ana"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { write: self.write.author(author), ..self }
    }

    /// Sets the reason, which the source keeps in its log and beside the override.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    ///
    /// flags.enable("beta").reason("release 7").await?;
    ///
    /// let provenance = flags.sources_of("beta").swap_remove(0).provenance.expect("it is known");
    /// assert_eq!(provenance.reason.as_deref(), Some("release 7"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { write: self.write.reason(reason), ..self }
    }

    /// Ends the override at this instant, in all processes, also if none of them runs then.
    ///
    /// Settings that the source has for the flag stay beside an [`enable`](Flags::enable) or
    /// [`disable`](Flags::disable), and count again when it ends.
    pub fn expires_at(self, at: SystemTime) -> Self {
        Self { write: self.write.expires_at(at), ..self }
    }

    /// Ends the override after this duration. It never ends if the end is beyond the range of the
    /// system's clock.
    ///
    /// The duration begins at the time of the source's server, if that is known, because the
    /// override ends by it.
    ///
    /// The change fails with [`WriteError::Unsupported`] if the source cannot end overrides. Redis can.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use flagstaff::{Flags, Memory, WriteError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    ///
    /// let demo = flags.enable("beta").expires_in(Duration::from_secs(3600)).await;
    ///
    /// assert!(matches!(demo, Err(WriteError::Unsupported { .. })), "a `Memory` has no clock");
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires_in(self, duration: Duration) -> Self {
        let writable = self.flags.writable();
        let now = writable.map_or_else(|_| SystemTime::now(), |(_, backend)| backend.now());
        match now.checked_add(duration) {
            Some(end) => self.expires_at(end),
            None => self,
        }
    }

    /// Makes the change only if the flag was changed last by the write with this revision.
    ///
    /// Otherwise the change fails with [`WriteError::Conflict`], and the flag is unchanged.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, WriteError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let first = flags.enable("beta").await?.revision.expect("a `Memory` numbers changes");
    /// flags.disable("beta").await?;
    ///
    /// let late = flags.enable("beta").if_revision(first).await;
    ///
    /// assert!(matches!(late, Err(WriteError::Conflict { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_revision(self, revision: u64) -> Self {
        Self { write: self.write.expect(Expected::Revision(revision)), ..self }
    }

    /// Makes the change only if the source's entry for the flag is `entry`; `None` is a flag without an
    /// entry. For a change that depends on an entry that was read before.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, WriteError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// flags.enable("beta").await?;
    ///
    /// let late = flags.disable("beta").if_entry(None).await;
    ///
    /// assert!(matches!(late, Err(WriteError::Conflict { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_entry(self, entry: Option<Entry>) -> Self {
        Self { write: self.write.expect(Expected::Entry(entry)), ..self }
    }

    /// Removes fields from the source's entry for the flag, so that the sources below decide about
    /// them again. It is one step with the fields that the change [sets](Flags::set). An entry
    /// without any fields is removed.
    ///
    /// The change fails for a forced value, which has no fields. Any change but a [set](Flags::set)
    /// is refused with [`WriteError::Unsupported`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{definition::Field, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let declared = Memory::new().with("beta", Definition::new().percentage(Percentage::whole(10)?));
    /// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// let patch = Definition::new().percentage(Percentage::whole(50)?).denied_users(["mallory"]);
    /// flags.set("beta", patch).await?;
    ///
    /// flags.set("beta", Definition::new()).inheriting([Field::Percentage]).await?;
    ///
    /// let beta = flags.watch("beta");
    /// assert_eq!(beta.borrow().to_string(), "10%, 1 denied");
    /// # Ok(())
    /// # }
    /// ```
    pub fn inheriting(self, fields: impl IntoIterator<Item = Field>) -> Self {
        Self { write: self.write.inheriting(fields), ..self }
    }

    /// Keeps author and reason only in the source's log, and stores a plain on or off.
    ///
    /// Readers in other languages, such as the Python package `tempest-fastapi-sdk`, read an
    /// override with author and reason as off. An override with an end is never plain.
    pub fn plainly(self) -> Self {
        Self { write: self.write.plainly(), ..self }
    }
}

impl<'a> IntoFuture for PendingWrite<'a> {
    type Output = Result<Outcome, WriteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { flags, key, write } = self;
        Box::pin(async move {
            let (source, backend) = flags.writable()?;
            let refused = |refusal| WriteError::of(source, refusal);
            write.check().map_err(refused)?;
            let before = flags.entry(&key);
            let written = backend.write(&key, write).await.map_err(refused)?;
            Ok(flags.outcome(&key, before.as_ref(), written))
        })
    }
}

/// The outcome of a change that was made.
///
/// # Example
///
/// ```
/// use flagstaff::{Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new()).start().await?;
///
/// let outcome = flags.enable("beta").await?;
///
/// assert_eq!((outcome.revision, outcome.no_effect), (Some(1), None));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The number of the change in its source, if the source numbers changes. It grows with each.
    pub revision: Option<u64>,
    /// The reason why the change changes no answer, if it changes none.
    pub no_effect: Option<NoEffect>,
}

/// Converts into the write itself, for a source that previews or makes it.
impl From<PendingWrite<'_>> for Write {
    fn from(pending: PendingWrite<'_>) -> Self {
        pending.write
    }
}

impl fmt::Debug for PendingWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingWrite").field("key", &self.key).field("write", &self.write).finish()
    }
}

/// The reversal of a change, made when it is awaited. Made by [`Flags::undo`].
#[derive(Debug)]
#[must_use = "nothing is changed until it is awaited"]
pub struct PendingUndo<'a> {
    flags: &'a Flags,
    revision: u64,
    author: Option<String>,
    reason: Option<String>,
}

impl<'a> PendingUndo<'a> {
    pub(super) fn new(flags: &'a Flags, revision: u64) -> Self {
        Self { flags, revision, author: None, reason: None }
    }

    /// Sets the author, which the source keeps in its log.
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { author: Some(author.into()), ..self }
    }

    /// Sets the reason, which the source keeps in its log.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

impl<'a> IntoFuture for PendingUndo<'a> {
    type Output = Result<Written, WriteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { flags, revision, author, reason } = self;
        Box::pin(async move {
            let (source, backend) = flags.writable()?;
            let undone = backend.undo(revision, author, reason).await;
            undone.map_err(|refusal| WriteError::of(source, refusal))
        })
    }
}

/// The error of a change: it was not made, may not have been made, or is not in force here.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No source can be written to.
    #[error("no source of these flags can be written to: add one, such as `Memory`")]
    ReadOnly,
    /// The flag is in another state than the change expects. Nothing was changed.
    #[error("source `{name}` did not change the flag")]
    #[non_exhaustive]
    Conflict {
        /// The name of the source.
        name: &'static str,
        /// The conflict, with the value that is stored.
        #[source]
        conflict: Conflict,
    },
    /// The source does not support this.
    #[error("source `{name}` cannot {what}")]
    #[non_exhaustive]
    Unsupported {
        /// The name of the source.
        name: &'static str,
        /// A verb with its object: the operation that the source does not support.
        what: &'static str,
    },
    /// The change was sent, and no answer came: it may be in force, now or in a moment. Read the
    /// flag before you repeat the change.
    #[error("source `{name}` did not answer, so the change may or may not have been made")]
    #[non_exhaustive]
    Unconfirmed {
        /// The name of the source.
        name: &'static str,
        /// The cause.
        #[source]
        error: BackendError,
    },
    /// The change is stored, but not in force in this process, because the source cannot be
    /// followed at the moment. It comes into force once the source can be followed again.
    #[error("source `{name}` has stored the change, but it is not in force here")]
    #[non_exhaustive]
    NotInForce {
        /// The name of the source.
        name: &'static str,
        /// The change.
        written: Written,
        /// The reason why the source is not followed.
        #[source]
        error: BackendError,
    },
    /// The source refused the change or could not be reached. Nothing was changed.
    #[error("source `{name}` did not accept the change")]
    #[non_exhaustive]
    Failed {
        /// The name of the source.
        name: &'static str,
        /// The cause.
        #[source]
        error: BackendError,
    },
}

crate::error::debug_is_message!(WriteError);

impl WriteError {
    pub(super) fn of(source: Source, refusal: Refusal) -> Self {
        let name = source.name;
        match refusal {
            Refusal::Conflict(conflict) => Self::Conflict { name, conflict },
            Refusal::Unsupported(what) => Self::Unsupported { name, what },
            Refusal::Unconfirmed(error) => Self::Unconfirmed { name, error },
            Refusal::NotInForce { written, error } => Self::NotInForce { name, written, error },
            Refusal::Failed(error) => Self::Failed { name, error },
        }
    }
}
