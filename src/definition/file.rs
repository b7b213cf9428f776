//! A whole flags.toml.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::{Decoder, Similar},
    diagnostic::{Diagnostic, Diagnostics},
    environment::{self, ENVIRONMENTS, Environments, Flags, UnknownEnvironment},
    flag,
    lines::{LineEnds, Lines},
    over::{self, Below},
    places::PLACES,
    requires,
    segment::{self, SEGMENTS},
    segments::Segments,
    syntax::{Syntax, merge},
    test::{self, TestRun},
    unknown::looks_like_flag,
    written::toml_key,
};
use crate::model::{
    Definitions, Entry, FlagKey, FlagKeys, Setting, SharedDefinition, Variants, nearest,
};

/// The table that holds all flags.
pub(super) const FLAGS: &str = "flags";

/// The tables that a file can have.
const TABLES: [&str; 3] = [FLAGS, SEGMENTS, ENVIRONMENTS];

/// The flags of one flags.toml, with the problems of its text.
///
/// # Example
///
/// ```
/// use flagstaff::definition::FlagsFile;
///
/// let file = FlagsFile::parse("flags.toml", "[flags]\nsearch = \"25%\"\nbeta = 1\n");
///
/// assert!(file.is_usable());
/// assert!(file.flags().contains_key("search"));
/// assert!(file.rejected().contains("beta"));
/// ```
#[derive(Debug, Clone)]
pub struct FlagsFile {
    /// The flags outside of all environments.
    flags: Flags,
    environments: Environments,
    /// The chosen environment.
    chosen: Option<Arc<str>>,
    usable: bool,
    /// The lines of the flags outside of all environments.
    lines: Lines,
    /// The lines of the flags in the chosen environment.
    lines_there: Option<Lines>,
    diagnostics: Diagnostics,
    /// The text, to show lines of it when tests fail; empty without tests.
    text: String,
    end: End,
}

/// The part of a flags.toml at the end of its text. It may go on if the text is the beginning of a
/// longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Flag(Box<str>),
    /// An entry of an environment.
    Entry {
        environment: Box<str>,
        flag: Box<str>,
    },
    /// A segment, which any flag may use.
    Segment,
    /// None of these, or the file is not usable.
    Other,
}

impl FlagsFile {
    /// Reads `text`; diagnostics call the file `name`.
    ///
    /// This never fails: problems of the text are in [`diagnostics`](Self::diagnostics).
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Self {
        Self::read(name, text, Whole::Yes).file
    }

    /// Reads `text`, whose flags may be partial, because a source below has the rest of them.
    ///
    /// Such a flag may change the weight of a variant, or serve a variant, that only the other
    /// source has. This function cannot find errors that arise only together with the other source.
    /// A flag with such an error evaluates like one with an invalid override in a shared store.
    /// Tests run with the flags of this text alone.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::FlagsFile;
    ///
    /// let text = "[flags.pricing_page]\nserve = \"higher_price\"\n";
    ///
    /// assert!(FlagsFile::parse("flags.toml", text).rejected().contains("pricing_page"));
    /// assert!(FlagsFile::parse_partial("flags.toml", text).flags().contains_key("pricing_page"));
    /// ```
    #[must_use]
    pub fn parse_partial(name: &str, text: &str) -> Self {
        Self::read(name, text, Whole::No).file
    }

    /// Reads `text`, and returns the file with its syntax tree.
    pub(super) fn read<'t>(name: &str, text: &'t str, whole: Whole<'_>) -> Reading<'t> {
        let Syntax { root, mut faults } = Syntax::parse(text);
        let mut decoder = Decoder::new(text, &faults);
        decoder.is_over_another = !matches!(whole, Whole::Yes);
        let mut flags = Flags::default();
        let broken = faults.iter().any(|fault| !fault.doubtful.is_empty());

        let table = flags_table(&root, broken, &mut decoder);
        if table.is_some() {
            segment::decode_all(&root, &mut decoder);
        }
        for (key, value) in table.into_iter().flatten() {
            let name = key.get_ref().as_ref().into();
            match flag::decode_whole(key, value, &mut decoder) {
                Some(definition) => drop(flags.good.0.insert(name, definition)),
                None => drop(flags.rejected.0.insert(name)),
            }
        }
        if table.is_some() {
            for (key, value) in &root {
                if !TABLES.contains(&key.get_ref().as_ref()) {
                    outside(key, value, &mut decoder);
                }
            }
        }
        let misplaced = decoder.misplaced.drain(..);
        flags.rejected.0.extend(misplaced.filter(|key| !flags.good.contains_key(&**key)));
        let ends = LineEnds::of(text);
        let mut environments = Environments::new();
        let mut lines = Lines::default();
        if let Some(table) = table {
            let settings = |key: &str| table.get(key).and_then(|value| value.get_ref().as_table());
            let Flags { good, rejected, .. } = &flags;
            let wrong = requires::check(&settings, &good.0, &rejected.0, &mut decoder);
            wrong.into_iter().for_each(|key| flags.reject(key));
            flags.tests = mem::take(&mut decoder.tests);
            environments = environment::decode_all(&root, table, &flags, &ends, &mut decoder);
            let mut keys: Vec<_> = flags.good.0.keys().chain(&flags.rejected.0).collect();
            keys.sort_unstable();
            let written = keys.into_iter().filter_map(|key| {
                let (name, value) = table.get_key_value(&**key)?;
                Some((key, name.span().start, value.get_ref().as_table()))
            });
            lines = Lines::of(&ends, written);
        }
        let mut merged = None;
        if let (Some(table), Whole::Over(below)) = (table, whole) {
            let own = over::Own { root: &root, table, flags: &flags, environments: &environments };
            let below: Vec<_> = below.iter().map(Self::as_below).collect();
            merged = Some(own.check(&below, &mut decoder));
        }

        faults.retain(|fault| !decoder.has_taken(fault));
        let usable = table.is_some() && faults.is_empty();
        if !usable {
            flags = Flags::default();
            environments.clear();
        }
        let diagnostics = Diagnostics::new(name, text, merge(faults, decoder.problems));
        let has_tests = environments.values().any(|it| !it.flags.tests.is_empty());
        let kept = match has_tests || !flags.tests.is_empty() {
            true => text.to_owned(),
            false => String::new(),
        };
        let end = if usable { End::of(&root) } else { End::Other };
        let file = Self {
            flags,
            environments,
            chosen: None,
            usable,
            lines,
            lines_there: None,
            diagnostics,
            text: kept,
            end,
        };
        Reading { file, merged, root, segments: decoder.segments, similar: decoder.similar }
    }

    /// Chooses an environment: the flags of `[flags]`, with the changes of `[environments.NAME]`.
    ///
    /// [`flags`](Self::flags), [`rejected`](Self::rejected) and [`lines`](Self::lines) return those
    /// of the environment from here on. A flag of `[flags]` with an error is rejected in every
    /// environment. A flag whose entry has an error, or makes the flag invalid, is rejected in that
    /// environment alone.
    ///
    /// # Errors
    ///
    /// Returns [`UnknownEnvironment`] if the file does not have the environment.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::FlagsFile;
    ///
    /// let text = r#"
    /// [flags.search]
    /// owner = "web"
    /// percentage = 10
    ///
    /// [environments.staging]
    /// search = "100%"
    /// "#;
    ///
    /// let file = FlagsFile::parse("flags.toml", text).in_environment("staging")?;
    ///
    /// let search = &file.flags()["search"];
    /// assert_eq!(search.percentage.value().map(ToString::to_string), Some("100%".to_owned()));
    /// assert_eq!(search.owner.value().map(String::as_str), Some("web"));
    /// # Ok::<(), flagstaff::definition::UnknownEnvironment>(())
    /// ```
    pub fn in_environment(mut self, name: &str) -> Result<Self, UnknownEnvironment> {
        let Some((name, environment)) = self.environments.get_key_value(name) else {
            return Err(UnknownEnvironment::new(name, &self.environments, &self.diagnostics));
        };
        let (name, entries) = (Arc::clone(name), environment.entries.clone());
        self.lines_there = Some(environment.lines.over(&self.lines, Arc::clone(&name), entries));
        self.chosen = Some(name);
        Ok(self)
    }

    /// Returns the names of the environments that the file has, in alphabetical order.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::FlagsFile;
    ///
    /// let file = FlagsFile::parse("flags.toml", "[flags]\n[environments.staging]\nbeta = true\n");
    ///
    /// assert_eq!(file.environments().collect::<Vec<_>>(), ["staging"]);
    /// assert!(file.entry("staging", "beta").is_some());
    /// ```
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.environments.keys().map(|name| &**name)
    }

    /// Returns the parts of the file that have flags: `[flags]`, which is `None`, and each
    /// environment.
    #[cfg(feature = "edit")]
    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = Option<&str>> {
        [None].into_iter().chain(self.environments.keys().map(|name| Some(&**name)))
    }

    /// Returns the environment that was chosen with [`in_environment`](Self::in_environment).
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        self.chosen.as_deref()
    }

    /// Returns the entry of an environment for a flag; `None` if there is none, or one with an
    /// error.
    #[must_use]
    pub fn entry(&self, environment: &str, flag: impl FlagKey) -> Option<&Entry> {
        self.environments.get(environment)?.entries.get(flag.as_str())
    }

    /// Returns the entries of an environment without an error, by flag key. There are none if the
    /// file does not have the environment.
    pub fn entries(&self, environment: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let entries = self.environments.get(environment).map(|it| &it.entries);
        entries.into_iter().flatten().map(|(key, entry)| (&**key, entry))
    }

    /// Returns `true` if another text has the same flags, in all environments, whatever else
    /// differs.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let same = |a: &Flags, b: &Flags| (&a.good, &a.rejected) == (&b.good, &b.rejected);
        self.usable == other.usable
            && same(&self.flags, &other.flags)
            && self.environments.len() == other.environments.len()
            && self.environments.iter().all(|(name, environment)| {
                other.environments.get(name).is_some_and(|other| {
                    same(&environment.flags, &other.flags) && environment.entries == other.entries
                })
            })
    }

    /// Returns the flags of all environments together, for code that is used in each of them.
    ///
    /// A flag is as `[flags]` defines it, with the variants that environments add, and with the
    /// value if only environments have one. A flag that only environments have is as in the first
    /// of them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::FlagsFile;
    ///
    /// let text = "[flags]\nprice = { variants = { low = 1 } }\n\n[environments.test]\nload = true\nprice = { variants = { free = 1 } }\n";
    /// let all = FlagsFile::parse("flags.toml", text).everywhere();
    ///
    /// assert!(all.contains_key("load"));
    /// let variants = all["price"].rare().variants.value().expect("some");
    /// assert_eq!(variants.names().collect::<Vec<_>>(), ["low", "free"]);
    /// ```
    #[must_use]
    pub fn everywhere(&self) -> Definitions {
        let mut all = self.flags.good.clone();
        for environment in self.environments.values() {
            for key in environment.entries.keys() {
                let Some(there) = environment.flags.good.0.get(key) else { continue };
                let Some(known) = all.0.get_mut(key) else {
                    all.0.insert(Arc::clone(key), there.clone());
                    continue;
                };
                if let (false, value @ Setting::Set(_)) = (known.has_values(), &there.rare().value)
                {
                    known.make_mut().rare_mut().value = value.clone();
                }
                let variants = there.rare().variants.value().into_iter().flat_map(Variants::iter);
                for (name, variant) in variants {
                    let mut known_variants =
                        known.rare().variants.value().cloned().unwrap_or_default();
                    if known_variants.variant(name).is_none() {
                        known_variants = known_variants.with(name, variant.clone());
                        known.make_mut().rare_mut().variants = Setting::Set(known_variants);
                    }
                }
            }
        }
        all
    }

    /// Returns the flags of the chosen environment.
    fn chosen(&self) -> &Flags {
        self.flags_of(self.chosen.as_deref())
    }

    /// Returns the flags of an environment; without one, or if the file does not have it, those
    /// outside of all environments.
    pub(super) fn flags_of(&self, environment: Option<&str>) -> &Flags {
        self.as_below().flags_of(environment)
    }

    fn as_below(&self) -> Below<'_> {
        Below {
            name: self.diagnostics.name(),
            flags: &self.flags,
            environments: &self.environments,
            lines: &self.lines,
        }
    }

    /// Returns the flags that can be published. Empty if the file is not usable.
    #[must_use]
    pub fn flags(&self) -> &Definitions {
        &self.chosen().good
    }

    /// Returns the flags with an error, which keep their previous definition if they have one. None
    /// of them is in [`flags`](Self::flags). Empty if the file is not usable.
    #[must_use]
    pub fn rejected(&self) -> &FlagKeys {
        &self.chosen().rejected
    }

    /// Returns `true` if flags of the file may be published.
    ///
    /// `false` means that the text is not TOML, is empty or has no `[flags]` table: all previous
    /// definitions stay in force.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Returns the lines on which the flags are written, including rejected flags. Empty if the
    /// file is not usable.
    #[must_use]
    pub fn lines(&self) -> &Lines {
        self.lines_there.as_ref().unwrap_or(&self.lines)
    }

    /// Returns all problems, errors and warnings, in the order of the text. Those of all
    /// environments are included; [`Diagnostic::environment`](field@Diagnostic::environment) tells
    /// them apart.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Runs the tests of all flags that are not rejected, on this file alone. The tests of
    /// `[flags]` are about the flags outside of all environments, and those of an environment about
    /// the flags there. All of them run, whichever environment is chosen.
    ///
    /// `now` is the time for tests that have no `time`. A failing test does not change what other
    /// flags answer. This is for authors of the file; publishers use [`tested`](Self::tested).
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::definition::{Expected, FlagsFile};
    ///
    /// let text = r#"
    /// [flags.new_checkout]
    /// denied_groups = ["resellers"]
    ///
    /// [[flags.new_checkout.tests]]
    /// user = "ana"
    /// groups = ["resellers"]
    /// expect = true
    /// "#;
    ///
    /// let run = FlagsFile::parse("flags.toml", text).test(SystemTime::now());
    ///
    /// let result = &run.results()[0];
    /// assert!(!result.passed());
    /// assert_eq!((&result.expected, result.answer.value), (&Expected::On, false));
    /// assert_eq!(result.location.line, 8);
    /// assert_eq!(
    ///     run.diagnostics().summary(),
    ///     "flags.toml:8:10: error[failed-test]: test 1 of flag `new_checkout` fails"
    /// );
    /// ```
    #[must_use]
    pub fn test(&self, now: SystemTime) -> TestRun {
        let mut ran = test::run(&self.flags, None, now);
        for (name, environment) in &self.environments {
            ran.extend(test::run(&environment.flags, Some(name), now));
        }
        TestRun::new(self.diagnostics.name(), &self.text, ran)
    }

    /// Runs all tests at the instant `now`, and [rejects](Self::rejected) the flags whose tests
    /// fail. Each failure is an error in the [`diagnostics`](Self::diagnostics).
    ///
    /// `previous` has the definitions in force, which rejected flags keep. So the other flags are
    /// tested together with these, as they will be in force together. A flag that requires a
    /// rejected flag may therefore be rejected too.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::definition::{Definitions, FlagsFile};
    ///
    /// let text = "[flags]\nold = true\nnew = { tests = [{ expect = false }] }\n";
    ///
    /// let file = FlagsFile::parse("flags.toml", text).tested(&Definitions::new(), SystemTime::now());
    ///
    /// assert!(file.flags().contains_key("old"));
    /// assert!(file.rejected().contains("new"));
    /// ```
    #[must_use]
    pub fn tested(mut self, previous: &Definitions, now: SystemTime) -> Self {
        let mut failed = test::settle(&mut self.flags, None, previous, now);
        let wrong: BTreeSet<Arc<str>> =
            failed.iter().filter_map(|problem| Some(problem.flag.as_deref()?.into())).collect();
        for (name, environment) in &mut self.environments {
            // A failed flag of `[flags]` is not what its authors meant, and entries are merged over
            // it.
            wrong.iter().for_each(|key| environment.flags.reject(Arc::clone(key)));
            let is_chosen = self.chosen.as_ref() == Some(name);
            let none = Definitions::new();
            let previous = if is_chosen { previous } else { &none };
            failed.extend(test::settle(&mut environment.flags, Some(name), previous, now));
        }
        if !failed.is_empty() {
            self.diagnostics = self.diagnostics.and(&self.text, failed);
        }
        self
    }

    /// Returns the flags, the rejected keys and the diagnostics, or only the diagnostics if the
    /// file is not usable.
    ///
    /// # Errors
    ///
    /// Returns the diagnostics, if [`is_usable`](Self::is_usable) is `false`.
    pub fn into_parts(self) -> Result<Parts, Diagnostics> {
        let Self {
            flags,
            mut environments,
            chosen,
            usable,
            lines,
            lines_there,
            diagnostics,
            end,
            ..
        } = self;
        if !usable {
            return Err(diagnostics);
        }
        let elsewhere = diagnostics.elsewhere(chosen.as_deref());
        let diagnostics = diagnostics.concerning(chosen.as_deref());
        let lines = lines_there.unwrap_or(lines);
        let environment = chosen.and_then(|name| Some((environments.remove(&name)?, name)));
        let (flags, declared, end) = match environment {
            Some((there, name)) => {
                let declared = Declared { below: flags.good, entries: there.entries };
                (there.flags, declared, end.within(&name))
            }
            None => (flags, Declared::default(), end.outside()),
        };
        let Flags { good: flags, rejected, .. } = flags;
        Ok(Parts { flags, rejected, lines, diagnostics, elsewhere, declared, end })
    }
}

/// The completeness of the flags of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whole<'b> {
    /// Each flag is complete.
    Yes,
    /// A source below may have the rest of a flag.
    No,
    /// These files below, the weakest first, have the rest of a flag.
    Over(&'b [FlagsFile]),
}

/// The results of reading a file.
pub(super) struct Reading<'t> {
    pub(super) file: FlagsFile,
    /// The flags outside of all environments after the merge over the files below, if these are
    /// known.
    pub(super) merged: Option<BTreeMap<Arc<str>, SharedDefinition>>,
    pub(super) root: DeTable<'t>,
    pub(super) segments: Segments,
    pub(super) similar: Similar,
}

/// The parts of a usable [`FlagsFile`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parts {
    /// The flags that can be published.
    pub flags: Definitions,
    /// The flags that keep their previous definition, if they have one.
    pub rejected: FlagKeys,
    /// The lines on which all of these flags are written.
    pub lines: Lines,
    /// The problems of these flags, errors and warnings, in the order of the text.
    pub diagnostics: Diagnostics,
    /// The problems of other environments.
    pub elsewhere: Diagnostics,
    #[cfg_attr(
        not(feature = "file"),
        expect(dead_code, reason = "for files that are being written")
    )]
    pub(crate) declared: Declared,
    #[cfg_attr(
        not(feature = "file"),
        expect(dead_code, reason = "for files that are being written")
    )]
    pub(crate) end: End,
}

/// The parts from which the flags of an environment are merged.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "file"), expect(dead_code, reason = "for files that are being written"))]
pub(crate) struct Declared {
    /// The flags outside of all environments.
    pub(crate) below: Definitions,
    /// The entries of the environment.
    pub(crate) entries: BTreeMap<Arc<str>, Entry>,
}

impl End {
    fn of(root: &DeTable<'_>) -> Self {
        // A flag or a segment may have several headers, so it ends where the last of its parts
        // ends.
        let last = root.iter().max_by_key(|(key, value)| key.span().end.max(reach(value)));
        match last {
            Some((key, value)) if key.get_ref() == FLAGS => {
                let last = last_of(value);
                last.map_or(Self::Other, |(key, _)| Self::Flag(key.get_ref().as_ref().into()))
            }
            Some((key, _)) if key.get_ref() == SEGMENTS => Self::Segment,
            Some((key, value)) if key.get_ref() == ENVIRONMENTS => {
                let name = |key: &Key<'_>| key.get_ref().as_ref().into();
                let entry = last_of(value).and_then(|(environment, value)| {
                    let (flag, _) = last_of(value)?;
                    Some(Self::Entry { environment: name(environment), flag: name(flag) })
                });
                entry.unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }

    /// Returns the end as it concerns one environment.
    fn within(self, name: &str) -> Self {
        match self {
            Self::Entry { environment, .. } if *environment != *name => Self::Other,
            other => other,
        }
    }

    /// Returns the end as it concerns the flags outside of all environments.
    fn outside(self) -> Self {
        match self {
            Self::Entry { .. } => Self::Other,
            other => other,
        }
    }
}

/// Returns the member of a table that ends the table.
fn last_of<'r, 't>(value: &'r Value<'t>) -> Option<(&'r Key<'t>, &'r Value<'t>)> {
    let members = value.get_ref().as_table().into_iter().flatten();
    members.max_by_key(|(key, value)| key.span().end.max(reach(value)))
}

/// Returns the end of the last place where a part of a value is written.
fn reach(value: &Value<'_>) -> usize {
    let inner = match value.get_ref() {
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| key.span().end.max(reach(value))).max()
        }
        DeValue::Array(array) => array.iter().map(reach).max(),
        _ => None,
    };
    inner.unwrap_or_default().max(value.span().end)
}

/// Returns the table `[flags]`, or `None` after reporting the mistake in its place.
fn flags_table<'r, 't>(
    root: &'r DeTable<'t>,
    broken: bool,
    decoder: &mut Decoder<'_>,
) -> Option<&'r DeTable<'t>> {
    let problem = match root.get(FLAGS) {
        Some(value) => match value.get_ref() {
            DeValue::Table(table) => return Some(table),
            _ => not_a_table(value, decoder.text),
        },
        // The table may be there without being recognised.
        None if broken => return None,
        None if decoder.text.trim_start_matches('\u{feff}').trim().is_empty() => {
            Diagnostic::new(Code::EmptyFile, 0..0, "the file is empty")
                .label("expected a `[flags]` table")
                .help("to remove all flags, leave an empty `[flags]` table")
        }
        None => missing(root),
    };
    decoder.report(problem);
    None
}

fn not_a_table(value: &Value<'_>, text: &str) -> Diagnostic {
    let kind = super::written::kind(value.get_ref());
    let brackets = text.get(value.span()).is_some_and(|text| text.starts_with("[["));
    let help = match brackets {
        true => "write `[flags]` in single brackets",
        false => "write `[flags]` on a line of its own, with the flags below it",
    };
    Diagnostic::new(Code::FlagsNotATable, value.span(), format!("`flags` is {kind}"))
        .label("expected a table")
        .help(help)
}

fn missing(root: &DeTable<'_>) -> Diagnostic {
    let message = "no `[flags]` table";
    if let Some((key, _)) = root.iter().find(|(key, value)| is_misspelled(key, value)) {
        return Diagnostic::new(Code::MissingFlags, key.span(), message)
            .label("not `[flags]`")
            .help(format!("rename `{}` to `flags`", toml_key(key.get_ref())));
    }
    let first = root.keys().map(|key| key.span()).min_by_key(|span| span.start);
    let place: Range<usize> = first.clone().unwrap_or(0..0);
    let has_tables = root.keys().any(|key| TABLES.contains(&key.get_ref().as_ref()));
    let (label, help) = match first {
        // A file over another one may change nothing but an environment.
        Some(_) if has_tables => (
            "the file also needs a `[flags]` table",
            "add an empty `[flags]` table: a file without one counts as cut off, and changes nothing",
        ),
        Some(_) => {
            ("not in a `[flags]` table", "put `[flags]` on a line of its own above the first flag")
        }
        None => ("only comments", "put `[flags]` on a line of its own above the first flag"),
    };
    Diagnostic::new(Code::MissingFlags, place, message).label(label).help(help)
}

/// Returns `true` if this is a table that was meant to be `[flags]`.
fn is_misspelled(key: &Key<'_>, value: &Value<'_>) -> bool {
    let name = key.get_ref().as_ref();
    let similar = nearest(name, [FLAGS]).is_some()
        || matches!(name, "feature_flags" | "feature-flags" | "features");
    let full_of_flags = |table: &DeTable<'_>| table.values().any(looks_like_flag);
    similar && value.get_ref().as_table().is_some_and(full_of_flags) && !looks_like_flag(value)
}

/// Reports a key of the top level that is not `flags`.
fn outside(key: &Key<'_>, value: &Value<'_>, decoder: &mut Decoder<'_>) {
    let name = key.get_ref().as_ref();
    let problem = Diagnostic::new(
        Code::FlagOutsideFlags,
        key.span(),
        format!("`{name}` is outside `[flags]`"),
    );
    let problem = match value.get_ref() {
        DeValue::Table(table) if is_misspelled(key, value) => {
            let names = table.keys().map(|key| key.get_ref().as_ref().into());
            decoder.misplaced.extend(names);
            problem
                .label("not `[flags]`")
                .help(format!("write `[flags.NAME]` instead of `[{}.NAME]`", toml_key(name)))
        }
        DeValue::Table(_) if let Some(table) = nearest(name, [SEGMENTS, ENVIRONMENTS]) => problem
            .label(format!("not `[{table}]`"))
            .help(format!("rename `{}` to `{table}`", toml_key(name))),
        _ => {
            decoder.misplaced.push(name.into());
            let written = decoder.text.get(value.span()).unwrap_or_default();
            let help = match value.get_ref() {
                // A table of tables, as in flagstaff.toml.
                DeValue::Table(places)
                    if name == PLACES && places.values().all(|it| it.get_ref().is_table()) =>
                {
                    "places belong in `flagstaff.toml`, beside the code".to_owned()
                }
                DeValue::Table(_) if !written.starts_with('{') => {
                    format!("write `[flags.{}]`", toml_key(name))
                }
                DeValue::Array(_) if written.starts_with("[[") => {
                    format!("write `[flags.{}]` in single brackets", toml_key(name))
                }
                _ => "move it below `[flags]`".to_owned(),
            };
            problem.label("not a part of `[flags]`").help(help).flag(name)
        }
    };
    decoder.report(problem);
}
