//! Which flags require which.

use std::{collections::BTreeSet, sync::Arc};

use super::{Change, slots::Slots};
use crate::{
    eval::{Requirements, Step},
    model::{
        Field, MOST_PREREQUISITES, Names, Prerequisite, Resolved, Slot, hash_name, variant_name,
    },
    text::line,
};

/// The flags that require others: few, so that most publications have nothing to do with them.
#[derive(Debug, Default)]
pub(super) struct Links {
    requiring: BTreeSet<Slot>,
}

impl Links {
    /// Takes note of what has changed, by slot. Returns what else has to be compiled again.
    pub(super) fn update(
        &mut self,
        changes: &[Change],
        slots: &[Slot],
        resolved: &Slots<Resolved>,
        names: &mut Arc<Names>,
    ) -> Vec<Slot> {
        for &slot in slots {
            let list = requires(slot, resolved);
            match list.is_empty() {
                true => self.requiring.remove(&slot),
                false => self.requiring.insert(slot),
            };
            for prerequisite in list {
                Names::slot(names, &prerequisite.flag.as_str().into());
            }
        }
        // What a flag requires reaches all that require it, and what is compiled is the whole.
        match changes.iter().any(|change| change.fields.contains(&Field::Requires)) {
            true => self.requiring.iter().copied().filter(|slot| !slots.contains(slot)).collect(),
            false => Vec::new(),
        }
    }

    /// What a flag requires, with all that those flags require.
    pub(super) fn requirements(
        &self,
        slot: Slot,
        resolved: &Slots<Resolved>,
        names: &Names,
    ) -> Option<Requirements> {
        self.requiring.contains(&slot).then(|| {
            Requirements::of(slot, |slot| {
                let steps = requires(slot, resolved).iter();
                steps.filter_map(|prerequisite| step(prerequisite, names)).collect()
            })
        })
    }
}

fn requires(slot: Slot, resolved: &Slots<Resolved>) -> &[Prerequisite] {
    resolved
        .get(slot)
        .and_then(|flag| flag.definition.rare().requires.value())
        .map_or(&[], Vec::as_slice)
}

fn step(prerequisite: &Prerequisite, names: &Names) -> Option<Step> {
    let slot = names.find(hash_name(&prerequisite.flag), &prerequisite.flag)?;
    Some(Step { slot, variant: prerequisite.variant.as_deref().map(variant_name) })
}

/// Prerequisites that no flag can meet.
#[derive(thiserror::Error)]
pub(super) enum InvalidPrerequisites {
    #[error("flag `{}` requires itself and is off: {}", line(&.0[0]), chain(.0))]
    Circle(Vec<Arc<str>>),
    #[error(
        "flag `{}` requires more than {MOST_PREREQUISITES} flags, with all that those require, and is off",
        line(.0)
    )]
    TooMany(Arc<str>),
}

crate::error::debug_is_message!(InvalidPrerequisites);

impl InvalidPrerequisites {
    pub(super) fn of(flag: Slot, requirements: &Requirements, names: &Names) -> Option<Self> {
        let name = |&slot: &Slot| Arc::clone(names.name(slot));
        match requirements {
            Requirements::All(_) | Requirements::Unmeetable => None,
            Requirements::Circle(slots) => Some(Self::Circle(slots.iter().map(name).collect())),
            Requirements::TooMany => Some(Self::TooMany(name(&flag))),
        }
    }
}

fn chain(flags: &[Arc<str>]) -> String {
    let names: Vec<_> =
        flags.iter().chain(flags.first()).map(|name| format!("`{}`", line(name))).collect();
    names.join(" -> ")
}
