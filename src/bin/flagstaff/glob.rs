//! Patterns for the names of flags, and for owners, tags and the like.

use globset::{Glob, GlobMatcher};

/// A glob as ripgrep writes them: `*` is any text, `?` one byte, `[ab]` one of these, `{a,b}` either.
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

/// A string that is asked for: exactly, or by a glob.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    Exactly(String),
    Like(Pattern),
}

impl Wanted {
    /// Reads a string or a glob; fails for half a glob.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match Pattern::parse(text) {
            None => Ok(Self::Exactly(text.to_owned())),
            Some(Ok(pattern)) => Ok(Self::Like(pattern)),
            Some(Err(problem)) => Err(format!("`{text}` is not a glob: {problem}")),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == text,
            Self::Like(pattern) => pattern.matches(text),
        }
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
    fn a_plain_name_is_not_a_glob_and_an_incomplete_glob_is_an_error() {
        assert!(Pattern::parse("new_checkout").is_none());
        assert!(Pattern::parse("new_[a").unwrap().is_err());
    }
}
