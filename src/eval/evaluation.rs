//! The outcome of evaluating one flag for one context.

use super::{
    variants::{Arm, Served, Variants},
    verdict::{Ground, Verdict},
    visitor::Visitor,
};
use crate::model::{Context, Value};

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
