//! The passage of time: flags that wait for a lost source, rollouts, active windows.

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep_until};

use super::{Publisher, state::State};
use crate::{
    backend::{BackendError, Run, SourceId, Stack, supervise},
    flags::ChangeCause,
    foreign::error,
};

/// The longest time between two comparisons of flags with the clock. The clock may be set, and a computer may sleep
/// while its timers stand still.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Publishes changes by the time for as long as there are flags. The task is started again if it panics.
pub(in crate::flags) async fn keep_time(publisher: Weak<Publisher>) {
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

impl Publisher {
    /// Publishes what the time changes. Returns the instant of the next look.
    fn pass_time(&self) -> Option<Instant> {
        self.change(|state, time| {
            let stale = self.wait_for_lost_sources(state, time);
            let dated = self.look_at_clock(state, time);
            stale.into_iter().chain(dated).min()
        })
    }

    /// Resolves flags that have waited long enough for a lost source, and those whose source is there again. Returns
    /// the instant at which the next flag has waited long enough.
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
            // The strongest source whose loss makes a difference.
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

    /// Resolves flags whose rollout or active window has passed a boundary. Returns the instant of the next look.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        backend::{Heard, Offer, Publish},
        flags::clock::Clock,
        model::{Active, Context, Definition},
    };

    #[tokio::test(start_paused = true)]
    async fn a_window_begins_with_the_first_look_after_its_boundary() {
        let begins = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        let now = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
        let clock = Arc::clone(&now);
        let publisher = Publisher::of_one_source(Clock::new(move || *clock.lock().unwrap()));
        let sale = Definition::new().active(Active::new().from(begins));
        publisher.publish(0, Offer::from_iter([("sale", sale)]), Heard::Whole);
        let is_on = || publisher.cell.load().is_enabled("sale", &Context::anonymous());

        let next = publisher.pass_time();
        assert_eq!((is_on(), next), (false, Some(Instant::now() + Duration::from_secs(10))));

        *now.lock().unwrap() = begins;
        publisher.pass_time();
        assert!(is_on());
    }
}
