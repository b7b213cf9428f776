//! Characters that are invisible, or that change the display of others.

use std::borrow::Cow;

/// Returns true for a character that is invisible, or that changes the display of its neighbours.
///
/// These are control characters, separators of lines and paragraphs, marks of direction ([UAX #9]), and
/// characters of no width. The latter have the property `Default_Ignorable_Code_Point` of [UAX #44]: joiners,
/// variation selectors, tags. Blanks other than the plain one, such as the no-break space, look like it. Names that
/// differ by these alone look the same.
///
/// # Example
///
/// ```
/// use flagstaff::text::is_hidden;
///
/// assert!(['\n', '\u{9b}', '\u{a0}', '\u{202e}', '\u{200b}'].into_iter().all(is_hidden));
/// assert!(!"größer 👍".contains(is_hidden));
/// ```
///
/// [UAX #9]: https://www.unicode.org/reports/tr9/
/// [UAX #44]: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        // Blanks that look like a space. The wide blank of Japanese (U+3000) does not.
        | '\u{a0}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{1680}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        // The anchors of interlinear annotations are not in the property.
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Returns true if no character of the string needs attention: most names are ASCII.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(is_hidden)
}

/// Returns the string with some characters escaped as in Rust.
pub(super) fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_bad(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped.into()
}
