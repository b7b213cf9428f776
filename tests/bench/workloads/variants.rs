//! Three variants by weight.

use std::hint::black_box;

use flagstaff::{
    Answer, Context, Definition, Flag, Flags,
    definition::{Entry, Variant, Variants},
};

use super::{CALLS, key, scatter, start, user};

/// Flags with variants, and the contexts of the calls.
pub(crate) struct Varied {
    flags: Flags,
    handles: Vec<Flag>,
    calls: Vec<Call>,
    /// The context of each call.
    contexts: Vec<Context<'static>>,
}

struct Call {
    slot: usize,
    key: String,
    user: String,
}

impl Varied {
    pub(crate) fn new(flags: usize) -> Self {
        let offer = (0..flags).map(|slot| (key(slot), definition())).collect();
        let (facade, _) = start(offer);
        let calls: Vec<_> = (0..CALLS)
            .map(|n| {
                let slot = scatter(n, flags);
                Call { slot, key: key(slot), user: user(n) }
            })
            .collect();
        let fixture = Self {
            handles: (0..flags).map(|slot| facade.flag(key(slot))).collect(),
            flags: facade,
            contexts: calls.iter().map(|call| Context::user(call.user.clone())).collect(),
            calls,
        };
        // Fills the thread-locals and the contexts' hashes, and checks that variants are drawn.
        let served = by_name(&fixture);
        assert_eq!(served, by_handle(&fixture));
        assert_eq!(served, details_by_name(&fixture));
        assert!((CALLS / 4..CALLS * 5 / 12).contains(&served), "{served}");
        fixture
    }
}

pub(crate) fn definition() -> Entry {
    let weight = |percent: u32| Variant::new().weight(percent);
    let variants = Variants::new()
        .with("control", weight(34))
        .with("one_page", weight(33))
        .with("two_pages", weight(33));
    Definition::new().variants(variants).into()
}

/// Evaluates by name, with a context that is built for the call. Returns the number that are served `one_page`.
pub(crate) fn by_name(fixture: &Varied) -> usize {
    fixture.calls.iter().filter(|call| is_one_page(asked(fixture, call).value)).count()
}

/// Evaluates as [`by_name`] does, with details: reason, cause and source.
pub(crate) fn details_by_name(fixture: &Varied) -> usize {
    fixture.calls.iter().filter(|call| is_one_page(black_box(asked(fixture, call)).value)).count()
}

#[inline(always)]
fn asked(fixture: &Varied, call: &Call) -> Answer<&'static str> {
    let context = Context::user(&*black_box(call).user);
    fixture.flags.variant(&*call.key, &context, "control")
}

/// Evaluates by a handle, with a context that was used before.
pub(crate) fn by_handle(fixture: &Varied) -> usize {
    let asked = |(call, context): &(&Call, &Context<'_>)| {
        let flag = &fixture.handles[black_box(call).slot];
        is_one_page(fixture.flags.variant(flag, context, "control").value)
    };
    fixture.calls.iter().zip(&fixture.contexts).filter(asked).count()
}

#[inline(always)]
fn is_one_page(variant: &str) -> bool {
    black_box(variant).len() == "one_page".len()
}
