//! What run-time overrides do to what is declared.

use crate::{
    backend::{Provenance, Source},
    model::{Definition, Entry, Field},
};

/// What one source says about one flag.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SourceEntry {
    /// The source.
    pub source: Source,
    /// What it says.
    pub entry: Entry,
    /// Who said it, when and why, if that is known.
    pub provenance: Option<Provenance>,
}

/// What an override changes about one flag, field by field. Made by [`Flags::drift`].
///
/// [`Flags::drift`]: crate::Flags::drift
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The flag key.
    pub key: String,
    /// The override.
    pub entry: Entry,
    /// Who made it, when and why, if that is known.
    pub provenance: Option<Provenance>,
    /// The flag without the override; `None` if nothing below declares it.
    pub declared: Option<Definition>,
    /// The flag with the override.
    pub overridden: Definition,
    /// The fields that differ. None, if the override says what is declared anyway.
    pub fields: Vec<Field>,
}

impl Drift {
    /// Whether no source below declares the flag: a leftover, or a misspelled name.
    #[must_use]
    pub fn is_undeclared(&self) -> bool {
        self.declared.is_none()
    }
}
