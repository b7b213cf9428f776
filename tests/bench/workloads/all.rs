//! 100 flags at once for one user.

use std::hint::black_box;

use flagstaff::{Context, Definition, Flags, Percentage, definition::Entry};

use super::{CALLS, Call, Shape, call, entry, key, start, variants};

/// The number of flags that are evaluated at once.
const FLAGS: usize = 100;

/// 100 flags: a quarter is constant, a quarter is on for half of the users, a quarter are those of
/// [`Shape::Targeted`], and a quarter has three variants.
pub(crate) struct All {
    flags: Flags,
    calls: Vec<Call>,
    /// The context of each call.
    contexts: Vec<Context<'static>>,
}

impl All {
    pub(crate) fn new() -> Self {
        let half = Percentage::whole(50).expect("at most 100");
        let mixed = |slot: usize| match slot % 4 {
            0 => Entry::from(slot.is_multiple_of(8)),
            1 => Definition::new().percentage(half).into(),
            2 => entry(slot, Shape::Targeted),
            _ => variants::definition(),
        };
        let offer = (0..FLAGS).map(|slot| (key(slot), mixed(slot)));
        let (flags, _) = start(offer.collect());
        let calls: Vec<_> = (0..CALLS / FLAGS).map(|n| call(n, FLAGS)).collect();
        let contexts = calls.iter().map(|call| call.context().into_owned()).collect();
        let fixture = Self { flags, calls, contexts };
        assert_eq!(by_user(&fixture), with_context(&fixture));
        fixture
    }
}

/// Evaluates all flags for each user, with a context that is built for the call. Returns the number that are on.
pub(crate) fn by_user(fixture: &All) -> usize {
    let on = |call: &Call| list(&fixture.flags, &black_box(call).context());
    fixture.calls.iter().map(on).sum()
}

/// Evaluates all flags for each user, with a context that was used before.
pub(crate) fn with_context(fixture: &All) -> usize {
    fixture.contexts.iter().map(|context| list(&fixture.flags, black_box(context))).sum()
}

fn list(flags: &Flags, context: &Context<'_>) -> usize {
    let snapshot = flags.snapshot();
    let mut answers = Vec::with_capacity(FLAGS);
    answers.extend(snapshot.all(context).map(|(key, answer)| (key, answer.value)));
    black_box(&answers).iter().filter(|(_, on)| *on).count()
}
