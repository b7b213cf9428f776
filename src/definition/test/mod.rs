//! Tests of flags, in the file that declares them.
//!
//! `[[flags.NAME.tests]]` has an evaluation context, an optional time, and the expected answer. The
//! tests of a file are kept beside its flags and not in their definitions, so that they cost
//! nothing once the file is published.

mod because;
mod declared;
mod decode;
mod flags;
mod keys;
mod result;
mod run;

use self::result::Ran;
pub use self::{declared::Expected, result::TestResult};
pub(super) use self::{
    declared::Tests,
    decode::decode,
    keys::{ATTRIBUTES, EXPECT, GROUPS, KEYS, TESTS, TIME},
    run::{run, settle},
};
use super::diagnostic::{Diagnostics, locations};

/// The results of all tests of a file. Made by [`FlagsFile::test`](super::FlagsFile::test).
#[derive(Debug, Clone)]
pub struct TestRun {
    results: Vec<TestResult>,
    diagnostics: Diagnostics,
}

impl TestRun {
    pub(super) fn new(name: &str, text: &str, mut ran: Vec<Ran>) -> Self {
        ran.sort_by_key(|ran| ran.place.start);
        let places: Vec<_> = ran.iter().map(|ran| ran.place.start).collect();
        for (ran, location) in ran.iter_mut().zip(locations(text, places)) {
            ran.result.location = location;
        }
        let (results, failures): (Vec<_>, Vec<_>) =
            ran.into_iter().map(|ran| (ran.result, ran.failure)).unzip();
        let failures = failures.into_iter().flatten().collect();
        let diagnostics = Diagnostics::new(name, text, failures);
        Self { results, diagnostics }
    }

    /// Returns one result per test, in the order of the file. Rejected flags are not tested.
    #[must_use]
    pub fn results(&self) -> &[TestResult] {
        &self.results
    }

    /// Returns the failures as problems of the file, with the expected answer, the actual answer,
    /// and its cause.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Returns the results of one environment alone.
    #[must_use]
    pub fn of_environment(mut self, name: &str) -> Self {
        self.results.retain(|result| result.environment.as_deref() == Some(name));
        self.diagnostics = self.diagnostics.of(name);
        self
    }

    /// Returns `true` if all tests passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.results.iter().all(TestResult::passed)
    }
}
