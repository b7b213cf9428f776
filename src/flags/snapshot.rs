//! One immutable generation of all flags.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;

use super::{
    asked::Asked,
    merge::Merged,
    mismatch::Mismatches,
    testing::{self, Evaluated},
    track::Tracker,
    unknown::Unknown,
};
use crate::{
    backend::{Lookup, Offer, Source, SourceId, Stack},
    eval::{Decision, Evaluation, Ground, Others, Plan, Served, Verdict, Visitor},
    model::{
        Answer, Cause, Context, Definition, Field, FlagKey, FlagState, Metadata, Names, Progress,
        Reason, Resolved, Slot, nearest,
    },
    observe::{Observed, Observer},
};

/// All flags as they were at one moment: a *generation*.
///
/// A snapshot never changes, so several evaluations of one snapshot have consistent answers. A
/// request gets a snapshot from the request layer. Elsewhere [`Flags::snapshot`] makes one.
///
/// [`Flags::snapshot`]: crate::Flags::snapshot
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
/// let before = flags.snapshot();
///
/// flags.disable("a").await?;
///
/// assert!(before.is_enabled("a", &Context::anonymous()));
/// assert!(!flags.is_enabled("a", &Context::anonymous()));
/// assert!(before.generation() < flags.snapshot().generation());
/// # Ok(())
/// # }
/// ```
pub struct Snapshot {
    pub(super) generation: u64,
    /// The id of the flags that this is a snapshot of.
    pub(super) owner: u64,
    pub(super) names: Arc<Names>,
    pub(super) merged: Merged,
    pub(super) sources: Arc<[Source]>,
    pub(super) lookups: Arc<[(SourceId, Lookup)]>,
    pub(super) asked: Arc<Asked>,
    /// The states of the sources when this was made, and their states now. Evaluation reads
    /// neither.
    pub(super) offers: Arc<Vec<Arc<Offer>>>,
    pub(super) latest: Arc<ArcSwap<Latest>>,
    pub(super) unknown: Arc<Unknown>,
    pub(super) mismatches: Arc<Mismatches>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) strictness: Strictness,
    /// The record for assertions of tests.
    pub(super) evaluated: Evaluated,
    /// The observer of evaluations, if there is one.
    pub(super) observed: Option<Observed>,
    /// The id of the flags, for gates that found their flag before. It is 0 while evaluations are
    /// observed, so that gates take no shorter way. An open gate pays for no further comparison.
    pub(super) shortcut: u64,
}

/// The states of the sources now. They may differ from those of the generation in force, if that
/// changes no flag. Such a difference is in the location of an entry, in its author, or in an entry
/// that a stronger source overrides.
#[derive(Debug)]
pub(super) struct Latest {
    /// The generation in force.
    pub(super) generation: u64,
    pub(super) offers: Arc<Vec<Arc<Offer>>>,
}

/// Generations are unique in the process: see [`Cell::with`](super::cell::Cell::with).
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// The behaviour at the evaluation of an unknown flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The caller's default is returned, and one warning is logged.
    Lenient,
    /// The evaluation panics and names the flag. Only flags of tests do so.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "made by for_test only"))]
    Panics,
}

impl Snapshot {
    /// Returns `true` if the flag is on for `context`; `false` if no source has it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let snapshot = flags.snapshot();
    ///
    /// assert!(snapshot.is_enabled("beta", &Context::user("ana")));
    /// assert!(!snapshot.is_enabled("no_such_flag", &Context::user("ana")));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn is_enabled(&self, key: impl FlagKey, context: &Context<'_>) -> bool {
        match &self.observed {
            None => self.is_enabled_unobserved(&key, context),
            Some(observed) => self.is_enabled_observed(observed, &key, context),
        }
    }

    #[inline(always)]
    pub(super) fn is_enabled_unobserved(&self, key: &impl FlagKey, context: &Context<'_>) -> bool {
        let on = self.known_or(
            key,
            self.plan(key),
            |plan| self.is_on(plan, context),
            |evaluation| evaluation.is_on(context),
        );
        on.unwrap_or(false)
    }

    /// Returns every flag that a source has, sorted by key, with its answer for `context`.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let source = Memory::new().with("search", true).with("beta", false);
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// let (snapshot, ana) = (flags.snapshot(), Context::user("ana"));
    /// let all: Vec<_> = snapshot.all(&ana).map(|(key, answer)| (key, answer.value)).collect();
    ///
    /// assert_eq!(all, [("beta", false), ("search", true)]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn all(
        &self,
        context: &Context<'_>,
    ) -> impl ExactSizeIterator<Item = (&str, Answer<bool>)> {
        // At once, so that the iterator need not test for an observer at each flag.
        if let Some(observed) = &self.observed {
            self.observe_all(observed, context);
        }
        let (plans, names) = (&*self.merged.plans, &*self.names);
        self.merged.listed.iter().map(move |&slot| {
            let (name, plan) = (&**names.name(slot), &plans[slot as usize]);
            let evaluate = |plan| self.evaluate_plan(plan, context, &mut ());
            let evaluation = self.known_or(&name, Some(plan), evaluate, |evaluation| evaluation);
            let evaluation = evaluation.expect("it is compiled, since a source has it");
            (name, self.gate(&evaluation, context))
        })
    }

    /// Returns the definition of a flag, merged from all sources; `None` if no source has the flag.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, Flags, Memory, definition::Field};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let beta = Definition::new().owner("payments");
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let snapshot = flags.snapshot();
    /// let beta = snapshot.info("beta").expect("a source has it");
    ///
    /// assert_eq!(beta.definition().owner.value().map(String::as_str), Some("payments"));
    /// assert_eq!(beta.source_of(Field::Owner).map(|source| source.name), Some("memory"));
    /// assert!(snapshot.info("no_such_flag").is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn info(&self, key: impl FlagKey) -> Option<FlagInfo<'_>> {
        let resolved = self.merged.resolved.get(key.slot(&self.names, self.owner)?)?;
        Some(FlagInfo { resolved, sources: &self.sources })
    }

    /// Returns the number of this generation. It grows with every change, and no two generations of
    /// a process share one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the first generation of new flags, which has none yet.
    pub(super) fn first(
        sources: Arc<[Source]>,
        stack: &Stack,
        tracker: Arc<Tracker>,
        strictness: Strictness,
    ) -> Self {
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let latest = Latest { generation, offers: stack.offers() };
        Self {
            generation,
            owner: generation,
            names: Arc::default(),
            merged: Merged::default(),
            sources,
            lookups: stack.lookups(),
            asked: Arc::default(),
            offers: stack.offers(),
            latest: Arc::new(ArcSwap::from_pointee(latest)),
            unknown: Arc::default(),
            mismatches: Arc::default(),
            tracker,
            strictness,
            evaluated: Evaluated::of(strictness),
            observed: None,
            shortcut: generation,
        }
    }

    /// Returns this first generation with an observer, if there is one, for it and those that follow.
    pub(super) fn observed_by(self, observer: Option<Arc<Observer>>) -> Self {
        match observer {
            None => self,
            Some(observer) => Self { observed: Some(Observed::new(observer)), shortcut: 0, ..self },
        }
    }

    /// Returns the generation of the same flags that follows this one.
    pub(super) fn next(
        &self,
        merged: Merged,
        names: Arc<Names>,
        stack: &Stack,
        asked: Arc<Asked>,
    ) -> Self {
        let slots = merged.plans.len();
        let observed = self.observed.as_ref().map(|observed| observed.with_room(slots));
        Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            owner: self.owner,
            names,
            merged,
            sources: Arc::clone(&self.sources),
            lookups: stack.lookups(),
            asked,
            offers: stack.offers(),
            latest: Arc::clone(&self.latest),
            unknown: Arc::clone(&self.unknown),
            mismatches: Arc::clone(&self.mismatches),
            tracker: Arc::clone(&self.tracker),
            strictness: self.strictness,
            evaluated: self.evaluated.clone(),
            shortcut: self.shortcut,
            observed,
        }
    }

    /// Evaluates a flag for `context`; `None` if no source has it.
    ///
    /// Every answer of this crate is made from the evaluation that this returns.
    #[inline]
    pub(super) fn evaluate(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'_>> {
        let evaluate = |plan| self.evaluate_plan(plan, context, visitor);
        self.known_or(key, self.plan(key), evaluate, |evaluation| evaluation)
    }

    /// Evaluates a flag that another one requires, without its own prerequisites.
    pub(super) fn required(&self, slot: Slot, context: &Context<'_>) -> Option<Evaluation<'_>> {
        Others::evaluate(self, slot, |plan| plan.by_itself(context, &mut ()))
    }

    /// Evaluates a flag that a condition of another one depends on.
    pub(super) fn needed(&self, slot: Slot, context: &Context<'_>) -> Option<Evaluation<'_>> {
        self.merged.plans.get(slot as usize)?;
        Others::evaluate(self, slot, |plan| self.evaluate_plan(plan, context, &mut ()))
    }

    /// Returns the result of `evaluate` for the plan of a flag. `view` is for flags without a plan
    /// in force: the running test overrides them, or they come from a source that lists no names.
    // `evaluate` reduces its evaluation itself, so that only the result, such as on or off, leaves
    // a function that is not inlined. The argument is a key rather than a name: with a name, a flag
    // that was resolved before takes 14 instructions more.
    #[inline(always)]
    pub(super) fn known_or<'p, T>(
        &'p self,
        key: &impl FlagKey,
        plan: Option<&'p Plan>,
        evaluate: impl FnOnce(&'p Plan) -> Option<T>,
        view: impl FnOnce(Evaluation<'p>) -> T,
    ) -> Option<T> {
        let variants = plan.and_then(Plan::variants);
        if let Some(overridden) = testing::overridden(key.as_str(), &self.evaluated, variants) {
            return Some(view(overridden));
        }
        match plan.and_then(evaluate) {
            Some(known) => Some(known),
            None => Some(view(Evaluation::new(self.unknown(key.as_str())?, None))),
        }
    }

    #[inline]
    pub(super) fn plan(&self, key: &impl FlagKey) -> Option<&Plan> {
        self.find(key).map(|(_, plan)| plan)
    }

    /// Returns the slot of a flag and its plan, and marks the flag as one that callers use.
    #[inline(always)]
    pub(super) fn find(&self, key: &impl FlagKey) -> Option<(Slot, &Plan)> {
        let slot = key.slot(&self.names, self.owner)?;
        if !key.is_resolved(self.owner) {
            self.asked.note(slot);
        }
        Some((slot, self.merged.plans.get(slot as usize)?))
    }

    #[inline(always)]
    pub(super) fn evaluate_plan<'p>(
        &'p self,
        plan: &'p Plan,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'p>> {
        plan.evaluate(context, self, visitor)
    }

    /// Returns true if a flag is on, without the reason; `None` if no source has the flag.
    #[inline]
    pub(super) fn is_on(&self, plan: &Plan, context: &Context<'_>) -> Option<bool> {
        match plan {
            // Most flags are constant, and only this case is inlined into the caller.
            Plan::Constant(verdict) => Some(verdict.on),
            _ => self.is_on_for(plan, context),
        }
    }

    #[inline(never)]
    fn is_on_for(&self, plan: &Plan, context: &Context<'_>) -> Option<bool> {
        self.evaluate_plan(plan, context, &mut ()).map(|evaluation| evaluation.is_on(context))
    }

    #[cold]
    fn unknown(&self, name: &str) -> Option<&'static Verdict> {
        for &(source, ref lookup) in &*self.lookups {
            let on = match lookup(name) {
                None => None,
                // A string cannot be the name of a variant, since the flag has none.
                Some(entry) => entry.forces(),
            };
            if let Some(on) = on {
                return Some(&LOOKED_UP[usize::from(source)][usize::from(on)]);
            }
        }
        match self.strictness {
            Strictness::Lenient if self.is_rejected(name) => {}
            Strictness::Lenient => self.unknown.note(name, self.known()),
            Strictness::Panics => {
                let similar = nearest(name, self.known());
                let similar = similar.map(|name| format!(" (a similar one is `{name}`)"));
                panic!(
                    "flag `{name}` was asked for, and the test did not set it{}: add \
                     `.on(\"{name}\")` or `.off(\"{name}\")` to `Flags::for_test()` or to the \
                     overrides of the test",
                    similar.unwrap_or_default()
                )
            }
        }
        None
    }

    /// Returns the keys of the flags that a source has.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.resolved().map(|(key, _)| &**key)
    }

    /// Returns the flags that a source has.
    pub(super) fn resolved(&self) -> impl Iterator<Item = (&Arc<str>, &Resolved)> {
        self.merged.resolved.iter().map(|(slot, flag)| (self.names.name(slot), flag))
    }

    /// Returns the flags of some slots, if a source has them.
    pub(super) fn resolved_at(
        &self,
        slots: &BTreeSet<Slot>,
    ) -> impl Iterator<Item = (&Arc<str>, &Resolved)> {
        slots
            .iter()
            .filter_map(|&slot| Some((self.names.name(slot), self.merged.resolved.get(slot)?)))
    }

    /// Returns on or off, with the name of the variant that is served.
    #[inline]
    pub(super) fn gate(&self, evaluation: &Evaluation<'_>, context: &Context<'_>) -> Answer<bool> {
        self.gate_served(evaluation.served(context, &mut ()))
    }

    /// Returns on or off, with the name of the variant, for an evaluation whose variant is drawn.
    #[inline(always)]
    pub(super) fn gate_served(&self, served: Served<'_>) -> Answer<bool> {
        let answer = self.answer(served.on, served.gate);
        match served.arm {
            None => answer,
            Some(arm) => answer.with_variant(arm.name),
        }
    }

    /// Returns the cause for a flag that no source has: unknown, or rejected.
    #[cold]
    pub(super) fn absence(&self, name: &str) -> Cause {
        match self.is_rejected(name) {
            true => Cause::Rejected,
            false => Cause::UnknownFlag,
        }
    }

    pub(super) fn is_rejected(&self, name: &str) -> bool {
        self.offers.iter().any(|offer| offer.rejects(name))
    }

    /// Returns an answer with a value and the decision behind it.
    #[inline]
    pub(super) fn answer<T>(&self, value: T, decision: Decision) -> Answer<T> {
        let source = self.sources.get(usize::from(decision.source)).map(|source| source.name);
        let mut answer = Answer::new(value, decision.cause, source);
        if decision.stale {
            answer.reason = Reason::Stale;
        }
        answer
    }
}

impl<'p> Others<'p> for &'p Snapshot {
    fn evaluate(
        self,
        slot: Slot,
        evaluate: impl FnOnce(&'p Plan) -> Option<Evaluation<'p>>,
    ) -> Option<Evaluation<'p>> {
        let (name, plan) = (&**self.names.name(slot), self.merged.plans.get(slot as usize));
        self.known_or(&name, plan, evaluate, |evaluation| evaluation)
    }
}

/// The verdicts of flags that a source has but does not list, by source: off, then on. No plan has
/// them, and evaluations borrow their verdicts.
static LOOKED_UP: [[Verdict; 2]; SourceId::MAX as usize + 1] = {
    let causes = [Cause::Disabled, Cause::AllUsers];
    let mut all = [verdicts(0, causes); SourceId::MAX as usize + 1];
    let mut source = 0;
    while source < all.len() {
        all[source] = verdicts(source as SourceId, causes);
        source += 1;
    }
    all
};

const fn verdicts(source: SourceId, [off, on]: [Cause; 2]) -> [Verdict; 2] {
    [
        Verdict::new(false, Decision { cause: off, source, stale: false }),
        Verdict::new(true, Decision { cause: on, source, stale: false }).on_ground(Ground::Open),
    ]
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("flags", &self.merged.resolved.iter().count())
            .finish_non_exhaustive()
    }
}

/// The definition of one flag, merged from all sources, with the source of each field.
#[derive(Debug, Clone, Copy)]
pub struct FlagInfo<'a> {
    resolved: &'a Resolved,
    sources: &'a [Source],
}

impl<'a> FlagInfo<'a> {
    /// Returns the definition merged from all sources.
    #[must_use]
    pub fn definition(&self) -> &'a Definition {
        &self.resolved.definition
    }

    /// Returns the strongest source that sets or removes a field.
    #[must_use]
    pub fn source_of(&self, field: Field) -> Option<Source> {
        self.resolved.claimed(field).map(|source| self.sources[usize::from(source)])
    }

    /// Returns the sources that a field comes from, the strongest first. Deny-lists of all sources
    /// [add up](Field::adds_up), so they can have several.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, Flags, Memory, definition::Field};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let denied = |user| Memory::new().with("beta", Definition::new().denied_users([user]));
    /// let flags = Flags::builder().source(denied("eve")).source(denied("mallory")).start().await?;
    ///
    /// let snapshot = flags.snapshot();
    /// let beta = snapshot.info("beta").expect("two sources have it");
    ///
    /// let names: Vec<_> = beta.sources_of(Field::DeniedUsers).iter().map(|it| it.name).collect();
    /// assert_eq!(names, ["memory", "memory#2"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sources_of(&self, field: Field) -> Vec<Source> {
        let sources = self.resolved.sources_of(field);
        let mut sources: Vec<_> = sources.map(|it| self.sources[usize::from(it)]).collect();
        sources.reverse();
        sources
    }

    /// Returns the metadata of the flag from all sources; empty unless set. Answers are `Copy` and small, so they do
    /// not contain metadata.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, Flags, Memory, definition::MetadataValue};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let beta = Definition::new().metadata([("issue", "PAY-412")]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let snapshot = flags.snapshot();
    /// let beta = snapshot.info("beta").expect("a source has it");
    ///
    /// assert_eq!(beta.metadata().get("issue"), Some(&MetadataValue::from("PAY-412")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn metadata(&self) -> &'a Metadata {
        static NONE: Metadata = Metadata::new();
        self.resolved.definition.rare().metadata.value().unwrap_or(&NONE)
    }

    /// Returns a summary of the flag for all users together.
    #[must_use]
    pub fn state(&self) -> FlagState {
        self.resolved.state()
    }

    /// Returns the progress of the rollout, if the flag has one: its stage, the start of the stage,
    /// and the next change.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     definition::{Rollout, RolloutStatus, Stage},
    ///     Definition, Flags, Memory, Percentage,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let stages = [Stage::new(Percentage::whole(10)?).manual(), Stage::new(Percentage::HUNDRED)];
    /// let beta = Definition::new().rollout(Rollout::new(stages));
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let snapshot = flags.snapshot();
    /// let progress = snapshot.info("beta").and_then(|beta| beta.rollout()).expect("a rollout");
    ///
    /// assert_eq!((progress.stage, progress.stages), (0, 2));
    /// assert_eq!(progress.status, RolloutStatus::NotStarted);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn rollout(&self) -> Option<Progress> {
        self.resolved.moment()?.progress
    }

    /// Returns `true` if the flag is inside its active window, or has none.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.resolved.is_active()
    }

    /// Returns the next instant at which the clock changes the flag: a stage of its rollout or its
    /// active window begins or ends.
    #[must_use]
    pub fn next_boundary(&self) -> Option<SystemTime> {
        self.resolved.moment()?.next
    }
}
