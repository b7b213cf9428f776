//! What a change does to a flag.

use std::time::SystemTime;

use flagstaff::{Definition, FlagState, Flags, definition::to_json};
use serde_json::{Map, Value, json};

use super::mark;
use crate::{
    commands::list::state_word,
    difference::{self, Difference, differences},
    output::Row,
    text::clean,
};

/// A flag before and after.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) flag: String,
    pub(crate) before: Side,
    pub(crate) after: Side,
}

/// A flag as all layers together say it.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) state: FlagState,
    pub(crate) definition: Map<String, Value>,
}

impl Side {
    pub(crate) fn of(flags: &Flags, name: &str) -> Self {
        let snapshot = flags.snapshot();
        let info = snapshot.info(name);
        Self {
            state: info.map_or(FlagState::Unknown, |info| info.state()),
            definition: info.map(|info| to_json(info.definition())).unwrap_or_default(),
        }
    }
}

impl From<Option<&Definition>> for Side {
    /// What a definition says by itself, now.
    fn from(definition: Option<&Definition>) -> Self {
        let now = SystemTime::now();
        Self {
            state: definition.map_or(FlagState::Unknown, |flag| FlagState::at(flag, now)),
            definition: definition.map(to_json).unwrap_or_default(),
        }
    }
}

impl Effect {
    /// Whether nobody knew the flag before.
    pub(super) fn makes_a_flag(&self) -> bool {
        self.before.state == FlagState::Unknown && self.after.state != FlagState::Unknown
    }

    fn differences(&self) -> Vec<Difference> {
        differences(&self.before.definition, &self.after.definition)
    }

    /// A line on the whole, and one for each setting.
    pub(crate) fn text(&self) -> String {
        let (name, before, after) = (clean(&self.flag), self.before.state, self.after.state);
        let differences = self.differences();
        if differences.is_empty() {
            return format!("{name}: {after}, as before\n");
        }
        let lines = difference::text(&differences);
        match before == after {
            true => format!("{name}: {after}\n{lines}"),
            false => format!("{name}: {before} -> {after}\n{lines}"),
        }
    }

    /// The flag as it is then.
    pub(crate) fn row(&self, revision: Option<u64>, is_dry_run: bool) -> Row {
        let Self { flag, before, after } = self;
        let state = match after.state {
            FlagState::Unknown => "unset".to_owned(),
            state => state.to_string(),
        };
        let fields: Vec<_> = self.differences().iter().map(Difference::json).collect();
        let json = json!({
            "flag": flag,
            "state": state_word(after.state),
            "summary": after.state.to_string(),
            "before": before.state.to_string(),
            "fields": fields,
            "revision": revision,
        });
        Row { cells: vec![clean(flag).into_owned(), state], json: mark(json, is_dry_run) }
    }
}
