//! The identity of a source: its position in the stack, its kind, and a name to show.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, Serializer};

/// The name of changes that only the time makes, in events, logs and metrics. No source has this
/// name.
pub(crate) const CLOCK: &str = "clock";

/// A source of one [`Flags`](crate::Flags): its position, its kind, and its name.
///
/// A source is created when the flags are started, and identifies the source from then on. Two
/// sources of one kind differ in position and name: the names of two [`Memory`](crate::Memory) are
/// `memory` and `memory#2`.
///
/// A source is displayed and serialized as its name.
///
/// # Example
///
/// ```
/// use flagstaff::{source::SourceKind, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let declared = Memory::new().with("beta", true);
/// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
///
/// let source = flags.sources_of("beta")[0].source;
///
/// assert_eq!((source.position, source.kind), (1, SourceKind::Memory));
/// assert_eq!(source.to_string(), "memory#2");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source {
    /// The position in the stack, 0 being the strongest.
    pub position: usize,
    /// The kind of the source.
    pub kind: SourceKind,
    /// The name of the source in answers, logs, events and metrics. It is unique among the sources
    /// of these flags.
    pub name: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// The kind of a source.
///
/// # Example
///
/// ```
/// use flagstaff::{source::SourceKind, Backend, Memory};
///
/// assert_eq!(Memory::new().kind(), SourceKind::Memory);
/// assert_eq!(SourceKind::Memory.as_str(), "memory");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// A flag file: `File`.
    File,
    /// Environment variables: [`Env`](crate::Env).
    Env,
    /// A store that instances share: `Redis`.
    Redis,
    /// The memory of the process: [`Memory`](crate::Memory).
    Memory,
    /// A [`Backend`](crate::Backend) of another crate.
    Custom,
}

impl SourceKind {
    /// Returns the name of the kind, such as `redis`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Env => "env",
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for SourceKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Identifies the backends of a stack, given the strongest first.
pub(crate) fn identify(
    backends: impl IntoIterator<Item = (SourceKind, &'static str)>,
) -> Vec<Source> {
    let mut taken = HashSet::from([CLOCK]);
    let identified = backends.into_iter().enumerate().map(|(position, (kind, name))| {
        let name = unique(name, &taken);
        taken.insert(name);
        Source { position, kind, name }
    });
    identified.collect()
}

/// Returns `name`, or `name#2` and so on if other sources have it.
fn unique(name: &'static str, taken: &HashSet<&'static str>) -> &'static str {
    if !taken.contains(name) {
        return name;
    }
    let mut numbered = (2_u32..).map(|number| format!("{name}#{number}"));
    let free = numbered.find(|name| !taken.contains(name.as_str()));
    keep(free.expect("a stack has fewer sources than there are numbers"))
}

/// Returns the one copy of a name that is kept for the life of the process, since answers need a
/// `'static` name.
///
/// Backends name themselves by constants and a stack has at most 254 sources, so there are few names.
fn keep(name: String) -> &'static str {
    static KEPT: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    if let Some(known) = kept.get(name.as_str()) {
        return known;
    }
    let name: &'static str = name.leak();
    kept.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&'static str]) -> Vec<&'static str> {
        let sources = identify(names.iter().map(|&name| (SourceKind::Custom, name)));
        sources.into_iter().map(|source| source.name).collect()
    }

    #[test]
    fn no_two_sources_have_one_name_and_none_has_that_of_the_clock() {
        assert_eq!(names(&["a", "b"]), ["a", "b"]);
        assert_eq!(names(&["a", "a", "b", "a"]), ["a", "a#2", "b", "a#3"]);
        assert_eq!(names(&["a#2", "a", "a"]), ["a#2", "a", "a#3"]);
        assert_eq!(names(&["clock"]), ["clock#2"]);
    }

    #[test]
    fn a_numbered_name_is_kept_once() {
        assert!(std::ptr::eq(names(&["x", "x"])[1], names(&["x", "x"])[1]));
    }
}
