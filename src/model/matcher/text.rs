//! Texts within texts, with and without case.

use super::Case;
use crate::model::Operator;

/// Texts of which any may be found in a place.
#[derive(Debug)]
pub(crate) struct Texts {
    place: Place,
    case: Case,
    /// In lower case if case is ignored.
    texts: Box<[Box<str>]>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Anywhere,
    Start,
    End,
}

impl Texts {
    pub(super) fn new(operator: Operator, texts: &[&str], case: Case) -> Self {
        let place = match operator {
            Operator::StartsWith => Place::Start,
            Operator::EndsWith => Place::End,
            _ => Place::Anywhere,
        };
        let text = |text: &&str| match case {
            Case::Exact => (*text).into(),
            Case::Ignored => fold(text).collect::<String>().into(),
        };
        Self { place, case, texts: texts.iter().map(text).collect() }
    }

    pub(super) fn match_text(&self, seen: &str) -> bool {
        self.texts.iter().any(|text| match (self.case, self.place) {
            (Case::Exact, Place::Anywhere) => seen.contains(&**text),
            (Case::Exact, Place::Start) => seen.starts_with(&**text),
            (Case::Exact, Place::End) => seen.ends_with(&**text),
            (Case::Ignored, Place::Anywhere) => {
                let starts = seen.char_indices().map(|(start, _)| start).chain([seen.len()]);
                starts.into_iter().any(|start| leads(text.chars(), fold(&seen[start..])))
            }
            (Case::Ignored, Place::Start) => leads(text.chars(), fold(seen)),
            (Case::Ignored, Place::End) => leads(text.chars().rev(), fold(seen).rev()),
        })
    }
}

/// Each letter in lower case. Letters have no context here, and no language.
pub(super) fn fold(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn leads(mut text: impl Iterator<Item = char>, mut seen: impl Iterator<Item = char>) -> bool {
    text.all(|letter| seen.next() == Some(letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(operator: Operator, text: &str, case: Case) -> Texts {
        Texts::new(operator, &[text], case)
    }

    #[test]
    fn case_is_ignored_beyond_ascii() {
        for (operator, text, seen) in [
            (Operator::Contains, "ÄHLER", "zähler-1"),
            (Operator::StartsWith, "straße", "STRAße 1"),
            (Operator::EndsWith, "@EXAMPLE.com", "ana@Example.COM"),
            (Operator::Contains, "", ""),
        ] {
            assert!(texts(operator, text, Case::Ignored).match_text(seen), "{text}");
        }
        assert!(!texts(Operator::Contains, "ähler", Case::Exact).match_text("ÄHLER"));
        assert!(!texts(Operator::EndsWith, "ß", Case::Ignored).match_text("SS"));
    }

    proptest! {
        #[test]
        fn ignoring_case_finds_what_is_found_in_lower_case(text in "[aAbB]{0,3}", seen in "[aAbBc]{0,8}") {
            let (low, seen_low) = (text.to_lowercase(), seen.to_lowercase());

            for (operator, found) in [
                (Operator::Contains, seen_low.contains(&low)),
                (Operator::StartsWith, seen_low.starts_with(&low)),
                (Operator::EndsWith, seen_low.ends_with(&low)),
            ] {
                prop_assert_eq!(texts(operator, &text, Case::Ignored).match_text(&seen), found);
            }
        }
    }
}
