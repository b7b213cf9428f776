//! The record of one evaluation.

use crate::{
    eval::{self, Draw, Need, Visitor},
    model::Field,
};

/// A prerequisite that was evaluated.
#[derive(Debug)]
pub(super) enum Required {
    /// The flag alone. Its own prerequisites are evaluated as steps of their own.
    ByItself(eval::Step),
    /// The flag with all flags that decide about it.
    Whole(Need),
}

/// A visitor that records an evaluation.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The prerequisites, each with `true` if it is met.
    pub(super) required: Vec<(Required, bool)>,
    /// The list that the user is on.
    pub(super) list: Option<Field>,
    /// The comparisons that were made, by their number: evaluation never goes back.
    pub(super) compared: Vec<(usize, Option<bool>)>,
    /// The rule that matched. The rules were evaluated if there are comparisons or a match.
    pub(super) matched: Option<usize>,
    /// The draws. Each kind is drawn once at most.
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
    /// Returns the bucket of a kind, if it was to be drawn.
    pub(super) fn drawn(&self, wanted: Draw) -> Option<Option<u64>> {
        self.draws.iter().find(|(draw, _)| *draw == wanted).map(|&(_, bucket)| bucket)
    }

    /// Returns the outcome of a comparison, if it was made.
    pub(super) fn outcome(&self, step: usize) -> Option<Option<bool>> {
        let place = self.compared.binary_search_by_key(&step, |&(made, _)| made).ok()?;
        Some(self.compared[place].1)
    }
}
