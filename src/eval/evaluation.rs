//! The outcome of evaluating one flag for one context.

use super::{
    variants::{Arm, Variants},
    visitor::Visitor,
};
use crate::model::{Cause, Context};

/// A compiled decision: on or off, and the step that decided. `source` is an index into the stack.
///
/// Nothing is looked up in `cause`, which is for explanations alone: evaluation goes by the other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) on: bool,
    pub(crate) cause: Cause,
    pub(crate) source: u8,
    /// The index of the rule that decided, which may choose the variant too.
    pub(crate) rule: Option<u16>,
    /// A source that the flag depends on is lost.
    pub(crate) stale: bool,
}

impl Verdict {
    /// Returns the verdict of a step other than a rule, with all sources reachable.
    pub(crate) const fn new(on: bool, cause: Cause, source: u8) -> Self {
        Self { on, cause, source, rule: None, stale: false }
    }
}

/// The outcome of one evaluation. Every question is a view of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evaluation<'p> {
    /// On or off, and the step that decided.
    pub(crate) verdict: Verdict,
    /// The variants that [`variant`](Self::variant) chooses from.
    variants: Option<&'p Variants>,
}

/// The variant that is served, and the step that chose it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'p> {
    pub(crate) arm: &'p Arm,
    pub(crate) verdict: Verdict,
}

impl<'p> Evaluation<'p> {
    #[inline(always)]
    pub(crate) const fn new(verdict: Verdict, variants: Option<&'p Variants>) -> Self {
        Self { verdict, variants }
    }

    /// Returns the variant that `context` is served; `None` for a flag without variants.
    // A method rather than a field: most callers ask for on or off alone, and drawing a variant that
    // nobody looks at costs as much as the rest of the answer.
    #[inline(always)]
    pub(crate) fn variant(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Served<'p>> {
        let (arm, verdict) = self.variants?.choose(self.verdict, context, visitor);
        Some(Served { arm, verdict })
    }

    /// Returns whether the variants have values, rather than names alone.
    #[inline]
    pub(crate) fn has_values(&self) -> bool {
        self.variants.is_some_and(|variants| variants.have_values)
    }
}
