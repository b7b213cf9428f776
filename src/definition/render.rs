//! Rendering of problems as text, in the style of rustc.

use std::{fmt, ops::Range};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{
    diagnostic::{Diagnostic, Diagnostics, Related},
    severity::Severity,
    suggestion::Suggestion,
};
use crate::text::Untrusted;

/// The number of problems that are rendered by default. The data has all of them.
const LIMIT: usize = 50;

/// The distance in bytes from which another place is shown separately. The renderer processes all
/// lines between two places. That takes minutes if each of many problems points at the first line
/// of a large file.
const FAR: usize = 16 * 1024;

/// The length in bytes from which only a part of a line is shown. The renderer processes whole
/// lines, and a file of one line may have a hundred thousand mistakes.
const LONG: usize = 1024;

/// The number of bytes of a long line that are shown on both sides of a mistake. The renderer shows
/// 140 columns.
const AROUND: usize = 256;

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

impl Diagnostics {
    /// Returns a report that prints the problems, with options for its form.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report::new(self)
    }
}

impl<'d> Report<'d> {
    fn new(diagnostics: &'d Diagnostics) -> Self {
        Self { diagnostics, ansi: false, limit: LIMIT }
    }

    /// Adds ANSI escape codes for colour.
    #[must_use]
    pub fn ansi(mut self) -> Self {
        self.ansi = true;
        self
    }

    /// Sets the most problems to print, 50 by default. Errors take precedence over warnings.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the problems that are shown, in the order of the text.
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
            // The renderer replaces only some of the hidden characters in the lines of the file.
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
    let mut misplaced = Vec::new();
    let first = Excerpt::of(all, &places);
    misplaced.extend(first.misplaced(all, ends, span, Some(diagnostic.location.column)));
    let mut group = title.element(first.snippet(all, ends, &places));
    for other in far {
        let place = [(AnnotationKind::Context, &other.span, &*other.label)];
        let excerpt = Excerpt::of(all, &place);
        misplaced.extend(excerpt.misplaced(all, ends, &other.span, None));
        group = group.element(excerpt.snippet(all, ends, &place));
    }
    let mut groups = vec![group];
    if let Some(help) = help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    if let Some(suggestion) = suggestion {
        groups.push(render_suggestion(all, ends, suggestion));
    }
    put_right(renderer.render(&groups), misplaced)
}

/// Corrects locations in a report. The renderer counts from the start of an excerpt, not of the
/// line.
fn put_right(report: String, misplaced: Vec<[String; 2]>) -> String {
    // The title comes first and may contain any text but a line break.
    let Some((title, mut rest)) = report.split_once('\n').filter(|_| !misplaced.is_empty()) else {
        return report;
    };
    let mut right = format!("{title}\n");
    for [wrong, place] in misplaced {
        // The location ends a line, maybe followed by the end of a colour.
        let Some((before, after)) = rest.split_once(&wrong) else { continue };
        right += before;
        right += &place;
        rest = after;
    }
    right + rest
}

type Place<'d, 'p> = (AnnotationKind, &'p Range<usize>, &'d str);

/// The part of the text that contains some places.
struct Excerpt(Range<usize>);

impl Excerpt {
    /// Returns the lines of the places, from the first to the last, with only parts of long lines.
    /// The renderer processes everything that it is given.
    fn of(all: &Diagnostics, places: &[Place<'_, '_>]) -> Self {
        let first = places.iter().map(|(_, span, _)| span.start).min().unwrap_or_default();
        let last = places.iter().map(|(_, span, _)| span.end).max().unwrap_or(first);
        Self(part_around(all.text(), first..last))
    }

    fn snippet<'d>(
        &self,
        all: &'d Diagnostics,
        ends: &[usize],
        places: &[Place<'d, '_>],
    ) -> Snippet<'d, Annotation<'d>> {
        let Self(part) = self;
        let snippet = Snippet::source(&all.text()[part.clone()])
            .line_start(line_number(ends, part.start))
            .path(all.name());
        snippet.annotations(
            places.iter().map(|(kind, span, label)| kind.span(within(part, span)).label(*label)),
        )
    }

    /// Returns the wrong location that the renderer prints, and the right one, if they differ.
    /// Without a column, the right location is the line.
    fn misplaced(
        &self,
        all: &Diagnostics,
        ends: &[usize],
        span: &Range<usize>,
        column: Option<usize>,
    ) -> Option<[String; 2]> {
        let Self(part) = self;
        let is_whole = lines_around(all.text(), part.start..part.start).start == part.start;
        let before = &all.text()[part.start..span.start.max(part.start)];
        if is_whole || before.contains('\n') {
            return None;
        }
        let place = format!("{}:{}", all.name(), line_number(ends, span.start));
        let wrong = format!("{place}:{}", before.chars().count() + 1);
        Some([wrong, column.map_or(place.clone(), |column| format!("{place}:{column}"))])
    }
}

/// Returns a span relative to a part of the text.
fn within(part: &Range<usize>, span: &Range<usize>) -> Range<usize> {
    let place = |at: usize| at.clamp(part.start, part.end) - part.start;
    place(span.start)..place(span.end)
}

/// Renders the lines as they would be with the suggestion.
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
    // The lines in between would all be shown twice.
    if last - first > FAR {
        return Group::with_title(title);
    }
    let mut lines = part_around(all.text(), first..last);
    // If a whole line is removed, its line end is part of it.
    if first < last && all.text()[..last].ends_with('\n') {
        lines.end = last;
    }
    let patches = suggestion.edits.iter();
    let patches = patches.map(|edit| Patch::new(within(&lines, &edit.span), &*edit.replacement));
    let snippet = Snippet::source(&all.text()[lines.clone()])
        .line_start(line_number(line_ends, lines.start))
        .path(all.name());
    title.element(snippet.patches(patches))
}

/// Returns the whole lines that `span` touches, without a byte order mark.
fn lines_around(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline + 1);
    let mark = if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    start + mark..end
}

/// Returns the lines that `span` touches. Of long lines, it returns only the part around `span`.
fn part_around(text: &str, span: Range<usize>) -> Range<usize> {
    let span = span.start..character_at(text, span.end.min(span.start + FAR));
    let lines = lines_around(text, span.clone());
    // A span may begin with the byte order mark, which the lines leave out.
    let start = match span.start.saturating_sub(lines.start) > LONG {
        true => character_at(text, span.start - AROUND),
        false => lines.start,
    };
    let end = match lines.end - span.end > LONG {
        true => character_at(text, span.end + AROUND),
        false => lines.end,
    };
    start..end
}

/// Returns the start of the character that a byte is part of.
fn character_at(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

/// Returns the positions of all line ends. Counting them again for each of many problems would take
/// minutes.
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

    /// A long line also has all other mistakes of the line, and maybe the first of two definitions.
    #[test]
    fn a_mistake_in_a_long_line_is_shown_with_the_text_around_it() {
        let padding = "\u{e4}".repeat(9_000);
        let text = format!(
            "[flags]\na = {{ owner = \"{padding}\", onwer = \"{padding}\", tags = [\"b\", \"b\"] }}\n"
        );
        let column =
            1 + text.lines().nth(1).unwrap().split("onwer").next().unwrap().chars().count();
        let file = FlagsFile::parse("flags.toml", &text);

        for report in [file.diagnostics().report(), file.diagnostics().report().ansi()] {
            let report = report.to_string();

            assert!(
                report.contains(&format!(" flags.toml:2:{column}\n"))
                    || report.contains(&format!("flags.toml:2:{column}")),
                "{report}"
            );
            assert!(report.len() < 4_000, "{}", report.len());
            assert!(report.contains("onwer = "), "{report}");
        }
    }

    #[test]
    fn the_shown_part_of_a_line_does_not_grow_with_the_line() {
        let report = |mistakes: usize| {
            let list = "\"user\", ".repeat(mistakes);
            let text =
                format!("[flags]\na = {{ allowed_users = [{list}], denied_users = [{list}] }}\n");
            let file = FlagsFile::parse("flags.toml", &text);
            let diagnostics = file.diagnostics();
            (diagnostics.len(), diagnostics.report().limit(20).to_string().len())
        };

        let (few, short) = report(100);
        let (many, long) = report(10_000);

        assert!(few >= 1 && many >= few);
        assert!(long < 2 * short, "{short} {long}");
    }
}
