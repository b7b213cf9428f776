//! The difference between run-time overrides and what is declared.

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
    /// The reason why the value that the source has cannot be read. The entry is the last good one then;
    /// without one, it is off.
    pub problem: Option<String>,
    /// The effect of the entry, if it is another one than its writer may expect: it is neither on nor off.
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
    /// The flag without the override; `None` if nothing below declares it.
    pub declared: Option<Definition>,
    /// The location at which the strongest source below declares it, if that source has one.
    pub place: Option<String>,
    /// The flag with the override.
    pub overridden: Definition,
    /// The fields that differ. None, if the override says what is declared anyway.
    pub fields: Vec<Field>,
}

impl Drift {
    /// Returns whether no source below declares the flag: a leftover, or a misspelled name.
    #[must_use]
    pub fn is_undeclared(&self) -> bool {
        self.declared.is_none()
    }
}
