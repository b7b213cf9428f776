//! What a change of flags means for one user after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use flagstaff::{
    Answer, Context, Definition, Flags, Memory, Snapshot, answer::FlagState, definition::Field,
};

use super::share::{Draw, Shares};
use crate::failure::Failure;

/// Flags by their keys.
pub(crate) type Definitions = BTreeMap<Arc<str>, Arc<Definition>>;

/// The flags that can be different after a change, before and after it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) flags: Vec<Changing>,
    before: Side,
    after: Side,
}

/// One flag that can be different after a change.
#[derive(Debug)]
pub(crate) struct Changing {
    pub(crate) key: Arc<str>,
    pub(crate) before: FlagState,
    pub(crate) after: FlagState,
    /// Whether it is defined in another way. If not, a flag that it requires is.
    pub(crate) is_edited: bool,
    asks_for_more: bool,
    shares: Option<(Shares, Shares)>,
    /// Variants that are called the same and have another value.
    other_values: Vec<String>,
}

/// How many users a flag is another one for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) on_before: u64,
    pub(crate) on_after: u64,
    pub(crate) newly_on: u64,
    pub(crate) newly_off: u64,
    /// As on or off as before, with another variant or value.
    pub(crate) other_value: u64,
    /// Those of the above who moved although nothing about them changed.
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

/// All flags on one side of the change.
#[derive(Debug)]
struct Side {
    snapshot: Arc<Snapshot>,
    /// Where each flag of the snapshot is among those of the change.
    places: Vec<usize>,
}

impl Change {
    /// Compares two sets of flags, both at the instant `at`.
    pub(crate) async fn new(
        before: &Definitions,
        after: &Definitions,
        at: SystemTime,
    ) -> Result<Self, Failure> {
        let needed = needed(before, after);
        let flags: Vec<_> = needed
            .iter()
            .map(|key| Changing::new(key, before.get(key), after.get(key), at))
            .collect();
        let before = Side::new(before, &needed, at).await?;
        let after = Side::new(after, &needed, at).await?;
        Ok(Self { flags, before, after })
    }

    /// Whether groups or attributes make a difference to one of the flags.
    pub(crate) fn asks_for_more_than_users(&self) -> bool {
        self.flags.iter().any(|flag| flag.asks_for_more)
    }

    /// Counts one user, in a tally for each flag.
    pub(crate) fn count(&self, context: &Context<'_>, tallies: &mut [Tally]) {
        let mut before = self.before.answers(context).peekable();
        let mut after = self.after.answers(context).peekable();
        for (place, (flag, tally)) in self.flags.iter().zip(tallies).enumerate() {
            let before = before.next_if(|(at, _)| *at == place).map(|(_, answer)| answer);
            let after = after.next_if(|(at, _)| *at == place).map(|(_, answer)| answer);
            let is_on = |answer: Option<Answer<bool>>| answer.is_some_and(|answer| answer.value);
            let (was_on, is_on) = (is_on(before), is_on(after));
            tally.on_before += u64::from(was_on);
            tally.on_after += u64::from(is_on);
            let variants = (before.and_then(|it| it.variant), after.and_then(|it| it.variant));
            match (was_on, is_on) {
                (false, true) => tally.newly_on += 1,
                (true, false) => tally.newly_off += 1,
                _ if flag.is_another_value(variants) => tally.other_value += 1,
                _ => continue,
            }
            if let (Some(before), Some(after)) = (before, after)
                && self.is_redrawn(flag, context, before, after)
            {
                tally.redrawn += 1;
            }
        }
    }

    /// Whether the same draw has another outcome, which the shares that it draws for do not explain.
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
                let drawn = |side: &Side| side.snapshot.variant(&*flag.key, context, "");
                let (before, after) = (drawn(&self.before), drawn(&self.after));
                let draws = (Draw::of_variant(before.cause), Draw::of_variant(after.cause));
                let (Some(from), Some(to)) = draws else { return false };
                ((from, before.value), (to, after.value))
            }
            _ => {
                let draws = (Draw::of_gate(before.cause), Draw::of_gate(after.cause));
                let (Some(from), Some(to)) = draws else { return false };
                let name = |on| if on { "on" } else { "off" };
                ((from, name(before.value)), (to, name(after.value)))
            }
        };
        shares_before.is_same_draw(from.0, shares_after, to.0)
            && !Shares::explain((shares_before, from.0), (shares_after, to.0), from.1, to.1)
    }
}

impl Changing {
    fn new(
        key: &Arc<str>,
        before: Option<&Arc<Definition>>,
        after: Option<&Arc<Definition>>,
        at: SystemTime,
    ) -> Self {
        let state = |it: Option<&Arc<Definition>>| {
            it.map_or(FlagState::Unknown, |definition| FlagState::at(definition, at))
        };
        let both = before.zip(after);
        Self {
            key: Arc::clone(key),
            before: state(before),
            after: state(after),
            is_edited: before != after,
            asks_for_more: [before, after].into_iter().flatten().any(|flag| asks_for_more(flag)),
            shares: both.map(|(before, after)| (Shares::new(before, at), Shares::new(after, at))),
            other_values: both
                .map(|(before, after)| other_values(before, after))
                .unwrap_or_default(),
        }
    }

    fn is_another_value(&self, variants: (Option<&str>, Option<&str>)) -> bool {
        match variants {
            (Some(before), Some(after)) if before == after => {
                self.other_values.iter().any(|name| name == after)
            }
            (before, after) => before != after,
        }
    }
}

/// Whether groups or attributes make a difference.
fn asks_for_more(flag: &Definition) -> bool {
    flag.fields().any(Field::reads_attributes)
}

/// The variants of both whose value is another one.
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

/// The flags that differ, those that require them, and everything that these require.
fn needed(before: &Definitions, after: &Definitions) -> BTreeSet<Arc<str>> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let requires = |key: &Arc<str>| {
        let both = [before.get(key), after.get(key)].into_iter().flatten();
        both.flat_map(|flag| flag.rare().requires.value().into_iter().flatten())
            .map(|it| it.flag.as_str())
    };
    let edited = keys.iter().filter(|key| before.get(**key) != after.get(**key));
    let mut needed: BTreeSet<_> = edited.map(|&key| Arc::clone(key)).collect();
    grow(&mut needed, |known| {
        let affected = keys.iter().filter(|key| requires(key).any(|other| known.contains(other)));
        affected.map(|&key| Arc::clone(key)).collect()
    });
    grow(&mut needed, |known| {
        let required =
            keys.iter().filter(|key| known.iter().flat_map(requires).any(|it| *it == ****key));
        required.map(|&key| Arc::clone(key)).collect()
    });
    needed
}

/// Adds what follows until nothing does any more.
fn grow(
    known: &mut BTreeSet<Arc<str>>,
    follows: impl Fn(&BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>>,
) {
    loop {
        let size = known.len();
        known.extend(follows(known));
        if known.len() == size {
            return;
        }
    }
}

impl Side {
    async fn new(
        all: &Definitions,
        needed: &BTreeSet<Arc<str>>,
        at: SystemTime,
    ) -> Result<Self, Failure> {
        let mut source = Memory::new();
        let mut places = Vec::new();
        for (place, key) in needed.iter().enumerate() {
            if let Some(definition) = all.get(key) {
                source = source.with(key, Definition::clone(definition));
                places.push(place);
            }
        }
        let flags = Flags::builder().source(source).clock(move || at).start().await?;
        Ok(Self { snapshot: flags.snapshot(), places })
    }

    /// What every flag is for a context, each with its place; in order.
    fn answers(&self, context: &Context<'_>) -> impl Iterator<Item = (usize, Answer<bool>)> {
        let answers = self.snapshot.all(context).map(|(_, answer)| answer);
        self.places.iter().copied().zip(answers)
    }
}
