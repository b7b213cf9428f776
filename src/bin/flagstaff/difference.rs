//! The differences between two definitions of a flag, setting by setting.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::{
    style::{OFF, ON, painted},
    text::clean,
};

/// One setting that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The setting, with a dotted path into tables: `rollout.stage`.
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// Returns the differences, in the order of the settings.
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
        // A null is not a value: a stronger source removes the setting with it.
        let [before, after] =
            [before, after].map(|side| side.get(name).filter(|value| !value.is_null()));
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (before, after) {
            (Some(before), Some(after)) if is_same(name, before, after) => {}
            (None, None) => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                compare(&path, before, after, found);
                if is_ordered(name) && !is_same_order(before, after) {
                    let names = |of: &Map<String, Value>| of.keys().cloned().collect::<Value>();
                    let path = format!("{path} (order)");
                    let (before, after) = (Some(names(before)), Some(names(after)));
                    found.push(Difference { path, before, after });
                }
            }
            (before, after) => {
                let (before, after) = (before.cloned(), after.cloned());
                found.push(Difference { path, before, after });
            }
        }
    }
}

/// Returns true for tables whose order has an effect: the order of variants decides their ranges of buckets.
fn is_ordered(name: &str) -> bool {
    matches!(name, "variants" | "serve")
}

/// Returns true if the keys that both have are in the same order.
fn is_same_order(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let kept = before.keys().filter(|name| after.contains_key(*name));
    kept.eq(after.keys().filter(|name| before.contains_key(*name)))
}

/// Returns true if two values are equal, the order of variants included. Equality of JSON ignores order.
fn is_same(name: &str, before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let is_member = |(name, value): (&String, &Value)| {
                after.get(name).is_some_and(|other| is_same(name, value, other))
            };
            before.len() == after.len()
                && before.iter().all(is_member)
                && (!is_ordered(name) || is_same_order(before, after))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| is_same(name, before, after))
        }
        (before, after) => before == after,
    }
}

impl Difference {
    pub(crate) fn json(&self) -> Value {
        json!({ "field": self.path, "before": self.before, "after": self.after })
    }
}

/// Returns a line for each difference, in colours that are removed if none are shown.
pub(crate) fn text(differences: &[Difference]) -> String {
    let width = differences.iter().map(|difference| difference.path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Difference { path, before, after } in differences {
        let (path, before, after) = (clean(path), shown(before.as_ref()), shown(after.as_ref()));
        let (before, after) = (painted(OFF, before), painted(ON, after));
        let _ = writeln!(text, "  {path:width$}  {before} -> {after}");
    }
    text
}

/// Returns a value for people; `(none)` for no value.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| clean(&value.to_string()).into_owned())
}

#[cfg(test)]
mod tests {
    use flagstaff::{Definition, Percentage, definition::to_json};

    use super::*;

    #[test]
    fn another_order_of_variants_is_a_difference() {
        let paths = |before: Value, after: Value| -> Vec<String> {
            let [Value::Object(before), Value::Object(after)] = [before, after] else {
                unreachable!()
            };
            differences(&before, &after).into_iter().map(|difference| difference.path).collect()
        };
        let serve =
            |split: Value| json!({ "rules": [{ "when": { "a": 1, "b": 2 }, "serve": split }] });

        let variants = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let ab = variants(r#"{ "variants": { "a": 1, "b": 1 } }"#);
        assert_eq!(paths(ab.clone(), ab.clone()), [""; 0]);
        let ba = variants(r#"{ "variants": { "b": 1, "a": 1 } }"#);
        assert_eq!(paths(ab.clone(), ba), ["variants (order)"]);
        let bca = variants(r#"{ "variants": { "b": 1, "c": 1, "a": 1 } }"#);
        assert_eq!(paths(ab, bca), ["variants.c", "variants (order)"]);
        let split = (serve(json!({ "a": 1, "b": 1 })), serve(json!({ "b": 1, "a": 1 })));
        assert_eq!(paths(split.0, split.1), ["rules"]);
    }

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
        let lines = anstream::adapter::strip_str(&text(&differences)).to_string();
        assert!(lines.contains("  percentage  (none) -> 100\n"), "{lines}");
    }
}
