//! The input of lints, and their findings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::settings::Lints;
use crate::{
    definition::{
        Code, Diagnostic, FlagsFile, Key, Value,
        decoder::Similar,
        environment::{self, ENVIRONMENTS, Flags},
        file::{FLAGS, Reading},
        segment::SEGMENTS,
        segments::Segments,
        severity::Level,
        written::in_order,
    },
    model::{Definition, Entry, Field, SharedDefinition},
};

/// A file that was read, with the positions of its parts.
pub(super) struct File<'f> {
    pub(super) text: &'f str,
    pub(super) now: SystemTime,
    pub(super) segments: &'f Segments,
    pub(super) similar: &'f Similar,
    root: &'f DeTable<'f>,
    /// The flags without errors, in the order of the text.
    pub(super) flags: Vec<Flag<'f>>,
    /// The names of all flags of `[flags]`, also in the files below.
    pub(super) names: BTreeSet<&'f str>,
    /// The definitions of the flags without errors.
    pub(super) declared: &'f BTreeMap<Arc<str>, SharedDefinition>,
    /// The entries of environments, in the order of the text.
    pub(super) environments: Vec<Entries<'f>>,
}

/// The entries of one environment.
pub(super) struct Entries<'f> {
    pub(super) name: &'f str,
    pub(super) value: &'f Value<'f>,
    pub(super) table: &'f DeTable<'f>,
    /// All entries, also those with errors, in the order of the text.
    pub(super) written: Vec<(&'f Key<'f>, &'f Value<'f>)>,
    /// The entries without errors.
    pub(super) entries: BTreeMap<&'f str, &'f Entry>,
    /// The flags in the environment, after the merge.
    pub(super) flags: &'f Flags,
}

impl<'f> Entries<'f> {
    /// Returns all flags of the environment as one table each: the settings of the entry and of
    /// `[flags]`. Settings keep their places.
    pub(super) fn merged(&self, flags: Option<&'f DeTable<'f>>) -> Vec<(&'f Key<'f>, Value<'f>)> {
        let below = |name: &str| flags.and_then(|flags| flags.get_key_value(name));
        let own = self.written.iter().map(|&(key, value)| {
            let below = below(key.get_ref()).map(|(_, below)| below);
            let merged = DeValue::Table(environment::merged(below, value));
            (key, Spanned::new(value.span(), merged))
        });
        let has_none = |key: &Key<'_>| !self.table.contains_key(key.get_ref().as_ref());
        let others = flags.into_iter().flatten().filter(|(key, _)| has_none(key));
        own.chain(others.map(|(key, value)| (key, value.clone()))).collect()
    }
}

impl<'f> File<'f> {
    pub(super) fn new(
        text: &'f str,
        reading: &'f Reading<'f>,
        now: SystemTime,
        below: &'f [FlagsFile],
    ) -> Self {
        let Reading { file, merged, root, segments, similar } = reading;
        let whole = merged.as_ref().unwrap_or(&file.flags().0);
        let flags = table(root, FLAGS).into_iter().flat_map(in_order);
        let flags = flags.filter_map(|(key, value)| {
            let definition = file.flags().get(key.get_ref().as_ref())?;
            let whole = whole.get(key.get_ref().as_ref())?;
            Some(Flag { key, value, definition, whole })
        });
        let environments = table(root, ENVIRONMENTS).into_iter().flat_map(in_order);
        let environments = environments.filter_map(|(key, value)| {
            let (name, table) = (key.get_ref().as_ref(), value.get_ref().as_table()?);
            let entries = file.entries(name).collect();
            let flags = file.flags_of(Some(name));
            Some(Entries { name, value, table, written: in_order(table), entries, flags })
        });
        let names = table(root, FLAGS).into_iter().flatten();
        let below = below.iter().flat_map(|file| file.flags().keys().chain(file.rejected().iter()));
        Self {
            text,
            now,
            segments,
            similar,
            root,
            flags: flags.collect(),
            names: names.map(|(key, _)| key.get_ref().as_ref()).chain(below).collect(),
            declared: &file.flags().0,
            environments: environments.collect(),
        }
    }

    /// Returns the file with the entries of an environment instead of its flags.
    pub(super) fn entries(&self, environment: &Entries<'f>) -> Self {
        let flags = environment.written.iter().filter_map(|&(key, value)| {
            let definition = environment.entries.get(key.get_ref().as_ref())?.as_definition()?;
            Some(Flag { key, value, definition, whole: definition })
        });
        Self {
            flags: flags.collect(),
            names: self.names.clone(),
            environments: Vec::new(),
            ..*self
        }
    }

    /// Returns `true` if an environment has an entry for a flag.
    pub(super) fn is_changed_elsewhere(&self, flag: &str) -> bool {
        self.environments.iter().any(|environment| environment.table.contains_key(flag))
    }

    /// Returns all environments, also those with errors, as the table in the text.
    pub(super) fn environments_table(&self) -> Option<&'f Value<'f>> {
        self.root.get(ENVIRONMENTS)
    }

    /// Returns all flags, also those with errors, as the table in the text.
    pub(super) fn flags_table(&self) -> Option<&'f Value<'f>> {
        self.root.get(FLAGS)
    }

    /// Returns the segment with this name, even if it has errors.
    pub(super) fn segment(&self, name: &str) -> Option<&'f Value<'f>> {
        table(self.root, SEGMENTS)?.get(name)
    }

    /// Returns all segments, also those with errors, in the order of the text.
    pub(super) fn segments_in_order(&self) -> Vec<(&'f Key<'f>, &'f Value<'f>)> {
        table(self.root, SEGMENTS).map(in_order).unwrap_or_default()
    }
}

fn table<'f>(root: &'f DeTable<'f>, name: &str) -> Option<&'f DeTable<'f>> {
    root.get(name)?.get_ref().as_table()
}

/// A flag without errors.
pub(super) struct Flag<'f> {
    pub(super) key: &'f Key<'f>,
    pub(super) value: &'f Value<'f>,
    pub(super) definition: &'f Definition,
    /// The definition after the merge over the files below.
    pub(super) whole: &'f Definition,
}

impl<'f> Flag<'f> {
    pub(super) fn name(&self) -> &'f str {
        self.key.get_ref()
    }

    /// Returns the settings, unless the flag has the short form, `true` or `"25%"`.
    pub(super) fn settings(&self) -> Option<&'f DeTable<'f>> {
        self.value.get_ref().as_table()
    }

    /// Returns the value of a setting, as the text has it.
    pub(super) fn setting(&self, field: Field) -> Option<&'f Value<'f>> {
        self.settings()?.get(field.as_str())
    }

    /// Returns the rules, as the text has them.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'f Value<'f>> {
        self.list(Field::Rules).into_iter().flat_map(|rules| rules.iter())
    }

    pub(super) fn list(&self, field: Field) -> Option<&'f DeArray<'f>> {
        self.setting(field)?.get_ref().as_array()
    }
}

/// The findings so far.
pub(super) struct Found<'l> {
    lints: &'l Lints,
    pub(super) problems: Vec<Diagnostic>,
    /// The environment that is being checked.
    pub(super) environment: Option<String>,
}

impl<'l> Found<'l> {
    pub(super) fn new(lints: &'l Lints, problems: Vec<Diagnostic>) -> Self {
        Self { lints, problems, environment: None }
    }

    /// Returns `true` if findings of this code are reported.
    pub(super) fn wants(&self, code: Code) -> bool {
        self.lints.level(code) > Level::Allow
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        if self.wants(problem.code) {
            self.problems.push(match &self.environment {
                Some(environment) => problem.environment(environment),
                None => problem,
            });
        }
    }

    pub(super) fn lints(&self) -> &'l Lints {
        self.lints
    }
}
