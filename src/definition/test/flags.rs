//! The definitions that tests are run with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use crate::model::SharedDefinition;

/// The flags of a file, by key.
pub(super) type Flags = BTreeMap<Arc<str>, SharedDefinition>;

/// The definitions that flags are evaluated with.
#[derive(Clone, Copy)]
pub(super) struct Declared<'f> {
    /// The definitions of the file.
    pub(super) flags: &'f Flags,
    /// The flags that the file rejects, and the previous definitions, which these flags keep.
    pub(super) rejected: &'f BTreeSet<Arc<str>>,
    pub(super) previous: &'f Flags,
    /// The time for tests that do not set one.
    pub(super) now: SystemTime,
    /// The environment; `None` outside of all environments.
    pub(super) environment: Option<&'f str>,
}

impl<'f> Declared<'f> {
    pub(super) fn find(&self, flag: &str) -> Option<&'f SharedDefinition> {
        let kept = || self.previous.get(flag).filter(|_| self.rejected.contains(flag));
        self.flags.get(flag).or_else(kept)
    }
}
