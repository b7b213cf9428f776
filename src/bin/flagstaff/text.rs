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

/// `1 flag`, `2 flags`
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(clean("a\tb\n\u{1b}[31mc"), "a\\tb\\n\\u{1b}[31mc");
        assert_eq!(clean("größer"), "größer");
    }
}
