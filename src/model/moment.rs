//! What of a flag depends on the time.

use std::time::SystemTime;

use super::{Definition, Percentage, Progress};

/// What the clock makes of a definition. It stays the same until its next boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Whether it is inside the flag's active window.
    pub(crate) is_active: bool,
    /// Where the rollout stands.
    pub(crate) progress: Option<Progress>,
    /// When it is over.
    pub(crate) next: Option<SystemTime>,
}

impl Moment {
    /// The moment `now`; `None` for a definition that does not depend on the time.
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

    /// The share of users whom no list names: that of the rollout's stage, if there is a rollout.
    pub(crate) fn percentage(moment: Option<&Self>, definition: &Definition) -> Percentage {
        let stage = moment.and_then(|moment| moment.progress);
        let plain = || definition.percentage.value().copied().unwrap_or_default();
        stage.map_or_else(plain, |progress| progress.percentage)
    }
}
