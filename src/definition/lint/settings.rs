//! The lints of a run: their levels, the convention for names, and the files to compare with.

use std::collections::BTreeMap;

use super::convention::{InvalidPattern, Names};
use crate::definition::{Code, FlagsFile, Severity, file::Whole, severity::Level};

/// The lints to check for, and the level of each.
///
/// # Example
///
/// ```
/// use std::time::SystemTime;
///
/// use flagstaff::definition::{Code, lint::Lints};
///
/// let text = "[flags.new_checkout]\ndenied_users = [\"ana\", \"bob\", \"ana\"]\n";
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
/// warning[duplicate-entry]: `ana` is in `denied_users` of flag `new_checkout` twice
///  --> flags.toml:2:31
///   |
/// 2 | denied_users = ["ana", "bob", "ana"]
///   |                 -----         ^^^^^ repeated here
///   |                 |
///   |                 first here
///   |
/// help: remove it
///   |
/// 2 - denied_users = ["ana", "bob", "ana"]
/// 2 + denied_users = ["ana", "bob"]
///   |
/// "#
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lints {
    levels: BTreeMap<Code, Level>,
    pub(super) names: Names,
    pub(super) before: Option<String>,
    /// The files below, the weakest first.
    pub(super) below: Vec<FlagsFile>,
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

    /// Checks the text as a file over another one, which may have the rest of a flag. Of several
    /// files below, the weakest is added first, each later one parsed with
    /// [`FlagsFile::parse_partial`].
    ///
    /// Flags are checked as they are after the merge, in `[flags]` and in each environment. This
    /// finds values of another type than below, variants that no file has, and cycles. Tests run
    /// with the flags of the text alone.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::definition::{FlagsFile, lint::Lints};
    ///
    /// let shared = FlagsFile::parse("shared.toml", "[flags.max_upload_mb]\nvalue = 50\n");
    /// let own = "[flags.max_upload_mb]\nvalue = \"50\"\n";
    ///
    /// let found = Lints::new().over(shared).check("own.toml", own, SystemTime::now());
    ///
    /// assert_eq!(
    ///     found.to_string(),
    ///     r#"error[mixed-types]: flag `max_upload_mb` has values of another type
    ///  --> own.toml:2:9
    ///   |
    /// 2 | value = "50"
    ///   |         ^^^^ this is a string
    ///   |
    /// help: in `shared.toml:1`, it is a number
    /// "#
    /// );
    /// ```
    #[must_use]
    pub fn over(mut self, below: FlagsFile) -> Self {
        self.below.push(below);
        self
    }

    /// Returns the completeness of the flags of the text.
    pub(super) fn whole(&self) -> Whole<'_> {
        match &*self.below {
            [] => Whole::Yes,
            below if self.has_below() => Whole::Over(below),
            _ => Whole::No,
        }
    }

    /// Returns `true` if a file below has a flag, even one with errors.
    pub(super) fn is_below(&self, flag: &str) -> bool {
        self.below.iter().any(|file| file.lines().flag(flag).is_some())
    }

    /// Returns `false` if a file below cannot be read, so that its flags are not known.
    pub(super) fn has_below(&self) -> bool {
        self.below.iter().all(FlagsFile::is_usable)
    }
}
