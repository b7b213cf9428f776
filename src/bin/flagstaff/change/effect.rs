//! What a change does to a flag.

use std::{fmt::Write, time::SystemTime};

use flagstaff::{Definition, FlagState, Flags, definition::to_json};
use serde_json::{Map, Value, json};

use super::{mark, shown};
use crate::{commands::list::state_word, output::Row, text::clean};

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
    /// The settings that differ, with both values.
    fn differences(&self) -> Vec<(&str, Option<&Value>, Option<&Value>)> {
        // That a stronger layer takes something away is no value.
        let value = |side: &'_ Side, name: &str| {
            side.definition.get(name).filter(|value| !value.is_null()).cloned()
        };
        let (before, after) = (&self.before.definition, &self.after.definition);
        let added = after.keys().filter(|name| !before.contains_key(*name));
        let names = before.keys().chain(added);
        let differing = names.filter(|name| value(&self.before, name) != value(&self.after, name));
        differing.map(|name| (&**name, before.get(name), after.get(name))).collect()
    }

    /// A line on the whole, and one for each setting.
    pub(crate) fn text(&self) -> String {
        let (name, before, after) = (clean(&self.flag), self.before.state, self.after.state);
        let differences = self.differences();
        if differences.is_empty() {
            return format!("{name}: {after}, as before\n");
        }
        let mut text = match before == after {
            true => format!("{name}: {after}\n"),
            false => format!("{name}: {before} -> {after}\n"),
        };
        let width = differences.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, before, after) in differences {
            let (before, after) = (shown(before), shown(after));
            // Colours are taken away where stderr shows none.
            let _ = writeln!(
                text,
                "  {name:width$}  \x1b[31m{before}\x1b[0m -> \x1b[32m{after}\x1b[0m"
            );
        }
        text
    }

    /// The flag as it is then.
    pub(crate) fn row(&self, revision: Option<u64>, is_dry_run: bool) -> Row {
        let Self { flag, before, after } = self;
        let state = match after.state {
            FlagState::Unknown => "unset".to_owned(),
            state => state.to_string(),
        };
        let differences = self.differences().into_iter();
        let fields: Vec<_> = differences
            .map(|(field, before, after)| json!({ "field": field, "before": before, "after": after }))
            .collect();
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
