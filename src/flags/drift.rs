//! The difference between run-time overrides and the declared flags.

use crate::{
    backend::{Provenance, Source},
    model::{Definition, Entry, Field},
};

/// The entry of one source for one flag.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SourceEntry {
    /// The source.
    pub source: Source,
    /// The entry.
    pub entry: Entry,
    /// The location of the entry, such as ``flags.toml:12 in environment `staging` ``, if the source has one.
    pub place: Option<String>,
    /// The author, time and reason of the entry, if they are known.
    pub provenance: Option<Provenance>,
    /// The reason why the value in the source cannot be read. Then the entry is the last good one, or off if there was
    /// none.
    pub problem: Option<String>,
    /// The effect of the entry, if its writer may expect another one: the entry is neither on nor
    /// off.
    pub warning: Option<String>,
}

/// The changes that an override makes to one flag, field by field. Made by [`Flags::drift`].
///
/// [`Flags::drift`]: crate::Flags::drift
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The flag key.
    pub key: String,
    /// The override.
    pub entry: Entry,
    /// The author, time and reason of the override, if they are known.
    pub provenance: Option<Provenance>,
    /// The flag without the override; `None` if no source below declares it.
    pub declared: Option<Definition>,
    /// The location of the flag in the strongest source below that declares it, if that source has
    /// locations.
    pub place: Option<String>,
    /// The flag with the override.
    pub overridden: Definition,
    /// The fields that differ. Empty if the override equals the declared flag.
    pub fields: Vec<Field>,
}

impl Drift {
    /// Returns true if no source below declares the flag. The override is left over, or its name is
    /// misspelled.
    #[must_use]
    pub fn is_undeclared(&self) -> bool {
        self.declared.is_none()
    }
}
