//! From text to a tree, as far as the text allows, and what is wrong with it as TOML.
//!
//! The parser goes on after an error and guesses. A guess is good enough to find more problems
//! elsewhere in the file, but nothing is said twice: what a guess looks like is not reported.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use toml::de::{DeTable, DeValue, Error};

use super::{Value, code::Code, diagnostic::Diagnostic};
use crate::model::Percentage;

/// The result of reading a text as TOML.
#[derive(Debug)]
pub(super) struct Syntax<'t> {
    pub(super) root: DeTable<'t>,
    pub(super) faults: Vec<Fault>,
}

/// Something that TOML does not allow.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) diagnostic: Diagnostic,
    /// Where the tree is a guess because of it; empty if it is not.
    pub(super) doubtful: Range<usize>,
}

impl<'t> Syntax<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let root = root.into_inner();
        let faults = if errors.is_empty() { Vec::new() } else { faults(text, &root, &errors) };
        Self { root, faults }
    }
}

/// What an error of the parser is about, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    TooDeep,
    Unclosed,
    Duplicate,
    Other,
}

impl Kind {
    /// The parser has no codes, so its words have to do. A word that changes costs a good label,
    /// and the snapshots of tests/data/bad show it.
    fn of(error: &Error) -> Self {
        let message = error.message();
        let starts = |words: &[&str]| words.iter().any(|word| message.starts_with(word));
        if starts(&["recursion limit", "cannot recurse"]) {
            Self::TooDeep
        } else if starts(&["unclosed array,", "unclosed inline table", "invalid multi-line"]) {
            Self::Unclosed
        } else if starts(&["duplicate key", "cannot extend value"]) {
            Self::Duplicate
        } else {
            Self::Other
        }
    }
}

fn faults(text: &str, root: &DeTable<'_>, errors: &[Error]) -> Vec<Fault> {
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (Kind::of(error), error.span().unwrap_or_else(|| too_long_key(text)), error))
        .collect();
    // What makes the largest part of the tree a guess comes first, and what lies in that part is
    // a consequence.
    errors.sort_by_key(|(kind, span, _)| (*kind, span.start));
    let duplicates: Vec<_> = errors
        .iter()
        .filter(|(kind, ..)| *kind == Kind::Duplicate)
        .map(|(_, span, _)| span.clone())
        .collect();
    let mut firsts = first_definitions(text, &duplicates).into_iter();
    let mut open_ends = None;
    let mut starts = BTreeSet::new();
    let mut faults: Vec<Fault> = Vec::new();
    let mut lost = text.len()..text.len();
    for (kind, span, error) in errors {
        let fault = match kind {
            Kind::TooDeep => Fault {
                diagnostic: Diagnostic::new(Code::SyntaxError, span.clone(), "nested too deep")
                    .label("at most 80 levels are read"),
                doubtful: span.start..text.len(),
            },
            Kind::Unclosed => {
                let ends = open_ends.get_or_insert_with(|| open_ends_of(text, root));
                unclosed(text, ends, &span, error)
            }
            Kind::Duplicate => duplicate(text, &span, error, firsts.next().flatten()),
            Kind::Other => other(text, &span, error),
        };
        if lost.contains(&fault.diagnostic.span.start) {
            continue;
        }
        if matches!(kind, Kind::TooDeep | Kind::Unclosed) && fault.doubtful.start < lost.start {
            lost.start = fault.doubtful.start;
        }
        if starts.insert(fault.diagnostic.span.start) {
            faults.push(fault);
        }
    }
    faults
}

/// The parser does not say where a key with too many parts is.
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

fn other(text: &str, span: &Range<usize>, error: &Error) -> Fault {
    let (message, label) = words(error);
    let found = text.get(span.clone()).unwrap_or_default();
    let diagnostic = if found.is_empty() && message == "string values must be quoted" {
        Diagnostic::new(Code::SyntaxError, span.clone(), "missing value")
            .label("expected a value after `=`")
    } else {
        Diagnostic::new(Code::SyntaxError, span.clone(), message).label(label)
    };
    let diagnostic = match quoting(&diagnostic.message, found) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    };
    Fault { diagnostic, doubtful: whole_lines(text, span) }
}

/// The parser says what is wrong and what it expected in one sentence.
fn words(error: &Error) -> (&str, String) {
    match error.message().split_once(", expected ") {
        None => (error.message(), String::new()),
        Some((message, "nothing")) => (message, "remove this".to_owned()),
        Some((message, expected)) => (message, format!("expected {expected}")),
    }
}

/// How to write what was meant by a word that is no TOML value.
fn quoting(message: &str, found: &str) -> Option<String> {
    if !matches!(message, "string values must be quoted" | "invalid boolean") {
        return None;
    }
    match found.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "enabled" => return Some("write `true`".to_owned()),
        "false" | "no" | "off" | "disabled" => return Some("write `false`".to_owned()),
        _ => {}
    }
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '\'');
    let percentage = found.ends_with('%') && found.parse::<Percentage>().is_ok();
    let short = !found.is_empty() && found.len() <= 60 && found.chars().all(plain);
    match (percentage, short) {
        (true, _) => Some(format!("a percentage is written in quotes: `\"{found}\"`")),
        (_, true) if message != "invalid boolean" => Some(format!("write `\"{found}\"`")),
        _ => None,
    }
}

/// Where the values begin that reach to the end of the text, by the end that they reach to.
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

/// Points at the bracket or quote that is never closed instead of the end of the text.
fn unclosed(text: &str, ends: &HashMap<usize, usize>, span: &Range<usize>, error: &Error) -> Fault {
    let Some(&start) = ends.get(&span.end) else {
        return other(text, span, error);
    };
    let (what, width) = match text.as_bytes().get(start) {
        Some(b'[') => ("array", 1),
        Some(b'{') => ("inline table", 1),
        _ => ("multi-line string", 3),
    };
    let diagnostic =
        Diagnostic::new(Code::SyntaxError, start..start + width, format!("unclosed {what}"))
            .label("never closed");
    Fault { diagnostic, doubtful: start..text.len() }
}

fn duplicate(text: &str, span: &Range<usize>, error: &Error, first: Option<Range<usize>>) -> Fault {
    let key = text.get(span.clone()).unwrap_or_default();
    let diagnostic = match error.message().strip_prefix("cannot extend value of type ") {
        None => Diagnostic::new(Code::DuplicateKey, span.clone(), format!("duplicate key `{key}`"))
            .label("defined again here"),
        Some(_) => {
            let message = format!("key `{key}` already has a value");
            Diagnostic::new(Code::DuplicateKey, span.clone(), message).label("used as a table here")
        }
    };
    let diagnostic = match first {
        None => diagnostic,
        Some(first) => diagnostic.related(first, "first defined here"),
    };
    // The first definition is in the tree as it stands in the text.
    Fault { diagnostic, doubtful: span.start..span.start }
}

/// The key that came first for each duplicate.
///
/// The parser does not tell, and of two headers it keeps the second. So the duplicates get other
/// names, the text is read once more, and the first definition is the sibling with the old name.
fn first_definitions(text: &str, duplicates: &[Range<usize>]) -> Vec<Option<Range<usize>>> {
    let mut firsts = vec![None; duplicates.len()];
    if duplicates.is_empty() {
        return firsts;
    }
    let mut renamed = String::with_capacity(text.len() + 12 * duplicates.len());
    let mut edits = vec![(0, 0)];
    let mut names = Vec::with_capacity(duplicates.len());
    for (index, span) in duplicates.iter().enumerate() {
        let &(_, at) = edits.last().expect("there is one from the start");
        let (Some(between), Some(key)) = (text.get(at..span.start), text.get(span.clone())) else {
            return firsts;
        };
        renamed.push_str(between);
        renamed.push_str(&format!("\"\\u0001{index}\""));
        edits.push((renamed.len(), span.end));
        names.push(key_of(key));
    }
    let &(_, at) = edits.last().expect("there is one from the start");
    renamed.push_str(&text[at..]);
    let original = |at: usize| {
        let (new, old) = edits[edits.partition_point(|&(new, _)| new <= at) - 1];
        at - new + old
    };

    let (root, _) = DeTable::parse_recoverable(&renamed);
    let mut tables = vec![root.get_ref()];
    let mut values: Vec<&Value<'_>> = Vec::new();
    while let Some(table) = tables.pop() {
        for (key, value) in table {
            values.push(value);
            let index = key.get_ref().strip_prefix('\u{1}').and_then(|rest| rest.parse().ok());
            let Some(index) = index.filter(|&index: &usize| index < names.len()) else {
                continue;
            };
            if let Some((first, _)) = table.get_key_value(names[index].as_str()) {
                let span = first.span();
                firsts[index] = Some(original(span.start)..original(span.end));
            }
        }
        while let Some(value) = values.pop() {
            match value.get_ref() {
                DeValue::Table(table) => tables.push(table),
                DeValue::Array(array) => values.extend(array.iter()),
                _ => {}
            }
        }
    }
    firsts
}

/// The key that `raw`, which may be quoted, stands for.
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
