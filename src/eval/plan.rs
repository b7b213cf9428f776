//! One flag, compiled, and the order in which it is evaluated.

use std::sync::Arc;

use super::{
    evaluation::{Decision, Evaluation, Verdict},
    gate::{self, Gate, Ruled, Targeted},
    requirements::Requirements,
    variants::Variants,
    visitor::Visitor,
};
use crate::model::{Context, Field, Resolved, Slot};

/// A compiled flag.
// It repeats the variants of a gate, since telling nested ones apart takes ten instructions more.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// No source has it at the moment.
    Absent,
    Constant(Verdict),
    Targeted(Arc<Targeted>),
    Ruled(Arc<Ruled>),
    /// There is more to it than what makes it on or off by itself.
    Composed(Arc<Composed>),
}

/// A flag with prerequisites or variants.
#[derive(Debug)]
pub(crate) struct Composed {
    /// With what is answered when they are not met.
    requirements: Option<(Requirements, Verdict)>,
    gate: Gate,
    variants: Option<Variants>,
}

impl Plan {
    /// Compiles the definition of `key` that was merged from all sources, and what it requires.
    pub(crate) fn compile(
        key: &str,
        resolved: &Resolved,
        requirements: Option<Requirements>,
    ) -> Self {
        let salt = resolved.definition.rare().salt.value().map_or(key, String::as_str);
        let fixed = gate::fixed(resolved);
        // The kill switch, and what is fixed while a source is lost, come before all.
        let requirements = requirements.filter(|_| fixed.is_none());
        let is_conditional = requirements.is_some();
        let gate =
            fixed.map_or_else(|| Gate::compile(salt, resolved, is_conditional), Gate::Constant);
        let variants = Variants::compile(salt, resolved);
        if requirements.is_none() && variants.is_none() {
            return gate.into();
        }
        let requirements = requirements.map(|requirements| {
            let decision = Decision {
                cause: requirements.cause(),
                source: resolved.origin(Field::Requires),
                stale: resolved.stale.is_some(),
            };
            (requirements, Verdict::new(false, decision))
        });
        Self::Composed(Arc::new(Composed { requirements, gate, variants }))
    }

    /// Returns whether the flag may be on for one context and off for another. `others` returns this
    /// for other flags by themselves.
    #[cfg(feature = "http")]
    pub(crate) fn depends_on_context(&self, others: impl Fn(Slot) -> bool) -> bool {
        let needs = match self {
            Self::Composed(composed) => composed.requirements.as_ref(),
            _ => None,
        };
        match needs {
            None => self.depends_by_itself(),
            Some((Requirements::All(steps), _)) => {
                self.depends_by_itself()
                    || steps.iter().any(|step| step.variant.is_some() || others(step.slot))
            }
            Some(_) => false,
        }
    }

    /// Returns whether the flag by itself may be on for one context and off for another.
    #[cfg(feature = "http")]
    pub(crate) fn depends_by_itself(&self) -> bool {
        match self {
            Self::Absent | Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
            Self::Composed(composed) => {
                let variants = composed.variants.as_ref();
                composed.gate.depends_on_context()
                    || (composed.gate.may_be_on()
                        && variants.is_some_and(Variants::depend_on_context))
            }
        }
    }

    /// Returns the variants of the flag, if it has any.
    #[inline]
    pub(crate) fn variants(&self) -> Option<&Variants> {
        match self {
            Self::Composed(composed) => composed.variants.as_ref(),
            Self::Absent | Self::Constant(_) | Self::Targeted(_) | Self::Ruled(_) => None,
        }
    }

    /// Evaluates the flag for `context`; `None` if no source has it.
    ///
    /// `others` evaluates other flags [by themselves](Self::by_itself).
    // Always, here and below: what is inlined comes down to a constant flag, and calls for all others.
    #[inline(always)]
    pub(crate) fn evaluate<'p>(
        &'p self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<Evaluation<'p>>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'p>> {
        #[cfg(all(test, feature = "http"))]
        EVALUATIONS.set(EVALUATIONS.get() + 1);
        // First, since most flags are.
        if let Self::Constant(verdict) = self {
            return Some(Evaluation::new(verdict, None));
        }
        if let Self::Composed(composed) = self
            && let Some((requirements, unmet)) = &composed.requirements
            && !requirements.are_met(context, others, visitor)
        {
            return Some(Evaluation::new(unmet, composed.variants.as_ref()));
        }
        self.by_itself(context, visitor)
    }

    /// Evaluates the flag as if all prerequisites were met.
    #[inline(always)]
    pub(crate) fn by_itself(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'_>> {
        let (verdict, variants) = match self {
            Self::Absent => return None,
            Self::Constant(verdict) => (verdict, None),
            Self::Targeted(targeted) => (targeted.evaluate(context, visitor), None),
            Self::Ruled(ruled) => (ruled.evaluate(context, visitor), None),
            Self::Composed(composed) => {
                (composed.gate.evaluate(context, visitor), composed.variants.as_ref())
            }
        };
        Some(Evaluation::new(verdict, variants))
    }
}

#[cfg(all(test, feature = "http"))]
thread_local! {
    /// The number of evaluations in this thread, for tests of what evaluates once.
    pub(crate) static EVALUATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl From<Gate> for Plan {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Constant(verdict) => Self::Constant(verdict),
            Gate::Targeted(targeted) => Self::Targeted(targeted),
            Gate::Ruled(ruled) => Self::Ruled(ruled),
        }
    }
}
