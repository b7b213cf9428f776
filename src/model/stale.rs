//! What a flag does when a source has been unreachable for too long.

use std::{fmt, str::FromStr};

/// What a flag answers once a source above the one that declares it has been unreachable for longer
/// than its `stale_after`. The reason of its answers is [`Reason::Stale`] then.
///
/// [`Reason::Stale`]: crate::Reason::Stale
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum OnStale {
    /// The last word of the lost source stays in force.
    #[default]
    Keep,
    /// What the lost source said is forgotten: the sources that can be reached decide.
    Declared,
    /// On for everybody.
    On,
    /// Off for everybody.
    Off,
    /// Off, and a gate answers `503 Service Unavailable` instead of its own answer.
    Unavailable,
}

impl OnStale {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Keep, Self::Declared, Self::On, Self::Off, Self::Unavailable];

    /// The spelling in flags.toml.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Declared => "declared",
            Self::On => "on",
            Self::Off => "off",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for OnStale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OnStale {
    type Err = InvalidOnStale;

    fn from_str(text: &str) -> Result<Self, InvalidOnStale> {
        let found = Self::ALL.iter().find(|on_stale| on_stale.as_str() == text);
        found.copied().ok_or(InvalidOnStale)
    }
}

/// A text that is no [`OnStale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `keep`, `declared`, `on`, `off`, `unavailable`")]
pub struct InvalidOnStale;
