//! Problems as text, the way rustc prints them.

use std::{fmt, ops::Range};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{
    code::Severity,
    diagnostic::{Diagnostic, Diagnostics, Related},
    suggestion::Suggestion,
};
use crate::text::Untrusted;

/// How many problems are rendered unless another number is asked for. The data has all of them.
const LIMIT: usize = 50;

/// The distance in bytes from which another place is shown by itself. All lines between two places are taken apart, which
/// takes minutes where each of many problems points at the first line of a large file.
const FAR: usize = 16 * 1024;

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
        let ends = line_ends(self.diagnostics.text());
        for (index, diagnostic) in shown.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            // The renderer replaces some of what is hidden in the lines of the file, and leaves the rest.
            let report = render(&renderer, self.diagnostics, &ends, diagnostic);
            writeln!(f, "{}", Untrusted::new(&report).report())?;
        }
        match self.diagnostics.len() - shown.len() {
            0 => Ok(()),
            more => writeln!(f, "\n… and {more} more"),
        }
    }
}

fn render(
    renderer: &Renderer,
    all: &Diagnostics,
    ends: &[usize],
    diagnostic: &Diagnostic,
) -> String {
    let Diagnostic { code, severity, message, span, label, related, help, suggestion, .. } =
        diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let is_near = |other: &&Related| other.span.start.abs_diff(span.start) <= FAR;
    let (near, far): (Vec<_>, Vec<_>) = related.iter().partition(is_near);
    let mut places = vec![(AnnotationKind::Primary, span, label.as_str())];
    places.extend(
        near.into_iter().map(|other| (AnnotationKind::Context, &other.span, &*other.label)),
    );
    let title = level.primary_title(message.as_str()).id(code.as_str());
    let mut group = title.element(excerpt(all, ends, &places));
    for other in far {
        let place = (AnnotationKind::Context, &other.span, &*other.label);
        group = group.element(excerpt(all, ends, &[place]));
    }
    let mut groups = vec![group];
    if let Some(help) = help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    if let Some(suggestion) = suggestion {
        groups.push(render_suggestion(all, ends, suggestion));
    }
    renderer.render(&groups)
}

/// Returns the lines of some places, from the first to the last. Only these, because the renderer takes apart all that it
/// is given.
fn excerpt<'d>(
    all: &'d Diagnostics,
    ends: &[usize],
    places: &[(AnnotationKind, &Range<usize>, &'d str)],
) -> Snippet<'d, Annotation<'d>> {
    let starts = places.iter().map(|(_, span, _)| span.start);
    let first = starts.min().unwrap_or_default();
    let last = places.iter().map(|(_, span, _)| span.end).max().unwrap_or(first);
    let lines = lines_around(all.text(), first..last);
    let snippet = Snippet::source(&all.text()[lines.clone()])
        .line_start(line_number(ends, lines.start))
        .path(all.name());
    snippet.annotations(places.iter().map(|(kind, span, label)| {
        let start = span.start.saturating_sub(lines.start);
        kind.span(start..span.end.saturating_sub(lines.start)).label(*label)
    }))
}

/// The lines as they would be.
fn render_suggestion<'d>(
    all: &'d Diagnostics,
    line_ends: &[usize],
    suggestion: &'d Suggestion,
) -> Group<'d> {
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
        .line_start(line_number(line_ends, lines.start))
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

/// Returns the place of each end of a line. Counting them again for each of many problems would take minutes.
fn line_ends(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at).collect()
}

fn line_number(ends: &[usize], at: usize) -> usize {
    1 + ends.partition_point(|&end| end < at)
}

#[cfg(test)]
mod tests {
    use crate::definition::FlagsFile;

    #[test]
    fn a_place_far_away_is_shown_by_itself() {
        let padding = "# padding\n".repeat(2_000);
        let text = format!("[flags]\na = true\n{padding}a = false\n");

        let report = FlagsFile::parse("flags.toml", &text).diagnostics().to_string();

        assert!(report.contains(" --> flags.toml:2003:1\n"), "{report}");
        assert!(report.contains(" ::: flags.toml:2:1\n"), "{report}");
        assert!(
            report.contains("2003 | a = false") && report.contains("   2 | a = true"),
            "{report}"
        );
        assert!(!report.contains("padding"), "{report}");
    }
}
