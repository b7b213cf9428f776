//! The parts of a flag that depend on the time.

use std::time::SystemTime;

use super::{Definition, Percentage, Progress};

/// The state of a definition at one instant. It is constant until the next boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// True inside the flag's active window.
    pub(crate) is_active: bool,
    /// The progress of the rollout.
    pub(crate) progress: Option<Progress>,
    /// The instant of the next boundary.
    pub(crate) next: Option<SystemTime>,
}

impl Moment {
    /// Returns the state at the instant `now`; `None` for a definition that does not depend on the
    /// time.
    pub(crate) fn of(definition: &Definition, now: SystemTime) -> Option<Self> {
        let active = definition.rare().active.value();
        let progress = definition.rare().rollout.value().and_then(|rollout| rollout.at(now));
        if active.is_none() && progress.is_none() {
            return None;
        }
        let window = active.and_then(|active| active.next_boundary(now));
        let stage = progress.and_then(|progress| progress.next_boundary());
        Some(Self {
            is_active: active.is_none_or(|active| active.includes(now)),
            progress,
            next: window.into_iter().chain(stage).min(),
        })
    }

    /// Returns the share of users that no list names: that of the rollout's stage, if there is a
    /// rollout.
    pub(crate) fn percentage(moment: Option<&Self>, definition: &Definition) -> Percentage {
        let stage = moment.and_then(|moment| moment.progress);
        let plain = || definition.percentage.value().copied().unwrap_or_default();
        stage.map_or_else(plain, |progress| progress.percentage)
    }
}
