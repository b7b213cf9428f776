//! The syntax tree of a file, as far as its text allows, and its TOML errors.
//!
//! The parser goes on after an error and guesses. A guess is good enough to find more problems
//! elsewhere in the file. But problems of the guessed part itself are not reported, since they
//! follow from the first error.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use toml::de::{DeTable, DeValue, Error};

use super::{Key, Value, code::Code, depth::too_deep, diagnostic::Diagnostic, written::truth};
use crate::model::Percentage;

/// The result of reading a file as TOML.
#[derive(Debug)]
pub(super) struct Syntax<'t> {
    pub(super) root: DeTable<'t>,
    pub(super) faults: Vec<Fault>,
}

/// A violation of TOML.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) diagnostic: Diagnostic,
    /// The part of the tree that is a guess because of this error; empty if there is none.
    pub(super) doubtful: Range<usize>,
    /// True if the text is that of a scalar, whose mistake is in the label of the diagnostic.
    pub(super) is_scalar: bool,
}

impl<'t> Syntax<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        if let Some(span) = too_deep(text) {
            return Self {
                root: DeTable::new(),
                faults: vec![nested_too_deep(span, 0..text.len())],
            };
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        let root = root.into_inner();
        let faults = if errors.is_empty() { Vec::new() } else { faults(text, &root, &errors) };
        Self { root, faults }
    }
}

/// The kind of a parser error.
///
/// The parser has no codes, so the kind is read from the words of its message, here and nowhere
/// else. If a message changes, the problem only loses its good label, and the test of this table
/// fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    TooDeep,
    Unclosed,
    UnclosedString,
    /// A key that is defined twice.
    Duplicate,
    /// A key with a value that is used as a table.
    Extended,
    /// A string without quotes, or no value at all.
    Unquoted,
    /// A word that begins like `true` or `false`.
    Boolean,
    /// Another mistake within a scalar.
    Scalar,
    Other,
}

/// The beginnings of messages of the parser, by the kind of the error. The first one that fits counts.
const MESSAGES: [(&str, Kind); 10] = [
    ("recursion limit", Kind::TooDeep),
    ("cannot recurse", Kind::TooDeep),
    ("unclosed array,", Kind::Unclosed),
    ("unclosed inline table", Kind::Unclosed),
    ("invalid multi-line", Kind::UnclosedString),
    ("duplicate key", Kind::Duplicate),
    ("cannot extend value", Kind::Extended),
    ("string values must be quoted", Kind::Unquoted),
    ("invalid boolean", Kind::Boolean),
    ("invalid ", Kind::Scalar),
];

impl Kind {
    fn of(error: &Error) -> Self {
        let found = MESSAGES.iter().find(|(words, _)| error.message().starts_with(words));
        found.map_or(Self::Other, |(_, kind)| *kind)
    }

    fn is_duplicate(self) -> bool {
        matches!(self, Self::Duplicate | Self::Extended)
    }

    /// Returns the order in which errors are reported: those that make the largest part of the tree a
    /// guess come first.
    fn rank(self) -> Self {
        match self {
            Self::Duplicate | Self::Extended => Self::Duplicate,
            Self::Unquoted | Self::Boolean | Self::Scalar | Self::Other => Self::Other,
            Self::Unclosed | Self::UnclosedString => Self::Unclosed,
            Self::TooDeep => Self::TooDeep,
        }
    }
}

fn faults(text: &str, root: &DeTable<'_>, errors: &[Error]) -> Vec<Fault> {
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (Kind::of(error), error.span().unwrap_or_else(|| too_long_key(text)), error))
        .collect();
    // Errors within a part of the tree that is a guess are consequences.
    errors.sort_by_key(|(kind, span, _)| (kind.rank(), span.start));
    let duplicates: Vec<_> = errors
        .iter()
        .filter(|(kind, ..)| kind.is_duplicate())
        .map(|(_, span, _)| span.clone())
        .collect();
    let mut firsts = first_definitions(text, &duplicates).into_iter();
    let mut open_ends = None;
    let mut starts = BTreeSet::new();
    let mut faults: Vec<Fault> = Vec::new();
    let mut lost = usize::MAX;
    for (kind, span, error) in errors {
        let fault = match kind {
            Kind::TooDeep => {
                let from = whole_lines(text, &span).start;
                nested_too_deep(span, from..text.len())
            }
            Kind::Unclosed | Kind::UnclosedString => {
                let ends = open_ends.get_or_insert_with(|| open_ends_of(text, root));
                unclosed(text, ends, &span, error)
            }
            Kind::Duplicate | Kind::Extended => match firsts.next().unwrap_or(First::Unknown) {
                First::Echo => continue,
                first => duplicate(text, &span, kind, first),
            },
            Kind::Unquoted | Kind::Boolean | Kind::Scalar | Kind::Other => {
                other(text, &span, kind, error)
            }
        };
        if fault.diagnostic.span.start >= lost {
            continue;
        }
        if matches!(kind.rank(), Kind::TooDeep | Kind::Unclosed) {
            lost = lost.min(fault.doubtful.start);
        }
        if starts.insert(fault.diagnostic.span.start) {
            faults.push(fault);
        }
    }
    faults
}

fn nested_too_deep(span: Range<usize>, doubtful: Range<usize>) -> Fault {
    let diagnostic =
        Diagnostic::new(Code::TooDeep, span, "nested too deep").label("more levels than the limit");
    Fault { diagnostic, doubtful, is_scalar: false }
}

/// Finds the key with too many parts, because the parser reports no position for it.
fn too_long_key(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.bytes().filter(|&byte| byte == b'.').count() >= 80 {
            return start..start + 1;
        }
        start += line.len();
    }
    0..0
}

fn other(text: &str, span: &Range<usize>, kind: Kind, error: &Error) -> Fault {
    let (message, label) = words(error);
    let found = text.get(span.clone()).unwrap_or_default();
    let is_missing = found.is_empty() && kind == Kind::Unquoted;
    let diagnostic = if is_missing {
        Diagnostic::new(Code::SyntaxError, span.clone(), "missing value")
            .label("expected a value after `=`")
    } else {
        Diagnostic::new(Code::SyntaxError, span.clone(), message).label(label)
    };
    let diagnostic = match quoting(kind, found).filter(|_| !is_missing) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    };
    let is_scalar = matches!(kind, Kind::Boolean | Kind::Scalar | Kind::UnclosedString);
    Fault { diagnostic, doubtful: whole_lines(text, span), is_scalar }
}

/// Splits the message of the parser into the mistake and the expectation.
fn words(error: &Error) -> (&str, String) {
    match error.message().split_once(", expected ") {
        None => (error.message(), String::new()),
        Some((message, "literal string")) => (message, "not a TOML value".to_owned()),
        Some((message, "nothing")) => (message, "remove this".to_owned()),
        Some((message, expected)) => (message, format!("expected {expected}")),
    }
}

/// Returns a help for an unquoted word, with the probable meaning in valid TOML.
fn quoting(kind: Kind, found: &str) -> Option<String> {
    if !matches!(kind, Kind::Unquoted | Kind::Boolean) {
        return None;
    }
    if let Some(meant) = truth(found) {
        return Some(format!("write `{meant}`"));
    }
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '\'');
    let percentage = found.ends_with('%') && found.parse::<Percentage>().is_ok();
    let short = !found.is_empty() && found.len() <= 60 && found.chars().all(plain);
    match (percentage, short) {
        (true, _) => Some(format!("a percentage is written in quotes: `\"{found}\"`")),
        (_, true) if kind == Kind::Unquoted => Some(format!("write `\"{found}\"`")),
        _ => None,
    }
}

/// Returns the start of the outermost value in brackets or quotes that ends at each position. An
/// unclosed value reaches to the position of its error.
fn open_ends_of(text: &str, root: &DeTable<'_>) -> HashMap<usize, usize> {
    let mut ends = HashMap::new();
    let mut values: Vec<&Value<'_>> = root.values().collect();
    while let Some(value) = values.pop() {
        let span = value.span();
        let opening = text.get(span.start..).unwrap_or_default();
        let openings: &[&str] = match value.get_ref() {
            DeValue::Table(table) => {
                values.extend(table.values());
                &["{"]
            }
            DeValue::Array(array) => {
                values.extend(array.iter());
                &["["]
            }
            DeValue::String(_) => &["\"\"\"", "'''"],
            _ => continue,
        };
        if openings.iter().any(|bracket| opening.starts_with(bracket)) {
            let start = ends.entry(span.end).or_insert(span.start);
            *start = span.start.min(*start);
        }
    }
    ends
}

/// Reports the bracket or quote that is never closed, instead of the end of the text.
fn unclosed(text: &str, ends: &HashMap<usize, usize>, span: &Range<usize>, error: &Error) -> Fault {
    let Some(&start) = ends.get(&span.end) else {
        return other(text, span, Kind::of(error), error);
    };
    let (what, width) = match text.as_bytes().get(start) {
        Some(b'[') => ("array", 1),
        Some(b'{') => ("inline table", 1),
        _ => ("multi-line string", 3),
    };
    let diagnostic =
        Diagnostic::new(Code::SyntaxError, start..start + width, format!("unclosed {what}"))
            .label("never closed");
    Fault { diagnostic, doubtful: start..text.len(), is_scalar: false }
}

fn duplicate(text: &str, span: &Range<usize>, kind: Kind, first: First) -> Fault {
    let key = text.get(span.clone()).unwrap_or_default();
    let (message, label) = match kind == Kind::Extended {
        true => (format!("key `{key}` already has a value"), "used as a table here"),
        false => (format!("duplicate key `{key}`"), "defined again here"),
    };
    let diagnostic = Diagnostic::new(Code::DuplicateKey, span.clone(), message).label(label);
    let diagnostic = match first {
        First::At(first) => diagnostic.related(first, "first defined here"),
        First::Unknown | First::Echo => diagnostic,
    };
    // Both definitions are in the text, so neither is a guess.
    Fault { diagnostic, doubtful: span.start..span.start, is_scalar: false }
}

/// The first definition of a duplicate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum First {
    /// A key with the same name.
    At(Range<usize>),
    /// Not found.
    Unknown,
    /// None, because the key is inside a table that is itself a duplicate.
    Echo,
}

/// Returns the first key for each duplicate.
///
/// The parser does not report it, and of two headers it keeps the second. So the duplicates are
/// renamed, and the text is read once more. The first definition is then the sibling with the
/// original name.
fn first_definitions(text: &str, duplicates: &[Range<usize>]) -> Vec<First> {
    let mut firsts = vec![First::Unknown; duplicates.len()];
    let Some(Renamed { text: renamed, names, edits }) = rename(text, duplicates) else {
        return firsts;
    };
    let original = |span: Range<usize>| {
        let original = |at: usize| {
            let (new, old) = edits[edits.partition_point(|&(new, _)| new <= at) - 1];
            at - new + old
        };
        original(span.start)..original(span.end)
    };
    let index_of = |key: &Key<'_>| {
        let index: usize = key.get_ref().strip_prefix(MARK)?.parse().ok()?;
        (index < names.len()).then_some(index)
    };

    let (root, _) = DeTable::parse_recoverable(&renamed);
    let mut tables = vec![(root.get_ref(), false)];
    while let Some((table, is_duplicate)) = tables.pop() {
        let mut here: Vec<_> = table.keys().filter_map(index_of).collect();
        here.sort_unstable();
        let mut seen = HashMap::new();
        for index in here {
            let name = names[index].as_str();
            let sibling = table.get_key_value(name).map(|(first, _)| original(first.span()));
            let first = sibling.or_else(|| seen.get(name).cloned());
            seen.entry(name).or_insert_with(|| duplicates[index].clone());
            firsts[index] = match first {
                Some(first) => First::At(first),
                None if is_duplicate => First::Echo,
                None => First::Unknown,
            };
        }
        for (key, value) in table {
            let is_duplicate = is_duplicate || index_of(key).is_some();
            let mut values = vec![value];
            while let Some(value) = values.pop() {
                match value.get_ref() {
                    DeValue::Table(table) => tables.push((table, is_duplicate)),
                    DeValue::Array(array) => values.extend(array.iter()),
                    _ => {}
                }
            }
        }
    }
    firsts
}

/// The first character of the name of a renamed key.
const MARK: char = '\u{1}';

/// The text of a file with renamed keys.
struct Renamed {
    text: String,
    /// The original names of the keys.
    names: Vec<String>,
    /// The offset behind each renamed key, in the new text and in the old one. From there on, both
    /// are the same up to the next key.
    edits: Vec<(usize, usize)>,
}

fn rename(text: &str, keys: &[Range<usize>]) -> Option<Renamed> {
    if keys.is_empty() {
        return None;
    }
    let mut renamed = String::with_capacity(text.len() + 12 * keys.len());
    let mut names = Vec::with_capacity(keys.len());
    let mut edits = vec![(0, 0)];
    let mut at = 0;
    for (index, span) in keys.iter().enumerate() {
        renamed.push_str(text.get(at..span.start)?);
        renamed.push_str(&format!("\"\\u{:04X}{index}\"", u32::from(MARK)));
        names.push(key_of(text.get(span.clone())?));
        at = span.end;
        edits.push((renamed.len(), at));
    }
    renamed.push_str(text.get(at..)?);
    Some(Renamed { text: renamed, names, edits })
}

/// Returns the key that `raw`, which may be quoted, stands for.
fn key_of(raw: &str) -> String {
    let line = format!("{raw} = 0");
    let (table, _) = DeTable::parse_recoverable(&line);
    let key = table.get_ref().keys().next();
    key.map(|key| key.get_ref().to_string()).unwrap_or_default()
}

fn whole_lines(text: &str, span: &Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = after.find('\n').map_or(text.len(), |newline| span.end + newline + 1);
    start..end
}

/// Returns all problems, without those that result from a guess of the parser.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_has_these_messages() {
        let deep = format!("a = {}1", "[".repeat(200));
        let long = format!("{}a = 1", "a.".repeat(100));
        let samples = [
            (&*long, "recursion limit"),
            (&*deep, "cannot recurse"),
            ("a = [1,\n", "unclosed array,"),
            ("a = { b = 1", "unclosed inline table"),
            ("a = \"\"\"x", "invalid multi-line"),
            ("a = 1\na = 2", "duplicate key"),
            ("a = 1\na.b = 2", "cannot extend value"),
            ("a = x", "string values must be quoted"),
            ("a = tru", "invalid boolean"),
            ("a = \"x", "invalid "),
        ];

        for ((text, sample), (words, kind)) in samples.into_iter().zip(MESSAGES) {
            assert_eq!(sample, words);
            let (_, errors) = DeTable::parse_recoverable(text);
            let kinds: Vec<_> = errors.iter().map(Kind::of).collect();
            assert!(kinds.contains(&kind), "{words}: {errors:?}");
        }
    }
}
