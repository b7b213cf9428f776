//! Flags whose answers a change of another flag changes, because they require it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use flagstaff::{Context, Definition, Snapshot, answer::FlagState};

use super::effect::Effect;
use crate::text::clean;

/// The users for whom a flag can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Nobody,
    Some,
    Everybody,
}

/// A flag that requires one that is changed, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) flag: String,
    /// The changed flags that it requires.
    through: Vec<String>,
    before: Reach,
    after: Reach,
    /// True if a flag that it requires lets more in.
    is_let_more: bool,
}

impl Other {
    /// Returns true if it can be on for no user any more.
    pub(super) fn is_switched_off(&self) -> bool {
        self.after == Reach::Nobody && self.before != Reach::Nobody
    }

    /// Returns true if it may be on for more users than now.
    pub(super) fn is_wider(&self) -> bool {
        self.after > self.before || (self.is_let_more && self.after != Reach::Nobody)
    }

    /// A line on what becomes of it.
    pub(super) fn text(&self) -> String {
        let through: Vec<_> =
            self.through.iter().map(|flag| format!("`{}`", clean(flag))).collect();
        let what = match () {
            () if self.is_switched_off() => "off for everybody then",
            () if self.is_wider() => "may be on for more then",
            () if self.after == Reach::Nobody => "off for everybody, as before",
            () => "may change with it",
        };
        format!("  {}: {what}, since it requires {}\n", clean(&self.flag), through.join(", "))
    }
}

/// All flags, some of them as they are after a change.
struct Flags<'a> {
    snapshot: &'a Snapshot,
    changed: BTreeMap<&'a str, Option<&'a Definition>>,
    now: SystemTime,
    /// The results so far: many flags may require the same ones.
    known: RefCell<BTreeMap<String, Reach>>,
}

impl Flags<'_> {
    fn definition(&self, flag: &str) -> Option<&Definition> {
        match self.changed.get(flag) {
            Some(changed) => *changed,
            None => self.snapshot.info(flag).map(|info| info.definition()),
        }
    }

    fn required(&self, flag: &str) -> impl Iterator<Item = &str> {
        let definition = self.definition(flag);
        let requires = definition.and_then(|flag| flag.rare().requires.value());
        requires.into_iter().flatten().map(|required| &*required.flag)
    }

    /// Flags that are being looked at are in `path`: a cycle is never met.
    fn reach(&self, flag: &str, path: &mut Vec<String>) -> Reach {
        if let Some(&known) = self.known.borrow().get(flag) {
            return known;
        }
        let Some(definition) = self.definition(flag) else { return Reach::Nobody };
        let own = match FlagState::at(definition, self.now) {
            FlagState::Off | FlagState::Unknown => Reach::Nobody,
            FlagState::On => Reach::Everybody,
            // Prerequisites alone make a state partial, too.
            _ => Reach::Some,
        };
        if own == Reach::Nobody || path.iter().any(|seen| seen == flag) {
            return Reach::Nobody;
        }
        path.push(flag.to_owned());
        let weakest = self.required(flag).map(|required| self.reach(required, path)).min();
        path.pop();
        let reach = weakest.map_or(own, |weakest| weakest.min(own));
        self.known.borrow_mut().insert(flag.to_owned(), reach);
        reach
    }

    /// The flags that a flag requires, itself left out.
    fn all_required(&self, flag: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![flag.to_owned()];
        while let Some(flag) = open.pop() {
            for required in self.required(&flag) {
                if found.insert(required.to_owned()) {
                    open.push(required.to_owned());
                }
            }
        }
        found
    }
}

/// The flags that require one of the changed ones, and the changed ones whose prerequisites are never met.
pub(super) fn others(snapshot: &Snapshot, effects: &[Effect]) -> Vec<Other> {
    let now = SystemTime::now();
    let changed: Vec<_> = effects.iter().filter(|effect| effect.writes).collect();
    let before = Flags { snapshot, changed: BTreeMap::new(), now, known: RefCell::default() };
    let then = changed.iter().map(|effect| (&*effect.flag, effect.after.merged.as_ref()));
    let after = Flags { snapshot, changed: then.collect(), now, known: RefCell::default() };
    let anonymous = Context::anonymous();
    let names = snapshot.all(&anonymous).map(|(name, _)| name);
    let mut others: Vec<_> = names
        .filter_map(|name| {
            let required = after.all_required(name);
            let through = changed.iter().filter(|effect| required.contains(&effect.flag));
            let (wider, through): (Vec<_>, Vec<_>) =
                through.map(|effect| (effect.is_wider(), effect.flag.clone())).unzip();
            let is_changed = changed.iter().any(|effect| effect.flag == name);
            let before = before.reach(name, &mut Vec::new());
            let after_reach = after.reach(name, &mut Vec::new());
            // The effect on the changed flag itself is printed elsewhere.
            let is_news = match is_changed {
                true => after_reach == Reach::Nobody && before != Reach::Nobody,
                false => !through.is_empty(),
            };
            let through = match is_changed {
                true => after.required(name).map(str::to_owned).collect(),
                false => through,
            };
            (is_news && !through.is_empty()).then(|| Other {
                flag: name.to_owned(),
                through,
                before,
                after: after_reach,
                is_let_more: !is_changed && wider.contains(&true),
            })
        })
        .collect();
    others.sort_unstable_by(|a, b| a.flag.cmp(&b.flag));
    others
}
