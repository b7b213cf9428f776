//! The names of variants, of which a process keeps one copy each.
//!
//! Answers are `Copy` and borrow nothing, so the names in them live as long as the process.
//! Definitions with ever new names would make this list grow without end, so its length is bounded.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::Definition;

use crate::text::line;

/// The word for no variant, in the `off` of a flag and in the `serve` of a rule: callers get their
/// own defaults. A variant of that name goes first.
pub(crate) const DEFAULT: &str = "default";

/// The largest number of names that a process keeps.
pub(crate) const MOST_VARIANT_NAMES: usize = 100_000;

static NAMES: Mutex<Option<Names>> = Mutex::new(None);

/// The error of a name that a process has no room for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "variant `{}` is one name too many: a process keeps at most {MOST_VARIANT_NAMES} names of variants, and \
     forgets none before it ends",
    line(.0)
)]
pub(crate) struct TooManyVariantNames(pub(crate) String);

/// The names that are kept.
#[derive(Debug)]
struct Names {
    kept: HashSet<&'static str>,
    most: usize,
}

impl Names {
    fn new(most: usize) -> Self {
        Self { kept: HashSet::new(), most }
    }

    /// Keeps all of the names, or none if there is no room for one of them.
    fn keep_all<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), TooManyVariantNames> {
        let new: HashSet<_> = names.filter(|name| !self.kept.contains(name)).collect();
        let room = self.most.saturating_sub(self.kept.len());
        if let Some(name) = new.iter().nth(room) {
            return Err(TooManyVariantNames((*name).to_owned()));
        }
        new.into_iter().try_for_each(|name| self.keep(name).map(drop))
    }

    fn keep(&mut self, name: &str) -> Result<&'static str, TooManyVariantNames> {
        if let Some(known) = self.kept.get(name) {
            return Ok(known);
        }
        if self.kept.len() >= self.most {
            return Err(TooManyVariantNames(name.to_owned()));
        }
        let name: &'static str = Box::leak(Box::from(name));
        self.kept.insert(name);
        Ok(name)
    }
}

/// Returns the copy of a name that is kept for the life of the process.
///
/// The function locks, so it is called only when flags are read and compiled, never when they are
/// evaluated.
///
/// # Errors
///
/// Returns an error if the name is new and there is no room for it. Nothing is kept then.
pub(crate) fn keep_variant_name(name: &str) -> Result<&'static str, TooManyVariantNames> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_with(|| Names::new(MOST_VARIANT_NAMES)).keep(name)
}

/// Returns the kept name whose copy is at an address; `None` if there is none.
///
/// The function locks and looks at all names, so it is called only when counts are gathered.
pub(crate) fn variant_name_at(address: usize) -> Option<&'static str> {
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.as_ref()?.kept.iter().copied().find(|name| name.as_ptr().addr() == address)
}

/// Returns the kept copy of a name in a definition that was admitted.
pub(crate) fn variant_name(name: &str) -> &'static str {
    keep_variant_name(name).expect("a definition is admitted only once its names are kept")
}

impl Definition {
    /// Keeps the names of variants in this definition: its own, and those that it requires of other
    /// flags.
    ///
    /// All definitions pass through here on their way into a process, and are rejected on an error.
    /// So compiling them cannot fail.
    ///
    /// # Errors
    ///
    /// Returns an error for a name that there is no room for. None of the names is kept then, so
    /// that definitions that are rejected take no room.
    pub(crate) fn keep_variant_names(&self) -> Result<(), TooManyVariantNames> {
        let own = self.rare().variants.value().into_iter().flat_map(|variants| variants.names());
        let others = self.needs();
        let asked = others.iter().flat_map(|other| other.state.variants()).map(String::as_str);
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.get_or_insert_with(|| Names::new(MOST_VARIANT_NAMES)).keep_all(own.chain(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let name = String::from("higher_price");

        assert!(std::ptr::eq(variant_name("higher_price"), variant_name(&name)));
    }

    #[test]
    fn new_names_are_kept_up_to_the_bound_and_known_names_always() {
        let mut names = Names::new(2);
        names.keep("a").unwrap();
        names.keep("b").unwrap();

        assert_eq!(names.keep("c"), Err(TooManyVariantNames("c".to_owned())));
        assert_eq!((names.keep("a"), names.kept.len()), (Ok("a"), 2));
    }

    #[test]
    fn a_definition_with_one_name_too_many_keeps_none() {
        let mut names = Names::new(3);
        names.keep("a").unwrap();

        names.keep_all(["a", "b", "c", "d"].into_iter()).unwrap_err();
        assert_eq!(names.kept.len(), 1);

        names.keep_all(["a", "b", "c", "b"].into_iter()).unwrap();
        assert_eq!(names.kept.len(), 3);
    }
}
