//! The tests of a file, as they are declared.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc, time::SystemTime};

use crate::{model::Context, text::line};

/// The tests of a file, by flag.
pub(in crate::definition) type Tests = BTreeMap<Arc<str>, FlagTests>;

/// The tests of one flag.
#[derive(Debug, Clone)]
pub(in crate::definition) struct FlagTests {
    pub(super) list: Vec<Test>,
    /// The places of the flag's settings and rules, to show which of them decided.
    pub(super) settings: BTreeMap<String, Range<usize>>,
    pub(super) rules: Vec<Range<usize>>,
}

/// One test.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) name: Option<String>,
    pub(super) context: Context<'static>,
    pub(super) time: Option<SystemTime>,
    pub(super) expected: Expected,
    /// The place of the expectation.
    pub(super) span: Range<usize>,
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
