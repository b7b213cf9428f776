//! The outcome of evaluating one flag for one context.

use super::{
    variants::{Arm, Variants},
    visitor::Visitor,
};
use crate::model::{Cause, Context, Value};

/// The outcome of one evaluation. Every method of `Flags` that evaluates returns a view of it.
///
/// An evaluation borrows the compiled parts, so that reading one bit of it builds nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evaluation<'p> {
    /// On or off, and the step that decided.
    pub(crate) verdict: &'p Verdict,
    /// The variants that [`variant`](Self::variant) chooses from.
    variants: Option<&'p Variants>,
}

/// On or off, compiled for one step of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) on: bool,
    /// The step turns the flag on whatever the traffic is, with a variant that does not count as
    /// off. It is a forced value, an allow-list, or a rule that serves `true`.
    pub(crate) insists: bool,
    /// The index of the rule that decided, which may choose the variant too.
    pub(crate) rule: Option<u16>,
    pub(crate) ground: Ground,
    pub(crate) decision: Decision,
}

/// The ground of a verdict, as far as it matters to the evaluation and to gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A step of the evaluation decided.
    Step,
    /// No step held users back, so the draw of a variant decides.
    Open,
    /// A lost source decides about the flag, so it is neither on nor off for gates.
    Unavailable,
    /// The running test overrides the flag.
    Test,
    /// The flag is off, and in no state for other flags. Its prerequisites are a mistake, such as
    /// the flag itself, or a stored value cannot be read.
    Invalid,
}

/// The answer for one flag: on or off, and the variant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'p> {
    pub(crate) on: bool,
    /// The variant; `None` for a flag without variants, and where none of them is served. A
    /// constant is not a variant.
    pub(crate) arm: Option<&'p Arm>,
    /// The step that chose the variant.
    pub(crate) decision: Decision,
    /// The step that turned the flag on or off.
    pub(crate) gate: Decision,
}

/// The step that decided, for answers and explanations. Evaluation itself never reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) cause: Cause,
    /// The index of the source in the stack.
    pub(crate) source: u8,
    /// A source that the flag depends on is lost.
    pub(crate) stale: bool,
}

impl<'p> Evaluation<'p> {
    #[inline(always)]
    pub(crate) const fn new(verdict: &'p Verdict, variants: Option<&'p Variants>) -> Self {
        Self { verdict, variants }
    }

    /// Returns true if the flag is on. Does not choose a variant unless the variant decides that.
    #[inline(always)]
    pub(crate) fn is_on(&self, context: &Context<'_>) -> bool {
        match self.variants {
            None => self.verdict.on,
            Some(variants) => variants.is_on(self.verdict, context),
        }
    }

    /// Returns the answer for `context`.
    // A method rather than a field. Most callers ask for on or off alone, and drawing a variant
    // costs as much as the rest of the answer.
    #[inline(always)]
    pub(crate) fn served(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Served<'p> {
        match self.variants {
            None => {
                let Verdict { on, decision, .. } = *self.verdict;
                Served { on, arm: None, decision, gate: decision }
            }
            Some(variants) => variants.choose(self.verdict, context, visitor),
        }
    }

    /// Returns true if `context` is served a variant that another flag requires. A flag that is off serves those
    /// that count as off.
    pub(crate) fn serves(&self, context: &Context<'_>, is_required: impl Fn(&str) -> bool) -> bool {
        let served = self.served(context, &mut ());
        let is_in_force = |arm: &Arm| served.on || arm.counts_as_off;
        self.is_of_a_state()
            && served.arm.is_some_and(|arm| is_required(arm.name) && is_in_force(arm))
    }

    /// Returns the constant that is served instead of a variant to users for whom the flag is on.
    // By value: with a reference to the answer, each answer of a variant takes 40 instructions more
    // (bench W3).
    pub(crate) fn constant(self, on: bool) -> Option<&'p Value<'static>> {
        self.variants?.constant().filter(|_| on)
    }

    /// Returns true if the flag is in a state that other flags can depend on. While its sources are
    /// lost, or while it requires itself, it is neither on nor off for them.
    pub(crate) fn is_of_a_state(&self) -> bool {
        !matches!(self.verdict.ground, Ground::Unavailable | Ground::Invalid)
    }

    /// Returns true if the flag has variants.
    #[inline]
    pub(crate) const fn has_variants(&self) -> bool {
        self.variants.is_some()
    }
}

impl Verdict {
    /// Returns the verdict of a step other than a rule.
    pub(crate) const fn new(on: bool, decision: Decision) -> Self {
        Self { on, insists: false, rule: None, ground: Ground::Step, decision }
    }

    /// Returns the verdict of a step that [insists](Self::insists).
    pub(crate) const fn insisting(self) -> Self {
        Self { insists: true, ..self }
    }

    /// Returns the verdict on another ground.
    pub(crate) const fn on_ground(self, ground: Ground) -> Self {
        Self { ground, ..self }
    }

    /// Returns the verdict with another outcome, of the step and source of this one.
    pub(super) const fn with(self, on: bool, cause: Cause) -> Self {
        Self { on, decision: Decision { cause, ..self.decision }, ..self }
    }
}
