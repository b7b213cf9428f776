//! The branch of code that stays when a flag goes.

use std::sync::LazyLock;

use regex::Regex;

/// A branch of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    If,
    Else,
}

impl Branch {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Else => "else",
        }
    }
}

/// Returns the branch that runs when the flag that the line names at `column` is `on`. `None` if the line alone does
/// not show the branch, such as in a longer condition.
pub(crate) fn branch(line: &str, column: usize, on: bool) -> Option<Branch> {
    static CONDITION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^\w.])(?P<word>if|elif|elsif|unless)\b(?P<condition>[^;{}]*)$").ok()
    });
    static MORE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"&&|\|\||==|!=|\b(?:and|or|else|is)\b").ok());
    let (before, after) = line.split_at_checked(column)?;
    let found = CONDITION.as_ref()?.captures(before)?;
    let condition = found.name("condition")?.as_str();
    let more = MORE.as_ref()?;
    // A trailing block is not part of the condition.
    let rest = after.split(['{', ';']).next().unwrap_or(after);
    if more.is_match(condition) || more.is_match(rest) {
        return None;
    }
    let words = condition.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '!');
    let nots = words.filter(|word| *word == "not").count() + condition.matches('!').count();
    let unless = usize::from(&found["word"] == "unless");
    let is_if = ((nots + unless) % 2 == 0) == on;
    Some(if is_if { Branch::If } else { Branch::Else })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_that_runs_is_found() {
        for (line, on, off) in [
            ("if flags.is_enabled(KEY, &context) {", Branch::If, Branch::Else),
            ("    if !flags.is_enabled(KEY) { old() }", Branch::Else, Branch::If),
            ("} else if (flags.isEnabled('KEY')) {", Branch::If, Branch::Else),
            ("elif not flags.is_enabled(KEY):", Branch::Else, Branch::If),
            ("unless enabled?(:KEY)", Branch::Else, Branch::If),
        ] {
            let column = line.find("KEY").unwrap();
            assert_eq!(branch(line, column, true), Some(on), "{line}");
            assert_eq!(branch(line, column, false), Some(off), "{line}");
        }
    }

    #[test]
    fn no_branch_is_reported_for_an_unclear_line() {
        for line in [
            "let on = flags.is_enabled(KEY);",
            "if flags.is_enabled(KEY) && beta {",
            "if admin or flags.is_enabled(KEY):",
            "if flags.is_enabled(KEY) == false {",
            "x = a if flags.is_enabled(KEY) else b",
            "if ready { flags.is_enabled(KEY) }",
            "self.if(KEY)",
        ] {
            assert_eq!(branch(line, line.find("KEY").unwrap(), true), None, "{line}");
        }
    }
}
