//! One flag, compiled, and the order in which it is evaluated.

use std::sync::Arc;

use super::{
    gate::{Gate, Ruled, Targeted},
    names::Slot,
    requirements::Requirements,
    variants::Variants,
    visitor::Visitor,
};
use crate::model::{Cause, Context, Field, Resolved};

/// An answer in its smallest form: `source` is an index into the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) on: bool,
    pub(crate) cause: Cause,
    pub(crate) source: u8,
    /// A source that the flag depends on is lost.
    pub(crate) stale: bool,
}

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
        let gate = Gate::compile(salt, resolved);
        // The kill switch, and what is fixed while a source is lost, come before all.
        let is_fixed = matches!(gate, Gate::Constant(verdict) if verdict.cause != Cause::Everybody);
        let requirements = requirements.filter(|_| !is_fixed);
        let variants = Variants::compile(salt, resolved);
        if requirements.is_none() && variants.is_none() {
            return gate.into();
        }
        let requirements = requirements.map(|requirements| {
            let unmet = Verdict {
                on: false,
                cause: requirements.cause(),
                source: resolved.origin(Field::Requires),
                stale: resolved.stale.is_some(),
            };
            (requirements, unmet)
        });
        Self::Composed(Arc::new(Composed { requirements, gate, variants }))
    }

    /// Whether the flag may be on for one context and off for another. `others` is the same of
    /// other flags by themselves.
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

    /// The same, as if all prerequisites were met.
    #[cfg(feature = "http")]
    pub(crate) fn depends_by_itself(&self) -> bool {
        match self {
            Self::Absent | Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
            Self::Composed(composed) => composed.gate.depends_on_context(),
        }
    }

    /// What the flag serves beyond on and off.
    #[inline]
    pub(crate) fn variants(&self) -> Option<&Variants> {
        match self {
            Self::Composed(composed) => composed.variants.as_ref(),
            Self::Absent | Self::Constant(_) | Self::Targeted(_) | Self::Ruled(_) => None,
        }
    }

    /// Whether the flag is on for `context` and why, with what it serves beyond that; `None` if no
    /// source has it.
    ///
    /// `others` is what other flags are by themselves.
    // Always, here and below: what is inlined comes down to a constant flag, and calls for all others.
    #[inline(always)]
    pub(crate) fn evaluate<'p>(
        &'p self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<(Verdict, Option<&'p Variants>)>,
        visitor: &mut impl Visitor,
    ) -> Option<(&'p Verdict, Option<&'p Variants>)> {
        // First, since most flags are.
        if let Self::Constant(verdict) = self {
            return Some((verdict, None));
        }
        if let Self::Composed(composed) = self
            && let Some((requirements, unmet)) = &composed.requirements
            && !requirements.are_met(context, others, visitor)
        {
            return Some((unmet, composed.variants.as_ref()));
        }
        self.by_itself(context, visitor)
    }

    /// The same, as if all prerequisites were met.
    #[inline(always)]
    pub(crate) fn by_itself(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<(&Verdict, Option<&Variants>)> {
        match self {
            Self::Absent => None,
            Self::Constant(verdict) => Some((verdict, None)),
            Self::Targeted(targeted) => Some((targeted.evaluate(context, visitor), None)),
            Self::Ruled(ruled) => Some((ruled.evaluate(context, visitor), None)),
            Self::Composed(composed) => {
                Some((composed.gate.evaluate(context, visitor), composed.variants.as_ref()))
            }
        }
    }
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
