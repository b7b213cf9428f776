//! Names that were asked for and no source knows.

use super::warned::Warned;
use crate::{
    foreign::warn,
    model::{hash_name, nearest},
};

/// Warns once per unknown name, however often it is asked for, and never locks.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// The hashes of the names: with two of one hash, the second is not warned about.
    warned: Warned<u64>,
}

impl Unknown {
    #[cold]
    pub(crate) fn note<'a>(&self, name: &str, known: impl Iterator<Item = &'a str>) {
        if !self.warned.is_new(hash_name(name)) {
            return;
        }
        match nearest(name, known) {
            Some(known) => warn!(flag = name, similar = known, "no source knows this flag"),
            None => warn!(flag = name, "no source knows this flag"),
        }
    }
}
