//! The health of the sources.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

use crate::{
    backend::{BackendError, SourceKind},
    serialize::object,
    text::Untrusted,
};

/// The health of all sources, strongest first. Made by [`Flags::health`](crate::Flags::health).
///
/// # Example
///
/// ```
/// use flagstaff::{Flags, Memory};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
///
/// let health = serde_json::to_value(flags.health())?;
///
/// assert_eq!((&health["ready"], &health["sources"][0]["name"]), (&json!(true), &json!("memory")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// The generation in force.
    pub generation: u64,
    /// One per source.
    pub sources: Vec<SourceHealth>,
}

impl Health {
    /// Returns `true` if every source is [`Status::Ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources.iter().all(|source| source.status == Status::Ready)
    }
}

/// The health of one source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SourceHealth {
    /// The name of the source, which no other source of these flags has.
    pub name: &'static str,
    /// The kind of the source.
    pub kind: SourceKind,
    /// The state of the source.
    pub status: Status,
    /// The time since the source last confirmed its state; `None` if it never did.
    pub age: Option<Duration>,
    /// The number of flags that the source lists.
    pub flags: usize,
    /// The number of [warnings](crate::Flags::warnings) about its values.
    pub warnings: usize,
    /// The number of flags that keep a former definition, since their new one was rejected.
    pub former: usize,
    /// The way in which the source is followed, such as `polling`, if it reports one.
    pub mode: Option<&'static str>,
    /// The kind of the last failure: its word in logs, events and metrics.
    pub last_error_kind: Option<&'static str>,
    /// The last failure. It is kept after a recovery.
    pub last_error: Option<SourceError>,
}

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The source has not published anything yet.
    NotReady,
    /// All that the source has is in force.
    Ready,
    /// The source failed, or a part of its state was rejected. Its last good state stays in force.
    Error,
    /// The source is no longer followed, after a [shutdown](crate::Flags::shutdown) or because the
    /// runtime in which the flags were started is gone. Its last state stays in force.
    Stopped,
}

impl Status {
    /// Returns OpenFeature's spelling for the status of a provider, such as `NOT_READY`; OpenFeature has no status
    /// `STOPPED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "NOT_READY",
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failure of a source, as its backend reported it. Clones are cheap.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "file")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use flagstaff::{definition::Diagnostics, File, Flags};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("flags.toml");
/// std::fs::write(&path, "[flags]\ngood = true\nbad = 1\n")?;
/// let flags = Flags::builder().source(File::open(&path)?).start().await?;
///
/// let error = flags.health().sources.swap_remove(0).last_error.expect("a flag is wrong");
///
/// assert_eq!(error.downcast_ref::<Diagnostics>().map(Diagnostics::len), Some(1));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "file"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SourceError(Arc<dyn Error + Send + Sync>);

impl SourceError {
    pub(super) fn new(error: impl Into<BackendError>) -> Self {
        Self(error.into().into())
    }

    /// Returns the error that the backend reported, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Untrusted::new(&self.0.to_string()).report())
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

crate::error::debug_is_message!(SourceError);

/// Serializes with a member `ready`, which is true if all sources are ready.
impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Health", {
            "generation": self.generation,
            "ready": self.is_ready(),
            "sources": self.sources,
        })
    }
}

/// Serializes the age in whole seconds.
impl Serialize for SourceHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "SourceHealth", {
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "age": self.age.map(|age| age.as_secs()),
            "flags": self.flags,
            "warnings": self.warnings,
            "former": self.former,
            "mode": self.mode,
            "lastErrorKind": self.last_error_kind,
            "lastError": self.last_error,
        })
    }
}

/// Serializes as [`Status::as_str`].
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes as the message with its causes.
impl Serialize for SourceError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}
