//! Remedies as data that a program can apply.

use std::{collections::BTreeMap, ops::Range};

use crate::text::line;

/// The safety of applying a suggestion without a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Safety {
    /// The flags of the file answer the same before and after.
    Safe,
    /// The suggestion is probably right, but it changes what flags answer.
    Unsafe,
}

/// A change of the text that solves a [`Diagnostic`](super::Diagnostic).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suggestion {
    /// A short description of the change, such as ``remove `ana` ``.
    pub message: String,
    /// The parts of the change, in the order of the text. They are applied together or not at all.
    pub edits: Vec<Edit>,
    /// The safety of the suggestion.
    pub safety: Safety,
}

/// A replacement of one span of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// A range of bytes of the text, on character boundaries. It is empty for an insertion.
    pub span: Range<usize>,
    /// The new text of the span; empty for a removal.
    pub replacement: String,
}

impl Suggestion {
    pub(super) fn remove(message: impl Into<String>, span: Range<usize>) -> Self {
        Self::replace(message, span, "")
    }

    pub(super) fn replace(
        message: impl Into<String>,
        span: Range<usize>,
        replacement: impl Into<String>,
    ) -> Self {
        let edits = vec![Edit { span, replacement: replacement.into() }];
        Self { message: line(&message.into()).into_owned(), edits, safety: Safety::Safe }
    }

    pub(super) fn unsafely(self) -> Self {
        Self { safety: Safety::Unsafe, ..self }
    }
}

/// Returns the text with the suggestions applied, without those that overlap an earlier one; `None`
/// if there are none.
pub(super) fn apply<'s>(
    text: &str,
    suggestions: impl Iterator<Item = &'s Suggestion>,
) -> Option<String> {
    // The edits by the position where each one starts.
    let mut edits: BTreeMap<usize, &Edit> = BTreeMap::new();
    for suggestion in suggestions {
        let is_free = |edit: &Edit| {
            let before = edits.range(..=edit.span.start).next_back();
            let after = edits.range(edit.span.start..).next();
            before.is_none_or(|(&start, it)| {
                start < edit.span.start && it.span.end <= edit.span.start
            }) && after.is_none_or(|(&start, _)| edit.span.end <= start)
        };
        if suggestion.edits.iter().all(is_free) {
            edits.extend(suggestion.edits.iter().map(|edit| (edit.span.start, edit)));
        }
    }
    let mut fixed = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits.values() {
        fixed.push_str(text.get(at..edit.span.start)?);
        fixed.push_str(&edit.replacement);
        at = edit.span.end;
    }
    fixed.push_str(text.get(at..)?);
    (!edits.is_empty()).then_some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str, edits: &[(Range<usize>, &str)]) -> Option<String> {
        let suggest =
            |(span, text): &(Range<usize>, &str)| Suggestion::replace("", span.clone(), *text);
        let suggestions: Vec<_> = edits.iter().map(suggest).collect();
        apply(text, suggestions.iter())
    }

    #[test]
    fn edits_are_applied_at_their_places() {
        let fixed = applied("one two three", &[(8..13, "3"), (0..4, ""), (7..7, "!")]);

        assert_eq!(fixed.as_deref(), Some("two! 3"));
        assert_eq!(applied("one", &[]), None);
    }

    #[test]
    fn of_two_edits_of_one_place_the_first_is_applied() {
        let fixed = applied("one two", &[(0..4, ""), (0..4, ""), (2..5, "x")]);

        assert_eq!(fixed.as_deref(), Some("two"));
    }
}
