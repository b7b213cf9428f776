//! What the decoding of one text has found so far.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use toml::de::DeValue;

use super::{
    Value, code::Severity, diagnostic::Diagnostic, segment::Segments, syntax::Fault, test::Tests,
    value::kind,
};
use crate::model::{Definition, SharedDefinition, nearest};

/// What a text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Json,
}

impl Format {
    /// What it calls a table, with its article.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Toml => "a table",
            Self::Json => "an object",
        }
    }
}

#[derive(Debug)]
pub(super) struct Decoder<'t> {
    /// The text that spans are places of. Empty for JSON, whose spans only tell what comes first.
    pub(super) text: &'t str,
    pub(super) format: Format,
    /// The places of values that are `null` in JSON, where that takes away a part of a setting.
    pub(super) nulls: HashSet<usize>,
    pub(super) problems: Vec<Diagnostic>,
    /// What conditions can name.
    pub(super) segments: Segments,
    /// The names of the variants of the flag that is decoded, as they are written.
    pub(super) variants: Option<HashSet<String>>,
    /// Set if the rest of a flag may be in another file below.
    pub(super) is_over_another: bool,
    /// The environment whose entries are decoded.
    pub(super) environment: Option<Arc<str>>,
    /// The names of the variants that the flag of such an entry has in `[flags]`.
    pub(super) variants_below: HashSet<String>,
    /// What the flags have to answer.
    pub(super) tests: Tests,
    /// Names of flags that were written in a place where they do not count.
    pub(super) misplaced: Vec<Arc<str>>,
    /// Names like those that are wrong.
    pub(super) similar: Similar,
    /// How many problems are errors.
    pub(super) errors: usize,
    /// What the parser said about scalars, by their place.
    scalars: HashMap<Range<usize>, String>,
    /// The scalars of which a better description was reported.
    described: HashSet<Range<usize>>,
    /// Most flags are a plain `true` or `false`, and all of these are the same two.
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

    /// Returns true if the flag that is decoded has a variant of exactly this name.
    pub(super) fn has_variant(&self, name: &str) -> bool {
        self.variants.as_ref().is_some_and(|names| names.contains(name))
            || self.variants_below.contains(name)
    }

    /// Returns true if the definition may be a patch of a flag whose variants are in another source.
    pub(super) fn is_patch(&self) -> bool {
        self.format == Format::Json || self.is_over_another
    }

    /// Returns true if the rest of a flag may be elsewhere: in another source, or in `[flags]`.
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

    /// Whether this is `null` in JSON; it looks like a boolean.
    pub(super) fn is_null(&self, value: &Value<'_>) -> bool {
        self.nulls.contains(&value.span().start)
    }

    /// Reports a problem of `flag`; `help` shows how flags.toml is written, so JSON goes without.
    pub(super) fn report_with(&mut self, problem: Diagnostic, help: Option<String>, flag: &str) {
        let problem = problem.flag(flag);
        self.report(match help {
            Some(help) if self.format == Format::Toml => problem.help(help),
            _ => problem,
        });
    }

    /// What a value is, with its article.
    pub(super) fn kind(&self, value: &DeValue<'_>) -> &'static str {
        match (self.format, value) {
            (Format::Json, DeValue::Integer(_) | DeValue::Float(_)) => "a number",
            (format, DeValue::Table(_)) => format.table(),
            _ => kind(value),
        }
    }

    /// What the parser said about the scalar at `place`, which the caller now reports instead.
    pub(super) fn take_fault(&mut self, place: Range<usize>) -> Option<String> {
        let label = self.scalars.remove(&place)?;
        self.described.insert(place);
        Some(label)
    }

    /// Whether someone [took](Self::take_fault) it.
    pub(super) fn has_taken(&self, fault: &Fault) -> bool {
        self.described.contains(&fault.diagnostic.span)
    }
}

/// Suggestions of names that the text itself has, such as those of its flags.
///
/// A file of a hundred thousand wrong names would be compared for minutes, each with all others, so the comparisons
/// have a bound. Beyond it, problems have no suggestion.
#[derive(Debug)]
pub(super) struct Similar {
    left: Cell<usize>,
}

/// The number of comparisons for one text: a tenth of a second.
const MOST_COMPARISONS: usize = 250_000;

impl Default for Similar {
    fn default() -> Self {
        Self { left: Cell::new(MOST_COMPARISONS) }
    }
}

impl Similar {
    /// Returns the name nearest to a word, if one is near, and if all could be compared.
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
    fn names_are_compared_so_many_times_and_no_more() {
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
