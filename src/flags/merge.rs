//! The merge of the entries of sources to flags and compiled plans. The merge is pure: the sources, the lost sources
//! and the time are arguments, and nothing is published.

use std::sync::Arc;

use super::{
    Change,
    links::{InvalidPrerequisites, Links},
    slots::Slots,
};
use crate::{
    backend::{Circumstances, Stack},
    eval::Plan,
    model::{Names, Resolved, Slot},
};

/// All flags, merged and compiled.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    /// The compiled flags, by slot.
    pub(super) plans: Vec<Plan>,
    /// The definitions that the plans were compiled from, by slot.
    pub(super) resolved: Slots<Resolved>,
    /// The flags that a source has, in the order of their names.
    pub(super) listed: Arc<[Slot]>,
}

/// The differences between two merges.
#[derive(Debug)]
pub(super) struct Differences {
    /// The flags whose definitions differ, each with its slot.
    pub(super) changes: Vec<Change>,
    pub(super) slots: Vec<Slot>,
    /// The flags that were compiled again, each with the reason why it can never be on, if there is one.
    pub(super) compiled: Vec<(Slot, Option<InvalidPrerequisites>)>,
}

impl Merged {
    /// Merges the entries of the sources for some keys. Compiles the flags whose definitions differ from the former
    /// ones, and the flags that depend on these. All other flags stay as they are.
    pub(super) fn update(
        &mut self,
        stack: &Stack,
        keys: &[Arc<str>],
        circumstances: &Circumstances<'_>,
        names: &mut Arc<Names>,
        links: &mut Links,
    ) -> Differences {
        if keys.len() > names.len() {
            Arc::make_mut(names).reserve(keys.len());
        }
        let (mut changes, mut slots) = (Vec::new(), Vec::new());
        let (mut came, mut went) = (Vec::new(), false);
        for key in keys {
            let slot = Names::slot(names, key);
            let now = stack.resolve(key, circumstances);
            if self.resolved.get(slot) == now.as_ref() {
                continue;
            }
            let before = self.resolved.replace(slot, now);
            let now = self.resolved.get(slot);
            match (&before, now) {
                (None, Some(_)) => came.push(slot),
                (Some(_), None) => went = true,
                (Some(_), Some(_)) | (None, None) => {}
            }
            changes.push(change(key, before.as_ref(), now));
            slots.push(slot);
        }
        let dependent = links.update(&changes, &slots, &self.resolved, names);
        self.plans.resize(names.len(), Plan::Absent);
        let stale = slots.iter().copied().chain(dependent);
        let compiled = stale.map(|slot| (slot, self.compile(slot, names, links))).collect();
        if !came.is_empty() || went {
            self.listed = self.listed(came, names);
        }
        Differences { changes, slots, compiled }
    }

    /// Compiles a flag. Returns the reason why it can never be on, if there is one.
    fn compile(
        &mut self,
        slot: Slot,
        names: &Names,
        links: &Links,
    ) -> Option<InvalidPrerequisites> {
        let Some(flag) = self.resolved.get(slot) else {
            self.plans[slot as usize] = Plan::Absent;
            return None;
        };
        let requirements = links.requirements(slot);
        let invalid =
            requirements.as_ref().and_then(|it| InvalidPrerequisites::of(slot, it, names));
        self.plans[slot as usize] = Plan::compile(names.name(slot), flag, requirements, names);
        invalid
    }

    /// Returns the flags that a source has, in the order of their names: those of the former list that stay, and those
    /// that came.
    fn listed(&self, came: Vec<Slot>, names: &Names) -> Arc<[Slot]> {
        let stay = self.listed.iter().copied().filter(|&slot| self.resolved.get(slot).is_some());
        let mut listed: Vec<Slot> = stay.chain(came).collect();
        // A stable sort is fast here, because most are in order already.
        listed.sort_by_key(|&slot| names.name(slot));
        listed.into()
    }
}

fn change(key: &str, before: Option<&Resolved>, after: Option<&Resolved>) -> Change {
    let state = |resolved: Option<&Resolved>| resolved.map(Resolved::state).unwrap_or_default();
    let fields = match (before, after) {
        (Some(before), Some(after)) => before.definition.differences(&after.definition),
        (None, Some(one)) | (Some(one), None) => one.definition.fields().collect(),
        (None, None) => Vec::new(),
    };
    Change { key: key.to_owned(), before: state(before), after: state(after), fields }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use tokio::time::Instant;

    use super::*;
    use crate::{
        backend::Offer,
        model::{Definition, Prerequisite},
    };

    fn first_instant() -> Circumstances<'static> {
        Circumstances { lost: &[], instant: Instant::now(), time: SystemTime::UNIX_EPOCH }
    }

    #[test]
    fn a_change_of_prerequisites_compiles_all_flags_with_prerequisites() {
        let requires = |flag| Definition::new().requires([Prerequisite::on(flag)]);
        let offer = |a: &Definition| {
            let flags = [("a", a.clone()), ("b", requires("a")), ("c", Definition::new())];
            Offer::from_iter(flags)
        };
        let (mut stack, mut merged) = (Stack::new(1), Merged::default());
        let (mut names, mut links) = (Arc::<Names>::default(), Links::default());
        let mut compiled = |a: &Definition| {
            let keys: Vec<_> = stack.replace(0, offer(a)).into_iter().collect();
            let differences =
                merged.update(&stack, &keys, &first_instant(), &mut names, &mut links);
            let compiled = differences.compiled.iter().map(|(slot, _)| names.name(*slot));
            compiled
                .map(ToString::to_string)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        };

        assert_eq!(compiled(&Definition::new()), ["a", "b", "c"]);
        assert_eq!(compiled(&Definition::new().owner("ana")), ["a"]);
        assert_eq!(compiled(&requires("c")), ["a", "b"]);
        assert_eq!(compiled(&requires("c")), [""; 0]);
    }

    #[test]
    fn a_flag_that_comes_is_listed_by_its_name_and_one_that_goes_is_not() {
        let (mut stack, mut merged) = (Stack::new(1), Merged::default());
        let (mut names, mut links) = (Arc::<Names>::default(), Links::default());
        let mut listed = |flags: &[&str]| {
            let offer = flags.iter().map(|&flag| (flag, true)).collect();
            let keys: Vec<_> = stack.replace(0, offer).into_iter().collect();
            let at =
                Circumstances { lost: &[], instant: Instant::now(), time: SystemTime::UNIX_EPOCH };
            merged.update(&stack, &keys, &at, &mut names, &mut links);
            merged.listed.iter().map(|&slot| names.name(slot).to_string()).collect::<Vec<_>>()
        };

        assert_eq!(listed(&["c", "a"]), ["a", "c"]);
        assert_eq!(listed(&["b", "c"]), ["b", "c"]);
    }
}
