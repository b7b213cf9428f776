//! Regular expressions and globs.

use globset::GlobBuilder;
use regex::bytes::{Regex, RegexBuilder};

use super::scalar::Case;
use crate::model::InvalidOperand;

/// The largest size of one compiled expression, in bytes. A match takes time that is linear in the
/// string, whatever the expression.
const SIZE_LIMIT: usize = 1 << 20;

/// Expressions; a string matches if any of them does.
#[derive(Debug)]
pub(crate) struct Patterns(Box<[Regex]>);

impl Patterns {
    pub(super) fn new(patterns: Vec<Regex>) -> Self {
        Self(patterns.into())
    }

    pub(super) fn match_text(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(text.as_bytes()))
    }
}

pub(super) fn regex(text: &str, case: Case) -> Result<Regex, InvalidOperand> {
    compile(text, case).map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => InvalidOperand::new(format!(
            "the regular expression is larger than {limit} bytes when it is compiled"
        )),
        // The message has several lines; the last one has the reason.
        error => {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            let last = last.trim_start_matches("error: ");
            InvalidOperand::not(format!("a regular expression: {last}"))
        }
    })
}

pub(super) fn glob(text: &str, case: Case) -> Result<Regex, InvalidOperand> {
    let glob = GlobBuilder::new(text)
        .case_insensitive(case == Case::Ignored)
        .build()
        .map_err(|error| InvalidOperand::not(format!("a glob: {}", error.kind())))?;
    compile(glob.regex(), Case::Exact).map_err(|_| InvalidOperand::new("the glob is too large"))
}

fn compile(text: &str, case: Case) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(case == Case::Ignored)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_whole_text() {
        let matches = |pattern: &str, text: &str| {
            glob(pattern, Case::Exact).unwrap().is_match(text.as_bytes())
        };

        assert!(matches("*@example.com", "ana@example.com"));
        assert!(!matches("*@example.com", "ana@example.com.evil"));
        assert!(matches("/api/*", "/api/users/1"));
        assert!(matches("{de,at}-*", "at-wien"));
        assert!(matches("zähler*", "zähler-1"));
        assert!(!matches("sm-?", "SM-1"));
        assert!(glob("sm-?", Case::Ignored).unwrap().is_match(b"SM-1"));
        assert!(glob("[a", Case::Exact).is_err());
    }

    #[test]
    fn an_expression_that_is_too_large_is_refused() {
        assert!(regex("a{5}", Case::Exact).is_ok());
        let error = regex(r"\w{1000}", Case::Exact).unwrap_err();
        assert!(error.message.contains("larger than"), "{error}");
        let error = regex("(a", Case::Exact).unwrap_err();
        assert_eq!(error.message, "not a regular expression: unclosed group");
    }
}
