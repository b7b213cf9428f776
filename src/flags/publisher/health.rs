//! The health of the sources: their errors, the problems that show once all sources are merged, and the recoveries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{task::AbortHandle, time::Instant};

use super::{
    Publisher,
    problem::{MistypedValue, Problem},
    state::State,
};
use crate::{
    backend::{BackendError, Source, SourceId},
    flags::{
        ChangeCause, Event, Health, SourceError, SourceHealth, StartError, Status, Warning,
        links::InvalidPrerequisites,
    },
    model::{OtherType, Slot},
};

impl Publisher {
    pub(in crate::flags) fn health(&self) -> Health {
        self.health_of(&self.state())
    }

    pub(super) fn health_of(&self, state: &State) -> Health {
        let is_stopped = self.is_stopped(state);
        let sources = self.sources.iter().zip(&state.sources).enumerate();
        let sources = sources.map(|(index, (identity, source))| SourceHealth {
            name: identity.name,
            kind: identity.kind,
            status: if is_stopped { Status::Stopped } else { state.status(index) },
            age: source.confirmed.map(|at| at.elapsed()),
            flags: source.flags,
            warnings: state.warnings.of(index),
            former: state.former(index),
            mode: source.mode,
            last_error_kind: source.last_error.as_ref().map(|problem| problem.kind),
            last_error: source.last_error.as_ref().map(|problem| problem.error.clone()),
        });
        Health { generation: self.cell.load().generation(), sources: sources.collect() }
    }

    /// Returns `true` if nothing follows the sources any more.
    fn is_stopped(&self, state: &State) -> bool {
        state.events.is_none() || self.time.get().is_some_and(AbortHandle::is_finished)
    }

    /// Returns the warnings about the values in force, by flag.
    pub(in crate::flags) fn warnings(&self) -> Vec<Warning> {
        self.state().warnings.iter().cloned().collect()
    }

    /// Takes the error with which a backend ended while the flags start.
    pub(in crate::flags) fn ended(
        &self,
        source: usize,
        error: BackendError,
    ) -> Result<(), StartError> {
        if !self.state().sources[source].published {
            return Err(StartError { at: self.sources[source], error });
        }
        self.failed(source, error);
        Ok(())
    }

    pub(super) fn failed(&self, source: usize, error: BackendError) {
        self.change(|state, _| state.failed(self.sources[source], error));
    }

    /// Records the flags whose prerequisites cannot be met since a change, and the definitions that have another type
    /// than those below. Reports the new ones. If no source has made the change, the problem belongs to the source that
    /// sets the prerequisites of the flag.
    pub(super) fn judge(
        &self,
        state: &mut State,
        cause: ChangeCause,
        flags: Vec<(Slot, Option<InvalidPrerequisites>)>,
        types: Vec<(Slot, Vec<(SourceId, OtherType)>)>,
    ) {
        let before = state.blamed();
        for (slot, invalid) in flags {
            let known = state.unmeetable.remove(&slot);
            let Some(invalid) = invalid else { continue };
            let same = known.filter(|(_, known)| known.error.to_string() == invalid.to_string());
            let is_news = same.is_none();
            let new = || Problem { kind: "prerequisites", error: SourceError::new(invalid) };
            let (by, problem) = same.unwrap_or_else(|| {
                let by = match cause {
                    ChangeCause::Source(source) => source.position,
                    _ => self.requiring(slot),
                };
                (by, new())
            });
            state.unmeetable.insert(slot, (by, problem.clone()));
            if is_news {
                state.wrong(self.sources[by], problem);
            }
        }
        self.judge_types(state, types);
        let now = state.blamed();
        for &source in before.difference(&now) {
            if state.status(source) == Status::Ready {
                state.emit(Event::Recovered { source: self.sources[source] });
            }
        }
    }

    fn judge_types(&self, state: &mut State, types: Vec<(Slot, Vec<(SourceId, OtherType)>)>) {
        for (slot, others) in types {
            let of_flag = (slot, 0)..=(slot, usize::MAX);
            let known: Vec<_> = state.mistyped.range(of_flag).map(|(key, _)| *key).collect();
            let mut known: BTreeMap<_, _> = known
                .into_iter()
                .filter_map(|key| Some((key, state.mistyped.remove(&key)?)))
                .collect();
            for (source, other) in others {
                let key = (slot, usize::from(source));
                let flag = Arc::clone(state.names.name(slot));
                let place = state.stack.place(&flag, source);
                let error = MistypedValue { flag, place, other };
                let same = known.remove(&key);
                let same = same.filter(|known| known.error.to_string() == error.to_string());
                let is_news = same.is_none();
                let new = || Problem { kind: "invalid", error: SourceError::new(error) };
                let problem = same.unwrap_or_else(new);
                state.mistyped.insert(key, problem.clone());
                if is_news {
                    let source = self.sources[key.1];
                    state.unmeasured.refused(source.name, 1);
                    state.wrong(source, problem);
                }
            }
        }
    }

    /// Returns the position of the source that sets the prerequisites of a flag, or else its rules.
    fn requiring(&self, slot: Slot) -> usize {
        let snapshot = self.cell.load();
        let resolved = snapshot.merged.resolved.get(slot);
        resolved.map_or(0, |flag| usize::from(flag.origin(flag.needing())))
    }
}

impl State {
    pub(super) fn failed(&mut self, source: Source, error: BackendError) {
        self.sources[source.position].lost = true;
        self.wrong(source, Problem::new(error, "failed"));
    }

    /// Notes that a source can be reached, and that a part of its state is wrong.
    pub(super) fn reached_partly(&mut self, source: Source, error: BackendError) {
        self.sources[source.position].lost = false;
        self.partly_wrong(source, error);
    }

    /// Notes that a part of the state in force of a source is wrong.
    pub(super) fn partly_wrong(&mut self, source: Source, error: BackendError) {
        let problem = Problem::new(error, "invalid");
        self.sources[source.position].partly = Some(problem.clone());
        self.wrong(source, problem);
    }

    pub(super) fn wrong(&mut self, source: Source, problem: Problem) {
        let Problem { kind, error } = problem.clone();
        self.sources[source.position].last_error = Some(problem);
        self.unmeasured.failed(source.name, kind);
        self.emit(Event::Failed { source, kind, error });
    }

    /// Reports the new warnings about the values that sources have for these flags.
    pub(super) fn warn(&mut self, sources: &[Source], flags: impl IntoIterator<Item = Arc<str>>) {
        let warnings = self.warnings.update(&self.stack, sources, flags);
        for warning in &warnings {
            self.unmeasured.warned(warning.source.name, warning.kind.as_str());
        }
        // One event, so that many values in one state displace no change from the streams.
        if !warnings.is_empty() {
            self.emit(Event::Warned { warnings });
        }
    }

    pub(super) fn status(&self, source: usize) -> Status {
        match self.sources[source].published {
            _ if self.sources[source].lost || self.problem(source).is_some() => Status::Error,
            true => Status::Ready,
            false => Status::NotReady,
        }
    }

    /// Returns the problem of the state of a source, if it has one.
    pub(super) fn problem(&self, source: usize) -> Option<&Problem> {
        let unmeetable = self.unmeetable.values().find(|(by, _)| *by == source);
        let mistyped = self.mistyped.iter().find(|((_, by), _)| *by == source);
        let partly = self.sources[source].partly.as_ref();
        partly.or(unmeetable.map(|(_, problem)| problem)).or(mistyped.map(|(_, problem)| problem))
    }

    /// Returns the sources with a problem that shows once all sources are merged.
    pub(super) fn blamed(&self) -> BTreeSet<usize> {
        let unmeetable = self.unmeetable.values().map(|(by, _)| *by);
        unmeetable.chain(self.mistyped.keys().map(|(_, by)| *by)).collect()
    }

    /// Returns the number of flags for which a former definition of a source is in force.
    pub(super) fn former(&self, source: usize) -> usize {
        let mistyped = self.mistyped.keys().filter(|(slot, by)| {
            *by == source && self.stack.keeps_former(self.names.name(*slot), source as SourceId)
        });
        self.stack.former(source) + mistyped.count()
    }

    /// Notes that a source can be reached.
    pub(super) fn reached(&mut self, source: Source) {
        let status = &mut self.sources[source.position];
        status.confirmed = Some(Instant::now());
        if !std::mem::take(&mut status.lost) {
            return;
        }
        match self.problem(source.position).cloned() {
            None => self.emit(Event::Recovered { source }),
            // A problem from before the loss is still there.
            wrong => self.sources[source.position].last_error = wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Heard, Offer, Publish, Report},
        flags::clock::Clock,
    };

    #[test]
    fn an_invalid_part_is_an_error_until_the_whole_is_valid() {
        let publisher = Publisher::of_one_source(Clock::default());
        let status = || publisher.health().sources[0].status;
        assert_eq!(status(), Status::NotReady);

        publisher.publish(0, Offer::new(), Heard::Partly("one flag is invalid".into()));
        assert_eq!(status(), Status::Error);
        publisher.report(0, Report::Confirmed);
        assert_eq!(status(), Status::Error);

        publisher.publish(0, Offer::new(), Heard::Whole);
        assert_eq!(status(), Status::Ready);
    }

    #[test]
    fn a_lost_source_is_ready_again_once_it_confirms_its_state() {
        let publisher = Publisher::of_one_source(Clock::default());
        publisher.publish(0, Offer::new(), Heard::Whole);

        publisher.report(0, Report::Failed("connection refused".into()));
        assert_eq!(publisher.health().sources[0].status, Status::Error);
        publisher.report(0, Report::Confirmed);

        assert_eq!(publisher.health().sources[0].status, Status::Ready);
    }
}
