//! The workloads of all benches: flags, the calls that evaluate them, and the loops.
//!
//! Every loop makes [`CALLS`] calls, and no two calls in a row are alike. Flags, users and groups rotate,
//! so that neither the branch predictor nor a cache learns one key. The cost of one call is that of the
//! loop divided by [`CALLS`]; the cost of the rotation is included.

pub(crate) mod all;
pub(crate) mod gate;
pub(crate) mod reference;
pub(crate) mod rules;
pub(crate) mod variants;

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
};

use flagstaff::{
    Backend, Context, Definition, Flag, Flags, Percentage,
    definition::Entry,
    source::{BackendError, BoxFuture, FlagsBuilder, Offer, Sink},
};

use self::reference::{Reference, Rule, Who};

/// The number of calls in a loop, which is also the number of users.
pub(crate) const CALLS: usize = 10_000;

/// The kind of flags in a fixture.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// On or off for all users.
    Constant,
    /// 10 allowed users, 2 allowed groups, and 10 % of all others.
    Targeted,
}

/// Flags, the same flags in the reference, and the calls.
pub(crate) struct Fixture {
    flags: Flags,
    handles: Vec<Flag>,
    reference: Arc<Reference>,
    calls: Vec<Call>,
    /// The context of each call.
    contexts: Vec<Context<'static>>,
    hashes: Vec<u64>,
}

/// The flag, the user and the groups of one call, as strings from a request.
#[derive(Clone)]
struct Call {
    key: String,
    slot: usize,
    user: String,
    /// One or two groups.
    groups: Vec<String>,
}

impl Fixture {
    pub(crate) fn new(flags: usize, shape: Shape) -> Self {
        Self::start(Flags::builder(), flags, shape)
    }

    /// A fixture whose evaluations are counted.
    #[allow(dead_code, reason = "measured where it is exact")]
    pub(crate) fn counted(flags: usize, shape: Shape) -> Self {
        Self::start(Flags::builder().counts(), flags, shape)
    }

    fn start(builder: FlagsBuilder, flags: usize, shape: Shape) -> Self {
        let calls: Vec<Call> = (0..CALLS).map(|n| call(n, flags)).collect();
        let (facade, _) = start_with(builder, offer(flags, shape, 0));
        let fixture = Self {
            handles: (0..flags).map(|slot| facade.flag(key(slot))).collect(),
            flags: facade,
            reference: Reference::new((0..flags).map(|slot| (key(slot), rule(slot, shape)))).into(),
            hashes: calls.iter().map(|call| Who::new(&call.user, &[]).hash()).collect(),
            contexts: calls.iter().map(|call| call.context().into_owned()).collect(),
            calls,
        };
        // Fills the thread-locals and the contexts' hashes. All loops have to agree, or else one of them does
        // other work.
        let on = reference_by_name(&fixture);
        assert_eq!(on, reference_by_handle(&fixture));
        assert_eq!(on, by_name(&fixture));
        assert_eq!(on, by_handle(&fixture));
        assert_eq!(on, details_by_name(&fixture));
        fixture
    }

    /// Returns a fixture with these flags, and with calls and contexts that no other thread uses.
    #[allow(dead_code, reason = "one bench has one thread")]
    pub(crate) fn for_another_thread(&self) -> Self {
        Self {
            flags: self.flags.clone(),
            handles: self.handles.clone(),
            reference: self.reference.clone(),
            calls: self.calls.clone(),
            contexts: self.contexts.clone(),
            hashes: self.hashes.clone(),
        }
    }
}

impl Call {
    fn context(&self) -> Context<'_> {
        let context = Context::user(&*self.user).group(&*self.groups[0]);
        match self.groups.get(1) {
            Some(second) => context.group(&**second),
            None => context,
        }
    }
}

/// Evaluates by name, with a context that has only a user and is built for the call.
pub(crate) fn by_name_of_user(fixture: &Fixture) -> usize {
    count(fixture, |_, call| fixture.flags.is_enabled(&*call.key, &Context::user(&*call.user)))
}

/// Evaluates by name, with a context that has a user and one or two groups and is built for the call.
pub(crate) fn by_name(fixture: &Fixture) -> usize {
    count(fixture, |_, call| fixture.flags.is_enabled(&*call.key, &call.context()))
}

/// Evaluates as [`by_name`] does, with details: value, reason, cause and source.
pub(crate) fn details_by_name(fixture: &Fixture) -> usize {
    count(fixture, |_, call| {
        black_box(fixture.flags.boolean(&*call.key, &call.context(), false)).value
    })
}

/// Evaluates by a handle, with a context that was used before.
pub(crate) fn by_handle(fixture: &Fixture) -> usize {
    count(fixture, |n, call| {
        fixture.flags.is_enabled(&fixture.handles[call.slot], &fixture.contexts[n])
    })
}

/// The reference by name, with a context that has only a user and is built for the call.
pub(crate) fn reference_by_name_of_user(fixture: &Fixture) -> usize {
    count(fixture, |_, call| fixture.reference.by_name(&call.key, &Who::new(&call.user, &[])))
}

/// The reference by name, with a context that is built for the call.
pub(crate) fn reference_by_name(fixture: &Fixture) -> usize {
    count(fixture, |_, call| {
        fixture.reference.by_name(&call.key, &Who::new(&call.user, &call.groups))
    })
}

/// The reference with the user hashed before and the flag resolved before.
pub(crate) fn reference_by_handle(fixture: &Fixture) -> usize {
    count(fixture, |n, call| {
        let who = Who::hashed(&call.user, fixture.hashes[n], &call.groups);
        fixture.reference.by_handle(call.slot, &who)
    })
}

/// The rotation alone.
#[allow(dead_code, reason = "not worth timing")]
pub(crate) fn nothing(fixture: &Fixture) -> usize {
    count(fixture, |_, call| call.slot.is_multiple_of(2))
}

#[inline(always)]
fn count(fixture: &Fixture, ask: impl Fn(usize, &Call) -> bool) -> usize {
    let mut on = 0;
    for (n, call) in fixture.calls.iter().enumerate() {
        on += usize::from(black_box(ask(n, black_box(call))));
    }
    on
}

/// Starts flags with a backend whose sink is returned, so that the bench decides when to publish.
pub(crate) fn start(offer: Offer) -> (Flags, Sink) {
    start_with(Flags::builder(), offer)
}

fn start_with(builder: FlagsBuilder, offer: Offer) -> (Flags, Sink) {
    let told = Told { offer, sink: Arc::default() };
    let sink = Arc::clone(&told.sink);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread");
    let flags = runtime.block_on(builder.source(told).start()).expect("nothing can fail");
    let sink = sink.lock().expect("no panics").clone().expect("it has run");
    (flags, sink)
}

struct Told {
    offer: Offer,
    sink: Arc<Mutex<Option<Sink>>>,
}

impl Backend for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(self.offer.clone());
        *self.sink.lock().expect("no panics") = Some(sink);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Returns an offer of this many flags. All of them differ between an even and an odd `revision`.
pub(crate) fn offer(flags: usize, shape: Shape, revision: usize) -> Offer {
    (0..flags).map(|slot| (key(slot), entry(slot + revision, shape))).collect()
}

fn entry(slot: usize, shape: Shape) -> Entry {
    match rule(slot, shape) {
        Rule::Constant(on) => Entry::from(on),
        Rule::Targeted { users, groups, percent } => {
            let percentage = Percentage::whole(percent).expect("at most 100");
            let definition = Definition::new().owner("payments").percentage(percentage);
            definition.allowed_users(users).allowed_groups(groups).into()
        }
    }
}

fn rule(slot: usize, shape: Shape) -> Rule {
    match shape {
        Shape::Constant => Rule::Constant(slot.is_multiple_of(2)),
        Shape::Targeted => Rule::Targeted {
            users: (0..10).map(|n| user(scatter(slot * 10 + n, CALLS))).collect(),
            groups: (0..2).map(|n| group(slot + n)).collect(),
            percent: 10,
        },
    }
}

fn call(n: usize, flags: usize) -> Call {
    let slot = scatter(n, flags);
    // Every fourth user is among the users that a targeted flag in this slot allows.
    let user = if n.is_multiple_of(4) { user(scatter(slot * 10 + n % 10, CALLS)) } else { user(n) };
    let groups = (0..1 + n % 2).map(|nth| group(scatter(n + nth, GROUPS))).collect();
    Call { key: key(slot), slot, user, groups }
}

const GROUPS: usize = 50;

fn key(slot: usize) -> String {
    format!("checkout_step_{slot:05}")
}

fn user(n: usize) -> String {
    format!("user{n}@example.com")
}

fn group(n: usize) -> String {
    format!("team-{}", n % GROUPS)
}

/// Returns a number below `end` that looks random.
fn scatter(n: usize, end: usize) -> usize {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize % end
}
