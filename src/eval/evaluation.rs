//! The outcome of evaluating one flag for one context.

use super::{
    variants::{Arm, Variants},
    visitor::Visitor,
};
use crate::model::{Cause, Context};

/// The outcome of one evaluation. Every question is a view of it.
///
/// It borrows what was compiled: nothing is put together to look at one bit of it.
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
    /// The index of the rule that decided, which may choose the variant too.
    pub(crate) rule: Option<u16>,
    pub(crate) decision: Decision,
}

/// The variant that is served, and the step that chose it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'p> {
    pub(crate) arm: &'p Arm,
    pub(crate) decision: Decision,
}

/// The step that decided, as answers and explanations have it. Evaluation itself never looks inside.
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

    /// Returns the variant that `context` is served; `None` for a flag without variants.
    // A method rather than a field. Most callers ask for on or off alone, and drawing a variant costs as
    // much as the rest of the answer.
    #[inline(always)]
    pub(crate) fn variant(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Served<'p>> {
        let (arm, decision) = self.variants?.choose(self.verdict, context, visitor);
        Some(Served { arm, decision })
    }

    /// Returns whether the variants have values, rather than names alone.
    #[inline]
    pub(crate) fn has_values(&self) -> bool {
        self.variants.is_some_and(|variants| variants.have_values)
    }
}

impl Verdict {
    /// Returns the verdict of a step other than a rule.
    pub(crate) const fn new(on: bool, decision: Decision) -> Self {
        Self { on, rule: None, decision }
    }

    /// Returns the verdict of the same step and source with another outcome.
    pub(super) const fn with(self, on: bool, cause: Cause) -> Self {
        Self { on, decision: Decision { cause, ..self.decision }, ..self }
    }
}
