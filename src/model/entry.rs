//! What one source offers for one flag.

use std::{fmt, sync::Arc};

use super::{Definition, Field};

/// What a source offers for a flag key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// On or off for everybody, whatever lower sources say; only their deny-lists still hold
    /// against a forced on.
    Forced(bool),
    /// A text for everybody: it forces the variant of that name, if lower sources have one, and
    /// else it forces the flag off. Made by [`Entry::from_text`].
    Text(Arc<str>),
    /// A whole or partial definition, merged field by field over the lower sources.
    Definition(Arc<Definition>),
}

impl Entry {
    /// What a plain text in an environment variable or in a shared store says.
    ///
    /// White space around it and the case of words do not matter: `1 true yes on t y` force the
    /// flag on, `0 false no off f n` and nothing at all force it off. Any other text forces the
    /// variant of that name, or off if there is none.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Entry;
    ///
    /// assert_eq!(Entry::from_text(" Yes\n"), Entry::Forced(true));
    /// assert_eq!(Entry::from_text(""), Entry::Forced(false));
    /// assert_eq!(Entry::from_text("higher_price"), Entry::Text("higher_price".into()));
    /// ```
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        // Python's `strip` takes the information separators for white space, `str::trim` does not.
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let text = text.trim_matches(is_space);
        let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match () {
            () if is_one_of(&["1", "true", "yes", "on", "t", "y"]) => Self::Forced(true),
            () if is_one_of(&["", "0", "false", "no", "off", "f", "n"]) => Self::Forced(false),
            () => Self::Text(text.into()),
        }
    }
}

impl From<bool> for Entry {
    fn from(on: bool) -> Self {
        Self::Forced(on)
    }
}

impl From<Definition> for Entry {
    fn from(definition: Definition) -> Self {
        Self::Definition(Arc::new(definition))
    }
}

/// A part of what a source says about a flag, which may be written in a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// All of it.
    Whole,
    /// One setting.
    Setting(Field),
    /// The rule at this place of the setting `rules`, 0 being the first.
    Rule(usize),
}

/// For people, in short: `on`, a text in quotes, or the names of the fields that a definition is
/// about.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Definition(definition) => {
                let fields: Vec<_> = definition.fields().map(Field::as_str).collect();
                write!(f, "a definition of {}", fields.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_six_words_are_on() {
        for on in ["1", "TRUE", " yes\n", "On", "\u{1c}t\u{1f}", "\u{2003}y"] {
            assert_eq!(Entry::from_text(on), Entry::Forced(true), "{on:?}");
        }
        for off in ["", " ", "0", "False", "\tNO"] {
            assert_eq!(Entry::from_text(off), Entry::Forced(false), "{off:?}");
        }
        for text in ["2", "enabled", "null", "t rue", "\u{200b}1", "ｏｎ"] {
            assert_eq!(Entry::from_text(text), Entry::Text(text.into()), "{text:?}");
        }
    }
}
