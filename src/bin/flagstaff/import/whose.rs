//! Detection of the system that wrote a file, by members that only its files have.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::written;

/// Returns the system that wrote a file in JSON, YAML or TOML, if only files of that system have its shape.
pub(crate) fn whose(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // A table of TOML begins as a list of JSON does.
    let json = if text.starts_with(['{', '[']) { json(text) } else { None };
    let document = json.or_else(|| toml(text)).or_else(|| serde_saphyr::from_str(text).ok())?;
    match &document {
        Value::Array(rows) => rows.first().filter(|row| is_row(row)).map(|_| "django-waffle"),
        Value::Object(_) if is_row(&document) => Some("django-waffle"),
        Value::Object(object) => of_object(object),
        _ => None,
    }
}

/// Returns the document, or the first of several documents, one per line.
fn json(text: &str) -> Option<Value> {
    let first_line = || serde_json::from_str(text.lines().next()?).ok();
    serde_json::from_str(text).ok().or_else(first_line)
}

fn toml(text: &str) -> Option<Value> {
    let root = DeTable::parse(text).ok()?;
    Some(written::value(&DeValue::Table(root.into_inner())))
}

fn is_row(row: &Value) -> bool {
    row.get("model").is_some_and(Value::is_string) && row.get("fields").is_some()
}

fn of_object(object: &Map<String, Value>) -> Option<&'static str> {
    let (flags, features) = (object.get("flags"), object.get("features"));
    let all = |of: Option<&Value>, names: &[&str]| {
        let first = of.and_then(first);
        first.is_some_and(|first| names.iter().all(|name| first.get(*name).is_some()))
    };
    let has = |name: &str| object.contains_key(name);
    let systems = [
        ("Microsoft FeatureManagement", has("feature_management") || has("FeatureManagement")),
        ("flagd", has("$evaluators") || all(flags, &["variants", "state"])),
        ("flagd", all(flags, &["variants", "defaultVariant"])),
        ("LaunchDarkly", has("flagValues") || all(flags, &["variations", "on"])),
        ("LaunchDarkly", all(object.get("items"), &["variations", "environments"])),
        ("Eppo or Datadog", all(flags, &["allocations"])),
        ("PostHog", all(flags, &["key", "filters"])),
        ("Flipt", all(flags, &["key", "name", "enabled"])),
        ("Flipt", all(flags, &["key", "type"]) && (has("namespace") || has("version"))),
        ("Flipt", all(object.get("segments"), &["key", "match_type"])),
        ("Unleash", has("featureStrategies") || all(features, &["name", "strategies"])),
        ("GrowthBook", all(features, &["defaultValue"])),
        ("Flipper", all(features, &["percentage_of_actors"])),
        ("Featurevisor", has("schemaVersion") && features.is_some()),
        ("Flagsmith", has("feature_states") || all(object.get("project"), &["segments"])),
        ("Statsig", has("feature_gates") || has("dynamic_configs")),
        ("ConfigCat", has("p") && has("f")),
        (
            "GO Feature Flag",
            object
                .values()
                .any(|flag| flag.get("variations").is_some() && flag.get("defaultRule").is_some()),
        ),
    ];
    systems.into_iter().find(|(_, is_it)| *is_it).map(|(system, _)| system)
}

/// Returns the first element of a list or a table, or else the value itself.
fn first(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(list) => list.first(),
        Value::Object(table) => match table.values().next() {
            Some(first) if first.is_object() => Some(first),
            _ => Some(value),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_of_a_file_is_detected() {
        for (text, system) in [
            (r#"[{"model": "waffle.flag", "fields": {}}]"#, "django-waffle"),
            ("{\"model\": \"waffle.flag\", \"fields\": {}}\n{\"model\": 1}", "django-waffle"),
            (
                r#"{"flags": {"a": {"state": "ENABLED", "variants": {}, "defaultVariant": "on"}}}"#,
                "flagd",
            ),
            (r#"{"flags": {"a": {"key": "a", "on": true, "variations": []}}}"#, "LaunchDarkly"),
            (r#"{"version": 2, "features": [{"name": "a", "strategies": []}]}"#, "Unleash"),
            (r#"{"features": {"a": {"defaultValue": false}}}"#, "GrowthBook"),
            (
                r#"{"version": 1, "features": {"a": {"boolean": null, "percentage_of_actors": "5"}}}"#,
                "Flipper",
            ),
            (r#"{"a": {"variations": {}, "defaultRule": {}}}"#, "GO Feature Flag"),
            (
                "on_trial:\n  variations:\n    a: true\n    b: false\n  defaultRule:\n    variation: b\n",
                "GO Feature Flag",
            ),
            (
                "[on-trial.variations]\na = true\nb = false\n[on-trial.defaultRule]\nvariation = \"b\"\n",
                "GO Feature Flag",
            ),
            (
                "version: \"1.0\"\nnamespace: default\nflags:\n  - key: a\n    name: A\n    \
                 type: BOOLEAN_FLAG_TYPE\n    rollouts: []\n",
                "Flipt",
            ),
            (
                "namespace: team\nsegments:\n  - key: pros\n    match_type: ALL_MATCH_TYPE\n",
                "Flipt",
            ),
            ("- model: waffle.flag\n  fields: {}\n", "django-waffle"),
            (r#"{"p": {}, "f": {}}"#, "ConfigCat"),
            (r#"{"feature_management": {"feature_flags": []}}"#, "Microsoft FeatureManagement"),
        ] {
            assert_eq!(whose(text), Some(system), "{text}");
        }
    }

    #[test]
    fn keys_of_flags_are_not_mistaken_for_another_system() {
        for text in [
            r#"{"ff:a": {"enabled": true}}"#,
            r#"{"features": {"enabled": true, "percentage": 10}}"#,
            r#"{"flags": {"enabled": true}}"#,
            "ff:a {\"enabled\": true}",
            "ff:a {\"enabled\": true}\nff:b {\"enabled\": false}\n",
            "new_checkout  on\nsearch        off\n",
            "(no flags)\n",
            "[flags]\na = true\n",
            "{",
            "[]",
        ] {
            assert_eq!(whose(text), None, "{text}");
        }
    }
}
