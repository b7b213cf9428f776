//! A flag that needs more of others than that they are on: it requires one to be off, or a
//! condition depends on one.
//!
//! Prerequisites of prerequisites cannot be one list of steps then. A flag that has to be off is
//! off also where its own prerequisites are not met. So all flags that decide are evaluated in one
//! pass. Each comes once, behind the flags that decide about it. There is no recursion, and no flag
//! is evaluated twice: a diamond of forty levels costs eighty evaluations.

#[cfg(feature = "http")]
use super::need::State;
use super::{
    answers::Answers,
    evaluation::Evaluation,
    gate::LinkedGate,
    need::Need,
    plan::{Others, Plan},
    program::{Entry, Program},
    variants::Variants,
    verdict::{Ground, Verdict},
    visitor::Visitor,
};
#[cfg(feature = "http")]
use crate::model::Slot;
use crate::model::{Context, MOST_PREREQUISITES};

/// A flag with the program that decides about it.
#[derive(Debug)]
pub(crate) struct Linked {
    program: Program,
    /// The answer while a prerequisite is not met.
    unmet: Verdict,
    gate: LinkedGate,
    pub(super) variants: Option<Variants>,
}

/// The number of flags that most flags depend on at most. Room for so few is faster to make.
const FEW: usize = 8;

impl Linked {
    pub(super) fn new(
        program: Program,
        unmet: Verdict,
        gate: LinkedGate,
        variants: Option<Variants>,
    ) -> Self {
        Self { program, unmet, gate, variants }
    }

    /// Evaluates the flag for `context`.
    // A function of its own, since few flags are linked.
    #[inline(never)]
    pub(super) fn evaluate<'p>(
        &'p self,
        context: &Context<'_>,
        others: impl Others<'p>,
        visitor: &mut impl Visitor,
    ) -> Evaluation<'p> {
        match self.program.entries.len() {
            0..=FEW => self.run::<FEW>(context, others, visitor),
            _ => self.run::<MOST_PREREQUISITES>(context, others, visitor),
        }
    }

    #[inline(never)]
    fn run<'p, const MOST: usize>(
        &'p self,
        context: &Context<'_>,
        others: impl Others<'p>,
        visitor: &mut impl Visitor,
    ) -> Evaluation<'p> {
        let Program { entries, places, requires } = &self.program;
        let mut evaluations = [None; MOST];
        for (place, entry) in entries.iter().enumerate() {
            let answers = Answers { places, evaluations: &evaluations };
            let evaluation =
                others.evaluate(entry.slot, |plan| entry.evaluate(plan, context, answers));
            evaluations[place] = evaluation;
        }
        let answers = Answers { places, evaluations: &evaluations };
        for need in requires {
            let is_met = need.holds(answers, context) == Some(true);
            visitor.needed(need, is_met);
            if !is_met {
                return Evaluation::new(&self.unmet, self.variants.as_ref());
            }
        }
        let verdict = self.gate.evaluate(context, answers, visitor);
        Evaluation::new(verdict, self.variants.as_ref())
    }

    /// Evaluates the flag as if all prerequisites were met, given the answers that its conditions
    /// depend on.
    fn within<'p>(&'p self, context: &Context<'_>, answers: Answers<'_>) -> Evaluation<'p> {
        let verdict = self.gate.evaluate(context, answers, &mut ());
        Evaluation::new(verdict, self.variants.as_ref())
    }

    /// Evaluates the flag as if all prerequisites were met and no other flag were in a state.
    pub(super) fn by_itself(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Evaluation<'_> {
        let answers = Answers { places: &[], evaluations: &[] };
        let verdict = self.gate.evaluate(context, answers, visitor);
        Evaluation::new(verdict, self.variants.as_ref())
    }

    /// Returns the answer while a prerequisite is not met, if the flag has any.
    pub(super) fn unmet(&self) -> Option<&Verdict> {
        (!self.program.requires.is_empty()).then_some(&self.unmet)
    }

    /// Returns true if the flag by itself may be on for one context and off for another.
    #[cfg(feature = "http")]
    pub(super) fn depends_by_itself(&self) -> bool {
        self.gate.depends_on_context()
            || self.variants.as_ref().is_some_and(Variants::depend_on_context)
    }

    /// Returns true if the flag may be on for one context and off for another. `others` returns
    /// this for other flags by themselves.
    #[cfg(feature = "http")]
    pub(super) fn depends_on_context(&self, others: impl Fn(Slot) -> bool) -> bool {
        // The variant may depend on the context although on and off do not.
        let needs = || {
            let entries = self.program.entries.iter().flat_map(|entry| &*entry.requires);
            self.program.requires.iter().chain(entries)
        };
        self.depends_by_itself()
            || self.gate.asks_for_variants()
            || needs().any(|need| matches!(need.state, State::Variants(_)))
            || self.program.slots().any(others)
    }
}

impl Entry {
    /// Evaluates the flag of this entry, given the answers of those before it.
    fn evaluate<'p>(
        &self,
        plan: &'p Plan,
        context: &Context<'_>,
        answers: Answers<'_>,
    ) -> Option<Evaluation<'p>> {
        // A flag that is switched off, or fixed while a source is lost, requires nothing.
        if let Some(unmet) = plan.unmet() {
            let is_met = |need: &Need| need.holds(answers, context) == Some(true);
            if unmet.ground == Ground::Invalid || !self.requires.iter().all(is_met) {
                return Some(Evaluation::new(unmet, plan.variants()));
            }
        }
        match plan {
            Plan::Linked(linked) => Some(linked.within(context, answers)),
            plan => plan.by_itself(context, &mut ()),
        }
    }
}
