//! The interface for sources: their states and reports, and their questions about other sources.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::Publisher;
use crate::{
    backend::{FlagUsage, Heard, Offer, Publish, Report, SourceId, Standing},
    flags::{ChangeCause, Snapshot, Status, merge::Merged},
    model::{Entry, OtherType, SharedDefinition, Slot},
};

impl Publish for Publisher {
    fn is_started(&self) -> bool {
        self.state().started
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    #[cfg(feature = "redis")]
    fn progress(&self) -> tokio::sync::watch::Receiver<u64> {
        self.progress.subscribe()
    }

    fn usage(&self) -> Vec<FlagUsage> {
        let state = &mut *self.state();
        let Snapshot { names, merged: Merged { resolved, .. }, .. } = &*self.cell.load();
        let asked = state.asked.gathered();
        let known = || resolved.iter().map(|(slot, _)| slot);
        let required = known()
            .filter(|&slot| asked.has(slot))
            .filter_map(|slot| state.links.requirements(slot))
            .map(|requirements| requirements.slots());
        let required: HashSet<Slot> = required.flatten().collect();
        let usage = |slot| FlagUsage {
            key: names.name(slot).to_string(),
            is_evaluated: asked.has(slot) || required.contains(&slot),
        };
        known().map(usage).collect()
    }

    fn standing(&self) -> Standing {
        let state = self.state();
        let fingerprint = state.stack.fingerprint();
        let versioned = state.stack.versioned();
        let has_refused = versioned.into_iter().any(|source| state.status(source) == Status::Error);
        Standing { generation: self.cell.load().generation(), fingerprint, has_refused }
    }

    fn in_force(&self, source: usize) -> Option<Arc<Offer>> {
        let state = self.state();
        state.sources[source].published.then(|| Arc::clone(&state.stack.offers()[source]))
    }

    fn below(&self, source: usize, most: usize) -> Vec<(String, Option<SharedDefinition>)> {
        let state = self.state();
        let offers = state.stack.offers();
        let mut listed: Vec<_> = offers[source].keys().collect();
        if most < listed.len() {
            listed.select_nth_unstable(most);
            listed.truncate(most);
        }
        listed.sort_unstable();
        let below = |key: &str| Some(state.stack.below(key, source as SourceId)?.definition);
        listed.into_iter().map(|key| (key.to_string(), below(key))).collect()
    }

    fn check_type(&self, source: usize, key: &str, entry: &Entry) -> Result<(), OtherType> {
        self.state().stack.check_type(key, source, entry)
    }

    fn publish(&self, source: usize, mut offer: Offer, heard: Heard) {
        let source = self.sources[source];
        self.change(|state, time| {
            let rejected = state.stack.admit(source.position, &mut offer);
            let refused = rejected.as_ref().map_or(0, |rejected| rejected.flags.len());
            state.unmeasured.refused(source.name, offer.refused() + refused);
            let (heard, revised_wrong) = match (heard, rejected) {
                (Heard::Whole, Some(rejected)) => (Heard::Partly(rejected.into()), None),
                (Heard::Nothing, rejected) => (Heard::Nothing, rejected),
                (heard, _) => (heard, None),
            };
            let status = &mut state.sources[source.position];
            status.flags = offer.len();
            if !matches!(heard, Heard::Nothing) {
                status.published = true;
                status.confirmed = Some(Instant::now());
            }
            if matches!(heard, Heard::Whole) {
                let was_wrong = status.partly.take().is_some();
                status.lost |= was_wrong;
                state.reached(source);
            }
            let keys = state.stack.replace(source.position, offer);
            self.resolve(state, keys, ChangeCause::Source(source), time);
            if let Heard::Partly(problem) = heard {
                state.reached_partly(source, problem);
            }
            if let Some(rejected) = revised_wrong {
                // The source has sent nothing, so it can be as lost as before.
                state.partly_wrong(source, rejected.into());
            }
            state.free_retired();
        });
        self.note_progress();
    }

    fn amend(&self, source: usize, mut changed: Offer, removed: Vec<String>) {
        let source = self.sources[source];
        self.change(|state, time| {
            let rejected = state.stack.admit(source.position, &mut changed);
            let keys = state.stack.amend(source.position, changed, removed);
            state.sources[source.position].flags = state.stack.listed(source.position);
            self.resolve(state, keys, ChangeCause::Source(source), time);
            if let Some(rejected) = rejected {
                state.unmeasured.refused(source.name, rejected.flags.len());
                state.reached_partly(source, rejected.into());
            }
            state.free_retired();
        });
        self.note_progress();
    }

    fn report(&self, source: usize, report: Report) {
        match report {
            Report::Confirmed => self.change(|state, _| {
                state.reached(self.sources[source]);
                state.free_retired();
            }),
            Report::Failed(error) => self.failed(source, error),
            Report::Mode(mode) => self.state().sources[source].mode = Some(mode),
        }
        self.note_progress();
    }
}
