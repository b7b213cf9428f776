//! When a gate is open.

use std::iter;

use super::GateDenied;
use crate::{
    flags::{Flag, FlagKey, KnownFlag, View},
    model::Cause,
};

/// A flag that must be on, or off, for a gate to open.
///
/// A flag key alone is one that must be on.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Requirement, FlagGate};
///
/// let gate = FlagGate::all([Requirement::on("new_checkout"), Requirement::off("maintenance")])?;
/// let same = FlagGate::all(["new_checkout".into(), Requirement::off("maintenance")])?;
/// # Ok::<(), flagstaff::gate::InvalidGate>(())
/// ```
#[derive(Debug, Clone)]
pub struct Requirement {
    flag: KnownFlag,
    on: bool,
}

impl Requirement {
    /// The flag must be on.
    #[must_use]
    pub fn on(key: &str) -> Self {
        Self { flag: KnownFlag::new(key.into()), on: true }
    }

    /// The flag must be off.
    #[must_use]
    pub fn off(key: &str) -> Self {
        Self { flag: KnownFlag::new(key.into()), on: false }
    }
}

impl From<&str> for Requirement {
    fn from(key: &str) -> Self {
        Self::on(key)
    }
}

impl From<String> for Requirement {
    fn from(key: String) -> Self {
        Self { flag: KnownFlag::new(key.into()), on: true }
    }
}

impl From<&Flag> for Requirement {
    fn from(flag: &Flag) -> Self {
        Self::on(flag.as_str())
    }
}

/// One or several requirements.
#[derive(Debug, Clone)]
pub(in crate::http) struct Condition {
    first: Requirement,
    others: Vec<Requirement>,
    mode: Mode,
    /// The value of a flag that no source knows.
    pub(in crate::http) default: bool,
}

/// How several requirements make one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    All,
    Any,
}

impl Condition {
    pub(in crate::http) fn one(requirement: Requirement) -> Self {
        Self::of(requirement, Vec::new(), Mode::All)
    }

    pub(super) fn of(first: Requirement, others: Vec<Requirement>, mode: Mode) -> Self {
        Self { first, others, mode, default: false }
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

    /// Whether it is the everyday condition, which is met while one flag is on.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.first.on && self.others.is_empty()
    }

    /// Whether a [plain](Self::is_plain) condition is met. `false` says nothing, ask
    /// [`check`](Self::check) then.
    #[inline]
    pub(super) fn is_plainly_met(&self, view: &View<'_, '_>) -> bool {
        view.is_plainly_on(&self.first.flag)
    }

    /// Whether it holds; else the flag that decided, which is the first one when none alone did.
    #[inline(never)]
    pub(in crate::http) fn check(&self, view: &View<'_, '_>) -> Result<(), GateDenied> {
        let (mut holds, mut decided) = (self.mode == Mode::All, None);
        for requirement in self.requirements() {
            let answer = view.boolean(&requirement.flag, self.default);
            if answer.cause == Cause::Unavailable {
                // Nobody knows, so the gate is closed whichever way it works.
                return Err(GateDenied::new(requirement.flag.name(), answer));
            }
            let met = answer.value == requirement.on;
            if met != holds {
                // The first that is not met of `all`, or that is met of `any`, decides.
                (holds, decided) = (met, Some((requirement, answer)));
                break;
            }
            decided = decided.or(Some((requirement, answer)));
        }
        match decided {
            Some((requirement, answer)) if !holds => {
                Err(GateDenied::new(requirement.flag.name(), answer))
            }
            _ => Ok(()),
        }
    }

    /// Whether two contexts may have different answers.
    pub(in crate::http) fn depends_on_context(&self, view: &View<'_, '_>) -> bool {
        self.requirements().any(|requirement| view.depends_on_context(&requirement.flag))
    }

    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        iter::once(&self.first).chain(&self.others)
    }
}
