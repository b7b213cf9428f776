//! The effects of a change of flags on one user after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use flagstaff::{
    Answer, Context, Definition, Snapshot,
    answer::FlagState,
    definition::{BucketBy, Definitions, Field, SharedDefinition, to_json},
    source::SourceKind,
};
use serde_json::Value;

use super::{
    made_up::MadeUp,
    share::{Outcome, Shares},
};

/// The flags that can be different after a change, before and after it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) flags: Vec<Changing>,
    before: Side,
    after: Side,
    made_up: MadeUp,
}

/// One flag that can be different after a change.
#[derive(Debug)]
pub(crate) struct Changing {
    pub(crate) key: String,
    pub(crate) before: FlagState,
    pub(crate) after: FlagState,
    /// True if its own definition differs. If false, the definition of a flag that it requires does.
    pub(crate) is_edited: bool,
    pub(super) asks_for_more: bool,
    /// The names of the rules before and after.
    pub(super) rules: [Vec<String>; 2],
    shares: Option<(Shares, Shares)>,
    /// Variants with the same name and another value.
    other_values: Vec<String>,
    /// True if users for whom the flag is on without a variant are served another value, or a value for the first time.
    has_other_constant: bool,
}

/// The number of users for whom the answer of a flag differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) on_before: u64,
    pub(crate) on_after: u64,
    pub(crate) newly_on: u64,
    pub(crate) newly_off: u64,
    /// The users with the same state, and another variant or value.
    pub(crate) other_value: u64,
    /// The users among these whose draw has another result, which the new shares do not explain.
    pub(crate) redrawn: u64,
}

impl Tally {
    pub(crate) fn changed(&self) -> u64 {
        self.newly_on + self.newly_off + self.other_value
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.on_before += other.on_before;
        self.on_after += other.on_after;
        self.newly_on += other.newly_on;
        self.newly_off += other.newly_off;
        self.other_value += other.other_value;
        self.redrawn += other.redrawn;
    }
}

/// The rules of a flag that decided for a user, before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tried([Vec<bool>; 2]);

impl Tried {
    pub(crate) fn none(flag: &Changing) -> Self {
        Self([0, 1].map(|side: usize| vec![false; flag.rules[side].len()]))
    }

    fn note(&mut self, answers: [Option<Answer<bool>>; 2]) {
        for (tried, answer) in self.0.iter_mut().zip(answers) {
            if let Some(rule) = answer.and_then(|it| it.cause.rule())
                && let Some(tried) = tried.get_mut(usize::from(rule))
            {
                *tried = true;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (tried, other) in self.0.iter_mut().zip(&other.0) {
            tried.iter_mut().zip(other).for_each(|(tried, other)| *tried |= other);
        }
    }

    /// Returns the rules that decided for no user, neither before nor after. If a flag is off, none of its rules is
    /// evaluated.
    pub(super) fn untried<'f>(&self, flag: &'f Changing) -> Vec<&'f str> {
        let sides = || self.0.iter().zip(&flag.rules);
        let decided = sides().flat_map(|(tried, rules)| rules.iter().zip(tried));
        let decided: BTreeSet<&str> =
            decided.filter(|(_, tried)| **tried).map(|(name, _)| name.as_str()).collect();
        let is_off = [flag.before, flag.after].map(|state| state == FlagState::Off);
        let asked = sides().zip(is_off).filter(|(_, is_off)| !is_off);
        let mut names: Vec<&str> = Vec::new();
        for name in asked.flat_map(|((_, rules), _)| rules) {
            if !decided.contains(name.as_str()) && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}

/// All flags on one side of the change.
#[derive(Debug)]
struct Side {
    snapshot: Snapshot,
    /// The index of each flag of the snapshot among those of the change.
    places: Vec<usize>,
}

impl Change {
    /// Compares two sets of flags, both at the instant `at`.
    pub(crate) fn new(before: &Definitions, after: &Definitions, at: SystemTime) -> Self {
        let needed = needed(before, after);
        let flags: Vec<_> = needed
            .iter()
            .map(|key| Changing::new(key, before.get(key), after.get(key), at))
            .collect();
        let both = |key| [before.get(key), after.get(key)].into_iter().flatten();
        let made_up = needed.iter().flat_map(|key| both(key).map(move |flag| (&**key, &**flag)));
        let made_up = MadeUp::of(made_up);
        let before = Side::new(before, &needed, at);
        let after = Side::new(after, &needed, at);
        Self { flags, before, after, made_up }
    }

    /// Returns the made-up users for these flags.
    pub(crate) fn made_up(&self) -> &MadeUp {
        &self.made_up
    }

    /// Counts one user, in a tally for each flag, and the rules that decided.
    pub(crate) fn count(&self, context: &Context<'_>, tallies: &mut [Tally], tried: &mut [Tried]) {
        let mut before = self.before.answers(context).peekable();
        let mut after = self.after.answers(context).peekable();
        let all = self.flags.iter().zip(tallies).zip(tried);
        for (place, ((flag, tally), tried)) in all.enumerate() {
            let before = before.next_if(|(at, _)| *at == place).map(|(_, answer)| answer);
            let after = after.next_if(|(at, _)| *at == place).map(|(_, answer)| answer);
            tried.note([before, after]);
            let is_on = |answer: Option<Answer<bool>>| answer.is_some_and(|answer| answer.value);
            let (was_on, is_on) = (is_on(before), is_on(after));
            tally.on_before += u64::from(was_on);
            tally.on_after += u64::from(is_on);
            let variants = (before.and_then(|it| it.variant), after.and_then(|it| it.variant));
            match (was_on, is_on) {
                (false, true) => tally.newly_on += 1,
                (true, false) => tally.newly_off += 1,
                _ if flag.is_another_value(variants, is_on) => tally.other_value += 1,
                _ => continue,
            }
            if let (Some(before), Some(after)) = (before, after)
                && self.is_redrawn(flag, context, before, after)
            {
                tally.redrawn += 1;
            }
        }
    }

    /// Returns `true` if a draw has another outcome, which the change of its shares does not explain.
    fn is_redrawn(
        &self,
        flag: &Changing,
        context: &Context<'_>,
        before: Answer<bool>,
        after: Answer<bool>,
    ) -> bool {
        let Some((shares_before, shares_after)) = &flag.shares else { return false };
        let (from, to) = match (before.value, after.value) {
            (true, true) => {
                let drawn = |side: &Side| {
                    let answer = side.snapshot.variant(&*flag.key, context, "");
                    Some((answer.cause.draw()?, Outcome::Variant(answer.variant?)))
                };
                (drawn(&self.before), drawn(&self.after))
            }
            _ => {
                let drawn =
                    |answer: Answer<bool>| Some((answer.cause.draw()?, Outcome::On(answer.value)));
                (drawn(before), drawn(after))
            }
        };
        let (Some((draw, from)), Some((other_draw, to))) = (from, to) else { return false };
        shares_before.is_same_draw(draw, shares_after, other_draw)
            && !Shares::explain((shares_before, draw), (shares_after, other_draw), from, to)
    }
}

impl Changing {
    fn new(
        key: &str,
        before: Option<&SharedDefinition>,
        after: Option<&SharedDefinition>,
        at: SystemTime,
    ) -> Self {
        let state = |it: Option<&SharedDefinition>| {
            it.map_or(FlagState::Unknown, |definition| FlagState::at(definition, at))
        };
        let both = before.zip(after);
        Self {
            key: key.to_owned(),
            before: state(before),
            after: state(after),
            is_edited: before != after,
            asks_for_more: [before, after].into_iter().flatten().any(|flag| asks_for_more(flag)),
            rules: [before, after].map(|flag| flag.map(|flag| rules(flag)).unwrap_or_default()),
            shares: both.map(|(before, after)| (Shares::new(before, at), Shares::new(after, at))),
            other_values: both
                .map(|(before, after)| other_values(before, after))
                .unwrap_or_default(),
            has_other_constant: both.is_some_and(|(before, after)| {
                before.rare().value.value() != after.rare().value.value()
            }),
        }
    }

    fn is_another_value(&self, variants: (Option<&str>, Option<&str>), is_on: bool) -> bool {
        match variants {
            (None, None) => is_on && self.has_other_constant,
            (Some(before), Some(after)) if before == after => {
                self.other_values.iter().any(|name| name == after)
            }
            (before, after) => before != after,
        }
    }
}

/// Returns true if the flag depends on groups or attributes. Removed and empty settings do not.
fn asks_for_more(flag: &Definition) -> bool {
    let settings = to_json(flag);
    let is_empty = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || *value == BucketBy::TargetingKey.as_str()
    };
    let mut asking = Field::ALL.iter().filter(|field| field.reads_attributes());
    asking.any(|field| settings.get(field.as_str()).is_some_and(|value| !is_empty(value)))
}

/// Returns the names of the rules, or their numbers.
fn rules(flag: &Definition) -> Vec<String> {
    let rules = flag.rare().rules.value().into_iter().flat_map(|rules| rules.iter()).enumerate();
    rules
        .map(|(index, rule)| rule.name.clone().unwrap_or_else(|| format!("{}", index + 1)))
        .collect()
}

/// Returns the variants of both sides with another value.
fn other_values(before: &Definition, after: &Definition) -> Vec<String> {
    let (Some(before), Some(after)) =
        (before.rare().variants.value(), after.rare().variants.value())
    else {
        return Vec::new();
    };
    let value = |variant: &flagstaff::definition::Variant| variant.value.value().cloned();
    let differ = before.iter().filter(|(name, variant)| {
        after.variant(name).is_some_and(|other| value(other) != value(variant))
    });
    differ.map(|(name, _)| name.to_owned()).collect()
}

/// Returns the flags that differ, the flags that need these, and all flags that those need.
fn needed(before: &Definitions, after: &Definitions) -> BTreeSet<String> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut requires: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut required_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for &key in &keys {
        let both = [before.get(key), after.get(key)].into_iter().flatten();
        for other in both.flat_map(|flag| flag.needs()) {
            requires.entry(key).or_default().push(&other.flag);
            required_by.entry(&other.flag).or_default().push(key);
        }
    }
    let edited = keys.iter().filter(|key| before.get(*key) != after.get(*key));
    let affected = reached(edited.copied().collect(), &required_by);
    let needed = reached(affected.into_iter().collect(), &requires);
    keys.into_iter().filter(|key| needed.contains(key)).map(str::to_owned).collect()
}

/// Returns the keys that can be reached from some keys, these included. Each key is visited once.
fn reached<'k>(
    mut open: Vec<&'k str>,
    ways: &BTreeMap<&'k str, Vec<&'k str>>,
) -> BTreeSet<&'k str> {
    let mut reached: BTreeSet<_> = open.iter().copied().collect();
    while let Some(key) = open.pop() {
        let next = ways.get(key).into_iter().flatten().copied();
        open.extend(next.filter(|next| reached.insert(next)));
    }
    reached
}

impl Side {
    fn new(all: &Definitions, needed: &BTreeSet<String>, at: SystemTime) -> Self {
        let found = needed.iter().enumerate();
        let found = found.filter_map(|(place, key)| Some((place, (key, all.get(key)?.clone()))));
        let (places, flags): (Vec<_>, Vec<_>) = found.unzip();
        let source = (SourceKind::File, flags.into_iter().collect());
        Self { snapshot: Snapshot::merge([source], at), places }
    }

    /// Returns the answers of all flags for a context in order, each with its index in the change.
    fn answers(&self, context: &Context<'_>) -> impl Iterator<Item = (usize, Answer<bool>)> {
        let answers = self.snapshot.all(context).map(|(_, answer)| answer);
        self.places.iter().copied().zip(answers)
    }
}
