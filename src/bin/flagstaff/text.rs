//! Texts for people.

use std::borrow::Cow;

/// A text in which nothing can break a line, a column or a terminal: control characters are written
/// as their escapes.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean.into()
}

/// Escapes the control characters of a message, which may have several lines. Lines after the first are
/// indented, so that none looks like a message of its own.
pub(crate) fn clean_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let lines: Vec<_> = text.lines().map(clean).collect();
    lines.join("\n  ").into()
}

/// Escapes the control characters of a report that has colours. Its renderer replaces those below U+0020
/// in what it quotes, and leaves those from U+007F to U+009F.
pub(crate) fn clean_report(report: &str) -> Cow<'_, str> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}');
    if !report.contains(is_bad) {
        return report.into();
    }
    let mut clean = String::with_capacity(report.len());
    for c in report.chars() {
        match is_bad(c) {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean.into()
}

/// `1 flag`, `2 flags`
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The verb behind a count: `1 flag is`, `2 flags are`.
pub(crate) fn verb(number: usize, one: &'static str, several: &'static str) -> &'static str {
    if number == 1 { one } else { several }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(clean("a\tb\n\u{1b}[31mc"), "a\\tb\\n\\u{1b}[31mc");
        assert_eq!(clean("größer"), "größer");
        assert_eq!(clean_lines("a\nerror: b\u{7}"), "a\n  error: b\\u{7}");
    }

    #[test]
    fn a_count_has_its_own_noun_and_verb() {
        let said = |number| format!("{} {}", count(number, "flag"), verb(number, "is", "are"));

        assert_eq!([0, 1, 2].map(said), ["0 flags are", "1 flag is", "2 flags are"]);
    }
}
