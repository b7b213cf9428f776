//! What conditions asked, and how near a rule came to matching.

use super::{ComparisonTrace, ConditionTrace, NestedTrace, Shown, record::Record};
use crate::{
    eval,
    model::{Comparison, Condition, Context},
};

/// Numbers the comparisons of rules as evaluation does: in the order in which they are written,
/// with all segments written out.
pub(super) struct Tracer<'a, 'c> {
    pub(super) record: &'a Record,
    pub(super) context: &'a Context<'c>,
    /// The place of the next comparison.
    pub(super) next: usize,
}

impl Tracer<'_, '_> {
    /// Traces a condition of which evaluation wants to know whether it is `wanted`.
    pub(super) fn trace(&mut self, condition: &Condition, wanted: bool) -> ConditionTrace {
        match condition {
            Condition::Compare(comparison) => {
                ConditionTrace::Compare(self.compare(comparison, wanted))
            }
            Condition::All(all) => {
                ConditionTrace::All(all.iter().map(|one| self.trace(one, wanted)).collect())
            }
            Condition::Any(any) => {
                ConditionTrace::Any(any.iter().map(|one| self.trace(one, wanted)).collect())
            }
            Condition::Not(not) => ConditionTrace::Not(self.nested(not.condition(), !wanted)),
            Condition::Segment(segment) => ConditionTrace::Segment(
                segment.name().to_owned(),
                self.nested(segment.when(), wanted),
            ),
        }
    }

    fn nested(&mut self, condition: &Condition, wanted: bool) -> NestedTrace {
        NestedTrace(Box::new(self.trace(condition, wanted)))
    }

    fn compare(&mut self, comparison: &Comparison, wanted: bool) -> ComparisonTrace {
        let made = self.record.outcome(self.next);
        self.next += 1;
        let holds = match made {
            Some(outcome) => outcome.map(|holds| holds == wanted),
            None => eval::compare(comparison, self.context),
        };
        ComparisonTrace {
            attribute: comparison.attribute().to_owned(),
            operator: comparison.operator(),
            operand: Shown::Value(comparison.operand().clone()),
            case: comparison.case(),
            seen: eval::seen(comparison.place(), self.context).into(),
            holds,
            was_needed: made.is_some(),
        }
    }
}

/// The comparisons that would have to come out the other way, if fewer than two would do.
pub(super) enum Distance<'t> {
    None,
    One(&'t ComparisonTrace),
    Many,
}

impl<'t> Distance<'t> {
    /// How far a condition is from being `wanted`.
    pub(super) fn of(condition: &'t ConditionTrace, wanted: bool) -> Self {
        match (condition, wanted) {
            (ConditionTrace::Compare(comparison), _) => match comparison.holds {
                Some(holds) if holds == wanted => Self::None,
                _ => Self::One(comparison),
            },
            (ConditionTrace::Not(one), _) => Self::of(one, !wanted),
            (ConditionTrace::Segment(_, one), _) => Self::of(one, wanted),
            (ConditionTrace::All(all), true) | (ConditionTrace::Any(all), false) => {
                all.iter().fold(Self::None, |sum, one| sum.and(Self::of(one, wanted)))
            }
            (ConditionTrace::Any(any), true) | (ConditionTrace::All(any), false) => {
                any.iter().fold(Self::Many, |least, one| least.or(Self::of(one, wanted)))
            }
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, one) | (one, Self::None) => one,
            _ => Self::Many,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::One(first), _) | (_, Self::One(first)) => Self::One(first),
            (Self::Many, Self::Many) => Self::Many,
        }
    }
}
