//! The condition under which a gate is open.

use std::{cell::Cell, iter};

use super::{GateDenied, Requirement};
use crate::{
    eval::Evaluation,
    flags::{Snapshot, View},
};

/// One or several requirements.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    first: Requirement,
    others: Vec<Requirement>,
    mode: Mode,
    /// True for the common condition that one flag is on, for all requests.
    pub(super) is_plain: bool,
    /// The value of a flag that no source has.
    pub(super) default: bool,
}

/// The way in which several requirements make one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    All,
    Any,
}

impl Condition {
    pub(super) fn one(requirement: Requirement) -> Self {
        let is_plain = requirement.on;
        Self { first: requirement, others: Vec::new(), mode: Mode::All, is_plain, default: false }
    }

    /// Creates a condition; `None` without requirements.
    pub(super) fn of(
        mut requirements: impl Iterator<Item = Requirement>,
        mode: Mode,
    ) -> Option<Self> {
        let first = requirements.next()?;
        let others: Vec<_> = requirements.collect();
        let is_plain = first.on && others.is_empty();
        Some(Self { others, mode, is_plain, ..Self::one(first) })
    }

    /// Returns the opposite condition, by De Morgan's laws.
    pub(super) fn inverted(mut self) -> Self {
        for requirement in iter::once(&mut self.first).chain(&mut self.others) {
            requirement.on = !requirement.on;
        }
        self.mode = match self.mode {
            Mode::All => Mode::Any,
            Mode::Any => Mode::All,
        };
        self.is_plain = false;
        self
    }

    /// Returns true if the one flag of a plain condition was found before and is on for all users.
    #[inline]
    pub(super) fn is_plainly_met(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_plainly_on(&self.first.flag)
    }

    /// Returns true if the condition holds. Otherwise stores the flag that decided in `denied`. If
    /// none alone did, that is the first one.
    #[inline]
    pub(super) fn is_met(&self, view: &View<'_, '_>, denied: &Cell<Option<GateDenied>>) -> bool {
        if !self.is_plain {
            return self.are_met(view, denied);
        }
        // Only this is inlined into services.
        view.is_plainly_on(&self.first.flag) || self.is_first_met(view, denied)
    }

    /// Returns the result of [`is_met`](Self::is_met), but skips the check for flags that are on for all users.
    #[inline]
    pub(super) fn is_met_by(&self, view: &View<'_, '_>, denied: &Cell<Option<GateDenied>>) -> bool {
        match self.is_plain {
            true => self.is_first_met(view, denied),
            false => self.are_met(view, denied),
        }
    }

    #[inline(never)]
    fn is_first_met(&self, view: &View<'_, '_>, denied: &Cell<Option<GateDenied>>) -> bool {
        let evaluation = view.evaluate(&self.first.flag);
        evaluation.is_some_and(|evaluation| view.is_on(&evaluation))
            || self.is_first_required(evaluation, view, denied)
    }

    // A function of its own, since few requests get here: to closed gates, and to flags that were
    // not found before.
    #[inline(never)]
    fn is_first_required<'a>(
        &self,
        evaluation: Option<Evaluation<'a>>,
        view: &View<'a, '_>,
        denied: &Cell<Option<GateDenied>>,
    ) -> bool {
        let flag = &self.first.flag;
        let required = view.require(flag, evaluation, true, self.default);
        required.map_err(|unmet| denied.set(Some(GateDenied::new(flag.name(), unmet)))).is_ok()
    }

    #[inline(never)]
    fn are_met(&self, view: &View<'_, '_>, denied: &Cell<Option<GateDenied>>) -> bool {
        let mut first = None;
        for Requirement { flag, on } in self.requirements() {
            match view.require(flag, view.evaluate(flag), *on, self.default) {
                Ok(()) if self.mode == Mode::Any => return true,
                Ok(()) => {}
                Err(unmet) => {
                    let decides = self.mode == Mode::All || unmet.unavailable;
                    let unmet = GateDenied::new(flag.name(), unmet);
                    // A flag that is neither on nor off keeps the gate closed, whether the gate
                    // requires on or off.
                    if decides {
                        denied.set(Some(unmet));
                        return false;
                    }
                    first = first.or(Some(unmet));
                }
            }
        }
        let met = first.is_none();
        denied.set(first);
        met
    }

    /// Returns the result of [`is_met`](Self::is_met) for all contexts; `None` if contexts differ.
    pub(super) fn settled(&self, view: &View<'_, '_>) -> Option<bool> {
        // The outcome of one requirement that decides alone: met for `Any`, unmet for `All`.
        let decisive = self.mode == Mode::Any;
        let mut all = true;
        for Requirement { flag, on } in self.requirements() {
            match view.settled(flag, *on, self.default) {
                Some(met) if met == decisive => return Some(decisive),
                Some(_) => {}
                None => all = false,
            }
        }
        all.then_some(!decisive)
    }

    /// Returns true if two contexts may get different answers.
    pub(super) fn depends_on_context(&self, view: &View<'_, '_>) -> bool {
        self.requirements().any(|requirement| view.depends_on_context(&requirement.flag))
    }

    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        iter::once(&self.first).chain(&self.others)
    }
}
