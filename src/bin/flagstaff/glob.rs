//! Patterns for the names of flags, and for owners, tags and the like.

use globset::{Glob, GlobMatcher};

use crate::text::clean;

/// The notation of globs, for the help of commands that take them.
macro_rules! notation {
    () => {
        "\
Globs: `*` matches any string, `?` one byte, `[ab]` one of these, `{a,b}`
either. A glob has to match the whole string. In a shell, it needs quotes."
    };
}

pub(crate) use notation;

/// A glob as ripgrep writes them, and as the operator `glob` reads them.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(GlobMatcher);

impl Pattern {
    /// Parses a glob; `None` for a string without the characters of globs.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        text.contains(['*', '?', '[', '{']).then(|| {
            let glob = Glob::new(text)
                .map_err(|error| format!("`{}` is not a glob: {}", clean(text), error.kind()))?;
            Ok(Self(glob.compile_matcher()))
        })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// A string to find: an exact one, or a glob.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    Exactly(String),
    Like(Pattern),
}

impl Wanted {
    /// Parses a string or a glob; fails for an incomplete glob.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match Pattern::parse(text) {
            None => Ok(Self::Exactly(text.to_owned())),
            Some(pattern) => pattern.map(Self::Like),
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
    use flagstaff::{
        Context, Definition, Flags, Memory, Percentage,
        definition::{Condition, Operator, Rule, Serve},
    };

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
            // A letter beyond ASCII has several bytes.
            ("gr??e", "grße"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a*c", "abb"), ("b*", "abc"), ("*b", "abc"), ("?", "ab"), ("gr?e", "grße")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_plain_name_is_not_a_glob_and_an_incomplete_glob_is_an_error() {
        assert!(Pattern::parse("new_checkout").is_none());
        assert!(Pattern::parse("new_[a").unwrap().is_err());
        assert_eq!(
            Wanted::parse("new_[a").unwrap_err(),
            Pattern::parse("new_[a").unwrap().unwrap_err()
        );
    }

    #[tokio::test]
    async fn the_operator_glob_and_the_command_read_a_glob_alike() {
        let texts = ["", "abc", "a/b/c", "b_new", "old_a", "grße", "gr?e"];
        for pattern in ["*", "a*c", "a/**/c", "?b?", "[ab]*", "[!a]*", "{old,b}_*", "gr?e", "gr??e"]
        {
            let globbed = Condition::compare("text", Operator::Glob, pattern).unwrap();
            let rule = Rule::new(globbed, Serve::On);
            let flag = Definition::new().percentage(Percentage::ZERO).rules([rule]);
            let start = Flags::builder().source(Memory::new().with("a", flag)).start();
            let flags = start.await.unwrap();

            for text in texts {
                let context = Context::anonymous().attribute("text", text);
                assert_eq!(
                    flags.is_enabled("a", &context),
                    matches(pattern, text),
                    "{pattern} {text}"
                );
            }
        }
    }
}
