//! The names of attributes that buckets are drawn by, as a part of answers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::text::line;

/// The path of an attribute that buckets are drawn by, such as `company.id`.
///
/// Causes are small and `Copy`, so this is the index of the path in a table of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitName(u16);

static NAMES: Mutex<Option<Names>> = Mutex::new(None);

/// The paths by their index. Their number is bounded by the type of the index.
#[derive(Default)]
struct Names {
    list: Vec<&'static str>,
    places: HashMap<&'static str, u16>,
}

/// Stands for all paths that do not fit into the table.
const OVERFLOW: UnitName = UnitName(u16::MAX);

impl UnitName {
    /// Keeps a path for the life of the process. It locks, so it is called only when flags are
    /// compiled.
    pub(crate) fn keep(path: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let Names { list, places } = names.get_or_insert_default();
        if let Some(&place) = places.get(path) {
            return Self(place);
        }
        let place = u16::try_from(list.len()).unwrap_or(u16::MAX);
        if place == OVERFLOW.0 {
            return OVERFLOW;
        }
        let path: &'static str = Box::leak(Box::from(path));
        list.push(path);
        places.insert(path, place);
        Self(place)
    }

    /// Returns the path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let list = names.as_ref().map(|names| &names.list);
        list.and_then(|list| list.get(usize::from(self.0)).copied()).unwrap_or("bucket_by")
    }
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&line(self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_once() {
        let kept = UnitName::keep("company.id");

        assert_eq!(kept, UnitName::keep("company.id"));
        assert_ne!(kept, UnitName::keep("device"));
        assert_eq!(kept.as_str(), "company.id");
        assert!(!OVERFLOW.as_str().is_empty());
    }
}
