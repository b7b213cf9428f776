//! A flag that needs more of others than that they are on: it requires one to be off, or a
//! condition depends on one.
//!
//! Prerequisites of prerequisites cannot be one list of steps then. A flag that has to be off is
//! off also where its own prerequisites are not met. So all flags that decide are evaluated in one
//! pass. Each comes once, behind the flags that decide about it. There is no recursion, and no flag
//! is evaluated twice: a diamond of forty levels costs eighty evaluations.

use super::{
    evaluation::{Evaluation, Ground, Verdict},
    gate::LinkedGate,
    plan::Plan,
    variants::Variants,
    visitor::Visitor,
};
use crate::model::{
    Context, MOST_PREREQUISITES, Names, Prerequisite, RequiredState, Slot, hash_name, variant_name,
};

/// Another flag, and the state that it has to be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Need {
    pub(crate) slot: Slot,
    pub(crate) state: State,
}

/// The state that a flag has to be in, with names of variants that an answer can be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum State {
    On,
    Off,
    Variants(Box<[&'static str]>),
}

impl Need {
    /// Resolves a prerequisite. A name that is not among `names` is that of a flag which no source
    /// has.
    pub(crate) fn of(prerequisite: &Prerequisite, names: &Names) -> Self {
        let slot = names.find(hash_name(&prerequisite.flag), &prerequisite.flag);
        let state = match &prerequisite.state {
            RequiredState::On => State::On,
            RequiredState::Off => State::Off,
            RequiredState::Variants(variants) => {
                State::Variants(variants.iter().map(|name| variant_name(name)).collect())
            }
        };
        Self { slot: slot.unwrap_or(Slot::MAX), state }
    }

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
    /// Returns the one variant that has to be served, or `None` for on; an error for all other states.
    pub(super) fn simple(&self) -> Result<Option<&'static str>, ()> {
        match self {
            Self::On => Ok(None),
            Self::Variants(names) if names.len() == 1 => Ok(Some(names[0])),
            Self::Off | Self::Variants(_) => Err(()),
        }
    }

    /// Returns the state in the form that definitions have.
    pub(crate) fn required(&self) -> RequiredState {
        match self {
            Self::On => RequiredState::On,
            Self::Off => RequiredState::Off,
            Self::Variants(names) => {
                RequiredState::Variants(names.iter().map(|&name| name.to_owned()).collect())
            }
        }
    }

    fn holds(&self, evaluation: &Evaluation<'_>, context: &Context<'_>) -> bool {
        match self {
            Self::On => evaluation.is_on(context),
            Self::Off => !evaluation.is_on(context),
            Self::Variants(names) => evaluation.serves(context, |served| names.contains(&served)),
        }
    }
}

/// The flags that decide about a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The flags, each behind those that decide about it.
    pub(super) entries: Box<[Entry]>,
    /// The indices of the flags in `entries`, by slot.
    places: Box<[(Slot, u16)]>,
    /// The prerequisites of the flag itself.
    requires: Box<[Need]>,
}

/// A flag that decides about others, and its prerequisites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) slot: Slot,
    pub(super) requires: Box<[Need]>,
}

impl Program {
    /// Creates the program. There are at most [`MOST_PREREQUISITES`] entries.
    pub(super) fn new(entries: Vec<Entry>, requires: Box<[Need]>) -> Self {
        let places = (0..).zip(&entries).map(|(place, entry)| (entry.slot, place));
        let mut places: Box<[_]> = places.collect();
        places.sort_unstable();
        Self { entries: entries.into(), places, requires }
    }

    /// Returns the flags that decide, in the order in which they are evaluated.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.entries.iter().map(|entry| entry.slot)
    }
}

/// Evaluations of other flags.
pub(crate) trait Others<'p>: Copy {
    /// Evaluates the plan of a flag with `evaluate`; `None` if no source has the flag.
    fn evaluate(
        self,
        slot: Slot,
        evaluate: impl FnOnce(&'p Plan) -> Option<Evaluation<'p>>,
    ) -> Option<Evaluation<'p>>;
}

/// The evaluations so far of the flags that decide about one.
#[derive(Clone, Copy)]
pub(crate) struct Answers<'a> {
    places: &'a [(Slot, u16)],
    evaluations: &'a [Option<Evaluation<'a>>],
}

impl<'a> Answers<'a> {
    /// Returns the evaluation of a flag, if the flag is in a state.
    pub(super) fn of(self, slot: Slot) -> Option<Evaluation<'a>> {
        let place = self.places.binary_search_by_key(&slot, |&(slot, _)| slot).ok()?;
        let (_, place) = self.places[place];
        (*self.evaluations.get(usize::from(place))?).filter(Evaluation::is_of_a_state)
    }
}

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
