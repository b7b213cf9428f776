//! Lints of flags.toml: checks for settings that are valid but probably a mistake.
//!
//! [`FlagsFile::parse`](crate::definition::FlagsFile::parse) reports mistakes that prevent
//! publishing, and a few warnings that cost nothing to find. [`Lints`] find more, on request:
//! before a commit, in continuous integration, in an editor. Their findings are [`Diagnostics`]
//! like all others, with a [`Code`](super::Code) that can be allowed, warned of or denied.
//!
//! Every code is explained by [`Code::explanation`](super::Code::explanation), and by the page `src/docs/codes.md`, which is
//! generated from these explanations.

mod convention;
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
mod settings;
mod unreachable;

use std::time::SystemTime;

use self::file::{File, Found};
pub use self::{convention::InvalidPattern, settings::Lints};
pub use super::severity::Level;
use super::{Diagnostics, FlagsFile, Severity};

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

impl Lints {
    /// Returns all problems of `text`: those of
    /// [`FlagsFile::parse`](crate::definition::FlagsFile::parse), and those that lints find.
    ///
    /// This never fails. Flags with errors are not linted, and neither is a file that is not
    /// usable. A test of a flag that fails at the instant `now` is an error. [`Code::Expired`](super::Code::Expired) is
    /// about the instant `now`, too.
    #[must_use]
    pub fn check(&self, name: &str, text: &str, now: SystemTime) -> Diagnostics {
        let reading = FlagsFile::read(name, text, self.whole());
        let mut found = Found::new(self, reading.file.diagnostics().as_slice().to_vec());
        if reading.file.is_usable() {
            let file = File::new(text, &reading, now, &self.below);
            for check in CHECKS {
                check(&file, &mut found);
            }
            for environment in &file.environments {
                let entries = file.entries(environment);
                found.environment = Some(environment.name.to_owned());
                for check in ENTRY_CHECKS {
                    check(&entries, &mut found);
                }
                effect::check_merged(&file, environment, &mut found);
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
