//! The state of decoding one file.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use toml::de::DeValue;

use super::{
    Value, diagnostic::Diagnostic, segments::Segments, severity::Severity, syntax::Fault,
    test::Tests, written::kind,
};
use crate::model::{Definition, SharedDefinition, nearest};

/// The format of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Json,
}

impl Format {
    /// Returns the name of a table in this format, with its article.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Toml => "a table",
            Self::Json => "an object",
        }
    }
}

#[derive(Debug)]
pub(super) struct Decoder<'t> {
    /// The text that spans refer to. Empty for JSON, where spans serve only to sort problems.
    pub(super) text: &'t str,
    pub(super) format: Format,
    /// The places of values that are `null` in JSON, where `null` removes a part of a setting.
    pub(super) nulls: HashSet<usize>,
    pub(super) problems: Vec<Diagnostic>,
    /// The segments that conditions can name.
    pub(super) segments: Segments,
    /// The names of the variants of the flag that is being decoded, as they are written.
    pub(super) variants: Option<HashSet<String>>,
    /// True if a source below may have the rest of a flag.
    pub(super) is_over_another: bool,
    /// True while flags are checked together with the files below.
    pub(super) has_below: bool,
    /// The environment whose entries are being decoded.
    pub(super) environment: Option<Arc<str>>,
    /// The names of the variants that `[flags]` has for the flag of such an entry.
    pub(super) variants_below: HashSet<String>,
    /// The tests of the flags.
    pub(super) tests: Tests,
    /// The names of flags that were written in a place where they do not count.
    pub(super) misplaced: Vec<Arc<str>>,
    /// Suggestions for misspelled names.
    pub(super) similar: Similar,
    /// The number of problems that are errors.
    pub(super) errors: usize,
    /// The message of the parser for each scalar that it rejects, by the place of the scalar.
    scalars: HashMap<Range<usize>, String>,
    /// The scalars for which a better message was reported.
    described: HashSet<Range<usize>>,
    /// The definitions of a plain `true` and `false`. Most flags are one of these, and share them.
    pub(super) on: SharedDefinition,
    pub(super) off: SharedDefinition,
}

impl<'t> Decoder<'t> {
    pub(super) fn new(text: &'t str, faults: &[Fault]) -> Self {
        let plain = |enabled| SharedDefinition::from(Definition::new().enabled(enabled));
        Self {
            text,
            format: Format::Toml,
            nulls: HashSet::new(),
            variants: None,
            is_over_another: false,
            has_below: false,
            environment: None,
            variants_below: HashSet::new(),
            problems: Vec::new(),
            segments: Segments::default(),
            tests: Tests::new(),
            misplaced: Vec::new(),
            similar: Similar::default(),
            errors: 0,
            scalars: faults
                .iter()
                .filter(|fault| fault.is_scalar)
                .map(|fault| (fault.diagnostic.span.clone(), fault.diagnostic.label.clone()))
                .collect(),
            described: HashSet::new(),
            on: plain(true),
            off: plain(false),
        }
    }

    pub(super) fn json() -> Self {
        Self { format: Format::Json, ..Self::new("", &[]) }
    }

    /// Returns `true` if the flag that is being decoded has a variant of exactly this name.
    pub(super) fn has_variant(&self, name: &str) -> bool {
        self.variants.as_ref().is_some_and(|names| names.contains(name))
            || self.variants_below.contains(name)
    }

    /// Returns `true` if the definition may be a patch of a flag whose variants are in another
    /// source.
    pub(super) fn is_patch(&self) -> bool {
        self.format == Format::Json || self.is_over_another
    }

    /// Returns `true` if a flag that the file lacks may be in a source below that is not known.
    pub(super) fn may_be_below(&self) -> bool {
        self.is_over_another && !self.has_below
    }

    /// Returns `true` if the rest of a flag may be elsewhere: in another source, or in `[flags]`.
    pub(super) fn is_partial(&self) -> bool {
        self.is_patch() || self.environment.is_some()
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        let problem = match &self.environment {
            Some(environment) => problem.environment(environment),
            None => problem,
        };
        self.errors += usize::from(problem.severity == Severity::Error);
        self.problems.push(problem);
    }

    /// Returns `true` if the value is `null` in JSON. The tree has a boolean in its place.
    pub(super) fn is_null(&self, value: &Value<'_>) -> bool {
        self.nulls.contains(&value.span().start)
    }

    /// Reports a problem of `flag`. Problems in JSON have no `help`, which shows TOML.
    pub(super) fn report_with(&mut self, problem: Diagnostic, help: Option<String>, flag: &str) {
        let problem = problem.flag(flag);
        self.report(match help {
            Some(help) if self.format == Format::Toml => problem.help(help),
            _ => problem,
        });
    }

    /// Returns the type of a value, with its article.
    pub(super) fn kind(&self, value: &DeValue<'_>) -> &'static str {
        match (self.format, value) {
            (Format::Json, DeValue::Integer(_) | DeValue::Float(_)) => "a number",
            (format, DeValue::Table(_)) => format.table(),
            _ => kind(value),
        }
    }

    /// Takes the message of the parser for the scalar at `place`. The caller reports the problem
    /// instead.
    pub(super) fn take_fault(&mut self, place: Range<usize>) -> Option<String> {
        let label = self.scalars.remove(&place)?;
        self.described.insert(place);
        Some(label)
    }

    /// Returns `true` if the fault was [taken](Self::take_fault).
    pub(super) fn has_taken(&self, fault: &Fault) -> bool {
        self.described.contains(&fault.diagnostic.span)
    }
}

/// Suggestions from the names that the text itself has, such as those of its flags.
///
/// Each wrong name is compared with all others, which would take minutes for a file of a hundred
/// thousand wrong names. So the number of comparisons has a bound. Beyond it, problems have no
/// suggestion.
#[derive(Debug)]
pub(super) struct Similar {
    left: Cell<usize>,
}

/// The most comparisons for one text, which take a tenth of a second.
const MOST_COMPARISONS: usize = 250_000;

impl Default for Similar {
    fn default() -> Self {
        Self { left: Cell::new(MOST_COMPARISONS) }
    }
}

impl Similar {
    /// Returns the name nearest to a word, if one is near enough, and if the bound allows to
    /// compare all.
    pub(super) fn nearest<'n>(
        &self,
        word: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<&'n str> {
        let left = self.left.get();
        let mut compared = 0;
        let found = nearest(word, names.take(left).inspect(|_| compared += 1));
        self.left.set(left - compared);
        found.filter(|_| compared < left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_of_names_have_a_bound() {
        let names: Vec<_> = (0..100_000).map(|n| format!("flag-{n}")).collect();
        let similar = Similar::default();
        let mut compared = 0;

        let mut found = 0;
        for n in 0..100_000 {
            let names = names.iter().map(String::as_str).inspect(|_| compared += 1);
            found += usize::from(similar.nearest(&format!("flg-{n}"), names).is_some());
        }

        assert_eq!((compared, found), (MOST_COMPARISONS, 2));
    }
}
