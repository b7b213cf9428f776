//! Flags whose answers change with another flag, because they require it or have a condition on it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::SystemTime,
};

use flagstaff::{
    Context, Definition, Percentage, Snapshot,
    answer::FlagState,
    definition::{Condition, Prerequisite, RequiredState, Rule, Serve},
};

use super::effect::Effect;
use crate::text::clean;

/// The users for whom a flag can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    None,
    Some,
    All,
}

impl Reach {
    /// Returns the complement: all other users.
    fn complement(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::Some => Self::Some,
            Self::All => Self::None,
        }
    }
}

/// A flag that needs one that is changed, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) flag: String,
    /// The changed flags that it needs.
    through: Vec<String>,
    /// True if the flag requires all of them to be on, or to serve a variant.
    requires_all: bool,
    before: Reach,
    after: Reach,
    /// True if the flag may turn on for a user for whom it is off now.
    is_let_more: bool,
}

impl Other {
    /// Returns true if the change turns the flag off for all users.
    pub(super) fn is_switched_off(&self) -> bool {
        self.after == Reach::None && self.before != Reach::None
    }

    /// Returns true if the flag may be on for more users than now.
    pub(super) fn is_wider(&self) -> bool {
        self.after > self.before || (self.is_let_more && self.after != Reach::None)
    }

    /// Returns the line about the effect on the flag.
    pub(super) fn text(&self) -> String {
        let through: Vec<_> =
            self.through.iter().map(|flag| format!("`{}`", clean(flag))).collect();
        let what = match () {
            () if self.is_switched_off() => "off for all users then",
            () if self.is_wider() => "may be on for more users then",
            () if self.after == Reach::None => "off for all users, as before",
            () => "may change with it",
        };
        let needs = if self.requires_all { "requires" } else { "depends on" };
        format!("  {}: {what}, since it {needs} {}\n", clean(&self.flag), through.join(", "))
    }
}

/// All flags, with the changed ones as they are after the change.
struct Flags<'a> {
    snapshot: &'a Snapshot,
    changed: BTreeMap<&'a str, Option<&'a Definition>>,
    now: SystemTime,
    /// The users of each flag. Flags on a cycle and missing flags have none.
    reaches: HashMap<&'a str, Reach>,
    /// The flags whose stored values cannot be read. They may be on for some users.
    unreadable: HashSet<&'a str>,
}

/// A changed flag that another one needs.
#[derive(Clone, Copy)]
struct Through<'e> {
    effect: &'e Effect,
    /// True if more users may get the dependent flag when fewer users have this one: this flag has to be off, or a
    /// condition names it.
    is_mixed: bool,
}

/// The users for whom a condition is true, and those for whom it is false. It may be unknown for the rest.
#[derive(Clone, Copy)]
struct Truth {
    holds: Reach,
    fails: Reach,
}

impl Truth {
    const NEVER: Self = Self { holds: Reach::None, fails: Reach::None };
    const DEPENDS: Self = Self { holds: Reach::Some, fails: Reach::Some };

    fn negated(self) -> Self {
        Self { holds: self.fails, fails: self.holds }
    }
}

impl<'a> Flags<'a> {
    fn new(
        snapshot: &'a Snapshot,
        changed: BTreeMap<&'a str, Option<&'a Definition>>,
        now: SystemTime,
    ) -> Self {
        Self { snapshot, changed, now, reaches: HashMap::new(), unreadable: HashSet::new() }
    }

    /// Finds the users of each flag. A flag comes after the flags that it needs.
    fn reaching(mut self, order: &[&'a str]) -> Self {
        for &flag in order {
            let own = self.own_reach(flag);
            let required = self.required(flag).map(|required| self.required_truth(required).holds);
            let reach = required.fold(own, Reach::min);
            self.reaches.insert(flag, reach);
        }
        self
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

    fn rules(&self, flag: &str) -> &'a [Rule] {
        let rules = self.definition(flag).and_then(|flag| flag.rare().rules.value());
        rules.map(|rules| &rules[..]).unwrap_or_default()
    }

    /// Returns the flags that a flag needs directly. The boolean is true if more users may get the flag when fewer have
    /// the needed one.
    fn needs(&self, flag: &str) -> impl Iterator<Item = (&'a str, bool)> + use<'a> {
        let required = self.required(flag).count();
        let needs = self.definition(flag).map(Definition::needs).unwrap_or_default();
        needs.into_iter().enumerate().map(move |(index, need)| {
            (&*need.flag, index >= required || need.state == RequiredState::Off)
        })
    }

    /// Returns the flags and all flags that they need, in an order in which each comes after the flags that it needs.
    /// On a cycle, one flag comes before a flag that it needs.
    fn in_order(&self, flags: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let (mut order, mut begun) = (Vec::new(), HashSet::new());
        // Not by recursion: overrides make chains of thousands of flags.
        let mut open: Vec<_> = flags.into_iter().map(|flag| (flag, false)).collect();
        while let Some((flag, is_begun)) = open.pop() {
            if is_begun {
                order.push(flag);
            } else if begun.insert(flag) {
                open.push((flag, true));
                open.extend(self.needs(flag).map(|(needed, _)| (needed, false)));
            }
        }
        order
    }

    fn reach(&self, flag: &str) -> Reach {
        self.reaches.get(flag).copied().unwrap_or(Reach::None)
    }

    /// Returns true if a flag is off for all users by its own settings.
    fn is_switched_off(&self, flag: &str) -> bool {
        let definition = self.definition(flag);
        definition.is_none_or(|it| FlagState::at(it, self.now) == FlagState::Off)
    }

    /// Returns the reach of a flag as if it required no others.
    fn own_reach(&self, flag: &str) -> Reach {
        if self.unreadable.contains(flag) {
            return Reach::Some;
        }
        let state = self.definition(flag).map(|definition| FlagState::at(definition, self.now));
        let (allowed, denied) = match state {
            None | Some(FlagState::Off | FlagState::Unknown) => return Reach::None,
            Some(FlagState::On) => return Reach::All,
            Some(FlagState::Partial { allowed, denied, .. }) => (allowed, denied),
            Some(_) => return Reach::Some,
        };
        match self.ruled_reach(flag, 0) {
            // Lists come before rules.
            Reach::None if allowed > 0 => Reach::Some,
            Reach::All if denied > 0 => Reach::Some,
            reach => reach,
        }
    }

    /// Returns the reach of a flag by its rules from `first` on, and by the steps after the rules.
    fn ruled_reach(&self, flag: &str, first: usize) -> Reach {
        let state = self.definition(flag).map(|definition| FlagState::at(definition, self.now));
        let rest = match state {
            Some(FlagState::Partial { percentage: Percentage::ZERO, .. }) => Reach::None,
            Some(FlagState::Partial { percentage: Percentage::HUNDRED, variants: 0, .. }) => {
                Reach::All
            }
            _ => Reach::Some,
        };
        let rules = self.rules(flag).iter().skip(first).rev();
        rules.fold(rest, |rest, rule| self.with_rule(rule, rest))
    }

    /// Returns the reach of a rule and the steps after it, which have the reach `rest`.
    fn with_rule(&self, rule: &Rule, rest: Reach) -> Reach {
        match (self.match_of(rule), served(&rule.serve)) {
            (Reach::None, _) => rest,
            (Reach::All, served) => served,
            (Reach::Some, served) if served == rest => rest,
            (Reach::Some, _) => Reach::Some,
        }
    }

    /// Returns the users who meet the condition of a rule.
    fn match_of(&self, rule: &Rule) -> Reach {
        let unless = rule.unless.iter().map(|unless| self.unless(unless).holds);
        unless.fold(self.truth(&rule.when).holds, Reach::min)
    }

    fn truth(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::All(all) => {
                let truths = || all.iter().map(|part| self.truth(part));
                Truth {
                    holds: truths().map(|it| it.holds).min().unwrap_or(Reach::All),
                    fails: truths().map(|it| it.fails).max().unwrap_or(Reach::None),
                }
            }
            Condition::Any(any) => {
                let truths = || any.iter().map(|part| self.truth(part));
                Truth {
                    holds: truths().map(|it| it.holds).max().unwrap_or(Reach::None),
                    fails: truths().map(|it| it.fails).min().unwrap_or(Reach::All),
                }
            }
            Condition::Not(not) => self.truth(not.condition()).negated(),
            Condition::Unless(unless) => self.unless(unless.condition()),
            Condition::Segment(segment) => self.truth(segment.when()),
            Condition::Flag(required) => self.required_truth(required),
            // The truth depends on attributes.
            _ => Truth::DEPENDS,
        }
    }

    /// Returns the truth of "this is not true".
    fn unless(&self, condition: &Condition) -> Truth {
        match condition.flags().iter().all(|required| self.is_of_a_state(&required.flag)) {
            true => {
                let holds = self.truth(condition).holds;
                Truth { holds: holds.complement(), fails: holds }
            }
            false => Truth::NEVER,
        }
    }

    /// Returns the truth of a condition on the state of a flag, which is unknown if the flag is in no state.
    fn required_truth(&self, required: &Prerequisite) -> Truth {
        if !self.is_of_a_state(&required.flag) {
            return Truth::NEVER;
        }
        let on = self.reach(&required.flag);
        let is_on = Truth { holds: on, fails: on.complement() };
        match &required.state {
            RequiredState::On => is_on,
            RequiredState::Off => is_on.negated(),
            RequiredState::Variants(names) if names.is_empty() => {
                Truth { holds: Reach::None, fails: Reach::All }
            }
            // A flag that is on may serve any variant, and one that is off may serve one, too.
            RequiredState::Variants(_) if on == Reach::None && !self.serves_off(required) => is_on,
            _ => Truth::DEPENDS,
        }
    }

    fn is_of_a_state(&self, flag: &str) -> bool {
        self.definition(flag).is_some() && self.reaches.contains_key(flag)
    }

    /// Returns true if a flag can be in the state while it is off.
    fn serves_off(&self, required: &Prerequisite) -> bool {
        let definition = self.definition(&required.flag);
        let variants = definition.and_then(|flag| flag.rare().variants.value());
        match &required.state {
            RequiredState::On => false,
            RequiredState::Variants(names) => variants
                .is_some_and(|variants| names.iter().any(|name| variants.counts_as_off(name))),
            _ => true,
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

/// Returns the users whom a rule turns on, of those who meet its condition.
fn served(serve: &Serve) -> Reach {
    match serve {
        Serve::On | Serve::Percentage(Percentage::HUNDRED) => Reach::All,
        Serve::Off | Serve::Percentage(Percentage::ZERO) => Reach::None,
        _ => Reach::Some,
    }
}

/// The effect of a change on a set of users.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// True if it may become true for a user for whom it is false.
    more: bool,
    /// True if it may become false for a user for whom it is true.
    fewer: bool,
}

impl Turn {
    const ANY: Self = Self { more: true, fewer: true };

    fn or(self, other: Self) -> Self {
        Self { more: self.more || other.more, fewer: self.fewer || other.fewer }
    }

    fn reversed(self) -> Self {
        Self { more: self.fewer, fewer: self.more }
    }

    /// Returns true if nothing changes for any user.
    fn is_none(self) -> bool {
        !self.more && !self.fewer
    }
}

/// The effect of a change on one flag.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    on: Turn,
    /// Another variant may be served.
    varies: bool,
    /// The flag is in no state either before the change or after it.
    is_new_or_gone: bool,
}

/// The effect of a change on the users for whom a condition is true, and on those for whom it is false.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    holds: Turn,
    fails: Turn,
}

impl Turns {
    fn or(self, other: Self) -> Self {
        Self { holds: self.holds.or(other.holds), fails: self.fails.or(other.fails) }
    }
}

/// The flags before a change and after it.
struct Change<'f, 'a> {
    before: &'f Flags<'a>,
    after: &'f Flags<'a>,
    ways: HashMap<&'a str, Way>,
}

impl<'f, 'a> Change<'f, 'a> {
    /// Follows a change from the changed flags to the flags that need them. A flag comes after the flags that it needs.
    fn new(
        before: &'f Flags<'a>,
        after: &'f Flags<'a>,
        changed: &[&Effect],
        order: &[&'a str],
    ) -> Self {
        let changed: HashMap<_, _> =
            changed.iter().map(|effect| (&*effect.flag, *effect)).collect();
        let mut change = Self { before, after, ways: HashMap::new() };
        for &flag in order {
            let mut way = change.of_needed(flag);
            if let Some(effect) = changed.get(flag) {
                way.on = way.on.or(Turn { more: effect.is_wider(), fewer: effect.is_narrower() });
                way.varies = true;
                way.is_new_or_gone = before.is_of_a_state(flag) != after.is_of_a_state(flag);
            }
            let (was, is) = (before.reach(flag), after.reach(flag));
            way.on.more &= was != Reach::All && is != Reach::None;
            way.on.fewer &= was != Reach::None && is != Reach::All;
            way.varies &= is != Reach::None;
            if !way.on.is_none() || way.varies || way.is_new_or_gone {
                change.ways.insert(flag, way);
            }
        }
        change
    }

    /// Returns true if the flag may turn on for a user for whom it is off now.
    fn lets_more_in(&self, flag: &str) -> bool {
        self.ways.get(flag).is_some_and(|way| way.on.more)
    }

    /// Returns the effect on a flag of the flags that it needs.
    fn of_needed(&self, flag: &'a str) -> Way {
        let required = self.after.required(flag).map(|required| self.required(required).holds);
        let mut way = Way { on: required.fold(Turn::default(), Turn::or), ..Way::default() };
        way.varies = !way.on.is_none();
        let rules = self.after.rules(flag);
        for (index, rule) in rules.iter().enumerate().rev() {
            let turn = self.match_of(rule);
            let served = served(&rule.serve);
            let rest = |flags: &Flags<'_>| flags.ruled_reach(flag, index + 1);
            // Users who match now are served by the rule. Users who no longer match are served by the steps after it.
            way.on.more |= turn.more && served != Reach::None && rest(self.before) != Reach::All;
            way.on.more |= turn.fewer && served != Reach::All && rest(self.after) != Reach::None;
            way.on.fewer |= turn.more && served != Reach::All && rest(self.before) != Reach::None;
            way.on.fewer |= turn.fewer && served != Reach::None && rest(self.after) != Reach::All;
            way.varies |= !turn.is_none();
        }
        way
    }

    fn match_of(&self, rule: &Rule) -> Turn {
        let unless = rule.unless.iter().map(|unless| self.unless(unless).holds);
        unless.fold(self.turns(&rule.when).holds, Turn::or)
    }

    fn turns(&self, condition: &Condition) -> Turns {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().map(|part| self.turns(part)).fold(Turns::default(), Turns::or)
            }
            Condition::Not(not) => {
                let Turns { holds, fails } = self.turns(not.condition());
                Turns { holds: fails, fails: holds }
            }
            Condition::Unless(unless) => self.unless(unless.condition()),
            Condition::Segment(segment) => self.turns(segment.when()),
            Condition::Flag(required) => self.required(required),
            _ => Turns::default(),
        }
    }

    fn unless(&self, condition: &Condition) -> Turns {
        let is_new_or_gone = |required: &&Prerequisite| {
            self.ways.get(&*required.flag).is_some_and(|way| way.is_new_or_gone)
        };
        if condition.flags().iter().any(is_new_or_gone) {
            return Turns { holds: Turn::ANY, fails: Turn::ANY };
        }
        let holds = self.turns(condition).holds;
        Turns { holds: holds.reversed(), fails: holds }
    }

    fn required(&self, required: &Prerequisite) -> Turns {
        let Some(way) = self.ways.get(&*required.flag) else { return Turns::default() };
        if way.is_new_or_gone {
            return Turns { holds: Turn::ANY, fails: Turn::ANY };
        }
        let is_on = Turns { holds: way.on, fails: way.on.reversed() };
        match &required.state {
            RequiredState::On => is_on,
            RequiredState::Off => Turns { holds: is_on.fails, fails: is_on.holds },
            _ if way.varies || self.after.serves_off(required) => {
                Turns { holds: Turn::ANY, fails: Turn::ANY }
            }
            _ => is_on,
        }
    }
}

/// Returns the flags that need one of the changed ones, and the changed ones whose prerequisites are never met.
pub(super) fn others(snapshot: &Snapshot, effects: &[Effect]) -> Vec<Other> {
    let now = SystemTime::now();
    let changed: Vec<_> = effects.iter().filter(|effect| effect.writes).collect();
    let mut before = Flags::new(snapshot, BTreeMap::new(), now);
    let unreadable = changed.iter().filter(|effect| effect.was_unreadable);
    before.unreadable = unreadable.map(|effect| &*effect.flag).collect();
    let then = changed.iter().map(|effect| (&*effect.flag, effect.after.merged.as_ref()));
    let after = Flags::new(snapshot, then.collect(), now);
    let anonymous = Context::anonymous();
    let names: Vec<_> = snapshot.all(&anonymous).map(|(name, _)| name).collect();
    let mut through = after.through(&names, &changed);
    let all = || names.iter().copied().chain(changed.iter().map(|effect| &*effect.flag));
    let (before_order, order) = (before.in_order(all()), after.in_order(all()));
    let (before, after) = (before.reaching(&before_order), after.reaching(&order));
    let change = Change::new(&before, &after, &changed, &order);
    let mut others: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let through = through.remove(name).unwrap_or_default();
            let is_changed = after.changed.contains_key(name);
            let is_let_more = !is_changed && change.lets_more_in(name);
            let (before, after_reach) = (before.reach(name), after.reach(name));
            // The effect on the changed flag itself is printed elsewhere.
            let is_news = match is_changed {
                true => {
                    after_reach == Reach::None
                        && before != Reach::None
                        && !after.is_switched_off(name)
                }
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
    use flagstaff::{
        Memory,
        definition::{Entry, FlagsFile},
    };

    use super::{super::side::Side, *};

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

    /// Returns a change of a flag.
    fn change(flags: &flagstaff::Flags, flag: &str, after: &Definition) -> Effect {
        Effect {
            flag: flag.to_owned(),
            before: Side::of(&flags.snapshot(), flag),
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

    /// It would read as if the required flag were the reason.
    #[test]
    fn switching_a_flag_off_does_not_affect_the_flags_that_it_requires() {
        let flags = of(&[("a", &[]), ("b", &["a"])]);

        assert_eq!(switched_off(&flags, "b"), []);
    }

    #[test]
    fn exactly_the_flags_that_require_a_changed_one_are_affected() {
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
    fn a_flag_held_off_by_several_changed_flags_names_all_of_them() {
        let flags = of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"])]);
        let off = Definition::new().enabled(false);
        let effects = ["b", "a"].map(|flag| change(&flags, flag, &off));

        let others = others(&flags.snapshot(), &effects);

        let through: Vec<_> = others.iter().map(|it| (&*it.flag, &*it.through)).collect();
        let both = ["b".to_owned(), "a".to_owned()];
        assert_eq!(through, [("c", &both[..]), ("d", &both)]);
    }

    #[test]
    fn a_change_that_closes_a_cycle_switches_off_the_flags_on_it_and_those_that_require_them() {
        let flags = of(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("other", &[])]);
        let effect = change(&flags, "a", &Definition::new().requires(["b"]));

        let others = others(&flags.snapshot(), &[effect]);

        let off: Vec<_> = others.iter().map(|it| (&*it.flag, it.is_switched_off())).collect();
        assert_eq!(off, [("a", true), ("b", true), ("c", true)]);
    }

    fn of_text(text: &str) -> flagstaff::Flags {
        let file = FlagsFile::parse("flags.toml", text);
        assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        let memory = file.flags().iter().fold(Memory::new(), |memory, (flag, definition)| {
            memory.with(flag, Entry::from(definition.clone()))
        });
        flagstaff::Flags::builder().source(memory).start_blocking().unwrap()
    }

    /// Returns the flags that a change of `a` changes the answers of, each with the word for the change.
    fn effects_of(text: &str, after: &Definition) -> Vec<String> {
        let text = format!("[flags.a]\n[flags]\n{text}");
        let flags = of_text(&text);
        let effect = change(&flags, "a", after);
        let others = others(&flags.snapshot(), &[effect]);
        let word = |other: &Other| match () {
            () if other.is_switched_off() => "off",
            () if other.is_wider() => "more",
            () => "same or fewer",
        };
        others.iter().map(|other| format!("{} {}", other.flag, word(other))).collect()
    }

    #[test]
    fn what_a_flag_is_on_for_after_a_kill_is_found_from_its_rules() {
        let rule = |rule: &str, rest: &str| {
            format!("b = {{ {rest}, rules = [{{ name = \"r\", {rule} }}] }}\n")
        };
        let on_a = "when = { flag = \"a\" }, serve = true";
        for (text, expected) in [
            // Its only rule requires the killed flag.
            (rule(on_a, "percentage = 0"), "off"),
            (rule(on_a, "percentage = 50"), "same or fewer"),
            (rule(on_a, "percentage = 0, allowed_users = [\"ana\"]"), "same or fewer"),
            (
                rule("when = { flag = \"a\", plan = \"pro\" }, serve = true", "percentage = 0"),
                "off",
            ),
            (rule("when = { flag = \"a\" }, serve = \"25%\"", "percentage = 0"), "off"),
            (
                rule(
                    "when = { any = [{ flag = \"a\" }, { plan = \"pro\" }] }, serve = true",
                    "percentage = 0",
                ),
                "same or fewer",
            ),
            // The rule holds users back.
            (rule("when = { flag = \"a\" }, serve = false", "percentage = 100"), "more"),
            (rule("when = { flag = \"a\" }, serve = false", "percentage = 0"), "same or fewer"),
            (rule("when = { flag = \"a\" }, serve = \"25%\"", "percentage = 50"), "more"),
            // The rule asks for the flag to be off.
            (
                rule(
                    "when = { flag = { flag = \"a\", on = false } }, serve = true",
                    "percentage = 0",
                ),
                "more",
            ),
            (
                rule(
                    "when = { flag = { flag = \"a\", on = false } }, serve = false",
                    "percentage = 100",
                ),
                "off",
            ),
            (rule("when = { not = { flag = \"a\" } }, serve = true", "percentage = 0"), "more"),
            (
                rule(
                    "when = { plan = \"pro\" }, unless = { flag = \"a\" }, serve = true",
                    "percentage = 0",
                ),
                "more",
            ),
            (
                rule(
                    "when = { plan = \"pro\" }, unless = { flag = \"a\" }, serve = false",
                    "percentage = 100",
                ),
                "same or fewer",
            ),
            (
                rule(
                    "when = { unless = { not = { flag = \"a\" } } }, serve = true",
                    "percentage = 0",
                ),
                "off",
            ),
            // Prerequisites.
            ("b = { requires = [\"a\"] }\n".to_owned(), "off"),
            ("b = { requires = [{ flag = \"a\", on = false }] }\n".to_owned(), "more"),
            (rule("when = { plan = \"pro\" }, serve = false", "requires = [\"a\"]"), "off"),
        ] {
            let effects = effects_of(&text, &Definition::new().enabled(false));
            assert_eq!(effects, [format!("b {expected}")], "{text}");
        }
    }

    #[test]
    fn each_flag_that_has_to_be_off_inverts_the_effect_along_a_chain() {
        let text = "b = { percentage = 0, rules = [{ when = { flag = \"a\" }, serve = true }] }\n\
                    c = { requires = [{ flag = \"b\", on = false }], percentage = 50 }\n\
                    d = { percentage = 0, rules = [{ when = { plan = \"x\" }, unless = { flag = \"c\" }, serve = true }] }\n\
                    e = { requires = [\"b\"] }\n\
                    other = { requires = [\"off\"] }\noff = false\n\
                    f = { percentage = 10, rules = [{ when = { flag = \"other\" }, serve = false }, { when = { flag = \"a\" }, serve = true }] }\n";
        let effects = effects_of(text, &Definition::new().enabled(false));

        assert_eq!(effects, ["b off", "c more", "d same or fewer", "e off", "f same or fewer"]);
    }

    #[test]
    fn a_wider_flag_widens_only_the_flags_that_need_it_on() {
        let text = "b = { percentage = 0, rules = [{ when = { flag = \"a\" }, serve = true }] }\n\
                    c = { rules = [{ when = { flag = \"a\" }, serve = false }] }\n\
                    d = { requires = [{ flag = \"a\", on = false }] }\n";
        let flags = of_text(&format!("[flags]\na = \"10%\"\n{text}"));
        let half = Definition::new().percentage(Percentage::whole(50).unwrap());

        let others = others(&flags.snapshot(), &[change(&flags, "a", &half)]);

        let wider: Vec<_> = others.iter().map(|it| (&*it.flag, it.is_wider())).collect();
        assert_eq!(wider, [("b", true), ("c", false), ("d", false)]);
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
