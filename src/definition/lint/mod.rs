//! Lints of flags.toml: checks for settings that are valid but probably a mistake.
//!
//! [`FlagsFile::parse`](crate::definition::FlagsFile::parse) reports mistakes that prevent
//! publishing, and a few warnings that cost nothing to find. [`Lints`] find more, on request:
//! before a commit, in continuous integration, in an editor. Their findings are [`Diagnostics`]
//! like all others, with a [`Code`] that can be allowed, warned of or denied.
//!
//! Every code is explained by [`Code::explanation`], and by the page `src/docs/codes.md`, which is
//! generated from these explanations.

mod effect;
mod environments;
mod file;
mod implies;
mod lists;
mod located;
mod metadata;
mod names;
mod negated;
mod never;
mod off;
mod redraw;
mod segments;
mod unreachable;

use std::{collections::BTreeMap, time::SystemTime};

pub use self::names::InvalidPattern;
use self::{
    file::{File, Found},
    names::Names,
};
pub use super::severity::Level;
use super::{Code, Diagnostics, FlagsFile, Severity, file::Whole};

/// A check of one family of lints.
type Check = fn(&File<'_>, &mut Found<'_>);

/// All checks. A new lint needs a function here, a row among the [`Code`]s, and two files in
/// tests/data/lint.
const CHECKS: &[Check] = &[
    metadata::check,
    names::check,
    lists::check,
    effect::check,
    never::check,
    negated::check,
    off::check,
    unreachable::check,
    segments::check,
    environments::check,
    redraw::check,
];

/// The checks that run on the entries of each environment alone, too.
const ENTRY_CHECKS: &[Check] = &[lists::check, never::check, negated::check, unreachable::check];

/// The lints to check for, and the level of each.
///
/// # Example
///
/// ```
/// use std::time::SystemTime;
///
/// use flagstaff::definition::{Code, lint::Lints};
///
/// let text = "[flags.new_checkout]\nallowed_users = [\"ana\", \"bob\", \"ana\"]\n";
///
/// let found = Lints::new().deny(Code::MissingOwner).check("flags.toml", text, SystemTime::now());
///
/// assert!(found.has_errors());
/// assert_eq!(
///     found.to_string(),
///     r#"error[missing-owner]: flag `new_checkout` has no owner
///  --> flags.toml:1:8
///   |
/// 1 | [flags.new_checkout]
///   |        ^^^^^^^^^^^^ who is responsible for it?
///   |
/// help: add `owner = "…"`
///
/// warning[duplicate-entry]: `ana` is in `allowed_users` of flag `new_checkout` twice
///  --> flags.toml:2:32
///   |
/// 2 | allowed_users = ["ana", "bob", "ana"]
///   |                  -----         ^^^^^ repeated here
///   |                  |
///   |                  first here
///   |
/// help: remove it
///   |
/// 2 - allowed_users = ["ana", "bob", "ana"]
/// 2 + allowed_users = ["ana", "bob"]
///   |
/// "#
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lints {
    levels: BTreeMap<Code, Level>,
    names: Names,
    before: Option<String>,
    whole: Whole,
}

impl Lints {
    /// Makes a set of lints with every code at its default [level](Code::level).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Does not report `code`. An error of the file itself is reported nevertheless, because the
    /// affected flags are not published.
    #[must_use]
    pub fn allow(self, code: Code) -> Self {
        self.set(code, Level::Allow)
    }

    /// Reports `code` as a warning. An error of the file itself stays an error.
    #[must_use]
    pub fn warn(self, code: Code) -> Self {
        self.set(code, Level::Warn)
    }

    /// Reports `code` as an error.
    #[must_use]
    pub fn deny(self, code: Code) -> Self {
        self.set(code, Level::Deny)
    }

    /// Sets the level of `code`; see [`allow`](Self::allow), [`warn`](Self::warn) and
    /// [`deny`](Self::deny).
    #[must_use]
    pub fn set(mut self, code: Code, level: Level) -> Self {
        self.levels.insert(code, level);
        self
    }

    /// Returns the level of `code`.
    #[must_use]
    pub fn level(&self, code: Code) -> Level {
        match (code.severity(), self.levels.get(&code)) {
            (Severity::Error, _) => Level::Deny,
            (Severity::Warning, Some(&level)) => level,
            (Severity::Warning, None) => code.level(),
        }
    }

    /// Sets the convention for names of flags and segments: all of a name has to match `pattern`, a
    /// regular expression. Without this, names have to be in snake_case.
    ///
    /// # Errors
    ///
    /// Fails if the pattern is not a regular expression of the `regex` crate.
    pub fn names(self, pattern: &str) -> Result<Self, InvalidPattern> {
        Ok(Self { names: Names::pattern(pattern)?, ..self })
    }

    /// Compares the text with the one before the edit, to find [`Code::RedrawsUsers`] and
    /// [`Code::RemovedFlag`].
    #[must_use]
    pub fn against(self, before: impl Into<String>) -> Self {
        Self { before: Some(before.into()), ..self }
    }

    /// Lets flags be partial, as [`FlagsFile::parse_partial`] does.
    #[must_use]
    pub fn partial(self) -> Self {
        Self { whole: Whole::No, ..self }
    }

    /// Returns all problems of `text`: those of
    /// [`FlagsFile::parse`](crate::definition::FlagsFile::parse), and those that lints find.
    ///
    /// This never fails. Flags with errors are not linted, and neither is a file that is not
    /// usable. A test of a flag that fails at the instant `now` is an error. [`Code::Expired`] is
    /// about the instant `now`, too.
    #[must_use]
    pub fn check(&self, name: &str, text: &str, now: SystemTime) -> Diagnostics {
        let reading = FlagsFile::read(name, text, self.whole);
        let mut found = Found::new(self, reading.file.diagnostics().as_slice().to_vec());
        if reading.file.is_usable() {
            let file = File::new(text, &reading, now);
            for check in CHECKS {
                check(&file, &mut found);
            }
            for environment in &file.environments {
                let entries = file.entries(environment);
                found.environment = Some(environment.name.to_owned());
                for check in ENTRY_CHECKS {
                    check(&entries, &mut found);
                }
                found.environment = None;
            }
            found.problems.extend(reading.file.test(now).diagnostics().as_slice().to_vec());
        }
        let mut problems = found.problems;
        problems.retain_mut(|problem| {
            let level = self.level(problem.code);
            problem.severity = match level {
                Level::Deny => Severity::Error,
                Level::Allow | Level::Warn => Severity::Warning,
            };
            level > Level::Allow
        });
        Diagnostics::new(name, text, problems)
    }
}
