//! Flags whose answers a change of another flag changes, because they require it or ask for it.

use std::{cell::RefCell, collections::BTreeMap, time::SystemTime};

use flagstaff::{
    Context, Definition, Snapshot,
    answer::FlagState,
    definition::{Prerequisite, RequiredState},
};

use super::effect::Effect;
use crate::text::clean;

/// The users for whom a flag can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Nobody,
    Some,
    Everybody,
}

/// A flag that needs one that is changed, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) flag: String,
    /// The changed flags that it needs.
    through: Vec<String>,
    /// It requires all of them to be on, or to serve a variant.
    requires_all: bool,
    before: Reach,
    after: Reach,
    /// True if a flag that it requires lets more in, or one changes that it needs in another way.
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
        let needs = if self.requires_all { "requires" } else { "depends on" };
        format!("  {}: {what}, since it {needs} {}\n", clean(&self.flag), through.join(", "))
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

    fn required(&self, flag: &str) -> impl Iterator<Item = &Prerequisite> {
        let definition = self.definition(flag);
        definition.and_then(|flag| flag.rare().requires.value()).into_iter().flatten()
    }

    /// The flags that a flag needs by itself, and whether more is on there where less is on here: it has to be
    /// off, or a condition asks for it.
    fn needs(&self, flag: &str) -> impl Iterator<Item = (&str, bool)> {
        let definition = self.definition(flag);
        let required = definition.and_then(|flag| flag.rare().requires.value());
        let required = required.map_or(0, Vec::len);
        let needs = definition.map(Definition::needs).unwrap_or_default().into_iter().enumerate();
        needs.map(move |(index, need)| {
            (&*need.flag, index >= required || need.state == RequiredState::Off)
        })
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
        let weakest = self.required(flag).map(|required| self.reach_required(required, path)).min();
        path.pop();
        let reach = weakest.map_or(own, |weakest| weakest.min(own));
        self.known.borrow_mut().insert(flag.to_owned(), reach);
        reach
    }

    /// The users for whom a prerequisite can be met.
    fn reach_required(&self, required: &Prerequisite, path: &mut Vec<String>) -> Reach {
        let reach = self.reach(&required.flag, path);
        match (&required.state, self.definition(&required.flag)) {
            (RequiredState::Off, Some(_)) => match reach {
                Reach::Nobody => Reach::Everybody,
                Reach::Some => Reach::Some,
                Reach::Everybody => Reach::Nobody,
            },
            _ => reach,
        }
    }

    /// The flags that a flag needs, itself left out. `true` for those that it may be on for more without.
    fn all_needed(&self, flag: &str) -> BTreeMap<String, bool> {
        let mut found: BTreeMap<String, bool> = BTreeMap::new();
        let mut open = vec![(flag.to_owned(), false)];
        while let Some((flag, is_mixed)) = open.pop() {
            for (needed, is_other) in self.needs(&flag) {
                let is_mixed = is_mixed || is_other;
                let known = found.get(needed).copied();
                if known.is_none_or(|known| is_mixed && !known) {
                    found.insert(needed.to_owned(), is_mixed);
                    open.push((needed.to_owned(), is_mixed));
                }
            }
        }
        found
    }
}

/// The flags that need one of the changed ones, and the changed ones whose prerequisites are never met.
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
            let needed = after.all_needed(name);
            let through = changed.iter().filter_map(|effect| {
                let is_mixed = *needed.get(&effect.flag)?;
                Some((is_mixed || effect.is_wider(), (is_mixed, effect.flag.clone())))
            });
            let (wider, through): (Vec<_>, Vec<_>) = through.unzip();
            let (mixed, through): (Vec<_>, Vec<_>) = through.into_iter().unzip();
            let is_changed = changed.iter().any(|effect| effect.flag == name);
            let before = before.reach(name, &mut Vec::new());
            let after_reach = after.reach(name, &mut Vec::new());
            // The effect on the changed flag itself is printed elsewhere.
            let is_news = match is_changed {
                true => after_reach == Reach::Nobody && before != Reach::Nobody,
                false => !through.is_empty(),
            };
            let through = match is_changed {
                true => after.needs(name).map(|(flag, _)| flag.to_owned()).collect(),
                false => through,
            };
            (is_news && !through.is_empty()).then(|| Other {
                flag: name.to_owned(),
                through,
                requires_all: match is_changed {
                    true => !after.needs(name).any(|(_, is_other)| is_other),
                    false => !mixed.contains(&true),
                },
                before,
                after: after_reach,
                is_let_more: !is_changed && wider.contains(&true),
            })
        })
        .collect();
    others.sort_unstable_by(|a, b| a.flag.cmp(&b.flag));
    others
}
