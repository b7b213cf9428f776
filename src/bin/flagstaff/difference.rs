//! How two definitions of a flag differ, setting by setting.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::text::clean;

/// One setting that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The setting, with a dotted path into tables: `rollout.stage`.
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// What differs, in the order of the settings.
pub(crate) fn differences(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

fn compare(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        // That a stronger source takes something away is no value.
        let [before, after] =
            [before, after].map(|side| side.get(name).filter(|value| !value.is_null()));
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (before, after) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                compare(&path, before, after, found);
            }
            (before, after) => {
                let (before, after) = (before.cloned(), after.cloned());
                found.push(Difference { path, before, after });
            }
        }
    }
}

impl Difference {
    pub(crate) fn json(&self) -> Value {
        json!({ "field": self.path, "before": self.before, "after": self.after })
    }
}

/// A line for each, in colours that are taken away where none are shown.
pub(crate) fn text(differences: &[Difference]) -> String {
    let width = differences.iter().map(|difference| difference.path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Difference { path, before, after } in differences {
        let (path, before, after) = (clean(path), shown(before.as_ref()), shown(after.as_ref()));
        let _ =
            writeln!(text, "  {path:width$}  \x1b[31m{before}\x1b[0m -> \x1b[32m{after}\x1b[0m");
    }
    text
}

/// A value as people read it, and nothing as `(none)`.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| clean(&value.to_string()).into_owned())
}

#[cfg(test)]
mod tests {
    use flagstaff::{Definition, Percentage, definition::to_json};

    use super::*;

    #[test]
    fn tables_are_compared_setting_by_setting() {
        let before = Definition::new().owner("web").variants([("a", 1), ("b", 1)]);
        let after = Definition::new()
            .percentage(Percentage::HUNDRED)
            .owner("web")
            .variants([("a", 1), ("b", 2)]);

        let differences = differences(&to_json(&before), &to_json(&after));

        let paths: Vec<_> = differences.iter().map(|difference| &*difference.path).collect();
        assert_eq!(paths, ["variants.b", "percentage"]);
        let lines = text(&differences).replace("\x1b[31m", "").replace("\x1b[32m", "");
        let lines = lines.replace("\x1b[0m", "");
        assert!(lines.contains("  percentage  (none) -> 100\n"), "{lines}");
    }
}
