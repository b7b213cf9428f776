//! A flag on one side of a change.

use std::time::SystemTime;

use flagstaff::{
    Definition, Snapshot,
    answer::FlagState,
    definition::{Progress, to_json},
};
use serde_json::{Map, Value};

/// A flag with all sources merged, before or after the change.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    pub(super) state: FlagState,
    pub(super) definition: Map<String, Value>,
    pub(super) rollout: Option<Progress>,
    /// The definition merged from all sources.
    pub(super) merged: Option<Definition>,
}

impl Side {
    pub(super) fn of(snapshot: &Snapshot, name: &str) -> Self {
        let info = snapshot.info(name);
        Self {
            state: info.map_or(FlagState::Unknown, |info| info.state()),
            definition: info.map(|info| to_json(info.definition())).unwrap_or_default(),
            rollout: info.and_then(|info| info.rollout()),
            merged: info.map(|info| info.definition().clone()),
        }
    }
}

impl From<Option<&Definition>> for Side {
    /// Converts a definition on its own, as of now.
    fn from(definition: Option<&Definition>) -> Self {
        let now = SystemTime::now();
        Self {
            state: definition.map_or(FlagState::Unknown, |flag| FlagState::at(flag, now)),
            definition: definition.map(to_json).unwrap_or_default(),
            rollout: definition.and_then(|flag| flag.rare().rollout.value()?.at(now)),
            merged: definition.cloned(),
        }
    }
}
