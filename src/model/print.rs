//! Strings in one word, which compare faster than their bytes.
//!
//! W4 by handle takes 584 instructions with prints, and 773 with plain comparisons (`tests/bench/instructions.rs`).

use std::ops::Deref;

/// A string in one word. It has all bytes of a string of at most seven, or else the first and last
/// bytes and the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u64);

impl Print {
    /// A print that no whole string has.
    pub(crate) const NONE: Self = Self(u64::MAX);

    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let len = bytes.len();
        if let (Some(&start), Some(&end)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let word = u64::from_le_bytes(start) ^ u64::from_le_bytes(end).rotate_left(32);
            return Self(word << 8 | len.min(usize::from(u8::MAX)) as u64);
        }
        // The bytes read at the end overlap with those at the start, where both are equal.
        let word = if let (Some(&start), Some(&end)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let (start, end) = (u32::from_le_bytes(start), u32::from_le_bytes(end));
            u64::from(start) | u64::from(end) << (8 * (len - size_of_val(&end)))
        } else if let (Some(&start), Some(&end)) = (bytes.first_chunk(), bytes.last()) {
            u64::from(u16::from_le_bytes(start)) | u64::from(end) << (8 * (len - 1))
        } else {
            bytes.first().copied().map_or(0, u64::from)
        };
        Self(word << 8 | len as u64)
    }

    /// Returns the print of a string, if all of its bytes fit.
    #[inline]
    pub(crate) fn whole(text: &str) -> Option<Self> {
        (text.len() <= 7).then(|| Self::of(text))
    }

    /// Returns a number whose upper bits differ for most prints.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        // The golden ratio spreads strings that differ in few letters; the upper bits depend on all.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns true if strings with the same print are equal.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.0 & 0xff <= 7
    }
}

/// A string with its print, for comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Printed<T> {
    print: Print,
    text: T,
}

impl<T> Printed<T> {
    /// Converts the string into another type with equal bytes, so that the print stays valid.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Printed<U> {
        Printed { print: self.print, text: convert(self.text) }
    }
}

impl<T: Deref<Target = str>> Printed<T> {
    #[inline]
    pub(crate) fn new(text: T) -> Self {
        Self { print: Print::of(&text), text }
    }

    #[inline]
    pub(crate) fn text(&self) -> &T {
        &self.text
    }

    #[inline]
    pub(crate) fn print(&self) -> Print {
        self.print
    }

    /// Returns true if the strings are equal.
    #[inline]
    pub(crate) fn is(&self, other: &str) -> bool {
        // Most strings differ in their length, and then no print is computed.
        self.text.len() == other.len()
            && match self.print.is_whole() {
                true => self.print == Print::of(other),
                false => are_same(&self.text, other),
            }
    }

    /// Returns true if two strings that have prints are equal.
    #[inline]
    pub(crate) fn is_printed(&self, other: &Printed<impl Deref<Target = str>>) -> bool {
        self.print == other.print && (self.print.is_whole() || are_same(&self.text, &other.text))
    }
}

/// Returns true if two strings of at least eight bytes are equal.
// Compares by words, since such strings are short: calling `memcmp` takes longer than comparing two
// words, and callers that call nothing need not save their registers.
#[inline]
fn are_same(a: &str, b: &str) -> bool {
    debug_assert!(a.len() >= size_of::<u64>(), "shorter texts are whole prints");
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let words = || a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    a.len() == b.len()
        && a.first_chunk::<8>() == b.first_chunk()
        && a.last_chunk::<8>() == b.last_chunk()
        && (a.len() <= 16 || words().all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_that_differ_have_prints_that_differ() {
        let mut texts = vec![String::new()];
        for length in 0..7 {
            let longer = |text: &String| ["\0", "a", "b"].map(|letter| text.clone() + letter);
            let longest = texts.iter().filter(|text| text.len() == length);
            let longer: Vec<_> = longest.flat_map(longer).collect();
            texts.extend(longer);
        }

        let prints: std::collections::HashSet<_> =
            texts.iter().map(|text| Print::of(text).0).collect();

        assert_eq!((texts.len(), prints.len()), (3_280, 3_280));
        assert!(texts.iter().all(|text| Print::of(text).is_whole()));
    }

    #[test]
    fn longer_strings_differ_by_start_end_or_length() {
        let print = Print::of("company.of.user.plan");

        assert!(!print.is_whole());
        assert_eq!(print, Print::of("company.is.user.plan"));
        for other in ["company.of.users.plan", "campany.of.user.plan", "company.of.user.plen"] {
            assert_ne!(print, Print::of(other), "{other}");
        }
    }

    #[test]
    fn a_string_equals_only_itself() {
        for length in 0..40 {
            let text = "a".repeat(length);
            let printed = Printed::new(&*text);
            let is = |other: &str| {
                let (one, two) = (printed.is(other), printed.is_printed(&Printed::new(other)));
                assert_eq!(one, two, "{other}");
                one
            };

            assert!(is(&text.clone()));
            assert!(!is(&format!("{text}a")));
            for place in 0..length {
                let mut other = text.clone();
                other.replace_range(place..=place, "b");
                assert!(!is(&other), "{other}");
            }
        }
    }
}
