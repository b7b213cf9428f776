//! The entry of one flag in one source.

use std::fmt;

use super::{Definition, Field, SharedDefinition, SharedText};

use crate::text::Untrusted;

/// The entry of a source for one flag key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// The flag is on or off for all users, whatever the sources below define. Only their
    /// deny-lists still hold against a forced on.
    Forced(bool),
    /// A forced string, made by [`Entry::from_text`]. It forces the variant of exactly that name,
    /// if the sources below have one. Otherwise a word for on, such as `1`, forces the flag on, and
    /// any other string forces it off.
    Text(SharedText),
    /// A whole or partial definition, merged field by field over the sources below.
    Definition(SharedDefinition),
}

impl Entry {
    /// Reads a plain string, as in an environment variable or in a shared store.
    ///
    /// White space around the string is ignored. Words for off, `0 false no off f n` in any case,
    /// and the empty string force the flag off. Any other string may be the name of a variant. If
    /// it is not, one of `1 true yes on t y` in any case forces the flag on, and any other string
    /// forces it off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Entry;
    ///
    /// assert_eq!(Entry::from_text(" Yes\n").forces(), Some(true));
    /// assert_eq!(Entry::from_text(""), Entry::Forced(false));
    /// assert_eq!(Entry::from_text("higher_price"), Entry::Text("higher_price".into()));
    /// ```
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        // Python's `strip` takes the information separators for white space, `str::trim` does not.
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let text = text.trim_matches(is_space);
        match text.is_empty() || is_one_of(text, OFF_WORDS) {
            true => Self::Forced(false),
            false => Self::Text(text.into()),
        }
    }

    /// Returns `true` or `false` if the entry forces a flag without variants on or off; `None` for
    /// a definition.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::Entry};
    ///
    /// assert_eq!(Entry::from_text("on").forces(), Some(true));
    /// assert_eq!(Entry::from_text("enabled").forces(), Some(false));
    /// assert_eq!(Entry::from(Definition::new()).forces(), None);
    /// ```
    #[must_use]
    pub fn forces(&self) -> Option<bool> {
        match self {
            Self::Forced(on) => Some(*on),
            Self::Text(text) => Some(is_one_of(text, &["1", "true", "yes", "on", "t", "y"])),
            Self::Definition(_) => None,
        }
    }

    /// Returns the definition, if the entry is one.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::Entry};
    ///
    /// let entry = Entry::from(Definition::new().owner("payments"));
    ///
    /// assert!(entry.as_definition().is_some_and(|definition| definition.owner.value().is_some()));
    /// assert_eq!(Entry::from(true).as_definition(), None);
    /// ```
    #[must_use]
    pub fn as_definition(&self) -> Option<&Definition> {
        match self {
            Self::Definition(definition) => Some(definition),
            Self::Forced(_) | Self::Text(_) => None,
        }
    }

    /// Returns the entry as a patch of the flag that the sources below define as `below`.
    pub(crate) fn patch(&self, below: Option<&Definition>) -> SharedDefinition {
        let variants = below.and_then(|below| below.rare().variants.value());
        let named = match self {
            Self::Definition(definition) => return definition.clone(),
            Self::Forced(_) => None,
            Self::Text(text) => {
                variants.and_then(|variants| Definition::forced_variant(text, variants))
            }
        };
        let on = self.forces() == Some(true);
        let patch = named.unwrap_or_else(|| match below {
            Some(below) => Definition::forced_over(on, below),
            None => Definition::forced(on),
        });
        patch.into()
    }
}

/// The words that force a flag off in environment variables and shared stores.
#[cfg_attr(not(feature = "definition"), allow(dead_code, reason = "for the check of variants"))]
pub(crate) const OFF_WORDS: &[&str] = &["0", "false", "no", "off", "f", "n"];

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

impl From<bool> for Entry {
    fn from(on: bool) -> Self {
        Self::Forced(on)
    }
}

impl From<Definition> for Entry {
    fn from(definition: Definition) -> Self {
        Self::Definition(definition.into())
    }
}

impl From<SharedDefinition> for Entry {
    fn from(definition: SharedDefinition) -> Self {
        Self::Definition(definition)
    }
}

/// A part of the entry of a flag, which may be written in a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The whole entry.
    Whole,
    /// One setting.
    Setting(Field),
    /// The rule at this place of the setting `rules`, 0 being the first.
    Rule(usize),
}

/// Writes the entry for people, in short: `on`, a string in quotes, or the names of the fields that
/// a definition sets or removes.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Text(_) if self.forces() == Some(true) => f.write_str("on"),
            Self::Text(text) => f.write_str(&Untrusted::new(text).rust()),
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
    fn every_entry_takes_three_machine_words() {
        assert_eq!(size_of::<Entry>(), 3 * size_of::<usize>());
    }

    #[test]
    fn only_the_six_words_are_on() {
        for on in ["1", "TRUE", " yes\n", "On", "\u{1c}t\u{1f}", "\u{2003}y"] {
            assert_eq!(Entry::from_text(on).forces(), Some(true), "{on:?}");
        }
        for off in ["", " ", "0", "False", "\tNO"] {
            assert_eq!(Entry::from_text(off), Entry::Forced(false), "{off:?}");
        }
        for text in ["2", "enabled", "null", "t rue", "\u{200b}1", "ｏｎ"] {
            assert_eq!(Entry::from_text(text), Entry::Text(text.into()), "{text:?}");
            assert_eq!(Entry::from_text(text).forces(), Some(false), "{text:?}");
        }
    }
}
