//! What happened in one evaluation.

use crate::{
    eval::{self, Draw, Need, Visitor},
    model::Field,
};

/// A flag that was required.
#[derive(Debug)]
pub(super) enum Required {
    /// Without what it requires, which is looked at as well.
    ByItself(eval::Step),
    /// With all that decides about it.
    Whole(Need),
}

/// Writes down what it is told.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What was required, and whether it is met.
    pub(super) required: Vec<(Required, bool)>,
    /// The list that the user is on.
    pub(super) list: Option<Field>,
    /// The comparisons that were made, by their place: evaluation never goes back.
    pub(super) compared: Vec<(usize, Option<bool>)>,
    /// Whether the rules were asked is whether there are comparisons or a match.
    pub(super) matched: Option<usize>,
    /// Each kind is drawn once at most.
    pub(super) draws: Vec<(Draw, Option<u64>)>,
}

impl Visitor for Record {
    fn required(&mut self, step: &eval::Step, is_met: bool) {
        self.required.push((Required::ByItself(*step), is_met));
    }

    fn needed(&mut self, need: &Need, is_met: bool) {
        self.required.push((Required::Whole(need.clone()), is_met));
    }

    fn listed(&mut self, list: Field, is_on_it: bool) {
        if is_on_it {
            self.list = Some(list);
        }
    }

    fn compared(&mut self, step: usize, outcome: Option<bool>) {
        self.compared.push((step, outcome));
    }

    fn matched(&mut self, rule: usize) {
        self.matched = Some(rule);
    }

    fn drew(&mut self, draw: Draw, bucket: Option<u64>) {
        self.draws.push((draw, bucket));
    }
}

impl Record {
    /// The bucket of a kind, if it was to be drawn.
    pub(super) fn drawn(&self, wanted: Draw) -> Option<Option<u64>> {
        self.draws.iter().find(|(draw, _)| *draw == wanted).map(|&(_, bucket)| bucket)
    }

    /// What came of a comparison, if it was made.
    pub(super) fn outcome(&self, step: usize) -> Option<Option<bool>> {
        let place = self.compared.binary_search_by_key(&step, |&(made, _)| made).ok()?;
        Some(self.compared[place].1)
    }
}
