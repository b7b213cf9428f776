//! Observers of the steps of an evaluation.

use super::need::{Need, Step};
use crate::model::Field;

/// An observer that is called with each step of an evaluation as it is made. A plain evaluation
/// uses `()`, which compiles to nothing.
pub(crate) trait Visitor {
    /// Records that a required flag was evaluated.
    fn required(&mut self, _step: &Step, _is_met: bool) {}

    /// Records that a required flag was evaluated, with all flags that decide about it.
    fn needed(&mut self, _need: &Need, _is_met: bool) {}

    /// Records that a list of users or of groups was searched.
    fn listed(&mut self, _list: Field, _is_on_it: bool) {}

    /// Records a comparison of the rules, in the order in which they are written; `None` if it
    /// could not be made. A negated comparison is true when the comparison itself is false.
    fn compared(&mut self, _step: usize, _outcome: Option<bool>) {}

    /// Records that a rule matched.
    fn matched(&mut self, _rule: usize) {}

    /// Records the hash of the unit that a bucket is drawn by, before the draw.
    fn drawing_by(&mut self, _unit: u64) {}

    /// Records the bucket of a draw; `None` if the context has no unit.
    fn drew(&mut self, _draw: Draw, _bucket: Option<u64>) {}
}

/// An observer that records nothing.
impl Visitor for () {}

/// The purpose of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Draw {
    /// The percentage of the flag, or of its rollout's stage.
    Percentage,
    /// The percentage of the rule that matched.
    Rule,
    /// The variants of the rule that matched.
    Split,
    /// The share of users who are drawn into variants.
    Traffic,
    /// The variants of the flag.
    Variant,
}
