//! Questions to the sources in force: the entries of a flag, its drift, the effect of a change.

use std::sync::Arc;

use tokio::time::Instant;

use super::Publisher;
use crate::{
    backend::{Circumstances, SourceId},
    flags::{Drift, NoEffect, SourceEntry, no_effect},
    model::{Entry, Resolve, SharedDefinition},
};

impl Publisher {
    pub(in crate::flags) fn sources_of(&self, key: &str) -> Vec<SourceEntry> {
        let state = self.state();
        let entries = state.stack.entries(key);
        let entries = entries.map(|(source, entry, provenance)| SourceEntry {
            source: self.sources[usize::from(source)],
            entry,
            place: state.stack.place(key, source),
            provenance: provenance.map(Arc::unwrap_or_clone),
            problem: state.stack.problem(key, source),
            warning: state.stack.warning(key, source).map(|(_, message)| message),
        });
        entries.collect()
    }

    /// Returns the changes of a source against those below it.
    pub(in crate::flags) fn drift(&self, source: usize) -> Vec<Drift> {
        let state = self.state();
        let drift = state.stack.overrides(source).map(|(key, entry, provenance)| {
            let (declared, overridden) = state.stack.with_and_without(key, source);
            let fields = match &declared {
                Some(declared) => declared.differences(&overridden),
                None => overridden.fields().collect(),
            };
            Drift {
                key: key.to_string(),
                entry: entry.clone(),
                provenance: provenance.map(Arc::unwrap_or_clone),
                declared: declared.map(SharedDefinition::into_definition),
                place: state.stack.place_below(key, source),
                overridden: overridden.into_definition(),
                fields,
            }
        });
        let mut drift: Vec<_> = drift.collect();
        drift.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        drift
    }

    /// Returns the definition of a flag from the sources below `source`, and the one with `entry` in `source`.
    pub(in crate::flags) fn with_entry(
        &self,
        key: &str,
        source: usize,
        entry: Option<&Entry>,
    ) -> (SharedDefinition, SharedDefinition) {
        self.state().stack.with_entry(key, source, entry)
    }

    /// Returns the entry that a source has for a flag.
    pub(in crate::flags) fn entry(&self, key: &str, source: usize) -> Option<Entry> {
        let entries = self.state().stack.offers();
        entries[source].entry(key)
    }

    /// Returns the reason why a change of the entry that a source has for a flag changes no answer, if it
    /// changes none.
    pub(in crate::flags) fn no_effect(
        &self,
        key: &str,
        source: usize,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Option<NoEffect> {
        if before == after {
            return None;
        }
        // Locations are found by foreign code, so that the state is not locked for that.
        let (stack, lost) = {
            let state = self.state();
            (state.stack.clone(), state.lost())
        };
        let at = Circumstances { lost: &lost, instant: Instant::now(), time: self.clock.now() };
        let source = source as SourceId;
        let [was, is] =
            [before, after].map(|entry| stack.resolve_with(key, Some((source, entry)), &at));
        let snapshot = self.cell.load();
        let change = no_effect::Change {
            key,
            stack: &stack,
            sources: &self.sources,
            source,
            entries: [before, after],
            flag: [was.as_ref(), is.as_ref()],
            find: |flag: &str| {
                let slot = flag.slot(&snapshot.names, snapshot.owner)?;
                snapshot.merged.resolved.get(slot)
            },
        };
        change.no_effect()
    }
}
