//! What happens on the way to an answer, for those who want to know.

use super::{linked::Need, requirements::Step};
use crate::model::Field;

/// Is told each step of an evaluation as it is made. Evaluating plainly is evaluating with `()`,
/// for which all of this is nothing.
pub(crate) trait Visitor {
    /// A flag that is required was looked at.
    fn required(&mut self, _step: &Step, _is_met: bool) {}

    /// A flag that is required was looked at, with all that decides about it.
    fn needed(&mut self, _need: &Need, _is_met: bool) {}

    /// A list of users or of groups was looked at.
    fn listed(&mut self, _list: Field, _is_on_it: bool) {}

    /// A comparison of the rules was made, in the order in which they are written; `None` if it
    /// could not be. A negated one is true when what it negates is false.
    fn compared(&mut self, _step: usize, _outcome: Option<bool>) {}

    /// A rule matched.
    fn matched(&mut self, _rule: usize) {}

    /// A bucket was drawn; `None` if there was nothing to draw it by.
    fn drew(&mut self, _draw: Draw, _bucket: Option<u64>) {}
}

/// Nobody wants to know.
impl Visitor for () {}

/// What a bucket was drawn for.
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
