//! The dependencies between flags.

use std::{collections::BTreeMap, sync::Arc};

use super::{Change, slots::Slots};
use crate::{
    eval::{Needs, Requirements},
    model::{Definition, Field, MOST_PREREQUISITES, Names, Resolved, Slot},
    text::{cycle, line},
};

/// The flags that depend on others. They are few, so most publications skip this.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The flags, each with those that it depends on directly.
    requiring: BTreeMap<Slot, Arc<Needs>>,
}

impl Links {
    /// Updates the dependencies after changes, given by slot. Returns the other flags that have to
    /// be compiled again.
    pub(super) fn update(
        &mut self,
        changes: &[Change],
        slots: &[Slot],
        resolved: &Slots<Resolved>,
        names: &mut Arc<Names>,
    ) -> Vec<Slot> {
        // A slot with a change has the index of that change. Slots without one come after these.
        let mut is_other = false;
        for (place, &slot) in slots.iter().enumerate() {
            let definition = resolved.get(slot);
            let definition = definition.map(|flag| &*flag.definition);
            for prerequisite in definition.into_iter().flat_map(Definition::needs) {
                Names::slot(names, &prerequisite.flag.as_str().into());
            }
            let needs = definition.map(|it| Needs::of(it, names)).filter(|it| !it.is_empty());
            let asks = [Field::Requires, Field::Rules];
            let is_touched = |change: &Change| asks.iter().any(|it| change.fields.contains(it));
            let has_asked = self.requiring.remove(&slot).is_some();
            is_other |= (has_asked || needs.is_some()) && changes.get(place).is_none_or(is_touched);
            self.requiring.extend(needs.map(|needs| (slot, needs.into())));
        }
        // A change of one flag's dependencies reaches all flags that depend on it, and each flag is
        // compiled with all of its dependencies.
        match is_other {
            true => self.requiring.keys().copied().filter(|slot| !slots.contains(slot)).collect(),
            false => Vec::new(),
        }
    }

    /// Resolves all flags that decide about a flag, directly and through each other.
    pub(super) fn requirements(&self, slot: Slot) -> Option<Requirements> {
        let needs = |slot: Slot| self.requiring.get(&slot).cloned();
        needs(slot)?;
        Some(Requirements::of(slot, |slot| needs(slot).unwrap_or_default()))
    }
}

/// Prerequisites that no flag can meet.
#[derive(thiserror::Error)]
pub(super) enum InvalidPrerequisites {
    #[error("flag `{}` depends on itself and is off: {}", line(&.0[0]), cycle(.0.iter().map(|flag| &**flag)))]
    Cycle(Vec<Arc<str>>),
    #[error(
        "flag `{}` depends on more than {MOST_PREREQUISITES} flags, with all that decide about those, and is off",
        line(.0)
    )]
    TooMany(Arc<str>),
}

crate::error::debug_is_message!(InvalidPrerequisites);

impl InvalidPrerequisites {
    pub(super) fn of(flag: Slot, requirements: &Requirements, names: &Names) -> Option<Self> {
        let name = |&slot: &Slot| Arc::clone(names.name(slot));
        match requirements {
            Requirements::All(_) | Requirements::Linked(_) | Requirements::Unmeetable => None,
            Requirements::Cycle(slots) => Some(Self::Cycle(slots.iter().map(name).collect())),
            Requirements::TooMany => Some(Self::TooMany(name(&flag))),
        }
    }
}
