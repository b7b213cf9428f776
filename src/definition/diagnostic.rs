//! Problems of a file, as data.

use std::{error, fmt, ops::Range, slice, sync::Arc};

use super::{
    code::Code,
    severity::Severity,
    suggestion::{self, Safety, Suggestion},
};
use crate::text::line;

/// One problem of a flags.toml.
///
/// This is data; [`Diagnostics`] renders it with the lines of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The kind of problem.
    pub code: Code,
    /// The severity of the problem.
    pub severity: Severity,
    /// A short message that names the mistake and the things concerned.
    pub message: String,
    /// The location of the problem: a range of bytes of the text, on character boundaries. It may
    /// be empty.
    pub span: Range<usize>,
    /// The mistake at `span`, in a few words.
    pub label: String,
    /// Other places that matter, such as the first definition of a duplicate.
    pub related: Vec<Related>,
    /// A remedy, in words.
    pub help: Option<String>,
    /// A remedy, as a change of the text.
    pub suggestion: Option<Suggestion>,
    /// The flag concerned, if there is one.
    pub flag: Option<String>,
    /// The environment concerned. A problem without one concerns `[flags]`, and so all
    /// environments.
    pub environment: Option<String>,
    /// The place of a `flagstaff.toml` that is concerned. A problem without one concerns all
    /// places.
    pub place: Option<String>,
    /// The line and column where `span` starts.
    pub location: Location,
}

/// Another location that a [`Diagnostic`] points at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Related {
    /// A range of bytes of the text, on character boundaries.
    pub span: Range<usize>,
    /// The text that is shown at the location.
    pub label: String,
}

/// A location in a file: line and column, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
}

/// Prints `line:column`, the form that compilers and editors use.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Diagnostic {
    // Messages may contain strings of the file. They are made into one line here, so that no
    // printing code has to.
    pub(super) fn new(code: Code, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: line(&message.into()).into_owned(),
            span,
            label: String::new(),
            related: Vec::new(),
            help: None,
            suggestion: None,
            flag: None,
            environment: None,
            place: None,
            location: Location { line: 1, column: 1 },
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = line(&label.into()).into_owned();
        self
    }

    pub(super) fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push(Related { span, label: line(&label.into()).into_owned() });
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(line(&help.into()).into_owned());
        self
    }

    pub(super) fn suggest(mut self, suggestion: Option<Suggestion>) -> Self {
        self.suggestion = suggestion;
        self
    }

    pub(super) fn flag(mut self, key: &str) -> Self {
        self.flag = Some(key.to_owned());
        self
    }

    /// Makes this a problem of an environment, and names the environment in the message.
    pub(super) fn environment(mut self, name: &str) -> Self {
        self.message.push_str(&format!(" in environment `{}`", line(name)));
        self.environment = Some(name.to_owned());
        self
    }

    pub(super) fn place(mut self, name: Option<&str>) -> Self {
        self.place = name.map(str::to_owned);
        self
    }

    /// Returns `true` if the problem concerns the flags of an environment; `None` stands for the
    /// flags outside of all environments.
    pub(super) fn concerns(&self, environment: Option<&str>) -> bool {
        self.environment.is_none() || self.environment.as_deref() == environment
    }

    fn sort_key(&self) -> (usize, usize, Code, Option<&str>) {
        (self.span.start, self.span.end, self.code, self.environment.as_deref())
    }

    /// Returns `true` if this problem repeats `first`, which comes before it. A problem of
    /// `[flags]` is one of all environments.
    fn repeats(&self, first: &Self) -> bool {
        (&self.span, self.code) == (&first.span, first.code)
            && first.concerns(self.environment.as_deref())
    }
}

/// Prints one line without the text of the file: `5:1: error[unknown-key]: unknown key …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, severity, code, message, .. } = self;
        write!(f, "{location}: {severity}[{code}]: {message}")
    }
}

/// All problems of one text, in the order of the text.
///
/// `Display` prints the problems with the lines concerned, as rustc does. Cloning is cheap.
///
/// # Example
///
/// ```
/// use flagstaff::definition::FlagsFile;
///
/// let file = FlagsFile::parse("flags.toml", "[flags]\nsearch = 25\n");
///
/// let problem = file.diagnostics().iter().next().expect("one problem");
/// assert_eq!(problem.location.to_string(), "2:10");
/// assert_eq!(problem.help.as_deref(), Some(r#"write `"25%"` for a percentage, or `true` or `false`"#));
/// assert!(file.diagnostics().to_string().contains(" --> flags.toml:2:10"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    name: String,
    text: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts the problems, removes repeated ones, and finds lines and columns.
    pub(super) fn new(name: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        for diagnostic in &mut list {
            diagnostic.span = within(text, &diagnostic.span);
            for related in &mut diagnostic.related {
                related.span = within(text, &related.span);
            }
            for edit in diagnostic.suggestion.iter_mut().flat_map(|it| &mut it.edits) {
                edit.span = within(text, &edit.span);
            }
        }
        list.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        list.dedup_by(|later, first| later.repeats(first));
        let starts: Vec<_> = list.iter().map(|diagnostic| diagnostic.span.start).collect();
        for (diagnostic, location) in list.iter_mut().zip(locations(text, starts)) {
            diagnostic.location = location;
        }
        // Most files have no problems, and then the text is not needed any more.
        let text = if list.is_empty() { "" } else { text };
        Self(Arc::new(Inner { name: name.to_owned(), text: text.to_owned(), list }))
    }

    /// Returns the name of the file, as the caller gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the problems, in the order of the text.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0.list
    }

    /// Iterates over the problems, in the order of the text.
    pub fn iter(&self) -> slice::Iter<'_, Diagnostic> {
        self.0.list.iter()
    }

    /// Returns the number of problems.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    /// Returns `true` if there are no problems.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// Returns `true` if at least one problem is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Returns the text with all suggestions applied that are at most as unsafe as `safety`.
    /// Returns `None` if there is none to apply.
    ///
    /// Of suggestions that touch the same place, the first is applied: check the new text again for
    /// the others.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{FlagsFile, Safety};
    ///
    /// let text = "[flags.a]\nallowed_users = [\"ana\", \"bob\"]\ndenied_users = [\"ana\"]\n";
    /// let file = FlagsFile::parse("flags.toml", text);
    ///
    /// let fixed = file.diagnostics().apply(Safety::Safe).expect("a suggestion");
    ///
    /// assert_eq!(fixed, "[flags.a]\nallowed_users = [\"bob\"]\ndenied_users = [\"ana\"]\n");
    /// ```
    #[must_use]
    pub fn apply(&self, safety: Safety) -> Option<String> {
        let suggestions = self.iter().filter_map(|diagnostic| diagnostic.suggestion.as_ref());
        suggestion::apply(self.text(), suggestions.filter(|it| it.safety <= safety))
    }

    /// Returns the first error in one line, or else the first warning, and the number of further
    /// problems: for logs and status pages.
    ///
    /// The summary is empty if there are no problems.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(first) = self.iter().min_by_key(|diagnostic| diagnostic.severity) else {
            return String::new();
        };
        match self.len() - 1 {
            0 => format!("{}:{first}", line(self.name())),
            more => format!("{}:{first} (and {more} more)", line(self.name())),
        }
    }

    /// Returns these problems and more of them. `text` is the whole text, which this value drops if
    /// there are no problems.
    pub(super) fn and(&self, text: &str, more: Vec<Diagnostic>) -> Self {
        let all = self.iter().cloned().chain(more).collect();
        Self::new(self.name(), text, all)
    }

    /// Returns the problems that concern the flags of an environment; for `None`, those of the
    /// flags outside of all environments. Problems of other environments are left out.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::FlagsFile;
    ///
    /// let text = "[flags]\nbeta = true\n\n[environments.staging]\nbeta = 1\n";
    /// let file = FlagsFile::parse("flags.toml", text);
    ///
    /// assert_eq!(file.diagnostics().concerning(Some("staging")).len(), 1);
    /// assert!(file.diagnostics().concerning(Some("production")).is_empty());
    /// assert!(file.diagnostics().concerning(None).is_empty());
    /// ```
    #[must_use]
    pub fn concerning(&self, environment: Option<&str>) -> Self {
        self.only(|problem| problem.concerns(environment))
    }

    /// Returns the problems that concern a place of a `flagstaff.toml`; for `None`, those that
    /// concern no named place.
    pub(super) fn of_place(&self, place: Option<&str>) -> Self {
        self.only(|problem| problem.place.is_none() || problem.place.as_deref() == place)
    }

    /// Returns the problems of all other places.
    pub(super) fn of_other_places(&self, place: Option<&str>) -> Self {
        self.only(|problem| problem.place.is_some() && problem.place.as_deref() != place)
    }

    /// Returns the problems of all other environments.
    pub(super) fn elsewhere(&self, environment: Option<&str>) -> Self {
        self.only(|problem| !problem.concerns(environment))
    }

    /// Returns the problems of one environment alone.
    pub(super) fn of(&self, environment: &str) -> Self {
        self.only(|problem| problem.environment.as_deref() == Some(environment))
    }

    fn only(&self, is_wanted: impl Fn(&Diagnostic) -> bool) -> Self {
        if self.iter().all(&is_wanted) {
            return self.clone();
        }
        let list = self.iter().filter(|problem| is_wanted(problem)).cloned();
        Self::new(self.name(), self.text(), list.collect())
    }

    pub(super) fn text(&self) -> &str {
        &self.0.text
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Prints all problems with the lines concerned, without colour; see [`report`](Self::report).
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.report(), f)
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostics")
            .field("name", &self.name())
            .field("list", &self.0.list)
            .finish()
    }
}

impl error::Error for Diagnostics {}

/// Returns the part of `span` that lies within `text`, widened to whole characters.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Returns the locations of places that are in the order of the text, in one pass over the text.
pub(super) fn locations(
    text: &str,
    starts: impl IntoIterator<Item = usize>,
) -> impl Iterator<Item = Location> {
    // Editors do not count a byte order mark as a column.
    let mut at = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let (mut line, mut column) = (1, 1);
    starts.into_iter().map(move |start| {
        let step = text.get(at..start).unwrap_or_default();
        match step.rsplit_once('\n') {
            None => column += step.chars().count(),
            Some((_, rest)) => {
                line += step.bytes().filter(|&byte| byte == b'\n').count();
                column = 1 + rest.chars().count();
            }
        }
        at += step.len();
        Location { line, column }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, starts: &[usize]) -> Vec<String> {
        let new = |&start: &usize| Diagnostic::new(Code::SyntaxError, start..start + 1, "");
        let list = starts.iter().map(new).collect();
        Diagnostics::new("f", text, list).iter().map(|d| d.location.to_string()).collect()
    }

    #[test]
    fn lines_and_columns_are_counted_in_characters_from_one() {
        assert_eq!(at("ab\ncd", &[0, 1, 3, 4, 99]), ["1:1", "1:2", "2:1", "2:2", "2:3"]);
        assert_eq!(at("ab\r\n\r\ncd", &[0, 6, 7]), ["1:1", "3:1", "3:2"]);
        assert_eq!(at("ä😀x\né", &[0, 2, 6, 8]), ["1:1", "1:2", "1:3", "2:1"]);
        assert_eq!(at("\u{feff}ab", &[0, 3, 4]), ["1:1", "1:1", "1:2"]);
        assert_eq!(at("", &[0]), ["1:1"]);
    }

    #[test]
    fn spans_are_widened_to_whole_characters() {
        assert_eq!(within("aäb", &(2..2)), 1..3);
        assert_eq!(within("aäb", &(2..99)), 1..4);
        assert_eq!(within("", &(5..7)), 0..0);
    }

    #[test]
    fn the_summary_names_an_error_before_a_warning() {
        let list = vec![
            Diagnostic::new(Code::BlankText, 0..1, "first"),
            Diagnostic::new(Code::UnknownKey, 2..3, "second"),
        ];

        let all = Diagnostics::new("flags.toml", "a\nb", list);

        assert_eq!(all.summary(), "flags.toml:2:1: error[unknown-key]: second (and 1 more)");
        assert_eq!(Diagnostics::new("flags.toml", "", Vec::new()).summary(), "");
    }
}
