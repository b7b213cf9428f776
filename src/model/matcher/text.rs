//! Searches for strings within strings, with and without case.

use super::scalar::Case;
use crate::model::Operator;

/// Strings; a string matches if any of them is found at the place.
#[derive(Debug)]
pub(crate) struct Texts {
    place: Place,
    case: Case,
    /// The strings, in lower case if case is ignored.
    texts: Box<[Box<str>]>,
    /// Searches instead of strings, if these may be anywhere and case is ignored.
    finders: Box<[Finder]>,
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
        let texts: Vec<Box<str>> = texts.iter().map(text).collect();
        match (case, place) {
            (Case::Ignored, Place::Anywhere) => {
                let finders = texts.iter().map(|text| Finder::new(text)).collect();
                Self { place, case, texts: Box::default(), finders }
            }
            _ => Self { place, case, texts: texts.into(), finders: Box::default() },
        }
    }

    pub(super) fn match_text(&self, seen: &str) -> bool {
        if let (Case::Ignored, Place::Anywhere) = (self.case, self.place) {
            return self.finders.iter().any(|finder| finder.is_in(seen));
        }
        self.texts.iter().any(|text| match (self.case, self.place) {
            (_, Place::Anywhere) => seen.contains(&**text),
            (Case::Exact, Place::Start) => seen.starts_with(&**text),
            (Case::Exact, Place::End) => seen.ends_with(&**text),
            (Case::Ignored, Place::Start) => leads(text.chars(), fold(seen)),
            (Case::Ignored, Place::End) => leads(text.chars().rev(), fold(seen).rev()),
        })
    }
}

/// Converts each letter to lower case, without regard to its neighbours and to a language.
pub(super) fn fold(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// A search in linear time that allocates nothing (Knuth, Morris and Pratt). It converts letters to
/// lower case one by one.
///
/// Trying each place takes seconds for a string of 64 KiB that a client chooses. A search by bytes,
/// such as that of `memchr`, would need a copy in lower case, and evaluation allocates nothing.
#[derive(Debug)]
struct Finder {
    letters: Box<[char]>,
    /// For each prefix of the letters, the length of the longest shorter prefix that is also its
    /// suffix.
    borders: Box<[u32]>,
}

impl Finder {
    /// Creates the search for a string in lower case.
    fn new(text: &str) -> Self {
        let letters: Box<[char]> = text.chars().collect();
        let mut borders = vec![0u32; letters.len()];
        let mut length = 0;
        for at in 1..letters.len() {
            while length > 0 && letters[at] != letters[length] {
                length = borders[length - 1] as usize;
            }
            length += usize::from(letters[at] == letters[length]);
            // A file of flags is far smaller than 4 GiB.
            borders[at] = length as u32;
        }
        Self { letters, borders: borders.into() }
    }

    fn is_in(&self, seen: &str) -> bool {
        let Some(whole) = self.letters.len().checked_sub(1) else { return true };
        // One letter can become two in lower case, and no match starts between these: the dot of
        // `İ` is not a letter of its own.
        let mut starts =
            seen.chars().flat_map(|letter| (0..letter.to_lowercase().len()).map(|n| n == 0));
        let (mut length, mut passed) = (0, 0);
        for (at, letter) in fold(seen).enumerate() {
            while length > 0 && letter != self.letters[length] {
                length = self.borders[length - 1] as usize;
            }
            length += usize::from(letter == self.letters[length]);
            if length > whole {
                let start = at - whole;
                if starts.nth(start - passed) == Some(true) {
                    return true;
                }
                passed = start + 1;
                length = self.borders[whole] as usize;
            }
        }
        false
    }
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

    #[test]
    fn a_repetitive_string_is_found_in_linear_time() {
        // 4,000 letters at each of 65,536 places would be 262 million comparisons for each of these.
        let seen = "a".repeat(65_536);
        let text = "A".repeat(4_000) + "b";
        let found = |text: &str| texts(Operator::Contains, text, Case::Ignored);
        let finder = found(&text);

        for _ in 0..100 {
            assert!(!finder.match_text(&seen));
        }
        assert!(finder.match_text(&(seen + "B")));
    }

    #[test]
    fn no_match_begins_within_a_letter() {
        let found = |text: &str, seen: &str| {
            texts(Operator::Contains, text, Case::Ignored).match_text(seen)
        };

        assert!(found("i\u{307}", "xİ") && found("İ", "xi\u{307}") && found("\u{307}", "i\u{307}"));
        assert!(!found("\u{307}", "İ") && !found("\u{307}i", "İİ"));
        assert!(found("\u{307}x", "İİ\u{307}X"));
    }

    /// Tries each place, as the search did before.
    fn is_at_any_place(text: &str, seen: &str) -> bool {
        let text: String = fold(text).collect();
        let mut starts = seen.char_indices().map(|(start, _)| start).chain([seen.len()]);
        starts.any(|start| leads(text.chars(), fold(&seen[start..])))
    }

    proptest! {
        #[test]
        fn a_string_is_found_where_a_naive_search_finds_it(
            text in "[aAbİi\u{307}ẞß]{0,4}",
            seen in "[aAbİi\u{307}ẞß]{0,12}",
        ) {
            let found = texts(Operator::Contains, &text, Case::Ignored).match_text(&seen);

            prop_assert_eq!(found, is_at_any_place(&text, &seen));
        }

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
