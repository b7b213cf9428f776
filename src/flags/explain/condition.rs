//! The trace of conditions, and the distance of a rule from matching.

use super::{ComparisonTrace, ConditionTrace, FlagTrace, NestedTrace, Shown, record::Record};
use crate::{
    eval::{self, Need},
    flags::Snapshot,
    model::{Comparison, Condition, Context, Prerequisite, Rule},
};

/// A tracer that numbers the comparisons of rules as evaluation does: in the order in which they
/// are written, with all segments expanded.
pub(super) struct Tracer<'a, 'c> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) record: &'a Record,
    pub(super) context: &'a Context<'c>,
    /// The number of the next comparison.
    pub(super) next: usize,
    /// Set inside of an `unless`.
    pub(super) in_unless: bool,
    /// The flags in no state, because of which an `unless` was not evaluated.
    pub(super) lost: Vec<String>,
}

impl Tracer<'_, '_> {
    /// Traces both conditions of a rule.
    pub(super) fn rule(&mut self, rule: &Rule) -> (ConditionTrace, Option<ConditionTrace>) {
        let when = self.trace(&rule.when, true);
        (when, rule.unless.as_ref().map(|unless| self.unless(unless)))
    }

    /// Traces a condition whose truth value evaluation compares with `wanted`.
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
            Condition::Unless(unless) => {
                ConditionTrace::Unless(NestedTrace(Box::new(self.unless(unless.condition()))))
            }
            Condition::Flag(flag) => ConditionTrace::Flag(self.flag(flag, wanted)),
            Condition::Segment(segment) => ConditionTrace::Segment(
                segment.name().to_owned(),
                self.nested(segment.when(), wanted),
            ),
        }
    }

    fn nested(&mut self, condition: &Condition, wanted: bool) -> NestedTrace {
        NestedTrace(Box::new(self.trace(condition, wanted)))
    }

    /// Traces a condition that must not be true. Evaluation checks the state of each flag in an outermost
    /// `unless` before it evaluates the condition.
    fn unless(&mut self, condition: &Condition) -> ConditionTrace {
        let is_nested = std::mem::replace(&mut self.in_unless, true);
        if !is_nested {
            for flag in eval::asked_once(condition) {
                if self.record.outcome(self.next) == Some(None) {
                    self.lost.push(flag.flag.clone());
                }
                self.next += 1;
            }
        }
        let trace = self.trace(condition, true);
        self.in_unless = is_nested;
        trace
    }

    fn flag(&mut self, flag: &Prerequisite, wanted: bool) -> FlagTrace {
        let lost = || self.lost.contains(&flag.flag).then_some(None);
        let made = self.record.outcome(self.next).or_else(lost);
        self.next += 1;
        let need = Need::of(flag, &self.snapshot.names);
        let evaluation = self.snapshot.needed(need.slot, self.context);
        let holds = match made {
            Some(outcome) => outcome.map(|holds| holds == wanted),
            None => need.holds_for(evaluation, self.context),
        };
        FlagTrace {
            flag: flag.flag.clone(),
            state: flag.state.clone(),
            answer: evaluation.map(|evaluation| self.snapshot.gate(&evaluation, self.context)),
            holds,
            was_needed: made.is_some(),
        }
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
            reads_numbers: comparison.reads_numbers(),
            seen: eval::seen(comparison.place(), self.context).into(),
            holds,
            was_needed: made.is_some(),
        }
    }
}

/// The comparison that would need another outcome for a rule to match, if one is enough.
pub(super) enum Distance<'t> {
    None,
    /// A comparison, or a condition on another flag.
    One(&'t ConditionTrace),
    Many,
}

/// The truth that a condition has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    True,
    False,
    /// False or unknown.
    NotTrue,
    /// True or unknown.
    NotFalse,
}

impl Goal {
    const fn is_met(self, holds: Option<bool>) -> bool {
        match (self, holds) {
            (Self::True, Some(holds)) | (Self::NotFalse, Some(holds)) => holds,
            (Self::False, Some(holds)) | (Self::NotTrue, Some(holds)) => !holds,
            (goal, None) => matches!(goal, Self::NotTrue | Self::NotFalse),
        }
    }

    const fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::NotTrue => Self::NotFalse,
            Self::NotFalse => Self::NotTrue,
        }
    }

    const fn is_positive(self) -> bool {
        matches!(self, Self::True | Self::NotFalse)
    }
}

impl<'t> Distance<'t> {
    /// Measures the distance of a rule from matching.
    pub(super) fn of(when: &'t ConditionTrace, unless: Option<&'t ConditionTrace>) -> Self {
        Self::from(when, Goal::True).and(unless.map_or(Self::None, |it| Self::of_unless(it, true)))
    }

    /// Measures the distance of an `unless` from being true or false.
    fn of_unless(condition: &'t ConditionTrace, wanted: bool) -> Self {
        // The condition is unknown because of this flag alone.
        match (lost(condition), wanted) {
            (Some(flag), _) => Self::One(flag),
            (None, true) => Self::from(condition, Goal::NotTrue),
            (None, false) => Self::from(condition, Goal::True),
        }
    }

    fn from(condition: &'t ConditionTrace, goal: Goal) -> Self {
        match condition {
            ConditionTrace::Compare(ComparisonTrace { holds, .. })
            | ConditionTrace::Flag(FlagTrace { holds, .. }) => match goal.is_met(*holds) {
                true => Self::None,
                false => Self::One(condition),
            },
            ConditionTrace::Not(one) => Self::from(one, goal.negated()),
            ConditionTrace::Unless(one) => Self::of_unless(one, goal.is_positive()),
            ConditionTrace::Segment(_, one) => Self::from(one, goal),
            ConditionTrace::All(parts) | ConditionTrace::Any(parts) => {
                let parts = parts.iter().map(|one| Self::from(one, goal));
                match matches!(condition, ConditionTrace::All(_)) == goal.is_positive() {
                    true => parts.fold(Self::None, Self::and),
                    false => parts.fold(Self::Many, Self::or),
                }
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

/// Returns a flag in a condition that is in no state.
fn lost(condition: &ConditionTrace) -> Option<&ConditionTrace> {
    match condition {
        ConditionTrace::Flag(FlagTrace { holds: None, .. }) => Some(condition),
        ConditionTrace::Flag(_) | ConditionTrace::Compare(_) => None,
        ConditionTrace::All(parts) | ConditionTrace::Any(parts) => parts.iter().find_map(lost),
        ConditionTrace::Not(part) | ConditionTrace::Unless(part) => lost(part),
        ConditionTrace::Segment(_, part) => lost(part),
    }
}
