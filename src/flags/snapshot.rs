//! One immutable generation of all flags.

use std::{fmt, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;

use super::{
    FlagKey,
    asked::Asked,
    testing::{self, Evaluated},
    track::Tracker,
    unknown::Unknown,
};
use crate::{
    backend::{Lookup, Offer, Source, SourceId},
    eval::{Names, Plan, Slot, Variants, Verdict, Visitor},
    model::{
        Answer, Cause, Context, Definition, Entry, Field, FlagState, Progress, Reason, Resolved,
        nearest,
    },
};

/// All flags as they were at one moment: a *generation*.
///
/// It never changes, so several questions asked of one snapshot have answers that fit together.
/// A request gets one from the request layer; elsewhere [`Flags::snapshot`] makes one.
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
    /// Which flags this is a snapshot of.
    pub(super) owner: u64,
    pub(super) names: Arc<Names>,
    /// By slot.
    pub(super) plans: Vec<Plan>,
    /// By slot: what the plans were compiled from.
    pub(super) resolved: Vec<Option<Resolved>>,
    /// The flags that a source has, in the order of their names.
    pub(super) listed: Arc<[Slot]>,
    pub(super) sources: Arc<[Source]>,
    pub(super) lookups: Arc<[(SourceId, Lookup)]>,
    pub(super) asked: Arc<Asked>,
    /// What the sources said when this was made, and what they say now. Evaluation looks at neither.
    pub(super) offers: Arc<Vec<Arc<Offer>>>,
    pub(super) latest: Arc<ArcSwap<Latest>>,
    pub(super) unknown: Arc<Unknown>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) strictness: Strictness,
    /// For the assertions of tests.
    pub(super) evaluated: Evaluated,
}

/// What the sources say now. It may differ from what the generation in force was made of in all that
/// makes no difference to a flag: where something is written, who did it, and what a stronger source
/// overrides.
#[derive(Debug)]
pub(super) struct Latest {
    /// The generation in force.
    pub(super) generation: u64,
    pub(super) offers: Arc<Vec<Arc<Offer>>>,
}

/// What asking for an unknown flag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The caller's default, and one warning.
    Lenient,
    /// A panic that names the flag: in tests.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "made by for_test only"))]
    Panics,
}

impl Snapshot {
    /// Whether the flag is on for `context`; `false` if no source knows it.
    #[inline]
    pub fn is_enabled(&self, key: impl FlagKey, context: &Context<'_>) -> bool {
        self.is_enabled_or(key, context, false)
    }

    /// Whether the flag is on for `context`; `default` if no source knows it.
    #[inline]
    pub fn is_enabled_or(&self, key: impl FlagKey, context: &Context<'_>, default: bool) -> bool {
        self.is_on(&key, context).unwrap_or(default)
    }

    /// The evaluation details: value, reason, variant, source and error code. `false` is the default.
    ///
    /// If the flag has variants with values, the value is that of the variant. Otherwise it is
    /// whether the flag is on.
    #[inline]
    pub fn boolean(&self, key: impl FlagKey, context: &Context<'_>) -> Answer<bool> {
        self.boolean_or(key, context, false)
    }

    /// The evaluation details with an explicit default.
    #[inline]
    pub fn boolean_or(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: bool,
    ) -> Answer<bool> {
        match self.found(&key, context, &mut ()) {
            Some((verdict, None)) => self.answer(verdict.on, verdict),
            Some((verdict, Some(variants))) => {
                self.boolean_of(verdict, variants, context).map(|on| on.unwrap_or(default))
            }
            None => Answer::new(default, Cause::UnknownFlag, None),
        }
    }

    /// Every flag that a source has, sorted by key, with whether it is on for `context`.
    #[inline]
    pub fn all(
        &self,
        context: &Context<'_>,
    ) -> impl ExactSizeIterator<Item = (&str, Answer<bool>)> {
        let (plans, names) = (&*self.plans, &*self.names);
        self.listed.iter().map(move |&slot| {
            let name = &**names.name(slot);
            (name, self.answer_of(name, &plans[slot as usize], context))
        })
    }

    /// What the sources together say about a flag, if any has it.
    pub fn info(&self, key: impl FlagKey) -> Option<FlagInfo<'_>> {
        let slot = key.slot(&self.names, self.owner)? as usize;
        let resolved = self.resolved.get(slot)?.as_ref()?;
        Some(FlagInfo { resolved, sources: &self.sources })
    }

    /// The number of this generation. It grows with every change, and no two snapshots of a
    /// process share one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    #[inline]
    fn is_on(&self, key: &impl FlagKey, context: &Context<'_>) -> Option<bool> {
        if let Some(on) = testing::is_on(key.as_str(), &self.evaluated) {
            return Some(on);
        }
        match self.plan(key).and_then(|plan| self.decide(plan, context)) {
            Some(on) => Some(on),
            None => self.unknown(key.as_str()).map(|verdict| verdict.on),
        }
    }

    /// Whether the flag is on, why, and what it serves beyond that.
    #[inline]
    pub(super) fn found(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<(Verdict, Option<&Variants>)> {
        let plan = self.plan(key);
        let declared = plan.and_then(Plan::variants);
        if let Some(found) = testing::found(key.as_str(), &self.evaluated, declared) {
            return Some(found);
        }
        match plan.and_then(|plan| self.evaluate(plan, context, visitor)) {
            Some((&verdict, variants)) => Some((verdict, variants)),
            None => Some((self.unknown(key.as_str())?, None)),
        }
    }

    #[inline]
    fn plan(&self, key: &impl FlagKey) -> Option<&Plan> {
        let slot = key.slot(&self.names, self.owner)?;
        if !key.is_resolved(self.owner) {
            self.asked.note(slot);
        }
        self.plans.get(slot as usize)
    }

    /// Whether the flag is on, and not why.
    #[inline]
    pub(super) fn decide(&self, plan: &Plan, context: &Context<'_>) -> Option<bool> {
        match plan {
            Plan::Constant(verdict) => Some(verdict.on),
            _ => self.decide_for(plan, context),
        }
    }

    // Apart, so that no more than a constant flag is inlined where somebody asks.
    #[inline(never)]
    fn decide_for(&self, plan: &Plan, context: &Context<'_>) -> Option<bool> {
        self.evaluate(plan, context, &mut ()).map(|(verdict, _)| verdict.on)
    }

    #[inline(always)]
    fn evaluate<'p>(
        &'p self,
        plan: &'p Plan,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<(&'p Verdict, Option<&'p Variants>)> {
        plan.evaluate(context, |slot| self.required(slot, context), visitor)
    }

    /// What a flag that another one requires is by itself.
    pub(super) fn required(
        &self,
        slot: Slot,
        context: &Context<'_>,
    ) -> Option<(Verdict, Option<&Variants>)> {
        let (name, plan) = (self.names.name(slot), self.plans.get(slot as usize)?);
        if let Some(found) = testing::found(name, &self.evaluated, plan.variants()) {
            return Some(found);
        }
        match plan.by_itself(context, &mut ()) {
            Some((&verdict, variants)) => Some((verdict, variants)),
            None => Some((self.unknown(name)?, None)),
        }
    }

    #[cold]
    fn unknown(&self, name: &str) -> Option<Verdict> {
        for &(source, ref lookup) in &*self.lookups {
            let on = match lookup(name) {
                None | Some(Entry::Definition(_)) => None,
                Some(Entry::Forced(on)) => Some(on),
                // It would be the name of a variant, if the flag had any.
                Some(Entry::Text(_)) => Some(false),
            };
            if let Some(on) = on {
                let cause = if on { Cause::Everybody } else { Cause::Disabled };
                return Some(Verdict { on, cause, source, stale: false });
            }
        }
        match self.strictness {
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

    /// The keys that a source has.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.resolved().map(|(key, _)| &**key)
    }

    /// The flags that a source has.
    pub(super) fn resolved(&self) -> impl Iterator<Item = (&Arc<str>, &Resolved)> {
        let slots = self.resolved.iter().zip(0..);
        slots.filter_map(|(flag, slot)| Some((self.names.name(slot), flag.as_ref()?)))
    }

    /// Whether a flag is on that a source has, with the variant that is served.
    // Always, so that the reasons cost those nothing who only look at what is on.
    #[inline(always)]
    fn answer_of(&self, name: &str, plan: &Plan, context: &Context<'_>) -> Answer<bool> {
        let (verdict, variants) = match testing::found(name, &self.evaluated, plan.variants()) {
            Some(found) => found,
            None => {
                let found = self.evaluate(plan, context, &mut ());
                let (&verdict, variants) = found.expect("it is compiled, since a source has it");
                (verdict, variants)
            }
        };
        self.gate(verdict, variants, context)
    }

    /// Whether the flag is on, with the variant that is served.
    #[inline]
    pub(super) fn gate(
        &self,
        verdict: Verdict,
        variants: Option<&Variants>,
        context: &Context<'_>,
    ) -> Answer<bool> {
        let answer = self.answer(verdict.on, verdict);
        match variants {
            None => answer,
            Some(variants) => {
                answer.with_variant(variants.choose(verdict, context, &mut ()).0.name)
            }
        }
    }

    /// A value, with what decided.
    #[inline]
    pub(super) fn answer<T>(&self, value: T, verdict: Verdict) -> Answer<T> {
        let source = self.sources.get(usize::from(verdict.source)).map(|source| source.name);
        let mut answer = Answer::new(value, verdict.cause, source);
        if verdict.stale {
            answer.reason = Reason::Stale;
        }
        answer
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("flags", &self.resolved.iter().flatten().count())
            .finish_non_exhaustive()
    }
}

/// What all sources together say about one flag.
#[derive(Debug, Clone, Copy)]
pub struct FlagInfo<'a> {
    resolved: &'a Resolved,
    sources: &'a [Source],
}

impl<'a> FlagInfo<'a> {
    /// The definition merged from all sources.
    #[must_use]
    pub fn definition(&self) -> &'a Definition {
        &self.resolved.definition
    }

    /// The source that set a field, or took away what lower sources had set.
    #[must_use]
    pub fn source_of(&self, field: Field) -> Option<Source> {
        self.resolved.claimed(field).map(|source| self.sources[usize::from(source)])
    }

    /// What it amounts to before anyone in particular asks.
    #[must_use]
    pub fn state(&self) -> FlagState {
        self.resolved.state()
    }

    /// Where its rollout stands, if it has one: in which stage, since when, and when it changes.
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

    /// Whether it is inside its active window, or has none.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.resolved.is_active()
    }

    /// When the clock changes it next: a stage of its rollout or its active window begins or ends.
    #[must_use]
    pub fn next_boundary(&self) -> Option<SystemTime> {
        self.resolved.moment()?.next
    }
}
