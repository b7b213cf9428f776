//! The answers of the flags that decide about one.

use super::{
    evaluation::Evaluation,
    need::{Need, State},
};
use crate::model::{Context, Slot};

/// The evaluations so far of the flags that decide about one.
#[derive(Clone, Copy)]
pub(crate) struct Answers<'a> {
    pub(super) places: &'a [(Slot, u16)],
    pub(super) evaluations: &'a [Option<Evaluation<'a>>],
}

impl<'a> Answers<'a> {
    /// Returns the evaluation of a flag, if the flag is in a state.
    pub(super) fn of(self, slot: Slot) -> Option<Evaluation<'a>> {
        let place = self.places.binary_search_by_key(&slot, |&(slot, _)| slot).ok()?;
        let (_, place) = self.places[place];
        (*self.evaluations.get(usize::from(place))?).filter(Evaluation::is_of_a_state)
    }
}

impl Need {
    /// Returns true if the flag is in the state; `None` if it is in no state.
    pub(super) fn holds(&self, answers: Answers<'_>, context: &Context<'_>) -> Option<bool> {
        self.holds_for(answers.of(self.slot), context)
    }

    /// Returns true if the flag is in the state, given its evaluation; `None` if it is in no state.
    pub(crate) fn holds_for(
        &self,
        evaluation: Option<Evaluation<'_>>,
        context: &Context<'_>,
    ) -> Option<bool> {
        let evaluation = evaluation.filter(Evaluation::is_of_a_state)?;
        Some(self.state.holds(&evaluation, context))
    }
}

impl State {
    fn holds(&self, evaluation: &Evaluation<'_>, context: &Context<'_>) -> bool {
        match self {
            Self::On => evaluation.is_on(context),
            Self::Off => !evaluation.is_on(context),
            Self::Variants(names) => evaluation.serves(context, |served| names.contains(&served)),
        }
    }
}
