//! The requirements of a flag on others, resolved over all flags.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    need::{Need, Step},
    program::{Entry, Program},
};
use crate::model::{Cause, Definition, MOST_PREREQUISITES, Names, Prerequisite, Rule, Slot};

/// The conditions on other flags under which a flag may be on. They include those of the required
/// flags, so that evaluation neither recurs nor looks at a flag twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requirements {
    All(Box<[Step]>),
    /// A flag has to be off or to serve one of several variants, or a condition depends on a flag.
    Linked(Program),
    /// The requirements cannot be met: a flag that is required indirectly requires itself.
    Unmeetable,
    /// The flag requires itself, through these flags.
    Cycle(Vec<Slot>),
    TooMany,
}

/// The other flags that a flag depends on directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The prerequisites.
    pub(crate) requires: Box<[Need]>,
    /// The flags in conditions of its rules.
    pub(crate) conditions: Box<[Need]>,
}

impl Needs {
    /// Collects the flags that a definition depends on, whose names are among `names`.
    pub(crate) fn of(definition: &Definition, names: &Names) -> Self {
        let need = |prerequisite: &Prerequisite| Need::of(prerequisite, names);
        let rare = definition.rare();
        let rules = rare.rules.value().into_iter().flat_map(|rules| rules.iter());
        // A few segments can name a flag ten thousand times. One flag more than allowed is enough to detect the
        // mistake.
        let mut known = HashSet::new();
        let asked = rules.flat_map(Rule::flags).filter(|&asked| known.insert(asked));
        Self {
            requires: rare.requires.value().into_iter().flatten().map(need).collect(),
            conditions: asked.take(MOST_PREREQUISITES + 1).map(need).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requires.is_empty() && self.conditions.is_empty()
    }
}

impl Requirements {
    /// Resolves all flags that decide about `flag`, given those that each flag depends on directly.
    pub(crate) fn of(flag: Slot, needs: impl Fn(Slot) -> Arc<Needs>) -> Self {
        /// The progress with a flag and those that it depends on.
        enum Visit {
            Begun,
            Done,
        }

        /// A flag on the path, with those that it depends on and the index to continue at.
        struct Level {
            slot: Slot,
            needs: Arc<Needs>,
            next: usize,
        }

        impl Level {
            fn new(slot: Slot, needs: Arc<Needs>) -> Self {
                Self { slot, needs, next: 0 }
            }
        }

        let mut visits = HashMap::from([(flag, Visit::Begun)]);
        let mut path = vec![Level::new(flag, needs(flag))];
        let mut known: HashSet<Need> = HashSet::new();
        let (mut steps, mut entries) = (Vec::new(), Vec::new());
        let (mut has_cycle, mut is_linked) = (false, false);
        loop {
            let Some(level) = path.last_mut() else {
                unreachable!("the path ends where the flag itself was looked at")
            };
            let Needs { requires, conditions } = &*level.needs;
            let Some(need) = requires.iter().chain(conditions).nth(level.next) else {
                visits.insert(level.slot, Visit::Done);
                let Some(Level { slot, needs, .. }) = path.pop() else { break };
                match path.is_empty() {
                    false => entries.push(Entry { slot, requires: needs.requires.clone() }),
                    true if is_linked => {
                        return Self::Linked(Program::new(entries, needs.requires.clone()));
                    }
                    true => break,
                }
                continue;
            };
            let need = need.clone();
            let is_required = level.next < requires.len();
            level.next += 1;
            if need.slot == flag {
                return Self::Cycle(path.into_iter().map(|level| level.slot).collect());
            }
            let slot = need.slot;
            let simple = need.state.simple().ok().filter(|_| is_required);
            is_linked |= simple.is_none();
            if known.insert(need) {
                steps.extend(simple.map(|variant| Step { slot, variant }));
            }
            if known.len() > MOST_PREREQUISITES {
                return Self::TooMany;
            }
            match visits.get(&slot) {
                Some(Visit::Done) => {}
                // The search may still find that the flag itself is on a cycle.
                Some(Visit::Begun) => has_cycle = true,
                None => {
                    visits.insert(slot, Visit::Begun);
                    path.push(Level::new(slot, needs(slot)));
                }
            }
        }
        match has_cycle {
            true => Self::Unmeetable,
            false => Self::All(steps.into()),
        }
    }

    /// Returns the flags that decide, with all that decide about those.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        match self {
            Self::All(steps) => steps.iter().map(|step| step.slot).collect(),
            Self::Linked(program) => program.slots().collect(),
            Self::Unmeetable | Self::Cycle(_) | Self::TooMany => Vec::new(),
        }
    }

    /// Returns true if the requirements are a mistake, so that the flag is in no state for others.
    pub(super) fn are_invalid(&self) -> bool {
        matches!(self, Self::Cycle(_) | Self::TooMany)
    }

    /// Returns the cause of the answer while the requirements are not met.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::All(_) | Self::Linked(_) | Self::Unmeetable => Cause::Prerequisite,
            Self::Cycle(_) | Self::TooMany => Cause::InvalidPrerequisites,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::need::State, *};

    fn requirements(edges: &[(Slot, Slot)], flag: Slot) -> Requirements {
        Requirements::of(flag, |slot| {
            let from = edges.iter().filter(|(from, _)| *from == slot);
            let requires = from.map(|&(_, to)| Need { slot: to, state: State::On }).collect();
            Needs { requires, ..Needs::default() }.into()
        })
    }

    fn slots(requirements: &Requirements) -> Vec<Slot> {
        match requirements {
            Requirements::All(steps) => steps.iter().map(|step| step.slot).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flag_that_several_flags_require_is_visited_once() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)];

        assert_eq!(slots(&requirements(&edges, 0)), [1, 3, 4, 2]);
        assert!(slots(&requirements(&edges, 4)).is_empty());
    }

    #[test]
    fn a_cycle_is_found_from_every_flag_on_it_and_behind_it() {
        let edges = [(0, 1), (1, 2), (2, 3), (3, 1)];

        assert_eq!(requirements(&edges, 0), Requirements::Unmeetable);
        assert_eq!(requirements(&edges, 1), Requirements::Cycle(vec![1, 2, 3]));
        assert_eq!(requirements(&edges, 3), Requirements::Cycle(vec![3, 1, 2]));
        assert_eq!(requirements(&[(0, 0)], 0), Requirements::Cycle(vec![0]));
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
