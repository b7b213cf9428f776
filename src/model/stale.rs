//! The answer of a flag when a source has been unreachable for too long.

use std::{fmt, str::FromStr};

/// The answer of a flag once a source above the one that declares it has been unreachable for
/// longer than its `stale_after`. The reason of the answer is [`Reason::Stale`] then.
///
/// [`Reason::Stale`]: crate::Reason::Stale
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum OnStale {
    /// Keeps serving the lost source's last known values.
    #[default]
    Keep,
    /// Ignores the values of the lost source: the sources that can be reached decide.
    Declared,
    /// On for all users.
    On,
    /// Off for all users.
    Off,
    /// Off, and a gate answers `503 Service Unavailable` instead of its own response.
    Unavailable,
}

impl OnStale {
    /// All variants of the enum, in their order.
    pub const ALL: &'static [Self] =
        &[Self::Keep, Self::Declared, Self::On, Self::Off, Self::Unavailable];

    /// Returns the spelling in flags.toml.
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

/// The error of a string that is not an [`OnStale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `keep`, `declared`, `on`, `off`, `unavailable`")]
pub struct InvalidOnStale;
