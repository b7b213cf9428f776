//! The convention for names of flags and segments.

use regex::Regex;

/// The convention for names of flags and segments.
#[derive(Debug, Clone, Default)]
pub(super) enum Names {
    #[default]
    SnakeCase,
    Pattern(Regex),
}

/// Error for a pattern that is not a regular expression.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid pattern of names")]
#[non_exhaustive]
pub struct InvalidPattern {
    source: Box<regex::Error>,
}

impl Names {
    pub(super) fn pattern(pattern: &str) -> Result<Self, InvalidPattern> {
        // The pattern is compiled by itself first, so that an error shows it as it was written.
        let pattern = Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        pattern.map(Self::Pattern).map_err(|error| InvalidPattern { source: error.into() })
    }

    pub(super) fn admit(&self, name: &str) -> bool {
        match self {
            Self::SnakeCase => is_snake_case(name),
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

fn is_snake_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('_').all(is_word)
}

#[cfg(test)]
mod tests {
    use heck::ToSnakeCase;

    use super::*;

    #[test]
    fn snake_case_is_distinguished_from_other_styles() {
        for name in ["a", "new_checkout", "search_v2", "s3_upload"] {
            assert!(is_snake_case(name), "{name}");
        }
        for name in ["", "_a", "a_", "a__b", "newCheckout", "new-checkout", "2fa", "größe", "A"] {
            assert!(!is_snake_case(name), "{name}");
        }
    }

    #[test]
    fn names_are_converted_to_snake_case() {
        for (name, snake) in [
            ("newCheckout", "new_checkout"),
            ("New Checkout!", "new_checkout"),
            ("payments.v2", "payments_v2"),
            ("search-v2", "search_v2"),
            ("searchV2", "search_v2"),
            ("HTTP2", "http2"),
            ("__a__b", "a_b"),
        ] {
            assert_eq!(name.to_snake_case(), snake);
        }
    }

    #[test]
    fn a_pattern_has_to_match_the_whole_name() {
        let names = Names::pattern("[a-z]+|x-[0-9]+").unwrap();

        assert!(names.admit("abc") && names.admit("x-1"));
        assert!(!names.admit("abc1") && !names.admit("y-1"));
        assert!(Names::pattern("(").is_err() && Names::pattern("a)(b").is_err());
    }
}
