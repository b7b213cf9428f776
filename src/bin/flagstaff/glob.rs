//! Patterns for the names of flags.

use globset::{Glob, GlobMatcher};

/// A glob as ripgrep writes them: `*` is any text, `?` any character, `[ab]` one of these, `{a,b}` either.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(GlobMatcher);

impl Pattern {
    /// Reads a glob; `None` if the text has nothing that makes it one.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        text.contains(['*', '?', '[', '{']).then(|| {
            let glob = Glob::new(text).map_err(|error| error.to_string())?;
            Ok(Self(glob.compile_matcher()))
        })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().unwrap().matches(name)
    }

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name) in [
            ("*", "a.b/c"),
            ("a*c", "abbc"),
            ("*b*", "abc"),
            ("?b?", "abc"),
            ("[ab]_new", "b_new"),
            ("{old,new}_*", "new_checkout"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a*c", "abb"), ("b*", "abc"), ("*b", "abc"), ("?", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_name_is_no_glob_and_half_a_glob_is_an_error() {
        assert!(Pattern::parse("new_checkout").is_none());
        assert!(Pattern::parse("new_[a").unwrap().is_err());
    }
}
