//! Tests of flags, in the file that declares them.
//!
//! `[[flags.NAME.tests]]` has an evaluation context, an optional time, and the expected answer. The
//! tests of a file are kept beside its flags and not in their definitions, so that they cost
//! nothing once the file is published.

mod because;
mod decode;
mod run;

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc, time::SystemTime};

pub(super) use self::{
    decode::{ATTRIBUTES, EXPECT, GROUPS, KEYS, TESTS, TIME, decode},
    run::{Ran, run, settle},
};
use super::diagnostic::{Diagnostics, Location, locations};
use crate::{
    model::{Answer, Context},
    text::line,
};

/// The tests of a file, by flag.
pub(super) type Tests = BTreeMap<Arc<str>, FlagTests>;

/// The tests of one flag.
#[derive(Debug, Clone)]
pub(super) struct FlagTests {
    list: Vec<Test>,
    /// The places of the flag's settings and rules, to show which of them decided.
    settings: BTreeMap<String, Range<usize>>,
    rules: Vec<Range<usize>>,
}

/// One test.
#[derive(Debug, Clone)]
struct Test {
    name: Option<String>,
    context: Context<'static>,
    time: Option<SystemTime>,
    expected: Expected,
    /// The place of the expectation.
    span: Range<usize>,
}

/// The answer that a test of a flag expects.
///
/// `Display` prints the answer as in a sentence: `on`, `off`, or the name of a variant in
/// backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// `expect = true`: the flag is on, whatever variant it serves.
    On,
    /// `expect = false`: the flag is off.
    Off,
    /// `expect = "control"`: the flag serves this variant, whether it is on or off.
    Variant(String),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Off => f.write_str("off"),
            Self::Variant(name) => write!(f, "`{}`", line(name)),
        }
    }
}

/// The result of one test.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestResult {
    /// The flag key.
    pub flag: String,
    /// The environment in which the flag is tested; `None` outside of all environments.
    pub environment: Option<String>,
    /// The position among the flag's tests there, 0 being the first.
    pub index: usize,
    /// The name of the test, if it has one.
    pub name: Option<String>,
    /// The location of the expectation in the file.
    pub location: Location,
    /// The time at which the flag was evaluated.
    pub time: SystemTime,
    /// The expected answer.
    pub expected: Expected,
    /// The actual answer, with its cause. It names no source, since no source is involved.
    pub answer: Answer<bool>,
}

impl TestResult {
    /// Returns `true` if the answer is the expected one.
    #[must_use]
    pub fn passed(&self) -> bool {
        match &self.expected {
            Expected::On => self.answer.value,
            Expected::Off => !self.answer.value,
            Expected::Variant(name) => self.answer.variant == Some(name),
        }
    }
}

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
