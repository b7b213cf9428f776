//! One flag, compiled, and the order in which it is evaluated.

use std::sync::Arc;

use super::{
    evaluation::Evaluation,
    gate::{self, Gate, LinkedGate, Ruled, Targeted},
    linked::Linked,
    need::{Need, Step},
    requirements::Requirements,
    variants::Variants,
    verdict::{Decision, Ground, Verdict},
    visitor::Visitor,
};
use crate::model::{Context, Names, Prerequisite, Resolved, Slot};

/// Evaluations of other flags.
pub(crate) trait Others<'p>: Copy {
    /// Evaluates the plan of a flag with `evaluate`; `None` if no source has the flag.
    fn evaluate(
        self,
        slot: Slot,
        evaluate: impl FnOnce(&'p Plan) -> Option<Evaluation<'p>>,
    ) -> Option<Evaluation<'p>>;
}

/// A compiled flag.
// The variants of a gate are repeated here, since telling nested ones apart takes ten instructions
// more.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// No source has the flag at the moment.
    Absent,
    Constant(Verdict),
    Targeted(Arc<Targeted>),
    Ruled(Arc<Ruled>),
    /// The flag has prerequisites or variants.
    Composed(Arc<Composed>),
    /// The flag depends on other flags in more ways than that they are on.
    Linked(Arc<Linked>),
}

/// A flag with prerequisites or variants.
#[derive(Debug)]
pub(crate) struct Composed {
    /// The requirements, with the answer while they are not met.
    requirements: Option<(Requirements, Verdict)>,
    gate: Gate,
    variants: Option<Variants>,
}

impl Plan {
    /// Compiles the definition of `key` that was merged from all sources, and its requirements.
    /// `names` has all flags that the definition depends on.
    pub(crate) fn compile(
        key: &str,
        resolved: &Resolved,
        requirements: Option<Requirements>,
        names: &Names,
    ) -> Self {
        let salt = resolved.definition.rare().salt.value().map_or(key, String::as_str);
        let fixed = gate::fixed(resolved);
        // The kill switch and the answers of a lost source are evaluated before all else.
        let requirements = requirements.filter(|_| fixed.is_none());
        let is_conditional = requirements.is_some();
        let unmet = |requirements: &Requirements| {
            let decision = Decision {
                cause: requirements.cause(),
                source: resolved.origin(resolved.needing()),
                stale: resolved.stale.is_some(),
            };
            let verdict = Verdict::new(false, decision);
            match requirements.are_invalid() {
                true => verdict.on_ground(Ground::Invalid),
                false => verdict,
            }
        };
        let requirements = match requirements {
            Some(linked @ Requirements::Linked(_)) => {
                let unmet = unmet(&linked);
                let Requirements::Linked(program) = linked else { unreachable!("it was matched") };
                let need = |prerequisite: &Prerequisite| Need::of(prerequisite, names);
                let gate = LinkedGate::compile(salt, resolved, need);
                let variants = Variants::compile(salt, resolved);
                return Self::Linked(Arc::new(Linked::new(program, unmet, gate, variants)));
            }
            other => other,
        };
        let gate =
            fixed.map_or_else(|| Gate::compile(salt, resolved, is_conditional), Gate::Constant);
        let variants = Variants::compile(salt, resolved);
        if requirements.is_none() && variants.is_none() {
            return gate.into();
        }
        let requirements = requirements.map(|requirements| {
            let unmet = unmet(&requirements);
            (requirements, unmet)
        });
        Self::Composed(Arc::new(Composed { requirements, gate, variants }))
    }

    /// Returns true if the flag may be on for one context and off for another. `others` returns
    /// this for other flags by themselves.
    #[cfg(feature = "http")]
    pub(crate) fn depends_on_context(&self, others: impl Fn(Slot) -> bool) -> bool {
        let needs = match self {
            Self::Composed(composed) => composed.requirements.as_ref(),
            Self::Linked(linked) => return linked.depends_on_context(others),
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

    /// Returns true if the flag by itself may be on for one context and off for another.
    #[cfg(feature = "http")]
    pub(crate) fn depends_by_itself(&self) -> bool {
        match self {
            Self::Absent | Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
            Self::Linked(linked) => linked.depends_by_itself(),
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
            Self::Linked(linked) => linked.variants.as_ref(),
            Self::Absent | Self::Constant(_) | Self::Targeted(_) | Self::Ruled(_) => None,
        }
    }

    /// Returns the answer while a requirement of the flag is not met; `None` for a flag that
    /// requires nothing.
    pub(super) fn unmet(&self) -> Option<&Verdict> {
        match self {
            Self::Composed(composed) => composed.requirements.as_ref().map(|(_, unmet)| unmet),
            Self::Linked(linked) => linked.unmet(),
            Self::Absent | Self::Constant(_) | Self::Targeted(_) | Self::Ruled(_) => None,
        }
    }

    /// Evaluates the flag for `context`; `None` if no source has it.
    ///
    /// `others` has the plans of the other flags.
    // Always inlined, here and below: the inlined part is that of a constant flag, and calls are
    // made for all others.
    #[inline(always)]
    pub(crate) fn evaluate<'p>(
        &'p self,
        context: &Context<'_>,
        others: impl Others<'p>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'p>> {
        #[cfg(all(test, feature = "http"))]
        EVALUATIONS.set(EVALUATIONS.get() + 1);
        // Constant flags come first, since they are the most frequent.
        if let Self::Constant(verdict) = self {
            return Some(Evaluation::new(verdict, None));
        }
        // One match: to look for requirements first costs all other flags nine instructions (bench W2).
        match self {
            Self::Composed(composed) => {
                let evaluation = match &composed.requirements {
                    Some((requirements, unmet))
                        if !requirements.are_met(context, others, visitor) =>
                    {
                        Evaluation::new(unmet, composed.variants.as_ref())
                    }
                    _ => composed.by_itself(context, visitor),
                };
                Some(evaluation)
            }
            Self::Linked(linked) => Some(linked.evaluate(context, others, visitor)),
            Self::Absent => None,
            Self::Constant(verdict) => Some(Evaluation::new(verdict, None)),
            Self::Targeted(targeted) => {
                Some(Evaluation::new(targeted.evaluate(context, visitor), None))
            }
            Self::Ruled(ruled) => Some(Evaluation::new(ruled.evaluate(context, (), visitor), None)),
        }
    }

    /// Evaluates the flag as if all prerequisites were met.
    #[inline(always)]
    pub(crate) fn by_itself(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Evaluation<'_>> {
        match self {
            Self::Absent => None,
            Self::Constant(verdict) => Some(Evaluation::new(verdict, None)),
            Self::Targeted(targeted) => {
                Some(Evaluation::new(targeted.evaluate(context, visitor), None))
            }
            Self::Ruled(ruled) => Some(Evaluation::new(ruled.evaluate(context, (), visitor), None)),
            Self::Composed(composed) => Some(composed.by_itself(context, visitor)),
            Self::Linked(linked) => Some(linked.by_itself(context, visitor)),
        }
    }
}

impl Composed {
    #[inline(always)]
    fn by_itself(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Evaluation<'_> {
        Evaluation::new(self.gate.evaluate(context, visitor), self.variants.as_ref())
    }
}

impl Requirements {
    /// Returns true if the requirements hold. Those of a [linked](Self::Linked) flag are evaluated with the flag.
    // A function of its own, since few flags have any.
    #[inline(never)]
    fn are_met<'p>(
        &self,
        context: &Context<'_>,
        others: impl Others<'p>,
        visitor: &mut impl Visitor,
    ) -> bool {
        let Self::All(steps) = self else { return false };
        let is_met = |step: &Step| {
            let by_itself = others.evaluate(step.slot, |plan| plan.by_itself(context, &mut ()));
            let Some(evaluation) = by_itself else { return false };
            let Some(name) = step.variant else { return evaluation.is_on(context) };
            evaluation.serves(context, |served| served == name)
        };
        steps.iter().all(|step| {
            let is_met = is_met(step);
            visitor.required(step, is_met);
            is_met
        })
    }
}

#[cfg(all(test, feature = "http"))]
thread_local! {
    /// The number of evaluations in this thread, for tests that a flag is evaluated once.
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
