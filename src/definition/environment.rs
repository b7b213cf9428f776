//! `[environments.NAME]`: changes of flags in one environment.
//!
//! An entry is merged over the flag of `[flags]` like the entry of a stronger source, so `true` and
//! `false` are forced values, and a table is a patch. All environments of a file are read and
//! checked, whichever one is used.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    ops::Range,
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Key, Value,
    code::Code,
    decoder::Decoder,
    diagnostic::{Diagnostic, Diagnostics},
    flag,
    lines::{LineEnds, Lines},
    requires,
    test::Tests,
    variants::{self, Elsewhere, Typed},
    written::{in_order, kind, toml_key},
};
use crate::{
    model::{Definition, Definitions, Entry, Field, FlagKeys, SharedDefinition, nearest},
    text::line,
};

/// The table that holds all environments.
pub(super) const ENVIRONMENTS: &str = "environments";

/// The flags of a file in one environment, or outside of all environments.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    pub(super) good: Definitions,
    pub(super) rejected: FlagKeys,
    pub(super) tests: Tests,
}

impl Flags {
    /// Rejects a flag.
    pub(super) fn reject(&mut self, key: Arc<str>) {
        self.good.0.remove(&key);
        self.rejected.0.insert(key);
    }
}

/// One environment of a file.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// The flags in this environment, and the tests that the environment has.
    pub(super) flags: Flags,
    /// The entries without an error.
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
    /// The lines of the flags that have an entry.
    pub(super) lines: Lines,
}

/// The environments of a file, by name.
pub(super) type Environments = BTreeMap<Arc<str>, Environment>;

/// Reads all environments. `below` has the flags of `[flags]`, and `table` is its table.
pub(super) fn decode_all(
    root: &DeTable<'_>,
    table: &DeTable<'_>,
    below: &Flags,
    ends: &LineEnds,
    decoder: &mut Decoder<'_>,
) -> Environments {
    let mut environments = Environments::new();
    let mut types = Types::new();
    let Some(value) = root.get(ENVIRONMENTS) else { return environments };
    let Some(all) = value.get_ref().as_table() else {
        let message = format!("`{ENVIRONMENTS}` is {}", kind(value.get_ref()));
        let problem = Diagnostic::new(Code::InvalidEnvironment, value.span(), message)
            .label("expected a table")
            .help("write `[environments.NAME]` above the flags of each environment");
        decoder.report(problem);
        return environments;
    };
    for (key, value) in in_order(all) {
        let name = key.get_ref().as_ref();
        let Some(entries) = table_of(key, value, decoder) else { continue };
        decoder.environment = Some(name.into());
        let reading = Reading::new(entries, table, below, &mut types, decoder);
        environments.insert(name.into(), reading.finish(ends, decoder));
        decoder.environment = None;
    }
    environments
}

/// Returns the entries of an environment, or `None` after reporting that the value is not a table
/// of flags.
fn table_of<'r, 't>(
    key: &Key<'t>,
    value: &'r Value<'t>,
    decoder: &mut Decoder<'_>,
) -> Option<&'r DeTable<'t>> {
    let name = key.get_ref();
    let problem = |span, label: &str| {
        let message = format!("invalid environment `{name}`");
        let mut problem = Diagnostic::new(Code::InvalidEnvironment, span, message).label(label);
        problem.environment = Some(name.to_string());
        problem
    };
    if name.is_empty() || name.trim() != name {
        let label = "the name is empty or has white space around it";
        decoder.report(problem(key.span(), label).help("give it a name such as `staging`"));
        return None;
    }
    let DeValue::Table(entries) = value.get_ref() else {
        let label = format!("expected a table of flags, found {}", kind(value.get_ref()));
        let help = format!("write `[environments.{}]` above its flags", toml_key(name));
        decoder.report(problem(value.span(), &label).help(help));
        return None;
    };
    Some(entries)
}

/// The flags that have values only in environments: each as the first such environment has it, with
/// the place there.
type Types<'r> = HashMap<&'r str, (SharedDefinition, Range<usize>)>;

/// An environment that is being read.
struct Reading<'r, 't> {
    flags: Flags,
    entries: BTreeMap<Arc<str>, Entry>,
    /// The flags that have an entry, with their places in the text.
    written: HashMap<&'r str, Written<'r, 't>>,
    table: &'r DeTable<'t>,
}

/// A flag in the text.
struct Written<'r, 't> {
    key: &'r Key<'t>,
    /// Its settings in `[flags]` and in the environment.
    settings: DeTable<'t>,
}

impl<'r, 't> Reading<'r, 't> {
    fn new(
        entries: &'r DeTable<'t>,
        table: &'r DeTable<'t>,
        below: &Flags,
        types: &mut Types<'r>,
        decoder: &mut Decoder<'_>,
    ) -> Self {
        let flags = Flags { tests: Tests::new(), ..below.clone() };
        let mut reading = Self { flags, entries: BTreeMap::new(), written: HashMap::new(), table };
        for (key, value) in entries {
            reading.read(key, value, types, decoder);
        }
        let misplaced = mem::take(&mut decoder.misplaced);
        misplaced.into_iter().for_each(|key| reading.flags.reject(key));
        reading
    }

    /// Reads one entry, and merges it over the flag of `[flags]`.
    fn read(
        &mut self,
        key: &'r Key<'t>,
        value: &'r Value<'t>,
        types: &mut Types<'r>,
        decoder: &mut Decoder<'_>,
    ) {
        let name = key.get_ref().as_ref();
        let flag: Arc<str> = name.into();
        let below = self.table.get(name);
        let names = below.and_then(|below| variants::names(below.get_ref().as_table()?));
        decoder.variants_below = names.unwrap_or_default();
        let decoded = flag::decode(key, value, decoder);
        decoder.variants_below.clear();
        let settings = merged(below, value);
        let entry = decoded.map(|definition| match value.get_ref() {
            DeValue::Boolean(on) => Entry::Forced(*on),
            _ => Entry::Definition(definition),
        });
        let is_good = match entry {
            // The definition below the entry is not known.
            Some(entry) if self.flags.rejected.contains(name) => {
                self.entries.insert(Arc::clone(&flag), entry);
                false
            }
            Some(entry) => {
                let good = self.flags.good.0.get(&flag);
                let merged = Definition::with_entry(good, &entry);
                let declared = below.zip(good).and_then(|(place, it)| Typed::new(place, it));
                let first = types.get(name);
                let first =
                    first.map(|(flag, span)| Typed { flag, at: Elsewhere::Here(span.clone()) });
                let elsewhere = declared.or(first);
                let is_good =
                    flag::check_merged(name, &settings, &merged, elsewhere.as_ref(), decoder);
                if elsewhere.is_none()
                    && is_good
                    && let Some(Typed { at: Elsewhere::Here(span), .. }) =
                        Typed::new(value, &merged)
                {
                    types.insert(name, (merged.clone(), span));
                }
                self.flags.good.0.insert(Arc::clone(&flag), merged);
                self.entries.insert(Arc::clone(&flag), entry);
                is_good
            }
            None => false,
        };
        if !is_good {
            self.flags.reject(flag);
        }
        self.written.insert(name, Written { key, settings });
    }

    /// Checks the prerequisites of the flags in this environment.
    fn finish(mut self, ends: &LineEnds, decoder: &mut Decoder<'_>) -> Environment {
        if !self.written.is_empty() {
            let written = |flag: &str| match self.written.get(flag) {
                Some(written) => Some(&written.settings),
                None => self.table.get(flag).and_then(|value| value.get_ref().as_table()),
            };
            let Flags { good, rejected, .. } = &self.flags;
            let wrong = requires::check(&written, &good.0, &rejected.0, decoder);
            wrong.into_iter().for_each(|key| self.flags.reject(key));
        }
        let Flags { good, rejected, .. } = &self.flags;
        let mut keys: Vec<_> = good.0.keys().chain(&rejected.0).collect();
        keys.sort_unstable();
        let lines = keys.into_iter().filter_map(|key| {
            let Written { key: place, settings } = self.written.get(&**key)?;
            Some((key, place.span().start, Some(settings)))
        });
        let lines = Lines::of(ends, lines);
        self.flags.tests = mem::take(&mut decoder.tests);
        Environment { flags: self.flags, entries: self.entries, lines }
    }
}

/// Returns the settings of a flag of `[flags]` and of an entry over it, each at its place in the
/// text.
pub(super) fn merged<'t>(below: Option<&Value<'t>>, entry: &Value<'t>) -> DeTable<'t> {
    let mut settings = below.map(settings).unwrap_or_default();
    settings.remove(super::test::TESTS);
    if entry.get_ref().as_bool() == Some(true) {
        let lifted = Definition::forced(true);
        lifted.fields().for_each(|field| drop(settings.remove(field.as_str())));
    }
    let entry = self::settings(entry);
    let has = |field: Field| entry.contains_key(field.as_str());
    match (has(Field::Percentage), has(Field::Rollout)) {
        (true, false) => drop(settings.remove(Field::Rollout.as_str())),
        (false, true) => drop(settings.remove(Field::Percentage.as_str())),
        _ => {}
    }
    patch(&mut settings, entry);
    settings
}

/// Returns the settings of a flag, which may have the short form.
pub(super) fn settings<'t>(value: &Value<'t>) -> DeTable<'t> {
    let field = match value.get_ref() {
        DeValue::Table(table) => return table.clone(),
        DeValue::Boolean(_) => Field::Enabled,
        _ => Field::Percentage,
    };
    let key = Spanned::new(value.span(), field.as_str().into());
    DeTable::from_iter([(key, value.clone())])
}

/// Applies a table on top of another one, member by member. A variant may be only a weight.
fn patch<'t>(below: &mut DeTable<'t>, above: DeTable<'t>) {
    for (key, mut value) in above {
        let Some((_, old)) = below.get_key_value(key.get_ref().as_ref()) else {
            below.insert(key, value);
            continue;
        };
        let mut old = old.clone();
        match (old.get_ref(), value.get_ref()) {
            (DeValue::Table(_), DeValue::Integer(_) | DeValue::Float(_)) => weigh(&mut value),
            (DeValue::Integer(_) | DeValue::Float(_), DeValue::Table(_)) => weigh(&mut old),
            _ => {}
        }
        if let (DeValue::Table(old), DeValue::Table(new)) = (old.get_mut(), value.get_mut()) {
            patch(old, mem::take(new));
            mem::swap(old, new);
        }
        // A map keeps the key of the first insertion, and with it the place in the text.
        below.remove(key.get_ref().as_ref());
        below.insert(key, value);
    }
}

fn weigh(value: &mut Value<'_>) {
    let key = Spanned::new(value.span(), "weight".into());
    let table = DeTable::from_iter([(key, value.clone())]);
    *value.get_mut() = DeValue::Table(table);
}

/// Error for an environment that a file does not have.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
#[non_exhaustive]
pub struct UnknownEnvironment {
    /// The name of the environment.
    pub name: String,
    /// An environment of the file with a similar name.
    pub similar: Option<String>,
    /// The environments that the file has.
    pub known: Vec<String>,
    /// The mistake at the place of the environment, if the file has an invalid environment of this
    /// name.
    mistake: Option<Box<Diagnostic>>,
}

crate::error::debug_is_message!(UnknownEnvironment);

impl UnknownEnvironment {
    pub(super) fn new(name: &str, environments: &Environments, problems: &Diagnostics) -> Self {
        let known: Vec<_> = environments.keys().map(ToString::to_string).collect();
        let similar = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let stands_for_it = |problem: &&Diagnostic| {
            problem.code == Code::InvalidEnvironment && problem.concerns(Some(name))
        };
        let mistake = problems.iter().find(stands_for_it).cloned().map(Box::new);
        Self { name: name.to_owned(), similar, known, mistake }
    }

    /// Returns the mistake at the place of the environment; `None` if the file has nothing there.
    #[must_use]
    pub fn mistake(&self) -> Option<&Diagnostic> {
        self.mistake.as_deref()
    }

    fn sentence(&self) -> String {
        let Self { name, similar, known, mistake } = self;
        match mistake {
            Some(mistake) => format!(
                "environment `{}` of the flag file cannot be used: {}: {}, {}",
                line(name),
                mistake.location,
                mistake.message,
                mistake.label
            ),
            None => format!(
                "the flag file has no environment `{}`{}",
                line(name),
                hint(similar.as_deref(), known)
            ),
        }
    }
}

fn hint(similar: Option<&str>, known: &[String]) -> String {
    match (similar, known) {
        (Some(similar), _) => format!("; it has `{}`", line(similar)),
        (None, []) => "; it has none".to_owned(),
        (None, known) => {
            let known: Vec<_> = known.iter().map(|name| format!("`{}`", line(name))).collect();
            format!("; it has {}", known.join(", "))
        }
    }
}
