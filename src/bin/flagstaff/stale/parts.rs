//! Flags in all parts of flag files: in `[flags]`, and in each environment.

use std::{collections::BTreeSet, time::SystemTime};

use flagstaff::{Definition, definition::FlagsFile};

use super::finding::Fixed;

/// The parts of flag files that services may run with.
#[derive(Debug)]
pub(crate) struct Parts(Vec<Part>);

#[derive(Debug)]
struct Part {
    /// The environment, if the part is one.
    environment: Option<String>,
    /// The files as they are there, the weakest first.
    files: Vec<FlagsFile>,
}

impl Parts {
    /// Returns the parts of files, the weakest first, of which no environment is chosen.
    pub(crate) fn of(files: &[FlagsFile]) -> Self {
        let environments: BTreeSet<_> = files.iter().flat_map(FlagsFile::environments).collect();
        let part = |environment: Option<&str>| {
            let files = files.iter().cloned().map(|file| match environment {
                Some(name) => file.clone().in_environment(name).unwrap_or(file),
                None => file,
            });
            Part { environment: environment.map(str::to_owned), files: files.collect() }
        };
        Self([None].into_iter().chain(environments.into_iter().map(Some)).map(part).collect())
    }

    /// Returns the parts without the one that is chosen.
    pub(crate) fn without(mut self, environment: Option<&str>) -> Self {
        self.0.retain(|part| part.environment.as_deref() != environment);
        self
    }

    /// Returns true if any part has the flag.
    pub(crate) fn have(&self, key: &str) -> bool {
        self.0.iter().any(|part| part.flag(key).is_some())
    }

    /// Returns true if a flag is the same for all users in all parts.
    pub(crate) fn are_all(&self, key: &str, fixed: &Fixed, at: SystemTime) -> bool {
        let is_same = |flag| Fixed::of(flag, at).as_ref() == Some(fixed);
        self.0.iter().all(|part| part.flag(key).is_some_and(is_same))
    }

    /// Returns the definitions of a flag in the parts that have it.
    pub(crate) fn definitions(&self, key: &str) -> impl Iterator<Item = &Definition> {
        self.0.iter().filter_map(move |part| part.flag(key))
    }
}

impl Part {
    fn flag(&self, key: &str) -> Option<&Definition> {
        let mut strongest = self.files.iter().rev();
        strongest.find_map(|file| file.flags().get(key)).map(|flag| &**flag)
    }
}
