//! From what sources offer to the snapshot in force.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{
    Change, Drift, Event, Health, Snapshot, SourceEntry, SourceError, SourceHealth, StartError,
    Status, TrackingEvent,
    asked::Marks,
    cell::Cell,
    changes::CAPACITY,
    clock::Clock,
    links::{InvalidPrerequisites, Links},
    metrics::{self, Untold},
    snapshot::{Latest, Strictness},
    testing::Evaluated,
    track::Tracker,
    watchers::Watchers,
};
use crate::{
    backend::{
        self, BackendError, CLOCK, FlagUsage, Heard, Offer, Publish, Report, Source, Stack,
        Standing,
    },
    eval::{Plan, Requirements},
    model::{Entry, Field, Flag, FlagState, Names, Resolve, Resolved, SharedDefinition, Slot},
};

/// Generations are unique in the process: see [`Cell::with`].
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// How long flags that depend on the date go without a look at the clock: it may be set, and a
/// computer may sleep without its timers noticing.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Owns the stack and publishes a new snapshot whenever a source's state changes.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) cell: Arc<Cell>,
    sources: Arc<[Source]>,
    clock: Clock,
    tracker: Arc<Tracker>,
    /// Held until watchers are told, so that they are told of one generation after the other.
    order: Mutex<()>,
    // Held while a generation is compiled, off the request path and without `.await`.
    state: Mutex<State>,
    /// How many reports there were, for whoever waits for the sources to answer.
    progress: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    stack: Stack,
    sources: Vec<SourceState>,
    names: Arc<Names>,
    asked: Marks,
    links: Links,
    /// Flags that cannot be met, and the source that made them so.
    unmeetable: BTreeMap<Slot, (usize, Problem)>,
    /// Values that are neither on nor off, as they were logged.
    unclear: HashMap<(Slot, u8), String>,
    /// Former generations that somebody may still hold. Letting go of thousands of flags takes a
    /// while, and a request must not be the last to do it.
    retired: Vec<Arc<Snapshot>>,
    watchers: Watchers,
    /// `None` after a shutdown.
    events: Option<broadcast::Sender<Arc<Event>>>,
    /// Watched flags that have changed since the state was locked.
    untold: Vec<(watch::Sender<FlagState>, FlagState)>,
    /// What has happened since the state was locked.
    unlogged: Vec<Arc<Event>>,
    /// What was counted since the state was locked.
    unmeasured: Untold,
    /// Whether changes are news: they are not while the sources load for the first time.
    started: bool,
    /// From when on a source that has never said anything counts as lost.
    born: Instant,
}

#[derive(Debug, Default)]
struct SourceState {
    published: bool,
    /// The source cannot be reached, or nothing that it says can be used.
    lost: bool,
    /// What is wrong with a part of what the source said last.
    partly: Option<Problem>,
    /// When the source last said what is in force.
    confirmed: Option<Instant>,
    flags: usize,
    mode: Option<&'static str>,
    last_error: Option<Problem>,
}

/// What is wrong, and what kind of failure that is.
#[derive(Debug, Clone)]
struct Problem {
    kind: &'static str,
    error: SourceError,
}

impl Problem {
    /// What a backend says, and what kind it is if that is unknown.
    fn new(error: BackendError, otherwise: &'static str) -> Self {
        let kind = backend::kind_of(&*error).unwrap_or(otherwise);
        Self { kind, error: SourceError::new(error) }
    }
}

impl Publisher {
    pub(super) fn new(sources: Vec<Source>, strictness: Strictness, clock: Clock) -> Self {
        metrics::describe();
        let sources: Arc<[Source]> = sources.into();
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let stack = Stack::new(sources.len());
        let tracker = Arc::new(Tracker::new(clock.clone()));
        let first = Snapshot {
            generation,
            owner: generation,
            names: Arc::default(),
            plans: Vec::new(),
            resolved: Vec::new(),
            listed: Arc::default(),
            sources: Arc::clone(&sources),
            lookups: stack.lookups(),
            asked: Arc::default(),
            offers: stack.offers(),
            latest: Arc::new(ArcSwap::from_pointee(Latest { generation, offers: stack.offers() })),
            unknown: Arc::default(),
            tracker: Arc::clone(&tracker),
            strictness,
            evaluated: Evaluated::of(strictness),
        };
        let state = State {
            stack,
            sources: sources.iter().map(|_| SourceState::default()).collect(),
            names: Arc::default(),
            asked: Marks::default(),
            links: Links::default(),
            unmeetable: BTreeMap::new(),
            unclear: HashMap::new(),
            retired: Vec::new(),
            watchers: Watchers::default(),
            events: Some(broadcast::Sender::new(CAPACITY)),
            untold: Vec::new(),
            unlogged: Vec::new(),
            unmeasured: Untold::new(),
            started: false,
            born: Instant::now(),
        };
        Self {
            cell: Arc::new(Cell::new(first)),
            sources,
            clock,
            tracker,
            order: Mutex::new(()),
            state: Mutex::new(state),
            progress: watch::Sender::new(0),
        }
    }

    /// Waits until every source has published.
    pub(super) async fn answered(&self) {
        let mut progress = self.progress.subscribe();
        // Not `wait_for`, which asks while it holds the channel: a source that publishes holds the
        // state and wants the channel.
        while !self.have_all_answered() {
            // The sender is `self`.
            let _ = progress.changed().await;
        }
    }

    fn have_all_answered(&self) -> bool {
        self.state().sources.iter().all(|source| source.published)
    }

    /// Takes the error with which a backend ended while the flags start.
    pub(super) fn ended(&self, source: usize, error: BackendError) -> Result<(), StartError> {
        if !self.state().sources[source].published {
            return Err(StartError { at: self.sources[source], error });
        }
        self.failed(source, error);
        Ok(())
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(super) fn started(&self) {
        self.state().started = true;
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        match &self.state().events {
            Some(events) => events.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    pub(super) fn subscribe_tracking(&self) -> broadcast::Receiver<TrackingEvent> {
        match self.state().events {
            Some(_) => self.tracker.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// Ends the streams of events.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.events = None;
        self.tracker.close();
    }

    pub(super) fn watch(&self, key: &str) -> watch::Receiver<FlagState> {
        let now = || self.cell.load().info(key).map(|info| info.state()).unwrap_or_default();
        self.state().watchers.subscribe(key, now)
    }

    /// Resolves a name for good.
    pub(super) fn flag(&self, name: &str) -> Flag {
        let mut state = self.state();
        let owner = self.cell.load().owner;
        let name: Arc<str> = name.into();
        let slot = match name.slot(&state.names, owner) {
            Some(slot) => slot,
            None => Arc::make_mut(&mut state.names).intern(&name),
        };
        let slots = state.names.len();
        state.asked.with_room(slots).note(slot);
        Flag::new(name, owner, slot)
    }

    pub(super) fn sources_of(&self, key: &str) -> Vec<SourceEntry> {
        let state = self.state();
        let entries = state.stack.entries(key);
        let entries = entries.map(|(source, entry, provenance)| SourceEntry {
            source: self.sources[usize::from(source)],
            entry,
            provenance: provenance.map(Arc::unwrap_or_clone),
            problem: state.stack.problem(key, source),
        });
        entries.collect()
    }

    /// What a source changes against those below it.
    pub(super) fn drift(&self, source: usize) -> Vec<Drift> {
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
                overridden: overridden.into_definition(),
                fields,
            }
        });
        let mut drift: Vec<_> = drift.collect();
        drift.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        drift
    }

    /// What the sources below `source` say about a flag, and what they say once `source` says `entry`.
    pub(super) fn with_entry(
        &self,
        key: &str,
        source: usize,
        entry: Option<&Entry>,
    ) -> (SharedDefinition, SharedDefinition) {
        self.state().stack.with_entry(key, source, entry)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn health(&self) -> Health {
        self.health_of(&self.state())
    }

    fn health_of(&self, state: &State) -> Health {
        let sources = self.sources.iter().zip(&state.sources).enumerate();
        let sources = sources.map(|(index, (identity, source))| SourceHealth {
            name: identity.name,
            kind: identity.kind,
            status: state.status(index),
            age: source.confirmed.map(|at| at.elapsed()),
            flags: source.flags,
            mode: source.mode,
            last_error_kind: source.last_error.as_ref().map(|problem| problem.kind),
            last_error: source.last_error.as_ref().map(|problem| problem.error.clone()),
        });
        Health { generation: self.cell.load().generation(), sources: sources.collect() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then tells watchers, metrics and the log what happened: whoever holds a
    /// watched value, and subscribers of the log, may ask for the state.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let result = change(&mut state);
        let unlogged = std::mem::take(&mut state.unlogged);
        let untold = std::mem::take(&mut state.untold);
        let unmeasured = std::mem::replace(&mut state.unmeasured, Untold::new());
        let health = self.health_of(&state);
        drop(state);
        for (watcher, now) in untold {
            watcher.send_if_modified(|state| std::mem::replace(state, now) != now);
        }
        // Of two changes, the later one has the last word there, too.
        metrics::record(&unmeasured, &health, self.clock.now());
        drop(order);
        unlogged.iter().for_each(|event| log(event));
        result
    }

    fn failed(&self, source: usize, error: BackendError) {
        self.change(|state| state.failed(self.sources[source], error));
    }
}

fn log(event: &Event) {
    match event {
        Event::Changed { source, changes, .. } => {
            let source = source.map_or(CLOCK, |source| source.name);
            for Change { key, before, after, fields } in changes {
                // `before=on after=on` alone would hide what has changed.
                let names: Vec<_> = fields.iter().map(ToString::to_string).collect();
                if names.is_empty() {
                    info!(flag = key, %before, %after, source, "flag is set by other sources");
                } else {
                    let fields = names.join(",");
                    info!(flag = key, %before, %after, fields, source, "flag changed");
                }
            }
        }
        Event::Failed { source, kind, .. } => {
            let source = source.name;
            error!(source, kind, error = %event, "source failed, keeping its last good flags");
        }
        Event::Recovered { source } => info!(source = source.name, "source is healthy again"),
        Event::Missed(_) => {}
    }
}

impl State {
    fn emit(&mut self, event: Event) {
        let event = Arc::new(event);
        if let Some(events) = &self.events {
            // Nobody listening is fine.
            let _ = events.send(Arc::clone(&event));
        }
        self.unlogged.push(event);
    }

    fn failed(&mut self, source: Source, error: BackendError) {
        self.sources[source.position].lost = true;
        self.wrong(source, Problem::new(error, "failed"));
    }

    /// A source spoke, and a part of what it said is wrong.
    fn heard_partly(&mut self, source: Source, error: BackendError) {
        let problem = Problem::new(error, "invalid");
        let status = &mut self.sources[source.position];
        status.lost = false;
        status.partly = Some(problem.clone());
        self.wrong(source, problem);
    }

    fn wrong(&mut self, source: Source, problem: Problem) {
        let Problem { kind, error } = problem.clone();
        self.sources[source.position].last_error = Some(problem);
        self.unmeasured.failed(source.name, kind);
        self.emit(Event::Failed { source, kind, error });
    }

    fn status(&self, source: usize) -> Status {
        match self.sources[source].published {
            _ if self.sources[source].lost || self.problem(source).is_some() => Status::Error,
            true => Status::Ready,
            false => Status::NotReady,
        }
    }

    /// What is wrong with what a source says.
    fn problem(&self, source: usize) -> Option<&Problem> {
        let unmeetable = self.unmeetable.values().find(|(by, _)| *by == source);
        self.sources[source].partly.as_ref().or(unmeetable.map(|(_, problem)| problem))
    }

    /// Since when each source has been out of reach, if it is.
    fn lost(&self) -> Vec<Option<Instant>> {
        let lost = |source: &SourceState| {
            (source.lost || !source.published).then(|| source.confirmed.unwrap_or(self.born))
        };
        self.sources.iter().map(lost).collect()
    }

    /// Frees the generations that nobody but this holds any more.
    fn free_retired(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }

    /// A source spoke: it can be reached.
    fn reached(&mut self, source: Source) {
        let status = &mut self.sources[source.position];
        status.confirmed = Some(Instant::now());
        if !std::mem::take(&mut status.lost) {
            return;
        }
        match self.problem(source.position).cloned() {
            None => self.emit(Event::Recovered { source }),
            // What was wrong before it was lost still is.
            wrong => self.sources[source.position].last_error = wrong,
        }
    }
}

/// Snapshots outlive it, and hold the tracker.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.tracker.close();
    }
}

impl Publish for Publisher {
    fn is_started(&self) -> bool {
        self.state().started
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn usage(&self) -> Vec<FlagUsage> {
        let state = &mut *self.state();
        let Snapshot { names, resolved, .. } = &*self.cell.load();
        let asked = state.asked.gathered();
        let known = || (0..).zip(resolved).filter(|(_, flag)| flag.is_some()).map(|(slot, _)| slot);
        let required = known().filter(|&slot| asked.has(slot)).filter_map(|slot| {
            match state.links.requirements(slot, resolved, names)? {
                Requirements::All(steps) => Some(steps.into_iter().map(|step| step.slot)),
                _ => None,
            }
        });
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

    fn below(&self, source: usize, most: usize) -> Vec<(String, Option<SharedDefinition>)> {
        let state = self.state();
        let mut listed: Vec<_> = state.stack.overrides(source).map(|(key, ..)| key).collect();
        listed.sort_unstable();
        let first = listed.into_iter().take(most);
        first.map(|key| (key.to_string(), state.stack.with_and_without(key, source).0)).collect()
    }

    fn publish(&self, source: usize, mut offer: Offer, heard: Heard) {
        let source = self.sources[source];
        self.change(|state| {
            let rejected = state.stack.admit(source.position, &mut offer);
            let refused = rejected.as_ref().map_or(0, |rejected| rejected.flags.len());
            state.unmeasured.refused(source.name, offer.refused() + refused);
            let heard = match (heard, rejected) {
                (Heard::Whole | Heard::Nothing, Some(rejected)) => Heard::Partly(rejected.into()),
                (heard, _) => heard,
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
            self.resolve(state, keys, Some(source));
            if let Heard::Partly(problem) = heard {
                state.heard_partly(source, problem);
            }
            state.free_retired();
        });
        self.progress.send_modify(|reports| *reports += 1);
    }

    fn amend(&self, source: usize, mut changed: Offer, removed: Vec<String>) {
        let source = self.sources[source];
        self.change(|state| {
            let rejected = state.stack.admit(source.position, &mut changed);
            let keys = state.stack.amend(source.position, &changed, removed);
            state.sources[source.position].flags = state.stack.listed(source.position);
            self.resolve(state, keys, Some(source));
            if let Some(rejected) = rejected {
                state.unmeasured.refused(source.name, rejected.flags.len());
                state.heard_partly(source, rejected.into());
            }
            state.free_retired();
        });
        self.progress.send_modify(|reports| *reports += 1);
    }

    fn report(&self, source: usize, report: Report) {
        match report {
            Report::Confirmed => self.change(|state| {
                state.reached(self.sources[source]);
                state.free_retired();
            }),
            Report::Failed(error) => self.failed(source, error),
            Report::Mode(mode) => self.state().sources[source].mode = Some(mode),
        }
        self.progress.send_modify(|reports| *reports += 1);
    }
}

impl Publisher {
    /// Publishes a new generation if one of the keys resolves to something else now, because of
    /// `source` or, without one, because of the time.
    fn resolve(
        &self,
        state: &mut State,
        keys: impl IntoIterator<Item = Arc<str>>,
        source: Option<Source>,
    ) {
        let (lost, instant, time) = (state.lost(), Instant::now(), self.clock.now());
        let old = self.cell.load();
        let (mut plans, mut resolved) = (old.plans.clone(), old.resolved.clone());
        let names = &mut state.names;
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.len() > names.len() {
            Arc::make_mut(names).reserve(keys.len());
        }
        let keys: Vec<_> = keys.into_iter().map(|key| (Names::slot(names, &key), key)).collect();
        plans.resize(names.len(), Plan::Absent);
        resolved.resize(names.len(), None);
        let mut changes = Vec::new();
        let mut stale = Vec::new();
        let (mut came, mut went) = (Vec::new(), false);
        for (slot, key) in keys {
            for (unclear, problem) in state.stack.unclear(&key) {
                let source = self.sources[usize::from(unclear)];
                if state.unclear.insert((slot, unclear), problem.clone()).as_ref() != Some(&problem)
                {
                    warn!(
                        flag = &*key,
                        source = source.name,
                        problem,
                        "neither on nor off, taken for off"
                    );
                }
            }
            let now = state.stack.resolve(&key, &lost, instant, time);
            if resolved[slot as usize] == now {
                continue;
            }
            let before = std::mem::replace(&mut resolved[slot as usize], now);
            match (&before, &resolved[slot as usize]) {
                (None, Some(_)) => came.push(slot),
                (Some(_), None) => went = true,
                (Some(_), Some(_)) | (None, None) => {}
            }
            changes.push(change(&key, before.as_ref(), resolved[slot as usize].as_ref()));
            stale.push(slot);
        }
        let links = &mut state.links;
        stale.extend(links.update(&changes, &stale, &resolved, names));
        plans.resize(names.len(), Plan::Absent);
        resolved.resize(names.len(), None);
        let mut unmeetable = Vec::new();
        for slot in stale {
            let mut invalid = None;
            plans[slot as usize] = match &resolved[slot as usize] {
                None => Plan::Absent,
                Some(now) => {
                    let needs = links.requirements(slot, &resolved, names);
                    invalid =
                        needs.as_ref().and_then(|it| InvalidPrerequisites::of(slot, it, names));
                    Plan::compile(names.name(slot), now, needs)
                }
            };
            unmeetable.push((slot, invalid));
        }
        let listed = match came.is_empty() && !went {
            true => Arc::clone(&old.listed),
            false => listed(&old.listed, came, &resolved, names),
        };
        let lookups = state.stack.lookups();
        let same_lookups = lookups.len() == old.lookups.len()
            && lookups.iter().zip(&*old.lookups).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1));
        if !changes.is_empty() || !same_lookups {
            let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
            let asked = Arc::clone(state.asked.with_room(plans.len()));
            self.cell.publish(Snapshot {
                generation,
                owner: old.owner,
                names: Arc::clone(&state.names),
                plans,
                resolved,
                listed,
                sources: Arc::clone(&self.sources),
                lookups,
                asked,
                offers: state.stack.offers(),
                latest: Arc::clone(&old.latest),
                unknown: Arc::clone(&old.unknown),
                tracker: Arc::clone(&self.tracker),
                strictness: old.strictness,
                evaluated: old.evaluated.clone(),
            });
            state.retired.push(old);
            state.unmeasured.published(source.map_or(CLOCK, |source| source.name));
            state.tell(generation, source, changes);
        }
        let now = self.cell.load();
        let (generation, offers) = (now.generation, state.stack.offers());
        now.latest.store(Arc::new(Latest { generation, offers }));
        self.judge(state, source, unmeetable);
    }

    /// Takes note of which flags cannot be met since `source` changed, and reports what is new. Without
    /// such a source, the one that sets what a flag requires is to blame.
    fn judge(
        &self,
        state: &mut State,
        source: Option<Source>,
        flags: Vec<(Slot, Option<InvalidPrerequisites>)>,
    ) {
        let blamed = |state: &State| state.unmeetable.values().map(|(by, _)| *by).collect();
        let before: BTreeSet<usize> = blamed(state);
        for (slot, invalid) in flags {
            let known = state.unmeetable.remove(&slot);
            let Some(invalid) = invalid else { continue };
            let same = known.filter(|(_, known)| known.error.to_string() == invalid.to_string());
            let is_news = same.is_none();
            let new = || Problem { kind: "prerequisites", error: SourceError::new(invalid) };
            let (by, problem) = same.unwrap_or_else(|| {
                let by = source.map_or_else(|| self.requiring(slot), |source| source.position);
                (by, new())
            });
            state.unmeetable.insert(slot, (by, problem.clone()));
            if is_news {
                state.wrong(self.sources[by], problem);
            }
        }
        let now = blamed(state);
        for &source in before.difference(&now) {
            if state.status(source) == Status::Ready {
                state.emit(Event::Recovered { source: self.sources[source] });
            }
        }
    }

    /// Returns the position of the source that sets what a flag requires.
    fn requiring(&self, slot: Slot) -> usize {
        let snapshot = self.cell.load();
        let resolved = snapshot.resolved.get(slot as usize).and_then(Option::as_ref);
        resolved.map_or(0, |flag| usize::from(flag.origin(Field::Requires)))
    }

    /// Does what time asks for. Returns when to look next.
    fn pass_time(&self) -> Option<Instant> {
        self.change(|state| {
            let stale = self.wait_for_lost_sources(state);
            let dated = self.look_at_clock(state);
            stale.into_iter().chain(dated).min()
        })
    }

    /// Flags that have waited long enough for a lost source change, and change back when it is
    /// there again. Returns when the next one has waited long enough.
    fn wait_for_lost_sources(&self, state: &mut State) -> Option<Instant> {
        let snapshot = self.cell.load();
        let patient = || {
            let flags = snapshot.resolved();
            flags.filter(|(_, flag)| flag.definition.rare().stale_after.value().is_some())
        };
        let lost = state.lost();
        let keys: Vec<_> = patient().map(|(key, _)| Arc::clone(key)).collect();
        if !keys.is_empty() {
            // They change because of the strongest lost source; or all are back.
            let source = lost.iter().position(Option::is_some).unwrap_or_default();
            self.resolve(state, keys, self.sources.get(source).copied());
        }
        let now = Instant::now();
        patient().filter_map(|(_, flag)| Stack::next_stale(flag, &lost, now)).min()
    }

    /// Rollouts and active windows that have passed a boundary change. Returns when to look again.
    fn look_at_clock(&self, state: &mut State) -> Option<Instant> {
        let time = self.clock.now();
        let snapshot = self.cell.load();
        let due =
            snapshot.resolved().filter(|(_, flag)| flag.moment_at(time) != flag.moment().copied());
        let keys: Vec<_> = due.map(|(key, _)| Arc::clone(key)).collect();
        if !keys.is_empty() {
            self.resolve(state, keys, None);
        }
        let snapshot = self.cell.load();
        let until = snapshot.resolved().filter_map(|(_, flag)| {
            let next = flag.moment()?.next.and_then(|next| next.duration_since(time).ok());
            Some(next.map_or(LOOK_AT_LEAST_EVERY, |next| next.min(LOOK_AT_LEAST_EVERY)))
        });
        Some(Instant::now() + until.min()?)
    }
}

/// Lets time pass for as long as there are flags.
pub(super) async fn keep_time(publisher: Weak<Publisher>) {
    let progress = publisher.upgrade().map(|publisher| publisher.progress.subscribe());
    let Some(mut progress) = progress else { return };
    while let Some(next) = publisher.upgrade().map(|publisher| publisher.pass_time()) {
        let boundary = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => pending().await,
            }
        };
        tokio::select! {
            changed = progress.changed() => if changed.is_err() { return },
            () = boundary => {}
        }
    }
}

impl State {
    /// Tells everybody who listens about a new generation.
    fn tell(&mut self, generation: u64, source: Option<Source>, changes: Vec<Change>) {
        for change in &changes {
            if let Some(watcher) = self.watchers.get(&change.key) {
                self.untold.push((watcher.clone(), change.after));
            }
        }
        if !self.started || changes.is_empty() {
            return;
        }
        self.emit(Event::Changed { generation, source, changes });
    }
}

/// The flags that are there now, in the order of their names: those of `old` and those that came.
fn listed(
    old: &[Slot],
    came: Vec<Slot>,
    resolved: &[Option<Resolved>],
    names: &Names,
) -> Arc<[Slot]> {
    let stay = old.iter().copied().filter(|&slot| resolved[slot as usize].is_some());
    let mut listed: Vec<Slot> = stay.chain(came).collect();
    // Most are in order already, which a stable sort makes use of.
    listed.sort_by_key(|&slot| names.name(slot));
    listed.into()
}

fn change(key: &str, before: Option<&Resolved>, after: Option<&Resolved>) -> Change {
    let state = |resolved: Option<&Resolved>| resolved.map(Resolved::state).unwrap_or_default();
    let fields = match (before, after) {
        (Some(before), Some(after)) => before.definition.differences(&after.definition),
        (None, Some(one)) | (Some(one), None) => one.definition.fields().collect(),
        (None, None) => Vec::new(),
    };
    Change { key: key.to_owned(), before: state(before), after: state(after), fields }
}
