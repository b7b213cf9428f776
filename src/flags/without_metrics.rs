//! A stand-in for `metrics` without the feature, which counts nothing.

use std::time::SystemTime;

use super::{ChangeCause, Health};
use crate::observe::Outcome;

/// Counts that are never kept.
#[derive(Debug)]
pub(super) struct Untold;

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Untold {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn failed(&mut self, _source: &'static str, _kind: &'static str) {}

    pub(super) fn refused(&mut self, _source: &'static str, _flags: usize) {}

    pub(super) fn warned(&mut self, _source: &'static str, _kind: &'static str) {}

    pub(super) fn published(&mut self, _cause: ChangeCause) {}
}

/// A counter that counts nothing.
#[derive(Debug)]
pub(super) struct Mismatch;

pub(super) fn mismatch(_flag: &str, _expected: &'static str) -> Mismatch {
    Mismatch
}

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Mismatch {
    pub(super) fn count(&self) {}
}

pub(super) fn evaluated(_flag: &str, _outcome: &Outcome, _count: u64) {}

pub(super) fn describe() {}

pub(super) fn record(_untold: &Untold, _health: &Health, _now: SystemTime) {}
