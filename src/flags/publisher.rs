//! From what sources offer to the snapshot in force.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{broadcast, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    Change, ChangeCause, Drift, Event, Health, NoEffect, Snapshot, SourceEntry, SourceError,
    SourceHealth, StartError, Status, TrackingEvent, Warning,
    asked::Marks,
    cell::Cell,
    changes::CAPACITY,
    clock::Clock,
    links::{InvalidPrerequisites, Links},
    metrics::{self, Untold},
    no_effect,
    slots::Slots,
    snapshot::{Latest, Strictness},
    testing::Evaluated,
    track::Tracker,
    warning::Warnings,
    watchers::Watchers,
};
use crate::{
    backend::{
        self, BackendError, FlagUsage, Heard, Offer, Publish, Report, Run, Source, SourceId, Stack,
        Standing, supervise,
    },
    eval::Plan,
    foreign::{self, error, info, warn},
    model::{Entry, Flag, FlagState, Names, OtherType, Resolve, Resolved, SharedDefinition, Slot},
    text::line,
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
    /// The generation that watchers were notified of last. It is locked until they are, so that they are notified of one
    /// after the other.
    notified: Mutex<u64>,
    // Held while a generation is compiled, off the request path and without `.await`.
    state: Mutex<State>,
    /// How many reports there were, for whoever waits for the sources to answer.
    progress: watch::Sender<u64>,
    /// The task that lets time pass, if there is one. It ends with the runtime, as those of the sources do.
    time: OnceLock<AbortHandle>,
}

#[derive(Debug)]
struct State {
    stack: Stack,
    sources: Vec<SourceState>,
    names: Arc<Names>,
    asked: Marks,
    links: Links,
    /// The flags that depend on the time. There are few, and each generation asks when they change next.
    timed: BTreeSet<Slot>,
    /// Flags that cannot be met, and the source that made them so.
    unmeetable: BTreeMap<Slot, (usize, Problem)>,
    /// The definitions that are rejected because of the type of their values, by flag and source.
    mistyped: BTreeMap<(Slot, usize), Problem>,
    warnings: Warnings,
    /// The lost sources that flags have waited for long enough, by flag.
    overdue: HashMap<Arc<str>, Vec<SourceId>>,
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

/// A definition that is rejected because its values have another type than those of weaker sources.
#[derive(thiserror::Error)]
#[error("flag `{}` has values of another type{}: {other}", line(flag), at(place.as_deref()))]
struct MistypedValue {
    flag: Arc<str>,
    place: Option<String>,
    other: OtherType,
}

crate::error::debug_is_message!(MistypedValue);

fn at(place: Option<&str>) -> String {
    place.map(|place| format!(" at {}", line(place))).unwrap_or_default()
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
            resolved: Slots::default(),
            listed: Arc::default(),
            sources: Arc::clone(&sources),
            lookups: stack.lookups(),
            asked: Arc::default(),
            offers: stack.offers(),
            latest: Arc::new(ArcSwap::from_pointee(Latest { generation, offers: stack.offers() })),
            unknown: Arc::default(),
            mismatches: Arc::default(),
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
            timed: BTreeSet::new(),
            unmeetable: BTreeMap::new(),
            mistyped: BTreeMap::new(),
            warnings: Warnings::default(),
            overdue: HashMap::new(),
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
            notified: Mutex::new(generation),
            state: Mutex::new(state),
            progress: watch::Sender::new(0),
            time: OnceLock::new(),
        }
    }

    /// Waits until every source has published, or every one that has to.
    pub(super) async fn answered(&self, has_to: impl Fn(usize) -> bool) {
        let mut progress = self.progress.subscribe();
        // Not `wait_for`, which asks while it holds the channel: a source that publishes holds the
        // state and wants the channel.
        while !self.have_answered(&has_to) {
            // The sender is `self`.
            let _ = progress.changed().await;
        }
    }

    fn have_answered(&self, has_to: impl Fn(usize) -> bool) -> bool {
        let state = self.state();
        state.sources.iter().enumerate().all(|(index, source)| source.published || !has_to(index))
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

    /// Makes changes news from now on, and reports the warnings about the values that are in force.
    ///
    /// Not before: whether a value is a warning depends on all sources.
    pub(super) fn started(&self) {
        self.change(|state, _| {
            state.started = true;
            let offers = state.stack.offers();
            let all = offers.iter().flat_map(|offer| offer.keys().cloned());
            state.warn(&self.sources, all);
        });
    }

    /// Returns the warnings about the values in force, by flag.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.state().warnings.iter().cloned().collect()
    }

    /// Takes note of the task that lets time pass.
    pub(super) fn passes_time_in(&self, task: AbortHandle) {
        // There is one task.
        let _ = self.time.set(task);
    }

    /// Returns whether nothing follows the sources any more.
    fn is_stopped(&self, state: &State) -> bool {
        state.events.is_none() || self.time.get().is_some_and(AbortHandle::is_finished)
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

    /// Ends the streams of events. The status of all sources is `Stopped` from then on.
    pub(super) fn close(&self) {
        let events = self.change(|state, _| state.events.take());
        // Its end wakes those who receive, which is not for the time in which the state is locked.
        foreign::call(|| drop(events));
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
            place: state.stack.place(key, source),
            provenance: provenance.map(Arc::unwrap_or_clone),
            problem: state.stack.problem(key, source),
            warning: state.stack.warning(key, source).map(|(_, message)| message),
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
                place: state.stack.place_below(key, source),
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

    /// Returns the entry that a source has for a flag.
    pub(super) fn entry(&self, key: &str, source: usize) -> Option<Entry> {
        let entries = self.state().stack.offers();
        entries[source].entry(key)
    }

    /// Returns the reason why a change of the entry that a source has for a flag changes no answer, if it
    /// changes none.
    pub(super) fn no_effect(
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
        let (instant, time) = (Instant::now(), self.clock.now());
        let source = source as SourceId;
        let [was, is] = [before, after]
            .map(|entry| stack.resolve_with(key, Some((source, entry)), &lost, instant, time));
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
                snapshot.resolved.get(slot)
            },
        };
        change.no_effect()
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn health(&self) -> Health {
        self.health_of(&self.state())
    }

    fn health_of(&self, state: &State) -> Health {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state at this time. Then it reports what happened to watchers, metrics and the log, which may ask for
    /// the state.
    ///
    /// All of these are foreign code, also the wakers of tasks. A panic there loses the report, and no more.
    fn change<R>(&self, change: impl FnOnce(&mut State, SystemTime) -> R) -> R {
        let mut notified = self.notified.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two changes, the later one has the later time.
        let time = self.clock.now();
        let mut state = self.state();
        let result = change(&mut state, time);
        let unlogged = std::mem::take(&mut state.unlogged);
        let untold = std::mem::take(&mut state.untold);
        let unmeasured = std::mem::replace(&mut state.unmeasured, Untold::new());
        let events = state.events.clone();
        let health = self.health_of(&state);
        drop(state);
        // Not compared with the generation before this change: one that panicked may have published another.
        if std::mem::replace(&mut *notified, health.generation) != health.generation {
            self.cell.wake();
        }
        for event in &unlogged {
            // Nobody listening is fine.
            foreign::call(|| events.as_ref().map(|events| events.send(Arc::clone(event))));
        }
        for (watcher, now) in untold {
            let tell = || watcher.send_if_modified(|state| std::mem::replace(state, now) != now);
            foreign::call(tell);
        }
        // Of two changes, the later one has the last word there, too.
        metrics::record(&unmeasured, &health, time);
        drop(notified);
        unlogged.iter().for_each(|event| log(event));
        result
    }

    fn failed(&self, source: usize, error: BackendError) {
        self.change(|state, _| state.failed(self.sources[source], error));
    }

    /// Wakes tasks that wait for the sources to answer, whose wakers are foreign code.
    fn tell_progress(&self) {
        foreign::call(|| self.progress.send_modify(|reports| *reports += 1));
    }
}

fn log(event: &Event) {
    match event {
        Event::Changed { cause, changes, .. } => {
            let source = cause.source_name();
            for change in changes {
                let Change { key, before, after, fields } = change;
                // `before=on after=on` alone would hide what has changed.
                let names: Vec<_> = fields.iter().map(ToString::to_string).collect();
                let fields = (!names.is_empty()).then(|| names.join(","));
                match cause {
                    ChangeCause::Source(_) if change.is_silent() => {
                        info!(flag = key, %before, %after, source, "flag is set by other sources");
                    }
                    ChangeCause::Source(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed");
                    }
                    // The source that is named has not made the change.
                    ChangeCause::Time => {
                        info!(flag = key, %before, %after, fields, source, "flag changed at its time");
                    }
                    ChangeCause::SourceLost(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed, its source is lost");
                    }
                    ChangeCause::SourceBack(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed, its source is back");
                    }
                }
            }
        }
        Event::Failed { source, kind, .. } => {
            let source = source.name;
            error!(source, kind, error = %event, "source failed, keeping its last good flags");
        }
        Event::Recovered { source } => info!(source = source.name, "source is healthy again"),
        Event::Warned { warnings } => {
            for Warning { source, flag, kind, message, .. } in warnings {
                let (source, kind) = (source.name, kind.as_str());
                warn!(
                    flag,
                    source,
                    kind,
                    problem = message,
                    "a value has another effect than expected"
                );
            }
        }
        Event::Missed(_) => {}
    }
}

impl State {
    fn emit(&mut self, event: Event) {
        self.unlogged.push(Arc::new(event));
    }

    fn failed(&mut self, source: Source, error: BackendError) {
        self.sources[source.position].lost = true;
        self.wrong(source, Problem::new(error, "failed"));
    }

    /// A source spoke, and a part of what it said is wrong.
    fn heard_partly(&mut self, source: Source, error: BackendError) {
        self.sources[source.position].lost = false;
        self.partly_wrong(source, error);
    }

    /// A part of what is in force of a source is wrong.
    fn partly_wrong(&mut self, source: Source, error: BackendError) {
        let problem = Problem::new(error, "invalid");
        self.sources[source.position].partly = Some(problem.clone());
        self.wrong(source, problem);
    }

    fn wrong(&mut self, source: Source, problem: Problem) {
        let Problem { kind, error } = problem.clone();
        self.sources[source.position].last_error = Some(problem);
        self.unmeasured.failed(source.name, kind);
        self.emit(Event::Failed { source, kind, error });
    }

    /// Reports what is new about the values that sources have for these flags.
    fn warn(&mut self, sources: &[Source], flags: impl IntoIterator<Item = Arc<str>>) {
        let warnings = self.warnings.update(&self.stack, sources, flags);
        for warning in &warnings {
            self.unmeasured.warned(warning.source.name, warning.kind.as_str());
        }
        // One event, so that many values in one state displace no change from the streams.
        if !warnings.is_empty() {
            self.emit(Event::Warned { warnings });
        }
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
        let mistyped = self.mistyped.iter().find(|((_, by), _)| *by == source);
        let partly = self.sources[source].partly.as_ref();
        partly.or(unmeetable.map(|(_, problem)| problem)).or(mistyped.map(|(_, problem)| problem))
    }

    /// The sources with something wrong that shows once all sources are merged.
    fn blamed(&self) -> BTreeSet<usize> {
        let unmeetable = self.unmeetable.values().map(|(by, _)| *by);
        unmeetable.chain(self.mistyped.keys().map(|(_, by)| *by)).collect()
    }

    /// The number of flags for which a source has an earlier definition than its last.
    fn former(&self, source: usize) -> usize {
        let mistyped = self.mistyped.keys().filter(|(slot, by)| {
            *by == source && self.stack.keeps_former(self.names.name(*slot), source as SourceId)
        });
        self.stack.former(source) + mistyped.count()
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
                state.heard_partly(source, problem);
            }
            if let Some(rejected) = revised_wrong {
                // The source has not spoken, so it can be as lost as before.
                state.partly_wrong(source, rejected.into());
            }
            state.free_retired();
        });
        self.tell_progress();
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
                state.heard_partly(source, rejected.into());
            }
            state.free_retired();
        });
        self.tell_progress();
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
        self.tell_progress();
    }
}

impl Publisher {
    /// Publishes a new generation if one of the keys resolves to something else now, for the reason
    /// `cause`.
    fn resolve(
        &self,
        state: &mut State,
        keys: impl IntoIterator<Item = Arc<str>>,
        cause: ChangeCause,
        time: SystemTime,
    ) {
        let (lost, instant) = (state.lost(), Instant::now());
        let old = self.cell.load();
        let (mut plans, mut resolved) = (old.plans.clone(), old.resolved.clone());
        let names = &mut state.names;
        let keys: Vec<_> = keys.into_iter().collect();
        let said = if state.started { keys.clone() } else { Vec::new() };
        if keys.len() > names.len() {
            Arc::make_mut(names).reserve(keys.len());
        }
        let keys: Vec<_> = keys.into_iter().map(|key| (Names::slot(names, &key), key)).collect();
        let mut changes = Vec::new();
        let mut stale = Vec::new();
        let (mut came, mut went) = (Vec::new(), false);
        // A flag that is rejected answers otherwise than one that is unknown, and resolves to nothing either.
        let mut same_rejected = true;
        let mut mistyped = Vec::new();
        for (slot, key) in keys {
            let others = state.stack.mistyped(&key);
            if !others.is_empty() || !state.mistyped.is_empty() {
                mistyped.push((slot, others));
            }
            same_rejected &= state.stack.rejects(&key) == old.is_rejected(&key);
            let now = state.stack.resolve(&key, &lost, instant, time);
            if resolved.get(slot) == now.as_ref() {
                continue;
            }
            match now.as_ref().is_some_and(Resolved::depends_on_time) {
                true => state.timed.insert(slot),
                false => state.timed.remove(&slot),
            };
            let before = resolved.replace(slot, now);
            let now = resolved.get(slot);
            match (&before, now) {
                (None, Some(_)) => came.push(slot),
                (Some(_), None) => went = true,
                (Some(_), Some(_)) | (None, None) => {}
            }
            changes.push(change(&key, before.as_ref(), now));
            stale.push(slot);
        }
        let links = &mut state.links;
        stale.extend(links.update(&changes, &stale, &resolved, names));
        plans.resize(names.len(), Plan::Absent);
        let mut unmeetable = Vec::new();
        for slot in stale {
            let mut invalid = None;
            plans[slot as usize] = match resolved.get(slot) {
                None => Plan::Absent,
                Some(now) => {
                    let needs = links.requirements(slot);
                    invalid =
                        needs.as_ref().and_then(|it| InvalidPrerequisites::of(slot, it, names));
                    Plan::compile(names.name(slot), now, needs, names)
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
        if !changes.is_empty() || !same_lookups || !same_rejected {
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
                mismatches: Arc::clone(&old.mismatches),
                tracker: Arc::clone(&self.tracker),
                strictness: old.strictness,
                evaluated: old.evaluated.clone(),
            });
            state.retired.push(old);
            state.unmeasured.published(cause);
            state.tell(generation, cause, changes);
        }
        let now = self.cell.load();
        let (generation, offers) = (now.generation, state.stack.offers());
        now.latest.store(Arc::new(Latest { generation, offers }));
        self.judge(state, cause, unmeetable, mistyped);
        if state.started {
            state.warn(&self.sources, said);
        }
    }

    /// Takes note of which flags cannot be met since a change, and which definitions have another type than those below,
    /// and reports what is new. Unless a source has made the change, the one that sets what a flag requires is to
    /// blame.
    fn judge(
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

    /// Returns the position of the source that sets what a flag requires, or else its rules.
    fn requiring(&self, slot: Slot) -> usize {
        let snapshot = self.cell.load();
        let resolved = snapshot.resolved.get(slot);
        resolved.map_or(0, |flag| usize::from(flag.origin(flag.needing())))
    }

    /// Does what time asks for. Returns when to look next.
    fn pass_time(&self) -> Option<Instant> {
        self.change(|state, time| {
            let stale = self.wait_for_lost_sources(state, time);
            let dated = self.look_at_clock(state, time);
            stale.into_iter().chain(dated).min()
        })
    }

    /// Flags that have waited long enough for a lost source change, and change back when it is
    /// there again. Returns when the next one has waited long enough.
    fn wait_for_lost_sources(&self, state: &mut State, time: SystemTime) -> Option<Instant> {
        let (snapshot, timed) = (self.cell.load(), state.timed.clone());
        let patient = || {
            let flags = snapshot.resolved_at(&timed);
            flags.filter(|(_, flag)| flag.definition.rare().stale_after.value().is_some())
        };
        let (lost, now) = (state.lost(), Instant::now());
        let overdue = patient().filter_map(|(key, flag)| {
            let sources: Vec<_> = Stack::overdue(flag, &lost, now).collect();
            (!sources.is_empty()).then(|| (Arc::clone(key), sources))
        });
        let overdue: HashMap<_, _> = overdue.collect();
        let before = std::mem::take(&mut state.overdue);
        let mut causes: BTreeMap<(SourceId, bool), Vec<Arc<str>>> = BTreeMap::new();
        for key in overdue.keys().chain(before.keys().filter(|&key| !overdue.contains_key(key))) {
            let of =
                |all: &HashMap<Arc<str>, Vec<SourceId>>| all.get(key).cloned().unwrap_or_default();
            let (were, are) = (of(&before), of(&overdue));
            let is_new = are.iter().find(|source| !were.contains(source));
            let is_over = were.iter().find(|source| !are.contains(source));
            // The strongest source that makes a difference.
            let cause = is_new.map(|&source| (source, true));
            if let Some(cause) = cause.or(is_over.map(|&source| (source, false))) {
                causes.entry(cause).or_default().push(Arc::clone(key));
            }
        }
        state.overdue = overdue;
        for ((source, is_lost), keys) in causes {
            let source = self.sources[usize::from(source)];
            let cause = match is_lost {
                true => ChangeCause::SourceLost(source),
                false => ChangeCause::SourceBack(source),
            };
            self.resolve(state, keys, cause, time);
        }
        let now = Instant::now();
        patient().filter_map(|(_, flag)| Stack::next_stale(flag, &lost, now)).min()
    }

    /// Rollouts and active windows that have passed a boundary change. Returns when to look again.
    fn look_at_clock(&self, state: &mut State, time: SystemTime) -> Option<Instant> {
        let snapshot = self.cell.load();
        let due = snapshot.resolved_at(&state.timed);
        let due = due.filter(|(_, flag)| flag.moment_at(time) != flag.moment().copied());
        let keys: Vec<_> = due.map(|(key, _)| Arc::clone(key)).collect();
        if !keys.is_empty() {
            self.resolve(state, keys, ChangeCause::Time, time);
        }
        let snapshot = self.cell.load();
        let until = snapshot.resolved_at(&state.timed).filter_map(|(_, flag)| {
            let next = flag.moment()?.next.and_then(|next| next.duration_since(time).ok());
            Some(next.map_or(LOOK_AT_LEAST_EVERY, |next| next.min(LOOK_AT_LEAST_EVERY)))
        });
        Some(Instant::now() + until.min()?)
    }
}

/// Lets time pass for as long as there are flags. It is started again if it panics.
pub(super) async fn keep_time(publisher: Weak<Publisher>) {
    let start = || -> Result<Run, _> {
        let publisher = Weak::clone(&publisher);
        Ok(Box::pin(async {
            pass_time(publisher).await;
            Ok(())
        }))
    };
    let failed = |error: BackendError, pause| {
        error!(error = &*error, ?pause, "cannot follow the date, starting again");
    };
    supervise(start, failed, || true).await;
}

async fn pass_time(publisher: Weak<Publisher>) {
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
    fn tell(&mut self, generation: u64, cause: ChangeCause, changes: Vec<Change>) {
        for change in &changes {
            if let Some(watcher) = self.watchers.get(&change.key) {
                self.untold.push((watcher.clone(), change.after));
            }
        }
        if !self.started || changes.is_empty() {
            return;
        }
        self.emit(Event::Changed { generation, cause, changes });
    }
}

/// The flags that are there now, in the order of their names: those of `old` and those that came.
fn listed(old: &[Slot], came: Vec<Slot>, resolved: &Slots<Resolved>, names: &Names) -> Arc<[Slot]> {
    let stay = old.iter().copied().filter(|&slot| resolved.get(slot).is_some());
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

#[cfg(test)]
#[cfg(feature = "http")]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::AtomicBool,
        task::{Wake, Waker},
    };

    use super::*;
    use crate::backend::SourceKind;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn tasks_are_woken_for_a_generation_whose_change_panicked() {
        let source = Source { name: "custom", kind: SourceKind::Custom, position: 0 };
        let publisher = Publisher::new(vec![source], Strictness::Lenient, Clock::default());
        let woken = Arc::new(Woken::default());
        publisher.cell.wakers.add(&Waker::from(Arc::clone(&woken)));
        let publish_and_panic = |state: &mut State, time| {
            let keys = state.stack.replace(0, Offer::from_iter([("a", true)]));
            publisher.resolve(state, keys, ChangeCause::Source(source), time);
            panic!("as the test wants it");
        };
        let change = AssertUnwindSafe(|| publisher.change(publish_and_panic));
        assert!(catch_unwind(change).is_err());
        assert!(!woken.0.load(Ordering::Relaxed));

        publisher.change(|_, _| ());

        assert!(woken.0.load(Ordering::Relaxed));
    }
}
