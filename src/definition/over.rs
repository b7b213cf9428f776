//! A file over others: checks of its flags together with the files below.
//!
//! The stack of sources merges the files of a service when they are published. These checks find the
//! same mistakes in the files, with their places, as the checks of an environment over `[flags]` do.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    Key,
    code::Code,
    decoder::Decoder,
    environment::{self, ENVIRONMENTS, Environments, Flags},
    lines::Lines,
    requires, rule,
    severity::Severity,
    variants::{self, Elsewhere, Typed},
};
use crate::{
    model::{Definition, Entry, FlagKeys, SharedDefinition},
    text::line,
};

type Merged = BTreeMap<Arc<str>, SharedDefinition>;

/// A file that is below another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Below<'f> {
    pub(super) name: &'f str,
    /// The flags outside of all environments.
    pub(super) flags: &'f Flags,
    pub(super) environments: &'f Environments,
    /// The lines of the flags outside of all environments.
    pub(super) lines: &'f Lines,
}

impl<'f> Below<'f> {
    /// Returns the flags of an environment, or those outside of all environments if the file does
    /// not have it.
    pub(super) fn flags_of(self, environment: Option<&str>) -> &'f Flags {
        let environment = environment.and_then(|name| self.environments.get(name));
        environment.map_or(self.flags, |environment| &environment.flags)
    }

    /// Returns the line of a flag in an environment, or outside of all environments.
    fn line_in(self, environment: Option<&str>, flag: &str) -> Option<usize> {
        let there = environment.and_then(|name| self.environments.get(name));
        there.and_then(|there| there.lines.flag(flag)).or_else(|| self.lines.flag(flag))
    }
}

/// A file that is over others.
#[derive(Clone, Copy)]
pub(super) struct Own<'r, 't> {
    pub(super) root: &'r DeTable<'t>,
    /// The table `[flags]`.
    pub(super) table: &'r DeTable<'t>,
    pub(super) flags: &'r Flags,
    pub(super) environments: &'r Environments,
}

/// One flag of the file, as the text has it.
struct Written<'r, 't> {
    key: &'r Key<'t>,
    settings: DeTable<'t>,
}

impl<'r, 't> Own<'r, 't> {
    /// Reports the mistakes of the file together with the files below, the weakest of which is the
    /// first, in `[flags]` and in each environment. Returns the merged flags of `[flags]`.
    pub(super) fn check(self, below: &[Below<'_>], decoder: &mut Decoder<'_>) -> Merged {
        decoder.has_below = true;
        let merged = self.check_in(None, below, decoder);
        let mut reported = Reported::new(decoder);
        let names = below.iter().flat_map(|file| file.environments.keys().cloned());
        let names: BTreeSet<Arc<str>> = names.chain(self.environments.keys().cloned()).collect();
        for name in names {
            decoder.environment = Some(Arc::clone(&name));
            self.check_in(Some(&name), below, decoder);
            reported.forget_repeated(decoder);
        }
        decoder.environment = None;
        decoder.has_below = false;
        merged
    }

    /// Checks the flags of an environment, or those outside of all environments.
    fn check_in(
        self,
        environment: Option<&str>,
        below: &[Below<'_>],
        decoder: &mut Decoder<'_>,
    ) -> Merged {
        let (mut all, mut rejected) = (Merged::new(), BTreeSet::new());
        for file in below {
            let flags = file.flags_of(environment);
            rejected.extend(flags.rejected.0.iter().cloned());
            for (key, flag) in &flags.good.0 {
                let merged = over(all.get(key), flag);
                all.insert(Arc::clone(key), merged);
            }
        }
        let there = environment.and_then(|name| self.environments.get(name));
        let own = there.map_or(self.flags, |environment| &environment.flags);
        let FlagKeys(own_rejected) = &own.rejected;
        let mut written = BTreeMap::new();
        for (key, flag) in &own.good.0 {
            let Some(own) = self.written(environment, key) else { continue };
            let (before, errors) = (all.get(key), decoder.errors);
            let merged = over(before, flag);
            let Written { key: place, settings } = &own;
            if let Some(flag) = before.filter(|before| before.check_type_of(&merged).is_err()) {
                let at = Elsewhere::Below(place_of(key, environment, below));
                variants::check_type(key, &Typed { flag, at }, settings, &merged, decoder);
            }
            // Values of another type are the cause of what else is wrong.
            if decoder.errors == errors && !rejected.contains(key) {
                match before {
                    Some(_) => variants::check_over(key, settings, &merged, decoder),
                    None => {
                        variants::check_named(key, settings, decoder);
                        variants::check_whole(key, settings, &merged, decoder);
                    }
                }
                rule::check_whole(key, settings, &merged, decoder);
            }
            if decoder.errors == errors {
                all.insert(Arc::clone(key), merged);
            }
            written.insert(place.get_ref().as_ref(), own);
        }
        rejected.extend(own_rejected.iter().cloned());
        let settings = |flag: &str| written.get(flag).map(|written| &written.settings);
        requires::check(&settings, &all, &rejected, decoder);
        all
    }

    /// Returns a flag as the text has it, with what an environment changes.
    fn written(self, environment: Option<&str>, key: &str) -> Option<Written<'r, 't>> {
        let outside = self.table.get_key_value(key);
        let entry = environment.and_then(|name| {
            let all = self.root.get(ENVIRONMENTS)?.get_ref().as_table()?;
            all.get(name)?.get_ref().as_table()?.get_key_value(key)
        });
        let below = outside.map(|(_, value)| value);
        let (place, settings) = match (entry, outside) {
            (Some((place, value)), _) => (place, environment::merged(below, value)),
            (None, Some((place, value))) => (place, environment::settings(value)),
            (None, None) => return None,
        };
        Some(Written { key: place, settings })
    }
}

/// Merges a flag of a file over the files below it, as the stack of sources does.
fn over(below: Option<&SharedDefinition>, flag: &SharedDefinition) -> SharedDefinition {
    match below {
        None => flag.clone(),
        Some(below) => Definition::with_entry(Some(below), &Entry::Definition(flag.clone())),
    }
}

/// Returns the file and the line where the strongest file with values of a flag has this flag.
fn place_of(flag: &str, environment: Option<&str>, below: &[Below<'_>]) -> String {
    let has_values = |file: &&Below<'_>| {
        let flag = file.flags_of(environment).good.0.get(flag);
        flag.is_some_and(|flag| flag.has_values())
    };
    let Some(file) = below.iter().rfind(has_values) else { return "the files below".to_owned() };
    let name = line(file.name);
    match file.line_in(environment, flag) {
        Some(number) => format!("`{name}:{number}`"),
        None => format!("`{name}`"),
    }
}

/// The problems that were reported, for those of `[flags]` that each environment would repeat.
struct Reported {
    known: HashSet<(Code, usize, String)>,
    /// The number of problems that were looked at.
    seen: usize,
}

impl Reported {
    fn new(decoder: &Decoder<'_>) -> Self {
        let mut reported = Self { known: HashSet::new(), seen: 0 };
        reported.note(decoder);
        reported
    }

    fn note(&mut self, decoder: &Decoder<'_>) {
        let new = decoder.problems.get(self.seen..).unwrap_or_default();
        self.known.extend(new.iter().map(|it| (it.code, it.span.start, it.label.clone())));
        self.seen = decoder.problems.len();
    }

    /// Removes the new problems that are known.
    fn forget_repeated(&mut self, decoder: &mut Decoder<'_>) {
        let new = decoder.problems.split_off(self.seen);
        for problem in new {
            let is_known =
                self.known.contains(&(problem.code, problem.span.start, problem.label.clone()));
            match is_known {
                true => {
                    decoder.errors -= usize::from(problem.severity == Severity::Error);
                }
                false => decoder.problems.push(problem),
            }
        }
        self.note(decoder);
    }
}
