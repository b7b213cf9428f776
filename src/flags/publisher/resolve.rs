//! The way from a change of the sources to the generation in force.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Publisher, state::State};
use crate::{
    backend::{Circumstances, SourceId},
    flags::{ChangeCause, snapshot::Latest},
    model::{Names, OtherType, Resolved, Slot},
};

impl Publisher {
    /// Publishes a new generation, for the reason `cause`, if one of the keys resolves to another definition now.
    pub(super) fn resolve(
        &self,
        state: &mut State,
        keys: impl IntoIterator<Item = Arc<str>>,
        cause: ChangeCause,
        time: SystemTime,
    ) {
        let old = self.cell.load();
        let keys: Vec<_> = keys.into_iter().collect();
        // A flag that is rejected answers otherwise than one that is unknown, and resolves to nothing either.
        let same_rejected = keys.iter().all(|key| state.stack.rejects(key) == old.is_rejected(key));
        let affected = if state.started { keys.clone() } else { Vec::new() };
        let lost = state.lost();
        let circumstances = Circumstances { lost: &lost, instant: Instant::now(), time };
        let mut merged = old.merged.clone();
        let differences =
            merged.update(&state.stack, &keys, &circumstances, &mut state.names, &mut state.links);
        for &slot in &differences.slots {
            match merged.resolved.get(slot).is_some_and(Resolved::depends_on_time) {
                true => state.timed.insert(slot),
                false => state.timed.remove(&slot),
            };
        }
        let mistyped = mistyped(state, &keys);
        let lookups = state.stack.lookups();
        let same_lookups = lookups.len() == old.lookups.len()
            && lookups.iter().zip(&*old.lookups).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1));
        let changes = differences.changes;
        if !changes.is_empty() || !same_lookups || !same_rejected {
            let asked = Arc::clone(state.asked.with_room(merged.plans.len()));
            let names = Arc::clone(&state.names);
            let next = old.next(merged, names, &state.stack, asked);
            let generation = next.generation;
            self.cell.publish(next);
            state.retired.push(old);
            state.unmeasured.published(cause);
            state.announce(generation, cause, changes);
        }
        let now = self.cell.load();
        let (generation, offers) = (now.generation, state.stack.offers());
        now.latest.store(Arc::new(Latest { generation, offers }));
        self.judge(state, cause, differences.compiled, mistyped);
        if state.started {
            state.warn(&self.sources, affected);
        }
    }
}

/// Returns the sources whose values for the keys have another type than those below them. Keys without such a source
/// are left out, unless other keys have one in force.
fn mistyped(state: &mut State, keys: &[Arc<str>]) -> Vec<(Slot, Vec<(SourceId, OtherType)>)> {
    let mut found = Vec::new();
    for key in keys {
        let others = state.stack.mistyped(key);
        if !others.is_empty() || !state.mistyped.is_empty() {
            found.push((Names::slot(&mut state.names, key), others));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Heard, Offer, Publish},
        flags::clock::Clock,
    };

    #[test]
    fn an_offer_that_changes_no_flag_makes_no_generation() {
        let publisher = Publisher::of_one_source(Clock::default());
        let publish = |on: bool| {
            publisher.publish(0, Offer::from_iter([("a", on)]), Heard::Whole);
            publisher.health().generation
        };

        let first = publish(true);

        assert_eq!(publish(true), first);
        assert!(publish(false) > first);
    }
}
