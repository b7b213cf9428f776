//! Evaluations that are counted, and that hooks run with.

use super::{Snapshot, content::Content};
use crate::{
    eval::{Evaluation, Plan, Served},
    model::{Answer, Context, FlagKey, Reason, Slot},
    observe::{FlagType, HookAnswer, HookContext, Observed, Outcome, Unit},
};

/// An answer, and what is observed of it.
pub(super) struct Seen<'a, T> {
    pub(super) answer: Answer<T>,
    /// True if the flag was on.
    pub(super) on: bool,
    /// The value that is served; `Nothing` where the caller's default is served.
    pub(super) content: Content<'a>,
}

/// A flag to evaluate, and as which type.
pub(super) struct Question<'q, 'a, K> {
    pub(super) key: &'q K,
    pub(super) flag_type: FlagType,
    pub(super) found: Option<(Slot, &'a Plan)>,
}

/// An evaluation for a caller, with the variant drawn.
type Drawn<'a> = (Evaluation<'a>, Served<'a>);

impl Snapshot {
    /// Evaluates a flag, and returns the answer that is made of the evaluation.
    ///
    /// All evaluations for callers pass through here while they are observed, or through
    /// [`is_enabled_observed`](Self::is_enabled_observed). Others do not: explanations, and those of
    /// flags that another one requires.
    #[inline(always)]
    pub(super) fn observed<'a, T>(
        &'a self,
        observed: &Observed,
        question: &Question<'_, 'a, impl FlagKey>,
        context: &Context<'_>,
        answer: impl FnOnce(Option<Drawn<'a>>) -> Seen<'a, T>,
    ) -> Answer<T> {
        match observed.has_hooks() {
            true => self.hooked(observed, question, context, answer),
            false => self.counted(observed, question, context, answer).answer,
        }
    }

    #[inline(always)]
    fn counted<'a, T>(
        &'a self,
        observed: &Observed,
        question: &Question<'_, 'a, impl FlagKey>,
        context: &Context<'_>,
        answer: impl FnOnce(Option<Drawn<'a>>) -> Seen<'a, T>,
    ) -> Seen<'a, T> {
        let slot = question.found.map(|(slot, _)| slot);
        let (drawn, unit) = match self.drawn(question, context) {
            Some((evaluation, served, unit)) => (Some((evaluation, served)), unit),
            None => (None, Unit::default()),
        };
        let seen = answer(drawn);
        let Answer { variant, reason, error_code, .. } = seen.answer;
        observed.count(slot, Outcome { on: seen.on, variant, reason, error_code }, unit);
        seen
    }

    #[inline(never)]
    fn hooked<'a, T>(
        &'a self,
        observed: &Observed,
        question: &Question<'_, 'a, impl FlagKey>,
        context: &Context<'_>,
        answer: impl FnOnce(Option<Drawn<'a>>) -> Seen<'a, T>,
    ) -> Answer<T> {
        let (flag_key, flag_type) = (question.key.as_str(), question.flag_type);
        let evaluation = HookContext { flag_key, flag_type, context, hints: observed.hints() };
        let (mut answer, mut made) = (Some(answer), None);
        observed.around(&evaluation, &mut || {
            let answer = answer.take().expect("hooks evaluate once");
            let Seen { answer, content, .. } = self.counted(observed, question, context, answer);
            let Answer { reason, cause, error_code, source, variant, .. } = answer;
            made = Some(answer);
            HookAnswer { value: content.to_value(), reason, cause, error_code, source, variant }
        });
        made.expect("hooks evaluate")
    }

    /// Returns whether a flag is on. Builds no answer unless there are hooks.
    #[inline(always)]
    pub(super) fn is_enabled_observed(
        &self,
        observed: &Observed,
        key: &impl FlagKey,
        context: &Context<'_>,
    ) -> bool {
        if observed.has_hooks() {
            return self.boolean_observed(observed, key, context, false).value;
        }
        let question = self.gate_of(key);
        let Some((_, served, unit)) = self.drawn(&question, context) else {
            return self.boolean_observed(observed, key, context, false).value;
        };
        let Served { on, arm, gate, .. } = served;
        let reason = if gate.stale { Reason::Stale } else { gate.cause.reason() };
        let (variant, error_code) = (arm.map(|arm| arm.name), gate.cause.error_code());
        let slot = question.found.map(|(slot, _)| slot);
        observed.count(slot, Outcome { on, variant, reason, error_code }, unit);
        on
    }

    #[inline(never)]
    pub(super) fn boolean_observed(
        &self,
        observed: &Observed,
        key: &impl FlagKey,
        context: &Context<'_>,
        default: bool,
    ) -> Answer<bool> {
        self.observed(observed, &self.gate_of(key), context, |drawn| self.seen(drawn, key, default))
    }

    /// Observes an evaluation of every flag that a source has.
    #[cold]
    pub(super) fn observe_all(&self, observed: &Observed, context: &Context<'_>) {
        for &slot in &*self.merged.listed {
            let key = &&**self.names.name(slot);
            let found = Some((slot, &self.merged.plans[slot as usize]));
            let question = Question { key, flag_type: FlagType::Boolean, found };
            self.observed(observed, &question, context, |drawn| self.seen(drawn, key, false));
        }
    }

    /// Returns the question whether a flag is on.
    #[inline(always)]
    pub(super) fn gate_of<'q, K: FlagKey>(&self, key: &'q K) -> Question<'q, '_, K> {
        Question { key, flag_type: FlagType::Boolean, found: self.find(key) }
    }

    /// Returns whether the flag is on.
    #[inline(always)]
    pub(super) fn seen<'a>(
        &'a self,
        drawn: Option<Drawn<'a>>,
        key: &impl FlagKey,
        default: bool,
    ) -> Seen<'a, bool> {
        match drawn {
            Some((_, served)) => {
                let answer = self.gate_served(served);
                Seen { answer, on: answer.value, content: Content::Gate(answer.value) }
            }
            None => {
                let answer = Answer::new(default, self.absence(key.as_str()), None);
                Seen { answer, on: false, content: Content::Nothing }
            }
        }
    }

    /// Evaluates a flag and draws its variant; `None` if no source has the flag.
    #[inline(always)]
    fn drawn<'a>(
        &'a self,
        question: &Question<'_, 'a, impl FlagKey>,
        context: &Context<'_>,
    ) -> Option<(Evaluation<'a>, Served<'a>, Unit)> {
        let plan = question.found.map(|(_, plan)| plan);
        let draw = |evaluation| draw(evaluation, context, Unit::default());
        let evaluate = |plan: &'a Plan| match plan {
            // Most flags are constant, and only this case is inlined.
            Plan::Constant(verdict) => Some(draw(Evaluation::new(verdict, None))),
            _ => self.drawn_by(plan, context),
        };
        self.known_or(question.key, plan, evaluate, draw)
    }

    #[inline(never)]
    fn drawn_by<'a>(
        &'a self,
        plan: &'a Plan,
        context: &Context<'_>,
    ) -> Option<(Evaluation<'a>, Served<'a>, Unit)> {
        let mut unit = Unit::default();
        let evaluation = self.evaluate_plan(plan, context, &mut unit)?;
        Some(draw(evaluation, context, unit))
    }
}

#[inline(always)]
fn draw<'a>(
    evaluation: Evaluation<'a>,
    context: &Context<'_>,
    mut unit: Unit,
) -> (Evaluation<'a>, Served<'a>, Unit) {
    let served = evaluation.served(context, &mut unit);
    (evaluation, served, unit)
}
