//! A whole flags.toml.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::SystemTime,
};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::Decoder,
    diagnostic::{Diagnostic, Diagnostics},
    flag::{self, looks_like_flag, toml_key},
    lines::Lines,
    requires,
    segment::{self, SEGMENTS, Segments},
    syntax::{Fault, Syntax},
    test::{self, TestRun, Tests},
};
use crate::model::{Definitions, FlagKeys, nearest};

/// The table that holds all flags.
pub(super) const FLAGS: &str = "flags";

/// What one text of a flags.toml says.
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
    flags: Definitions,
    rejected: FlagKeys,
    usable: bool,
    lines: Lines,
    diagnostics: Diagnostics,
    tests: Tests,
    /// What the tests show lines of; empty without tests.
    text: String,
    end: End,
}

/// The part of a flags.toml that ends its text, and may go on if the text is the beginning of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Flag(Box<str>),
    /// A segment, which may be a part of any flag.
    Segment,
    /// Neither of these, or the file is not usable.
    Other,
}

impl FlagsFile {
    /// Reads `text`; `name` is what diagnostics call it.
    ///
    /// This never fails: what is wrong with the text is in [`diagnostics`](Self::diagnostics).
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Self {
        Self::read(name, text).file
    }

    /// The same, with the tree that the text is.
    pub(super) fn read<'t>(name: &str, text: &'t str) -> Reading<'t> {
        let Syntax { root, mut faults } = Syntax::parse(text);
        let mut decoder = Decoder::new(text, &faults);
        let mut flags = BTreeMap::new();
        let mut rejected = BTreeSet::new();
        let broken = faults.iter().any(|fault| !fault.doubtful.is_empty());

        let table = flags_table(&root, broken, &mut decoder);
        if table.is_some() {
            segment::decode_all(&root, &mut decoder);
        }
        for (key, value) in table.into_iter().flatten() {
            match flag::decode_whole(key, value, &mut decoder) {
                Some(definition) => drop(flags.insert(key.get_ref().as_ref().into(), definition)),
                None => drop(rejected.insert(key.get_ref().as_ref().into())),
            }
        }
        if table.is_some() {
            for (key, value) in &root {
                if ![FLAGS, SEGMENTS].contains(&key.get_ref().as_ref()) {
                    outside(key, value, &mut decoder);
                }
            }
        }
        let misplaced = decoder.misplaced.drain(..);
        rejected.extend(misplaced.filter(|key| !flags.contains_key(key)));
        for key in table
            .map(|table| requires::check(table, &flags, &rejected, &mut decoder))
            .into_iter()
            .flatten()
        {
            flags.remove(&key);
            rejected.insert(key);
        }

        faults.retain(|fault| !decoder.has_taken(fault));
        let usable = table.is_some() && faults.is_empty();
        if !usable {
            flags.clear();
            rejected.clear();
            decoder.tests.clear();
        }
        let diagnostics = Diagnostics::new(name, text, merge(faults, decoder.problems));
        let lines = table.map(|table| {
            let mut keys: Vec<_> = flags.keys().chain(&rejected).collect();
            keys.sort_unstable();
            Lines::of(text, table, keys.into_iter())
        });
        let lines = lines.unwrap_or_default();
        let tests = decoder.tests;
        let text = if tests.is_empty() { String::new() } else { text.to_owned() };
        let end = if usable { End::of(&root) } else { End::Other };
        let (flags, rejected) = (Definitions(flags), FlagKeys(rejected));
        let file = Self { flags, rejected, usable, lines, diagnostics, tests, text, end };
        Reading { file, root, segments: decoder.segments }
    }

    /// The flags that can be published. Empty if the file is not usable.
    #[must_use]
    pub fn flags(&self) -> &Definitions {
        &self.flags
    }

    /// The flags with an error, which keep their previous definition if they have one; none of
    /// them is in [`flags`](Self::flags). Empty if the file is not usable.
    #[must_use]
    pub fn rejected(&self) -> &FlagKeys {
        &self.rejected
    }

    /// Whether anything may be published.
    ///
    /// `false` means that the text is not TOML, is empty or has no `[flags]` table: whatever was
    /// in force before stays in force.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Where the flags are written, the rejected ones too. Empty if the file is not usable.
    #[must_use]
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Everything that is wrong, errors and warnings, in the order of the text.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Runs the tests of all flags that are not rejected, on this file alone.
    ///
    /// `now` is the time of tests that do not say one. What a flag answers while a test of another
    /// one fails is what the file says: this is for whoever writes the file. For whoever publishes
    /// it, there is [`tested`](Self::tested).
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
        let ran = test::run(&self.tests, &self.flags.0, &self.rejected.0, now);
        TestRun::new(self.diagnostics.name(), &self.text, ran)
    }

    /// The same, with the flags [rejected](Self::rejected) whose tests fail at the instant `now`.
    /// Each failure is an error in the [`diagnostics`](Self::diagnostics).
    ///
    /// `previous` is what is in force: rejected flags keep it, so that the others are tested
    /// together with it, as they will be in force together. A flag that requires a rejected one
    /// may be rejected for that.
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
        let Self { flags, rejected, tests, .. } = &mut self;
        let failed = test::settle(tests, &mut flags.0, &mut rejected.0, &previous.0, now);
        if !failed.is_empty() {
            self.diagnostics = self.diagnostics.and(&self.text, failed);
        }
        self
    }

    /// The flags, the rejected keys and the diagnostics, or only the diagnostics if the file is
    /// not usable.
    ///
    /// # Errors
    ///
    /// The diagnostics are the error when [`is_usable`](Self::is_usable) is `false`.
    pub fn into_parts(self) -> Result<Parts, Diagnostics> {
        let Self { flags, rejected, usable, lines, diagnostics, end, .. } = self;
        match usable {
            true => Ok(Parts { flags, rejected, lines, diagnostics, end }),
            false => Err(diagnostics),
        }
    }
}

/// A text that was read.
pub(super) struct Reading<'t> {
    pub(super) file: FlagsFile,
    pub(super) root: DeTable<'t>,
    pub(super) segments: Segments,
}

/// The parts of a usable [`FlagsFile`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parts {
    /// The flags that can be published.
    pub flags: Definitions,
    /// The flags that keep their previous definition, if they have one.
    pub rejected: FlagKeys,
    /// Where all of these are written.
    pub lines: Lines,
    /// Everything that is wrong, errors and warnings, in the order of the text.
    pub diagnostics: Diagnostics,
    #[cfg_attr(
        not(feature = "file"),
        expect(dead_code, reason = "for texts that are being written")
    )]
    pub(crate) end: End,
}

impl End {
    fn of(root: &DeTable<'_>) -> Self {
        // A flag or a segment may have several headers, so it ends where the last of its parts does.
        let last = root.iter().max_by_key(|(key, value)| key.span().end.max(reach(value)));
        match last {
            Some((key, value)) if key.get_ref() == FLAGS => {
                let flags = value.get_ref().as_table().into_iter().flatten();
                let last = flags.max_by_key(|(key, value)| key.span().end.max(reach(value)));
                last.map_or(Self::Other, |(key, _)| Self::Flag(key.get_ref().as_ref().into()))
            }
            Some((key, _)) if key.get_ref() == SEGMENTS => Self::Segment,
            _ => Self::Other,
        }
    }
}

/// The end of what is written of a value, in all the places where it is.
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

/// The table `[flags]`, or `None` after saying what is there instead.
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
        // It may be there and not be recognised.
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
    let kind = super::value::kind(value.get_ref());
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
    let label = if first.is_some() { "not in a `[flags]` table" } else { "nothing but comments" };
    Diagnostic::new(Code::MissingFlags, place, message)
        .label(label)
        .help("put `[flags]` on a line of its own above the first flag")
}

/// Whether this is a table that was meant to be `[flags]`.
fn is_misspelled(key: &Key<'_>, value: &Value<'_>) -> bool {
    let name = key.get_ref().as_ref();
    let similar = nearest(name, [FLAGS]).is_some()
        || matches!(name, "feature_flags" | "feature-flags" | "features");
    let full_of_flags = |table: &DeTable<'_>| table.values().any(looks_like_flag);
    similar && value.get_ref().as_table().is_some_and(full_of_flags) && !looks_like_flag(value)
}

/// A key of the top level that is not `flags`.
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
        _ => {
            decoder.misplaced.push(name.into());
            let written = decoder.text.get(value.span()).unwrap_or_default();
            let help = match value.get_ref() {
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

/// All problems, without those that stem from a guess of the parser.
pub(super) fn merge(faults: Vec<Fault>, problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut doubtful: Vec<_> = faults.iter().map(|fault| fault.doubtful.clone()).collect();
    doubtful.sort_by_key(|range| range.start);
    let mut reach = 0;
    for range in &mut doubtful {
        reach = reach.max(range.end);
        range.end = reach;
    }
    let is_certain = |problem: &Diagnostic| {
        let at = problem.span.start;
        let before = doubtful.partition_point(|range| range.start <= at);
        before == 0 || doubtful[before - 1].end <= at
    };
    let certain = problems.into_iter().filter(is_certain);
    let mut all: Vec<_> = certain.collect();
    all.extend(faults.into_iter().map(|fault| fault.diagnostic));
    all
}
