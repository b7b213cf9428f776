//! The state that the publisher changes, one change at a time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::problem::Problem;
use crate::{
    backend::{SourceId, Stack},
    flags::{
        Change, ChangeCause, Event, Snapshot, asked::Marks, changes::CAPACITY, links::Links,
        metrics::Untold, warning::Warnings, watchers::Watchers,
    },
    model::{FlagState, Names, Slot},
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) stack: Stack,
    pub(super) sources: Vec<SourceState>,
    pub(super) names: Arc<Names>,
    pub(super) asked: Marks,
    pub(super) links: Links,
    /// The flags that depend on the time. There are few, and each generation looks up when they change next.
    pub(super) timed: BTreeSet<Slot>,
    /// Flags that cannot be met, and the source that made them so.
    pub(super) unmeetable: BTreeMap<Slot, (usize, Problem)>,
    /// The definitions that are rejected because of the type of their values, by flag and source.
    pub(super) mistyped: BTreeMap<(Slot, usize), Problem>,
    pub(super) warnings: Warnings,
    /// The lost sources that flags have waited for long enough, by flag.
    pub(super) overdue: HashMap<Arc<str>, Vec<SourceId>>,
    /// Former generations that a thread or a request may still hold. Freeing thousands of flags takes a while, and a
    /// request must not be the last holder, which frees them.
    pub(super) retired: Vec<Arc<Snapshot>>,
    pub(super) watchers: Watchers,
    /// The stream of events; `None` after a shutdown.
    pub(super) events: Option<broadcast::Sender<Arc<Event>>>,
    /// Watched flags that have changed since the state was locked.
    pub(super) unsent: Vec<(watch::Sender<FlagState>, FlagState)>,
    /// The events since the state was locked.
    pub(super) unlogged: Vec<Arc<Event>>,
    /// The counts since the state was locked.
    pub(super) unmeasured: Untold,
    /// True once changes are reported. While the sources load for the first time, they are not.
    pub(super) started: bool,
    /// The instant from which a source that has never published counts as lost.
    pub(super) born: Instant,
}

/// The state of one source.
#[derive(Debug, Default)]
pub(super) struct SourceState {
    pub(super) published: bool,
    /// True if the source cannot be reached, or nothing that it sends can be used.
    pub(super) lost: bool,
    /// The problem of a part of the source's last state.
    pub(super) partly: Option<Problem>,
    /// The instant at which the source last confirmed the state in force.
    pub(super) confirmed: Option<Instant>,
    pub(super) flags: usize,
    pub(super) mode: Option<&'static str>,
    pub(super) last_error: Option<Problem>,
}

impl State {
    /// Returns the state of sources that have not published yet.
    pub(super) fn new(sources: usize) -> Self {
        Self {
            stack: Stack::new(sources),
            sources: std::iter::repeat_with(SourceState::default).take(sources).collect(),
            names: Arc::default(),
            asked: Marks::default(),
            links: Links::default(),
            timed: BTreeSet::new(),
            unmeetable: BTreeMap::new(),
            mistyped: BTreeMap::new(),
            warnings: Warnings::default(),
            overdue: HashMap::new(),
            retired: Vec::new(),
            watchers: Watchers::default(),
            events: Some(broadcast::Sender::new(CAPACITY)),
            unsent: Vec::new(),
            unlogged: Vec::new(),
            unmeasured: Untold::new(),
            started: false,
            born: Instant::now(),
        }
    }

    /// Keeps an event for the log and the stream of events.
    pub(super) fn emit(&mut self, event: Event) {
        self.unlogged.push(Arc::new(event));
    }

    /// Notes the watchers and the event of a new generation.
    pub(super) fn announce(&mut self, generation: u64, cause: ChangeCause, changes: Vec<Change>) {
        for change in &changes {
            if let Some(watcher) = self.watchers.get(&change.key) {
                self.unsent.push((watcher.clone(), change.after));
            }
        }
        if !self.started || changes.is_empty() {
            return;
        }
        self.emit(Event::Changed { generation, cause, changes });
    }

    /// Returns the instant since which each source has been out of reach, if it is.
    pub(super) fn lost(&self) -> Vec<Option<Instant>> {
        let lost = |source: &SourceState| {
            (source.lost || !source.published).then(|| source.confirmed.unwrap_or(self.born))
        };
        self.sources.iter().map(lost).collect()
    }

    /// Frees the former generations that no thread and no request holds any more.
    pub(super) fn free_retired(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}
