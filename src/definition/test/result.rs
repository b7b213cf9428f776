//! The result of one test.

use std::{ops::Range, time::SystemTime};

use super::declared::Expected;
use crate::{
    definition::diagnostic::{Diagnostic, Location},
    model::Answer,
};

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

/// A test that was run. Its location is set later.
pub(in crate::definition) struct Ran {
    pub(super) result: TestResult,
    /// The place of the expectation.
    pub(super) place: Range<usize>,
    /// The problem to report, if the test failed.
    pub(super) failure: Option<Diagnostic>,
}
