//! The kinds of values whose effect may surprise their writers.

use std::fmt;

use serde::{Serialize, Serializer};

/// The kind of a [`Warning`](crate::event::Warning).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// A forced string is neither on, nor off, nor the name of a variant. The flag is off.
    NeitherOnNorOff,
    /// A flag is forced on and has no variant to serve: none that counts as on has a weight. The
    /// flag is off.
    StaysOff,
    /// An environment variable matches several flags that other sources have.
    SeveralFlags,
    /// `serve`, or a rule, names a variant that the flag does not have. The flag is off for these users.
    UnknownVariant,
}

impl WarningKind {
    /// Returns the word for the kind in logs, metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeitherOnNorOff => "neither_on_nor_off",
            Self::StaysOff => "stays_off",
            Self::SeveralFlags => "several_flags",
            Self::UnknownVariant => "unknown_variant",
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for WarningKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
