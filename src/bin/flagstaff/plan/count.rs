//! Evaluations for all users of a source, and counts of the answers.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use flagstaff::Context;

use super::{
    change::{Change, Tally, Tried},
    made_up::MadeUp,
    progress::Progress,
    users::{BadLine, Source},
};
use crate::{context, failure::Failure};

/// Something that is counted over users, in parts that are added up.
pub(crate) trait Counting: Sync {
    /// The result for some of the users.
    type Part: Send;

    fn made_up(&self) -> &MadeUp;

    /// Returns the result for no users.
    fn none(&self) -> Self::Part;

    fn count(&self, part: &mut Self::Part, context: &Context<'_>);

    fn add(&self, part: &mut Self::Part, other: Self::Part);
}

/// The result of counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The counts, in the order of the flags of the change.
    pub(crate) tallies: Vec<Tally>,
    pub(crate) tried: Vec<Tried>,
    pub(crate) users: u64,
    /// The number of users without a targeting key.
    pub(crate) anonymous: u64,
    /// The key in one of the contexts that seems to hold all attributes.
    pub(crate) boxed: Option<&'static str>,
}

/// Counts all users of a source, on all processors.
pub(crate) fn count<C: Counting>(counting: &C, source: Source) -> Result<C::Part, Failure> {
    let shared = Mutex::new((source, Progress::new()));
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| part(counting, &shared))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut counts = counting.none();
    let mut first: Option<BadLine> = None;
    for part in parts {
        match part {
            Ok(part) => counting.add(&mut counts, part),
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
fn part<C: Counting>(counting: &C, shared: &Mutex<(Source, Progress)>) -> Result<C::Part, BadLine> {
    let mut counts = counting.none();
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
        let counted =
            batch.each(counting.made_up(), |context| counting.count(&mut counts, context));
        if let Err(bad) = counted {
            shared.lock().unwrap_or_else(PoisonError::into_inner).0.stop();
            return Err(bad);
        }
    }
}

impl Counting for Change {
    type Part = Counts;

    fn made_up(&self) -> &MadeUp {
        self.made_up()
    }

    fn none(&self) -> Counts {
        let tallies = vec![Tally::default(); self.flags.len()];
        let tried = self.flags.iter().map(Tried::none).collect();
        Counts { tallies, tried, users: 0, anonymous: 0, boxed: None }
    }

    fn count(&self, counts: &mut Counts, context: &Context<'_>) {
        counts.users += 1;
        counts.anonymous += u64::from(context.targeting_key().is_none());
        counts.boxed = counts.boxed.or_else(|| context::boxed(context));
        self.count(context, &mut counts.tallies, &mut counts.tried);
    }

    fn add(&self, counts: &mut Counts, other: Counts) {
        counts.users += other.users;
        counts.anonymous += other.anonymous;
        counts.boxed = counts.boxed.or(other.boxed);
        for (tally, other) in counts.tallies.iter_mut().zip(&other.tallies) {
            tally.add(other);
        }
        for (tried, other) in counts.tried.iter_mut().zip(&other.tried) {
            tried.add(other);
        }
    }
}
