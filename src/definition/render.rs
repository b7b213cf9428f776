//! Problems as text, the way rustc prints them.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{
    code::Severity,
    diagnostic::{Diagnostic, Diagnostics},
    suggestion::Suggestion,
};
use crate::text::Untrusted;

/// How many problems are rendered unless another number is asked for. The data has all of them.
const LIMIT: usize = 50;

/// [`Diagnostics`] as text; made by [`Diagnostics::report`], printed with `{}`.
///
/// # Example
///
/// ```
/// use flagstaff::definition::FlagsFile;
///
/// let file = FlagsFile::parse("flags.toml", "[flags]\na = 1\nb = 2\n");
///
/// let text = file.diagnostics().report().limit(1).to_string();
///
/// assert!(text.ends_with("\n… and 1 more\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Report<'d> {
    diagnostics: &'d Diagnostics,
    ansi: bool,
    limit: usize,
}

impl<'d> Report<'d> {
    pub(super) fn new(diagnostics: &'d Diagnostics) -> Self {
        Self { diagnostics, ansi: false, limit: LIMIT }
    }

    /// With ANSI escape codes for colour.
    #[must_use]
    pub fn ansi(mut self) -> Self {
        self.ansi = true;
        self
    }

    /// At most `limit` problems, 50 if not set; errors take precedence over warnings.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The problems that are shown, in the order of the text.
    fn shown(&self) -> Vec<&'d Diagnostic> {
        let mut shown: Vec<_> = self.diagnostics.iter().collect();
        if shown.len() > self.limit {
            shown.sort_by_key(|diagnostic| diagnostic.severity);
            shown.truncate(self.limit);
            shown.sort_by_key(|diagnostic| diagnostic.span.start);
        }
        shown
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = if self.ansi { Renderer::styled() } else { Renderer::plain() };
        let shown = self.shown();
        for (index, diagnostic) in shown.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            // The renderer replaces some of what is hidden in the lines of the file, and leaves the rest.
            let report = render(&renderer, self.diagnostics, diagnostic);
            writeln!(f, "{}", Untrusted::new(&report).report())?;
        }
        match self.diagnostics.len() - shown.len() {
            0 => Ok(()),
            more => writeln!(f, "\n… and {more} more"),
        }
    }
}

fn render(renderer: &Renderer, all: &Diagnostics, diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, severity, message, span, label, related, help, suggestion, .. } =
        diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let first = related.iter().fold(span.start, |first, other| first.min(other.span.start));
    let last = related.iter().fold(span.end, |last, other| last.max(other.span.end));
    let lines = lines_around(all.text(), first..last);
    let inside = |span: &Range<usize>| {
        span.start.saturating_sub(lines.start)..span.end.saturating_sub(lines.start)
    };
    // Only the lines concerned, because the renderer takes apart all that it is given.
    let mut snippet = Snippet::source(&all.text()[lines.clone()])
        .line_start(line_number(all.text(), lines.start))
        .path(all.name())
        .annotation(AnnotationKind::Primary.span(inside(span)).label(label.as_str()));
    for other in related {
        let annotation = AnnotationKind::Context.span(inside(&other.span));
        snippet = snippet.annotation(annotation.label(other.label.as_str()));
    }
    let title = level.primary_title(message.as_str()).id(code.as_str());
    let mut groups = vec![title.element(snippet)];
    if let Some(help) = help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    if let Some(suggestion) = suggestion {
        groups.push(render_suggestion(all, suggestion));
    }
    renderer.render(&groups)
}

/// The lines as they would be.
fn render_suggestion<'d>(all: &'d Diagnostics, suggestion: &'d Suggestion) -> Group<'d> {
    let title = Level::HELP.secondary_title(suggestion.message.as_str());
    let starts = suggestion.edits.iter().map(|edit| edit.span.start);
    let ends = suggestion.edits.iter().map(|edit| edit.span.end);
    let (Some(first), Some(last)) = (starts.min(), ends.max()) else {
        return Group::with_title(title);
    };
    let mut lines = lines_around(all.text(), first..last);
    // A line that goes as a whole has the end of its line with it.
    if first < last && all.text()[..last].ends_with('\n') {
        lines.end = last;
    }
    let patches = suggestion.edits.iter().map(|edit| {
        let Range { start, end } = edit.span;
        let place = start.saturating_sub(lines.start)..end.saturating_sub(lines.start);
        Patch::new(place, edit.replacement.as_str())
    });
    let snippet = Snippet::source(&all.text()[lines.clone()])
        .line_start(line_number(all.text(), lines.start))
        .path(all.name());
    title.element(snippet.patches(patches))
}

/// The whole lines that `span` touches, without a byte order mark.
fn lines_around(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline + 1);
    let mark = if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    start + mark..end
}

fn line_number(text: &str, at: usize) -> usize {
    1 + text[..at].bytes().filter(|&byte| byte == b'\n').count()
}
