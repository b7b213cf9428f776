//! The flags that HTTP services evaluate: those of the request if it has any, with keys resolved
//! once.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    num::NonZeroU64,
    sync::{Arc, OnceLock},
};

use super::{
    Flags, RequestFlags, Scope, Snapshot,
    outside::{self, Asker},
    request::Pinned,
    testing,
};
use crate::{
    eval::{Evaluation, Ground, Plan},
    model::{Answer, Cause, Context, FlagKey, Names, Resolve, Slot, hash_name},
    observe::Observed,
};

/// A flag key whose slot is resolved once: in the first flags that have it.
///
/// Unlike [`Flag`](super::Flag) it can be made before there are flags.
#[derive(Clone)]
pub(crate) struct KnownFlag {
    name: Arc<str>,
    hash: u64,
    /// The id of the flags that the slot belongs to, and the slot.
    found: OnceLock<(u64, Slot)>,
}

impl KnownFlag {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { hash: hash_name(&name), name, found: OnceLock::new() }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the slot among the names of `owner`, if it was found there.
    #[inline]
    fn found(&self, owner: u64) -> Option<Slot> {
        self.found.get().filter(|(found, _)| *found == owner).map(|&(_, slot)| slot)
    }

    #[cold]
    fn find(&self, names: &Names, owner: u64) -> Option<Slot> {
        let slot = names.find(self.hash, &self.name)?;
        // With several flags, the slot stays that of the first, and the others look the name up.
        let _ = self.found.set((owner, slot));
        Some(slot)
    }
}

impl Resolve for KnownFlag {
    #[inline]
    fn slot(&self, names: &Names, owner: u64) -> Option<Slot> {
        self.found(owner).or_else(|| self.find(names, owner))
    }
}

impl FlagKey for KnownFlag {
    fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for KnownFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownFlag").field(&self.name).finish()
    }
}

/// One generation and one context, borrowed; or no flags.
#[derive(Clone, Copy)]
pub(crate) enum View<'a, 'c> {
    Flags {
        snapshot: &'a Snapshot,
        context: &'a Context<'c>,
        headers: &'a Option<Arc<str>>,
    },
    /// No flags are in scope for this kind of layer.
    NoFlags {
        asker: Asker,
    },
}

impl<'a> View<'a, '_> {
    /// Returns true if the flag was found before and is on for all users. If it returns false,
    /// [`evaluate`](Self::evaluate) has to decide.
    #[inline]
    pub(crate) fn is_plainly_on(&self, flag: &KnownFlag) -> bool {
        match self {
            Self::Flags { snapshot, .. } => snapshot.is_plainly_on(flag),
            Self::NoFlags { .. } => false,
        }
    }

    /// Evaluates a flag that was found before. `None` decides nothing: the flag was not found yet, or
    /// a test overrides it. [`require`](Self::require) takes the evaluation, so that nothing is
    /// evaluated twice.
    // Always inlined, here and below, since an evaluation is returned through memory otherwise.
    #[inline(always)]
    pub(crate) fn evaluate(&self, flag: &KnownFlag) -> Option<Evaluation<'a>> {
        match *self {
            Self::Flags { snapshot, context, .. } => snapshot.evaluate_known(flag, context),
            Self::NoFlags { .. } => None,
        }
    }

    /// Returns true if the flag of an evaluation of this view is on.
    #[inline]
    pub(crate) fn is_on(&self, evaluation: &Evaluation<'_>) -> bool {
        match self {
            Self::Flags { context, .. } => evaluation.is_on(context),
            Self::NoFlags { .. } => false,
        }
    }

    /// Returns `Ok` if the flag is in the state that is required, or else its details. `default` is
    /// the state of a flag that no source has.
    pub(crate) fn require(
        &self,
        flag: &KnownFlag,
        evaluation: Option<Evaluation<'a>>,
        required: bool,
        default: bool,
    ) -> Result<(), Unmet> {
        match *self {
            Self::Flags { snapshot, context, .. } => match &snapshot.observed {
                Some(observed) => {
                    snapshot.require_observed(observed, flag, context, required, default)
                }
                None => {
                    let evaluate = || snapshot.evaluate(flag, context, &mut ());
                    let evaluation = evaluation.or_else(evaluate);
                    snapshot.require(flag, evaluation, context, required, default)
                }
            },
            Self::NoFlags { asker } => {
                outside::unlayered(&flag.name, asker);
                Unmet::by_default(required, default, Cause::NoFlags)
            }
        }
    }

    /// Returns true if two contexts may get different answers.
    pub(crate) fn depends_on_context(&self, flag: &KnownFlag) -> bool {
        match self {
            Self::Flags { snapshot, .. } => snapshot.depends_on_context(flag),
            Self::NoFlags { .. } => false,
        }
    }

    /// Returns true if every context finds the flag in the required state, and false if none does.
    /// `None` if that depends on the context, or there are no flags.
    pub(crate) fn settled(&self, flag: &KnownFlag, required: bool, default: bool) -> Option<bool> {
        match *self {
            Self::NoFlags { .. } => None,
            Self::Flags { .. } if self.depends_on_context(flag) => None,
            // Not an evaluation for a user, so none that is observed.
            Self::Flags { snapshot, context, .. } => {
                let evaluation = snapshot.evaluate(flag, context, &mut ());
                Some(snapshot.require(flag, evaluation, context, required, default).is_ok())
            }
        }
    }

    /// Returns the request headers that the context was derived from, as `Vary` lists them.
    pub(crate) fn headers(&self) -> Option<&Arc<str>> {
        match self {
            Self::Flags { headers, .. } => headers.as_ref(),
            Self::NoFlags { .. } => None,
        }
    }
}

/// The details of a flag that is not in the state that a gate requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// The answer, which is true if the flag is on, whatever values its variants have.
    pub(crate) answer: Answer<bool>,
    /// True if the flag is in neither state, because a lost source decides about it.
    pub(crate) unavailable: bool,
}

impl Unmet {
    fn by_default(required: bool, default: bool, cause: Cause) -> Result<(), Self> {
        if default == required {
            return Ok(());
        }
        Err(Self { answer: Answer::new(default, cause, None), unavailable: false })
    }
}

impl Snapshot {
    pub(crate) fn owner(&self) -> u64 {
        self.owner
    }

    /// Returns `Ok` if the flag is in the state that is required, or else its details. `evaluation`
    /// is that of the flag, if a source has it.
    pub(super) fn require(
        &self,
        flag: &KnownFlag,
        evaluation: Option<Evaluation<'_>>,
        context: &Context<'_>,
        required: bool,
        default: bool,
    ) -> Result<(), Unmet> {
        let Some(evaluation) = evaluation else {
            return match self.is_rejected(&flag.name) {
                // The deny-lists of the flag are unknown, so it is in neither state.
                true => Err(Unmet {
                    answer: Answer::new(!required, Cause::Rejected, None),
                    unavailable: false,
                }),
                false => Unmet::by_default(required, default, Cause::UnknownFlag),
            };
        };
        let unavailable = evaluation.verdict.ground == Ground::Unavailable;
        if evaluation.is_on(context) == required && !unavailable {
            return Ok(());
        }
        Err(Unmet { answer: self.gate(&evaluation, context), unavailable })
    }

    #[inline(never)]
    fn require_observed(
        &self,
        observed: &Observed,
        flag: &KnownFlag,
        context: &Context<'_>,
        required: bool,
        default: bool,
    ) -> Result<(), Unmet> {
        let mut met = Ok(());
        self.observed(observed, &self.gate_of(flag), context, |drawn| {
            let evaluation = drawn.map(|(evaluation, _)| evaluation);
            met = self.require(flag, evaluation, context, required, default);
            self.seen(drawn, flag, default)
        });
        met
    }

    /// Returns true if the flag was found before and is on for all users. It returns false while
    /// evaluations are observed.
    #[inline]
    pub(crate) fn is_plainly_on(&self, flag: &KnownFlag) -> bool {
        matches!(self.known_plan(flag), Some(Plan::Constant(verdict)) if verdict.on)
    }

    #[inline(always)]
    fn evaluate_known(&self, flag: &KnownFlag, context: &Context<'_>) -> Option<Evaluation<'_>> {
        self.evaluate_plan(self.known_plan(flag)?, context, &mut ())
    }

    /// Returns the plan of a flag that was found before, unless the running test overrides it or
    /// evaluations are observed.
    #[inline]
    fn known_plan(&self, flag: &KnownFlag) -> Option<&Plan> {
        let plan =
            flag.found(self.shortcut).and_then(|slot| self.merged.plans.get(slot as usize))?;
        match testing::overridden(&flag.name, &self.evaluated, plan.variants()) {
            None => Some(plan),
            Some(_) => None,
        }
    }

    fn depends_on_context(&self, flag: &KnownFlag) -> bool {
        // Records the evaluation, since a flag that was found is not recorded again.
        let plan = self.plan(flag);
        let depends = |slot: Slot| {
            self.merged.plans.get(slot as usize).is_some_and(|plan| plan.depends_by_itself())
        };
        plan.is_some_and(|plan| plan.depends_on_context(depends))
    }
}

impl Flags {
    /// Calls `ask` with the current generation.
    #[inline]
    pub(crate) fn read<R>(&self, ask: impl Fn(&Snapshot) -> R) -> R {
        self.cell.with(ask)
    }

    /// Pins a context for a request. A request that was pinned before keeps its generation and its
    /// number.
    pub(crate) fn pin_request(
        &self,
        outer: Option<&RequestFlags>,
        context: Context<'static>,
        headers: Option<Arc<str>>,
    ) -> RequestFlags {
        let number = outer.and_then(|outer| outer.context().request()).unwrap_or_else(draw_number);
        let context = context.with_request(number);
        let owner = self.read(Snapshot::owner);
        let snapshot = match outer {
            Some(outer) if outer.snapshot().owner == owner => Arc::clone(&outer.pinned.snapshot),
            _ => self.snapshot(),
        };
        RequestFlags::new(Pinned { snapshot, context, headers })
    }
}

/// Returns a random number. `RandomState` draws its keys from the system once per thread and then
/// counts, so this needs no call of the system.
fn draw_number() -> NonZeroU64 {
    NonZeroU64::new(RandomState::new().build_hasher().finish()).unwrap_or(NonZeroU64::MAX)
}

impl RequestFlags {
    /// Calls `ask` with the context that is pinned, and a generation that need not be pinned.
    #[inline]
    pub(crate) fn view<R>(&self, snapshot: &Snapshot, ask: impl FnOnce(&View<'_, '_>) -> R) -> R {
        let Pinned { context, headers, .. } = &*self.pinned;
        self.with_overrides(|| ask(&View::Flags { snapshot, context, headers }))
    }

    /// Calls `ask` with the flags of the request that is being handled.
    #[inline]
    pub(crate) fn with_current<R>(ask: impl FnOnce(Option<&RequestFlags>) -> R) -> R {
        let mut ask = Some(ask);
        let answer = Scope::with(|scope| ask.take().map(|ask| ask(scope.flags.as_ref())));
        match (answer, ask) {
            (Some(Some(answer)), _) => answer,
            (_, Some(ask)) => ask(None),
            (_, None) => unreachable!("whoever takes the question answers it"),
        }
    }
}
