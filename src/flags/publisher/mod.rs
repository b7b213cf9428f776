//! The publisher: from the offers of the sources to the snapshot in force.
//!
//! | module | job |
//! |---|---|
//! | [`state`] | the state that is changed, and the events and notices of a change |
//! | [`resolve`] | a new generation from the keys that a source has changed |
//! | [`health`] | the errors of the sources, and the problems that show once all are merged |
//! | [`time`] | the flags that change without a change of a source |
//! | [`publish`] | what a source calls |
//! | [`queries`] | what the facade reads |

mod health;
mod log;
mod problem;
mod publish;
mod queries;
mod resolve;
mod state;
mod time;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::SystemTime,
};

use tokio::{
    sync::{broadcast, watch},
    task::AbortHandle,
};

pub(super) use self::time::keep_time;
use self::{log::log, state::State};
use super::{
    Event, Snapshot, TrackingEvent,
    cell::Cell,
    clock::Clock,
    metrics::{self, Untold},
    snapshot::Strictness,
    track::Tracker,
};
use crate::{
    backend::Source,
    foreign,
    model::{Flag, FlagState, Resolve},
    observe::Observer,
};

/// Owns the stack and publishes a new snapshot whenever a source's state changes.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) cell: Arc<Cell>,
    sources: Arc<[Source]>,
    pub(super) clock: Clock,
    tracker: Arc<Tracker>,
    /// The generation that watchers were notified of last. The lock is held while watchers are notified, so that they
    /// are notified of generations in order.
    notified: Mutex<u64>,
    // Held while a generation is compiled, off the request path and without `.await`.
    state: Mutex<State>,
    /// The number of reports, for tasks that wait until the sources answer.
    progress: watch::Sender<u64>,
    /// The task that publishes changes by the time, if there is one. It ends with the runtime, like the tasks of the
    /// sources.
    time: OnceLock<AbortHandle>,
}

impl Publisher {
    pub(super) fn new(
        sources: Vec<Source>,
        strictness: Strictness,
        clock: Clock,
        observer: Option<Arc<Observer>>,
    ) -> Self {
        metrics::describe();
        let sources: Arc<[Source]> = sources.into();
        let state = State::new(sources.len());
        let tracker = Arc::new(Tracker::new(clock.clone()));
        let first =
            Snapshot::first(Arc::clone(&sources), &state.stack, Arc::clone(&tracker), strictness);
        let first = first.observed_by(observer);
        Self {
            sources,
            clock,
            tracker,
            notified: Mutex::new(first.generation),
            cell: Arc::new(Cell::new(first)),
            state: Mutex::new(state),
            progress: watch::Sender::new(0),
            time: OnceLock::new(),
        }
    }

    /// Waits until every source has published, or every one that has to.
    pub(super) async fn answered(&self, has_to: impl Fn(usize) -> bool) {
        let mut progress = self.progress.subscribe();
        // Not `wait_for`, which calls its argument while it locks the channel: a source that publishes
        // locks the state first and the channel then.
        while !self.have_answered(&has_to) {
            // The sender is `self`.
            let _ = progress.changed().await;
        }
    }

    fn have_answered(&self, has_to: impl Fn(usize) -> bool) -> bool {
        let state = self.state();
        state.sources.iter().enumerate().all(|(index, source)| source.published || !has_to(index))
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Starts to report changes, and reports the warnings about the values that are in force. This is not done earlier,
    /// since warnings about a value depend on all sources.
    pub(super) fn started(&self) {
        self.change(|state, _| {
            state.started = true;
            let offers = state.stack.offers();
            let all = offers.iter().flat_map(|offer| offer.keys().cloned());
            state.warn(&self.sources, all);
        });
    }

    /// Stores the task that publishes changes by the time.
    pub(super) fn passes_time_in(&self, task: AbortHandle) {
        // Only one such task is ever started.
        let _ = self.time.set(task);
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
        // Its end wakes the receivers, which are foreign code and must not run while the state is locked.
        foreign::call(|| drop(events));
        self.tracker.close();
    }

    pub(super) fn watch(&self, key: &str) -> watch::Receiver<FlagState> {
        let now = || self.cell.load().info(key).map(|info| info.state()).unwrap_or_default();
        self.state().watchers.subscribe(key, now)
    }

    /// Resolves a name to its slot, which never changes.
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

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state at this time. Then it reports what happened to watchers, metrics and the log, which may read
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
        let unsent = std::mem::take(&mut state.unsent);
        let unmeasured = std::mem::replace(&mut state.unmeasured, Untold::new());
        let events = state.events.clone();
        let health = self.health_of(&state);
        drop(state);
        // Not compared with the generation before this change: one that panicked may have published another.
        if std::mem::replace(&mut *notified, health.generation) != health.generation {
            self.cell.wake();
        }
        for event in &unlogged {
            // An event without a receiver is dropped.
            foreign::call(|| events.as_ref().map(|events| events.send(Arc::clone(event))));
        }
        for (watcher, now) in unsent {
            let send = || watcher.send_if_modified(|state| std::mem::replace(state, now) != now);
            foreign::call(send);
        }
        // Before the next change can begin, so that the metrics show the later of two changes.
        metrics::record(&unmeasured, &health, time);
        drop(notified);
        unlogged.iter().for_each(|event| log(event));
        result
    }

    /// Wakes tasks that wait for the sources to answer, whose wakers are foreign code.
    fn note_progress(&self) {
        foreign::call(|| self.progress.send_modify(|reports| *reports += 1));
    }
}

/// Ends the stream of tracking events, since snapshots outlive the publisher and hold the tracker.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.tracker.close();
    }
}

#[cfg(test)]
impl Publisher {
    /// Returns a publisher of one source that has not published.
    fn of_one_source(clock: Clock) -> Self {
        let kind = crate::backend::SourceKind::Custom;
        let source = Source { name: "custom", kind, position: 0 };
        Self::new(vec![source], Strictness::Lenient, clock, None)
    }
}

#[cfg(test)]
#[cfg(feature = "http")]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicBool, Ordering},
        task::{Wake, Waker},
    };

    use super::*;
    use crate::{backend::Offer, flags::ChangeCause};

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn tasks_are_woken_for_a_generation_whose_change_panicked() {
        let publisher = Publisher::of_one_source(Clock::default());
        let source = publisher.sources[0];
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
