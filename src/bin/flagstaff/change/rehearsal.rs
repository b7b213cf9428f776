//! Sources in memory that say about one flag what the real ones say.

use std::time::SystemTime;

use flagstaff::{
    Flags, Memory,
    definition::Entry,
    source::{FlagsBuilder, Offer, SourceEntry, SourceKind},
};

use super::effect::Side;
use crate::{failure::Failure, place::Once};

/// Flags that can be changed without harm.
pub(crate) struct Rehearsal {
    pub(crate) name: String,
    /// All sources. What can be written to is a [`Memory`].
    pub(crate) flags: Flags,
    /// What the store says before.
    pub(super) before: Option<SourceEntry>,
    store: Memory,
    /// What the sources below the store say, the strongest first.
    below: Vec<(SourceKind, Entry)>,
}

impl Rehearsal {
    pub(crate) async fn of(flags: &Flags, name: &str) -> Result<Self, Failure> {
        let (mut before, mut below) = (None, Vec::new());
        let written = flags.writable_source();
        for said in flags.sources_of(name) {
            match said.source {
                source if Some(source) == written => before = Some(said),
                source => below.push((source.kind, said.entry)),
            }
        }
        let store = Memory::new();
        if let Some(said) = &before {
            store.insert(name, said.entry.clone());
        }
        let flags = over(Flags::builder().source(store.clone()), name, &below).start().await?;
        Ok(Self { name: name.to_owned(), flags, before, store, below })
    }

    /// Lets the store say this about the flag, or nothing.
    pub(crate) fn put(&self, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.store.insert(&self.name, entry),
            None => self.store.remove(&self.name),
        }
    }

    /// What the store says then.
    pub(crate) fn after(&self) -> Option<Entry> {
        super::said(&self.flags, &self.name)
    }

    /// The flag at an instant, as the sources below the store make it.
    pub(super) async fn below(&self, at: SystemTime) -> Result<Side, Failure> {
        if self.below.is_empty() {
            return Ok(Side::default());
        }
        let builder = over(Flags::builder(), &self.name, &self.below).clock(move || at);
        Ok(Side::of(&builder.start().await?, &self.name))
    }

    /// The flag now, as these sources make it, the strongest first.
    pub(super) async fn merged(
        name: &str,
        sources: &[(SourceKind, Entry)],
    ) -> Result<Side, Failure> {
        Ok(Side::of(&over(Flags::builder(), name, sources).start().await?, name))
    }

    /// The kinds of the sources below the store that have an entry for the flag.
    pub(super) fn sources_below(&self) -> impl Iterator<Item = SourceKind> {
        self.below.iter().map(|(kind, _)| *kind)
    }
}

fn over(builder: FlagsBuilder, name: &str, sources: &[(SourceKind, Entry)]) -> FlagsBuilder {
    sources.iter().fold(builder, |builder, (source, entry)| {
        builder.source(Once::new(*source, Offer::from_iter([(name, entry.clone())])))
    })
}
