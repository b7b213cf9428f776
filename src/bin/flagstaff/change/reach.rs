//! Flags whose answers a change of another flag changes, because they require it or ask for it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    time::SystemTime,
};

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
    known: RefCell<HashMap<&'a str, Reach>>,
}

/// A changed flag that another one needs.
#[derive(Clone, Copy)]
struct Through<'e> {
    effect: &'e Effect,
    /// More may be on where less is on there: it has to be off, or a condition asks for it.
    is_mixed: bool,
}

impl<'a> Flags<'a> {
    fn new(
        snapshot: &'a Snapshot,
        changed: BTreeMap<&'a str, Option<&'a Definition>>,
        now: SystemTime,
    ) -> Self {
        Self { snapshot, changed, now, known: RefCell::default() }
    }

    fn definition(&self, flag: &str) -> Option<&'a Definition> {
        match self.changed.get(flag) {
            Some(changed) => *changed,
            None => self.snapshot.info(flag).map(|info| info.definition()),
        }
    }

    fn required(&self, flag: &str) -> impl Iterator<Item = &'a Prerequisite> + use<'a> {
        let definition = self.definition(flag);
        definition.and_then(|flag| flag.rare().requires.value()).into_iter().flatten()
    }

    /// The flags that a flag needs by itself, and whether more may be on there where less is on here.
    fn needs(&self, flag: &str) -> impl Iterator<Item = (&'a str, bool)> + use<'a> {
        let required = self.required(flag).count();
        let needs = self.definition(flag).map(Definition::needs).unwrap_or_default();
        needs.into_iter().enumerate().map(move |(index, need)| {
            (&*need.flag, index >= required || need.state == RequiredState::Off)
        })
    }

    /// Returns the users for whom a flag can be on. A flag on a cycle has none.
    fn reach(&self, flag: &'a str) -> Reach {
        let mut known = self.known.borrow_mut();
        let mut begun = HashSet::new();
        // Not by recursion: overrides make chains of thousands of flags.
        let mut open = vec![(flag, false)];
        while let Some((flag, is_begun)) = open.pop() {
            if is_begun {
                let reaches = self.required(flag).map(|it| self.reach_required(it, &known));
                let weakest = reaches.min();
                let own = self.own_reach(flag);
                known.insert(flag, weakest.map_or(own, |weakest| weakest.min(own)));
            } else if !known.contains_key(flag) && begun.insert(flag) {
                // It is settled when all flags above it are.
                open.push((flag, true));
                open.extend(self.required(flag).map(|required| (&*required.flag, false)));
            }
        }
        known.get(flag).copied().unwrap_or(Reach::Nobody)
    }

    /// Returns the reach of a flag as if it required no others.
    fn own_reach(&self, flag: &str) -> Reach {
        match self.definition(flag).map(|definition| FlagState::at(definition, self.now)) {
            None | Some(FlagState::Off | FlagState::Unknown) => Reach::Nobody,
            Some(FlagState::On) => Reach::Everybody,
            // Prerequisites alone make a state partial, too.
            Some(_) => Reach::Some,
        }
    }

    /// Returns the users for whom a prerequisite can be met.
    fn reach_required(&self, required: &Prerequisite, known: &HashMap<&str, Reach>) -> Reach {
        // One that is begun and not known yet requires this flag.
        let Some(&reach) = known.get(&*required.flag) else { return Reach::Nobody };
        match (&required.state, self.definition(&required.flag)) {
            (RequiredState::Off, Some(_)) => match reach {
                Reach::Nobody => Reach::Everybody,
                Reach::Some => Reach::Some,
                Reach::Everybody => Reach::Nobody,
            },
            _ => reach,
        }
    }

    /// Returns for each flag the changed ones that it needs, directly or through others.
    fn through<'e>(
        &self,
        names: &[&'a str],
        changed: &[&'e Effect],
    ) -> HashMap<&'a str, Vec<Through<'e>>> {
        let mut dependents: HashMap<_, Vec<_>> = HashMap::new();
        let new = self.changed.keys().filter(|flag| self.snapshot.info(**flag).is_none());
        for flag in names.iter().chain(new) {
            for (needed, is_mixed) in self.needs(flag) {
                dependents.entry(needed).or_default().push((*flag, is_mixed));
            }
        }
        // From the changed flags on, since those are few.
        let mut through: HashMap<_, Vec<_>> = HashMap::new();
        for &effect in changed {
            let (mut found, mut open) = (HashMap::new(), vec![(&*effect.flag, false)]);
            while let Some((flag, is_mixed)) = open.pop() {
                for &(dependent, is_other) in dependents.get(flag).into_iter().flatten() {
                    let is_mixed = is_mixed || is_other;
                    let known = found.get(dependent).copied();
                    if known.is_none_or(|known: bool| is_mixed && !known) {
                        found.insert(dependent, is_mixed);
                        open.push((dependent, is_mixed));
                    }
                }
            }
            for (dependent, is_mixed) in found {
                through.entry(dependent).or_default().push(Through { effect, is_mixed });
            }
        }
        through
    }
}

/// The flags that need one of the changed ones, and the changed ones whose prerequisites are never met.
pub(super) fn others(snapshot: &Snapshot, effects: &[Effect]) -> Vec<Other> {
    let now = SystemTime::now();
    let changed: Vec<_> = effects.iter().filter(|effect| effect.writes).collect();
    let before = Flags::new(snapshot, BTreeMap::new(), now);
    let then = changed.iter().map(|effect| (&*effect.flag, effect.after.merged.as_ref()));
    let after = Flags::new(snapshot, then.collect(), now);
    let anonymous = Context::anonymous();
    let names: Vec<_> = snapshot.all(&anonymous).map(|(name, _)| name).collect();
    let mut through = after.through(&names, &changed);
    let mut others: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let through = through.remove(name).unwrap_or_default();
            let is_changed = after.changed.contains_key(name);
            let is_wider = |it: &Through<'_>| it.is_mixed || it.effect.is_wider();
            let is_let_more = !is_changed && through.iter().any(is_wider);
            let (before, after_reach) = (before.reach(name), after.reach(name));
            // The effect on the changed flag itself is printed elsewhere.
            let is_news = match is_changed {
                true => after_reach == Reach::Nobody && before != Reach::Nobody,
                false => !through.is_empty(),
            };
            let requires_all = match is_changed {
                true => !after.needs(name).any(|(_, is_mixed)| is_mixed),
                false => !through.iter().any(|through| through.is_mixed),
            };
            let through: Vec<_> = match is_changed {
                true => after.needs(name).map(|(flag, _)| flag.to_owned()).collect(),
                false => through.iter().map(|through| through.effect.flag.clone()).collect(),
            };
            (is_news && !through.is_empty()).then(|| Other {
                flag: name.to_owned(),
                through,
                requires_all,
                before,
                after: after_reach,
                is_let_more,
            })
        })
        .collect();
    others.sort_unstable_by(|a, b| a.flag.cmp(&b.flag));
    others
}

#[cfg(test)]
mod tests {
    use flagstaff::Memory;

    use super::{super::effect::Side, *};

    fn start(requires: impl IntoIterator<Item = (String, Vec<String>)>) -> flagstaff::Flags {
        let memory = requires.into_iter().fold(Memory::new(), |memory, (flag, required)| {
            memory.with(&*flag, Definition::new().requires(required))
        });
        flagstaff::Flags::builder().source(memory).start_blocking().unwrap()
    }

    fn of(flags: &[(&str, &[&str])]) -> flagstaff::Flags {
        let own = |(flag, required): &(&str, &[&str])| {
            (str::to_owned(flag), required.iter().map(|&flag| flag.to_owned()).collect())
        };
        start(flags.iter().map(own))
    }

    /// A change of a flag.
    fn change(flags: &flagstaff::Flags, flag: &str, after: &Definition) -> Effect {
        Effect {
            flag: flag.to_owned(),
            before: Side::of(flags, flag),
            after: Side::from(Some(after)),
            replaces: None,
            ending: None,
            below: None,
            was_plain: false,
            is_json: true,
            was_unreadable: false,
            writes: true,
            no_effect: None,
        }
    }

    fn switched_off(flags: &flagstaff::Flags, flag: &str) -> Vec<Other> {
        let effect = change(flags, flag, &Definition::new().enabled(false));
        others(&flags.snapshot(), &[effect])
    }

    #[test]
    fn all_flags_that_require_a_changed_one_go_with_it_and_no_others() {
        let flags =
            of(&[("a", &[]), ("b", &["a"]), ("c", &["b", "other"]), ("d", &["c"]), ("other", &[])]);

        let others = switched_off(&flags, "a");

        let names: Vec<_> = others.iter().map(|other| &*other.flag).collect();
        assert_eq!(names, ["b", "c", "d"]);
        for other in others {
            assert!(other.is_switched_off(), "{other:?}");
            assert_eq!(other.through, ["a"]);
        }
    }

    #[test]
    fn a_flag_that_several_changed_ones_hold_up_names_them_all() {
        let flags = of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"])]);
        let off = Definition::new().enabled(false);
        let effects = ["b", "a"].map(|flag| change(&flags, flag, &off));

        let others = others(&flags.snapshot(), &effects);

        let through: Vec<_> = others.iter().map(|it| (&*it.flag, &*it.through)).collect();
        let both = ["b".to_owned(), "a".to_owned()];
        assert_eq!(through, [("c", &both[..]), ("d", &both)]);
    }

    #[test]
    fn a_change_that_closes_a_cycle_switches_off_who_is_on_it_or_requires_it() {
        let flags = of(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("other", &[])]);
        let effect = change(&flags, "a", &Definition::new().requires(["b"]));

        let others = others(&flags.snapshot(), &[effect]);

        let off: Vec<_> = others.iter().map(|it| (&*it.flag, it.is_switched_off())).collect();
        assert_eq!(off, [("a", true), ("b", true), ("c", true)]);
    }

    #[test]
    fn a_chain_of_thousands_of_overrides_neither_overflows_the_stack_nor_is_walked_once_for_each() {
        let chain = |n: usize| {
            (format!("f{n}"), (n > 0).then(|| format!("f{}", n - 1)).into_iter().collect())
        };
        let flags = start((0..9_900).map(chain));

        // Less than a recursion of so many calls takes.
        let thread = std::thread::Builder::new().stack_size(512 << 10);
        let others = thread.spawn(move || switched_off(&flags, "f0")).unwrap().join().unwrap();

        assert_eq!(others.len(), 9_899);
        assert!(others.iter().all(Other::is_switched_off));
    }
}
