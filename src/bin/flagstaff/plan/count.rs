//! Counting the users for whom a change makes a difference.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use super::{
    change::{Change, Tally, Tried},
    progress::Progress,
    users::{BadLine, Batch, Source},
};
use crate::{context, failure::Failure};

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// In the order of the flags of the change.
    pub(crate) tallies: Vec<Tally>,
    pub(crate) tried: Vec<Tried>,
    pub(crate) users: u64,
    /// Those without a targeting key.
    pub(crate) anonymous: u64,
    /// What looks like a box with all attributes in one of them.
    pub(crate) boxed: Option<&'static str>,
}

/// Counts all users of a source, on all processors.
pub(crate) fn count(change: &Change, source: Source) -> Result<Counts, Failure> {
    let shared = Mutex::new((source, Progress::new()));
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| part(change, &shared))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut counts = Counts::none(change);
    let mut first: Option<BadLine> = None;
    for part in parts {
        match part {
            Ok(part) => counts.add(&part),
            // Batches are taken in order and each is looked at, so that this is the first of all.
            Err(bad) if first.as_ref().is_none_or(|first| bad.number < first.number) => {
                first = Some(bad);
            }
            Err(_) => {}
        }
    }
    first.map_or(Ok(counts), |bad| Err(bad.failure))
}

/// Counts one batch after the other.
fn part(change: &Change, shared: &Mutex<(Source, Progress)>) -> Result<Counts, BadLine> {
    let mut counts = Counts::none(change);
    loop {
        let batch = {
            let (source, progress) = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = source.take()?;
            if let Some(batch) = &batch {
                progress.show(format_args!("{} users", batch.end()));
            }
            batch
        };
        let Some(batch) = batch else { return Ok(counts) };
        if let Err(bad) = counts.count(change, &batch) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).0.stop();
            return Err(bad);
        }
    }
}

impl Counts {
    fn none(change: &Change) -> Self {
        let tallies = vec![Tally::default(); change.flags.len()];
        let tried = change.flags.iter().map(Tried::none).collect();
        Self { tallies, tried, users: 0, anonymous: 0, boxed: None }
    }

    fn count(&mut self, change: &Change, batch: &Batch) -> Result<(), BadLine> {
        batch.each(change.made_up(), |context| {
            self.users += 1;
            self.anonymous += u64::from(context.targeting_key().is_none());
            self.boxed = self.boxed.or_else(|| context::boxed(context));
            change.count(context, &mut self.tallies, &mut self.tried);
        })
    }

    fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.anonymous += other.anonymous;
        self.boxed = self.boxed.or(other.boxed);
        for (tally, other) in self.tallies.iter_mut().zip(&other.tallies) {
            tally.add(other);
        }
        for (tried, other) in self.tried.iter_mut().zip(&other.tried) {
            tried.add(other);
        }
    }
}
