//! Flags in all parts of flag files: in `[flags]`, and in each environment.

use std::collections::BTreeSet;

use flagstaff::{Definition, definition::FlagsFile};

/// The parts of flag files that services may run with.
#[derive(Debug)]
pub(crate) struct Parts(Vec<Part>);

/// The flags outside of all environments, or those in one.
#[derive(Debug)]
pub(crate) struct Part {
    /// The environment; `None` for `[flags]`.
    environment: Option<String>,
    /// The files in that environment, the weakest first. A file without the environment has its `[flags]` alone.
    pub(crate) files: Vec<FlagsFile>,
}

impl Parts {
    /// Returns the parts of files, the weakest first, of which no environment is chosen.
    pub(crate) fn of<'f>(files: impl IntoIterator<Item = &'f FlagsFile>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let part = |environment: Option<&str>| {
            let files = files.iter().map(|&file| match environment {
                Some(name) => file.clone().in_environment(name).unwrap_or_else(|_| file.clone()),
                None => file.clone(),
            });
            Part { environment: environment.map(str::to_owned), files: files.collect() }
        };
        let environments = environments(files.iter().copied()).into_iter().map(Some);
        Self([None].into_iter().chain(environments).map(part).collect())
    }

    /// Returns the parts, `[flags]` first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.0.iter()
    }

    /// Returns the parts without the one that is chosen.
    pub(crate) fn without(mut self, environment: Option<&str>) -> Self {
        self.0.retain(|part| part.environment.as_deref() != environment);
        self
    }
}

impl Part {
    /// Returns a flag, merged from all files.
    pub(crate) fn flag(&self, key: &str) -> Option<Definition> {
        merged(&self.files, key)
    }

    /// Returns true if a file has the flag in this part, even with a mistake.
    pub(crate) fn names(&self, key: &str) -> bool {
        let has =
            |file: &FlagsFile| file.flags().contains_key(key) || file.rejected().contains(key);
        self.files.iter().any(has)
    }
}

/// Returns the environments that files have, in their order.
pub(crate) fn environments<'f>(
    files: impl IntoIterator<Item = &'f FlagsFile>,
) -> BTreeSet<&'f str> {
    files.into_iter().flat_map(FlagsFile::environments).collect()
}

/// Returns a flag, merged from files with the weakest first.
pub(crate) fn merged<'f>(
    files: impl IntoIterator<Item = &'f FlagsFile>,
    key: &str,
) -> Option<Definition> {
    let flags = files.into_iter().filter_map(|file| file.flags().get(key));
    flags.fold(None, |merged: Option<Definition>, flag| match merged {
        Some(mut merged) => {
            merged.overlay(flag);
            Some(merged)
        }
        None => Some(Definition::clone(flag)),
    })
}
