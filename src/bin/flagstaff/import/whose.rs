//! Detection of the system that wrote a file, by members that only its files have.

use serde_json::{Map, Value};

/// The system that a JSON text is of, if it has the shape that only that one's files have.
pub(crate) fn whose(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let first_line = || serde_json::from_str(text.lines().next()?).ok();
    let document: Value = serde_json::from_str(text).ok().or_else(first_line)?;
    match &document {
        Value::Array(rows) => rows.first().filter(|row| is_row(row)).map(|_| "django-waffle"),
        Value::Object(_) if is_row(&document) => Some("django-waffle"),
        Value::Object(object) => of_object(object),
        _ => None,
    }
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
        ("Unleash", has("featureStrategies") || all(features, &["name", "strategies"])),
        ("GrowthBook", all(features, &["defaultValue"])),
        ("Flipper", all(features, &["percentage_of_actors"])),
        ("Featurevisor", has("schemaVersion") && features.is_some()),
        ("Flagsmith", has("feature_states") || all(object.get("project"), &["segments"])),
        ("Statsig", has("feature_gates") || has("dynamic_configs")),
        ("ConfigCat", has("p") && has("f")),
        (
            "GO Feature Flag",
            object.values().next().is_some_and(|flag| {
                flag.get("variations").is_some() && flag.get("defaultRule").is_some()
            }),
        ),
    ];
    systems.into_iter().find(|(_, is_it)| *is_it).map(|(system, _)| system)
}

/// The first of several, in a list or in a table; what is neither is one alone.
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
    fn a_file_says_whose_it_is() {
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
            (r#"{"p": {}, "f": {}}"#, "ConfigCat"),
            (r#"{"feature_management": {"feature_flags": []}}"#, "Microsoft FeatureManagement"),
        ] {
            assert_eq!(whose(text), Some(system), "{text}");
        }
    }

    #[test]
    fn keys_with_flags_are_of_no_other_system() {
        for text in [
            r#"{"ff:a": {"enabled": true}}"#,
            r#"{"features": {"enabled": true, "percentage": 10}}"#,
            r#"{"flags": {"enabled": true}}"#,
            "ff:a {\"enabled\": true}",
            "{",
            "[]",
        ] {
            assert_eq!(whose(text), None, "{text}");
        }
    }
}
