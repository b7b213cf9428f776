//! On or off, with the step that decided.

use crate::model::Cause;

/// On or off, compiled for one step of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) on: bool,
    /// The step turns the flag on whatever the traffic is, with a variant that does not count as
    /// off. It is a forced value, an allow-list, or a rule that serves `true`.
    pub(crate) insists: bool,
    /// The index of the rule that decided, which may choose the variant too.
    pub(crate) rule: Option<u16>,
    pub(crate) ground: Ground,
    pub(crate) decision: Decision,
}

/// The ground of a verdict, as far as it matters to the evaluation and to gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A step of the evaluation decided.
    Step,
    /// No step held users back, so the draw of a variant decides.
    Open,
    /// A lost source decides about the flag, so it is neither on nor off for gates.
    Unavailable,
    /// The running test overrides the flag.
    Test,
    /// The flag is off, and in no state for other flags. Its prerequisites are a mistake, such as
    /// the flag itself, or a stored value cannot be read.
    Invalid,
}

/// The step that decided, for answers and explanations. Evaluation itself never reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) cause: Cause,
    /// The index of the source in the stack.
    pub(crate) source: u8,
    /// A source that the flag depends on is lost.
    pub(crate) stale: bool,
}

impl Verdict {
    /// Returns the verdict of a step other than a rule.
    pub(crate) const fn new(on: bool, decision: Decision) -> Self {
        Self { on, insists: false, rule: None, ground: Ground::Step, decision }
    }

    /// Returns the verdict of a step that [insists](Self::insists).
    pub(crate) const fn insisting(self) -> Self {
        Self { insists: true, ..self }
    }

    /// Returns the verdict on another ground.
    pub(crate) const fn on_ground(self, ground: Ground) -> Self {
        Self { ground, ..self }
    }

    /// Returns the verdict with another outcome, of the step and source of this one.
    pub(super) const fn with(self, on: bool, cause: Cause) -> Self {
        Self { on, decision: Decision { cause, ..self.decision }, ..self }
    }
}
