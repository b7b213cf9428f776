//! When a gate is open.

use std::iter;

use super::{GateDenied, Requirement};
use crate::flags::View;

/// One or several requirements.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    first: Requirement,
    others: Vec<Requirement>,
    mode: Mode,
    /// The value of a flag that no source knows.
    pub(super) default: bool,
}

/// How several requirements make one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    All,
    Any,
}

impl Condition {
    pub(super) fn one(requirement: Requirement) -> Self {
        Self { first: requirement, others: Vec::new(), mode: Mode::All, default: false }
    }

    /// `None` without requirements.
    pub(super) fn of(
        mut requirements: impl Iterator<Item = Requirement>,
        mode: Mode,
    ) -> Option<Self> {
        let first = requirements.next()?;
        Some(Self { others: requirements.collect(), mode, ..Self::one(first) })
    }

    /// The opposite, by De Morgan's laws.
    pub(super) fn inverted(mut self) -> Self {
        for requirement in iter::once(&mut self.first).chain(&mut self.others) {
            requirement.on = !requirement.on;
        }
        self.mode = match self.mode {
            Mode::All => Mode::Any,
            Mode::Any => Mode::All,
        };
        self
    }

    /// Whether it holds; else the flag that decided, which is the first one when none alone did.
    #[inline]
    pub(super) fn check(&self, view: &View<'_, '_>) -> Result<(), GateDenied> {
        // Most gates ask one flag.
        if self.others.is_empty() {
            return self.check_one(&self.first, view);
        }
        self.check_several(view)
    }

    #[inline]
    fn check_one(&self, requirement: &Requirement, view: &View<'_, '_>) -> Result<(), GateDenied> {
        let Requirement { flag, on } = requirement;
        view.require(flag, *on, self.default).map_err(|unmet| GateDenied::new(flag.name(), unmet))
    }

    #[inline(never)]
    fn check_several(&self, view: &View<'_, '_>) -> Result<(), GateDenied> {
        let mut first = None;
        for requirement in self.requirements() {
            match self.check_one(requirement, view) {
                Ok(()) if self.mode == Mode::Any => return Ok(()),
                Ok(()) => {}
                // Nobody knows, so the gate is closed whichever way it works.
                Err(denied) if self.mode == Mode::All || denied.is_unavailable() => {
                    return Err(denied);
                }
                Err(denied) => first = first.or(Some(denied)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Returns what [`check`](Self::check) finds for every context; `None` if contexts differ.
    pub(super) fn settled(&self, view: &View<'_, '_>) -> Option<bool> {
        // What one requirement decides alone: to be unmet, or met, as the mode has it.
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

    /// Whether two contexts may have different answers.
    pub(super) fn depends_on_context(&self, view: &View<'_, '_>) -> bool {
        self.requirements().any(|requirement| view.depends_on_context(&requirement.flag))
    }

    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        iter::once(&self.first).chain(&self.others)
    }
}
