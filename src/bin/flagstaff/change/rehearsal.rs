//! Sources in memory with the entries that the real ones have for one flag.

use std::{cell::RefCell, time::SystemTime};

use flagstaff::{
    Flags, Memory, Snapshot,
    definition::{Entry, Field, UnknownKeys, from_json_object, to_json},
    source::{Offer, SourceEntry, SourceKind},
};

use super::{
    entries::{entry_of, store_now},
    side::Side,
};
use crate::{failure::Failure, place::Once};

/// Flags that can be changed without harm.
pub(crate) struct Rehearsal {
    pub(crate) name: String,
    /// All sources. The writable one is a [`Memory`].
    pub(crate) flags: Flags,
    /// The entry of the store before the change.
    pub(super) before: Option<SourceEntry>,
    store: Memory,
    /// The entry of the store after its end; `None` if the store has none then.
    next: RefCell<Option<Entry>>,
    /// The entries of the sources below the store, the strongest first.
    below: Vec<(SourceKind, Entry)>,
}

impl Rehearsal {
    pub(crate) async fn of(flags: &Flags, name: &str) -> Result<Self, Failure> {
        let now = store_now(flags);
        let (mut before, mut below) = (None, Vec::new());
        let written = flags.writable_source();
        for held in flags.sources_of(name) {
            match held.source {
                source if Some(source) == written => before = Some(held),
                source => below.push((source.kind, held.entry)),
            }
        }
        let store = Memory::new();
        if let Some(held) = &before {
            store.insert(name, held.entry.clone());
        }
        let over = Flags::builder().source(store.clone());
        let flags = below.iter().fold(over, |builder, (kind, entry)| {
            builder.source(Once::new(*kind, offer(name, entry)))
        });
        let flags = flags.start().await?;
        let next = RefCell::new(before.as_ref().and_then(|held| next(name, held, now)));
        Ok(Self { name: name.to_owned(), flags, before, store, next, below })
    }

    /// Stores an entry for the flag, or none. After the end of that entry, the store has `next`.
    pub(crate) fn put(&self, entry: Option<Entry>, next: Option<Entry>) {
        self.next.replace(next);
        match entry {
            Some(entry) => self.store.insert(&self.name, entry),
            None => self.store.remove(&self.name),
        }
    }

    /// Returns true if the store has an entry for the flag after the end of the present one.
    pub(super) fn comes_back(&self) -> bool {
        self.next.borrow().is_some()
    }

    /// Returns the flag after the end of its entry in the store.
    pub(super) fn then(&self, at: SystemTime) -> Side {
        let Some(next) = self.next.borrow().clone() else { return self.below(at) };
        let entries = [(SourceKind::Redis, next)].into_iter().chain(self.below.iter().cloned());
        let entries: Vec<_> = entries.collect();
        Side::of(&merge(&self.name, &entries, at), &self.name)
    }

    /// Returns the entry of the store after the change.
    pub(crate) fn after(&self) -> Option<Entry> {
        entry_of(&self.flags, &self.name)
    }

    /// Returns the flag at an instant, as the sources below the store make it.
    pub(super) fn below(&self, at: SystemTime) -> Side {
        Side::of(&merge(&self.name, &self.below, at), &self.name)
    }

    /// Returns the flag now, as these sources make it, the strongest first.
    pub(super) fn merged(name: &str, sources: &[(SourceKind, Entry)]) -> Side {
        Side::of(&merge(name, sources, SystemTime::now()), name)
    }

    /// Returns the kinds of the sources below the store that have an entry for the flag.
    pub(super) fn sources_below(&self) -> impl Iterator<Item = SourceKind> {
        self.below.iter().map(|(kind, _)| *kind)
    }
}

/// Returns the entry of an override after its switch has ended: the settings without those of the switch. The result is
/// the same after a step of a rollout, which does not change the switch.
fn next(name: &str, held: &SourceEntry, now: SystemTime) -> Option<Entry> {
    let by = held.provenance.as_ref()?;
    by.forced_until.filter(|&until| by.changes_at(now) == Some(until))?;
    let Entry::Definition(definition) = &held.entry else { return None };
    let mut settings = to_json(definition);
    settings.remove(Field::Enabled.as_str());
    Some(from_json_object(name, &settings, UnknownKeys::Reject).ok()?.into())
}

/// Merges the entries of some sources for the flag.
fn merge(name: &str, sources: &[(SourceKind, Entry)], at: SystemTime) -> Snapshot {
    Snapshot::merge(sources.iter().map(|(kind, entry)| (*kind, offer(name, entry))), at)
}

fn offer(name: &str, entry: &Entry) -> Offer {
    Offer::from_iter([(name, entry.clone())])
}
