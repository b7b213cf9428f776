//! What a flag requires of others, resolved over all flags.

use std::collections::{HashMap, HashSet};

use super::{evaluation::Evaluation, visitor::Visitor};
use crate::model::{Cause, Context, MOST_PREREQUISITES, Slot};

/// A flag that has to be on, and the variant that it has to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) slot: Slot,
    pub(crate) variant: Option<&'static str>,
}

/// Everything that has to hold for a flag to be on, also what the required flags require, so that
/// evaluating it neither recurs nor looks at a flag twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requirements {
    All(Box<[Step]>),
    /// They cannot be met: a flag that is required further on requires itself.
    Unmeetable,
    /// The flag requires itself, over these flags.
    Circle(Vec<Slot>),
    TooMany,
}

impl Requirements {
    /// What `flag` requires, given what each flag requires by itself.
    pub(crate) fn of(flag: Slot, requires: impl Fn(Slot) -> Vec<Step>) -> Self {
        /// Whether the flags that it requires were all looked at.
        enum Visit {
            Begun,
            Done,
        }

        let mut visits = HashMap::from([(flag, Visit::Begun)]);
        let mut path = vec![(flag, requires(flag).into_iter())];
        let mut known = HashSet::new();
        let mut steps = Vec::new();
        let mut has_circle = false;
        while let Some((slot, rest)) = path.last_mut() {
            let Some(step) = rest.next() else {
                visits.insert(*slot, Visit::Done);
                path.pop();
                continue;
            };
            if step.slot == flag {
                return Self::Circle(path.into_iter().map(|(slot, _)| slot).collect());
            }
            if known.insert(step) {
                steps.push(step);
            }
            if steps.len() > MOST_PREREQUISITES {
                return Self::TooMany;
            }
            match visits.get(&step.slot) {
                Some(Visit::Done) => {}
                // Going on may still find that the flag itself is on a circle.
                Some(Visit::Begun) => has_circle = true,
                None => {
                    visits.insert(step.slot, Visit::Begun);
                    path.push((step.slot, requires(step.slot).into_iter()));
                }
            }
        }
        match has_circle {
            true => Self::Unmeetable,
            false => Self::All(steps.into()),
        }
    }

    /// Why the flag is off when they are not met.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::All(_) | Self::Unmeetable => Cause::Prerequisite,
            Self::Circle(_) | Self::TooMany => Cause::InvalidPrerequisites,
        }
    }

    /// Returns whether they hold. `others` evaluates another flag by itself.
    // Apart, since few flags have any.
    #[inline(never)]
    pub(super) fn are_met<'p>(
        &self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<Evaluation<'p>>,
        visitor: &mut impl Visitor,
    ) -> bool {
        let Self::All(steps) = self else { return false };
        let is_met = |step: &Step| {
            let Some(evaluation) = others(step.slot) else { return false };
            let Some(name) = step.variant else { return evaluation.is_on(context) };
            let served = evaluation.served(context, &mut ());
            // A variant that counts as off is served by a flag that is off.
            served.arm.is_some_and(|arm| arm.name == name && (served.on || arm.counts_as_off))
        };
        steps.iter().all(|step| {
            let is_met = is_met(step);
            visitor.required(step, is_met);
            is_met
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements(edges: &[(Slot, Slot)], flag: Slot) -> Requirements {
        Requirements::of(flag, |slot| {
            let from = edges.iter().filter(|(from, _)| *from == slot);
            from.map(|&(_, to)| Step { slot: to, variant: None }).collect()
        })
    }

    fn slots(requirements: &Requirements) -> Vec<Slot> {
        match requirements {
            Requirements::All(steps) => steps.iter().map(|step| step.slot).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_required_by_several_is_looked_at_once() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)];

        assert_eq!(slots(&requirements(&edges, 0)), [1, 3, 4, 2]);
        assert!(slots(&requirements(&edges, 4)).is_empty());
    }

    #[test]
    fn a_circle_is_found_from_every_flag_on_it_and_behind_it() {
        let edges = [(0, 1), (1, 2), (2, 3), (3, 1)];

        assert_eq!(requirements(&edges, 0), Requirements::Unmeetable);
        assert_eq!(requirements(&edges, 1), Requirements::Circle(vec![1, 2, 3]));
        assert_eq!(requirements(&edges, 3), Requirements::Circle(vec![3, 1, 2]));
        assert_eq!(requirements(&[(0, 0)], 0), Requirements::Circle(vec![0]));
    }

    #[test]
    fn a_ladder_with_many_ways_and_a_long_chain_end_soon() {
        let ladder: Vec<_> =
            (0..100).flat_map(|n| [(n, n + 2), (n, n + 3 - 2 * (n % 2))]).collect();
        assert!(slots(&requirements(&ladder, 0)).len() <= 104);

        let chain: Vec<_> = (0..10_000).map(|n| (n, n + 1)).collect();
        assert_eq!(requirements(&chain, 0), Requirements::TooMany);
    }
}
