//! Entries of sources as text.

use flagstaff::{Definition, definition::to_json};
use serde_json::{Map, Value};

use crate::text::{clean, count};

/// Formats settings for people, nearly as `flagstaff set` takes them: `25% owner=web`. Forced on is `on`,
/// and a long setting such as a rollout is shortened. Settings that are removed follow: `25% without requires`.
/// A flag that is switched off beside other settings has these in parentheses: `off (stored: 25%)`.
pub(crate) fn settings(settings: &Map<String, Value>) -> String {
    if settings.get("enabled") != Some(&Value::Bool(false)) {
        return words(settings);
    }
    if settings.len() == 1 {
        return "off".to_owned();
    }
    let mut others = settings.clone();
    others.insert("enabled".to_owned(), Value::Bool(true));
    if !is_forced(&others) {
        others.remove("enabled");
    }
    switched_off(&words(&others))
}

/// Formats a flag that is switched off beside other settings.
pub(crate) fn switched_off(others: &str) -> String {
    // The word `on` would be the switch that is over, unless nothing else is stored.
    let others = others.strip_prefix("on ").unwrap_or(others);
    format!("off (stored: {others})")
}

fn is_forced(settings: &Map<String, Value>) -> bool {
    to_json(&Definition::forced(true)).iter().all(|(name, value)| match value {
        // A patch over forced on has other values for some of these.
        Value::Null => settings.contains_key(name),
        value => settings.get(name) == Some(value),
    })
}

fn words(settings: &Map<String, Value>) -> String {
    let on = to_json(&Definition::forced(true));
    let is_forced = is_forced(settings);
    let is_implied = |name: &str, value: &Value| is_forced && on.get(name) == Some(value);
    let shown = settings.iter().filter(|(name, value)| !is_implied(name, value));
    let (removed, shown): (Vec<_>, Vec<_>) = shown.partition(|(_, value)| value.is_null());
    let mut words = Vec::from_iter(is_forced.then(|| "on".to_owned()));
    words.extend(shown.into_iter().map(|(name, value)| setting(name, value)));
    let removed: Vec<_> = removed.into_iter().map(|(name, _)| clean(name)).collect();
    if !removed.is_empty() {
        words.push(format!("without {}", removed.join(", ")));
    }
    words.join(" ")
}

fn setting(name: &str, value: &Value) -> String {
    let short = match (name, value) {
        ("enabled", Value::Bool(on)) => return if *on { "on" } else { "off" }.to_owned(),
        ("percentage", Value::Number(number)) => return format!("{number}%"),
        ("rollout", Value::Object(rollout)) => {
            return format!("rollout({})", self::rollout(rollout));
        }
        ("rules", Value::Array(rules)) => count(rules.len(), "rule"),
        ("variants", Value::Object(variants)) => {
            let weight = |variant: &Value| match variant {
                Value::Object(variant) => variant.get("weight").map(Value::to_string),
                weight => Some(weight.to_string()),
            };
            let variants = variants.iter().map(|(name, variant)| match weight(variant) {
                Some(weight) => format!("{}:{weight}", clean(name)),
                None => clean(name).into_owned(),
            });
            variants.collect::<Vec<_>>().join(",")
        }
        (_, value) => plain(value).replace(", ", ","),
    };
    format!("{}={short}", clean(name))
}

/// Formats the stage of a rollout, and its stages: `stage 2, 1% for 2h then 100%, not paused`.
fn rollout(rollout: &Map<String, Value>) -> String {
    let mut words = Vec::new();
    let text = |value: &Value| plain(value);
    for (name, value) in rollout {
        match (name.as_str(), value) {
            ("stages", Value::Array(stages)) => {
                let stages = stages.iter().map(|stage| {
                    let share = stage.get("percentage").map(text).unwrap_or_default();
                    let when = ["for", "at"].iter().find_map(|word| Some((word, stage.get(word)?)));
                    let when = when.map(|(word, when)| format!(" {word} {}", text(when)));
                    format!("{share}%{}", when.unwrap_or_default())
                });
                words.push(stages.collect::<Vec<_>>().join(" then "));
            }
            ("stage", stage) => words.insert(0, format!("stage {}", text(stage))),
            ("paused_at", Value::Null) => words.push("not paused".to_owned()),
            ("paused_at", at) => words.push(format!("paused at {}", text(at))),
            ("stage_started", at) => words.push(format!("since {}", text(at))),
            ("start", at) => words.push(format!("start {}", text(at))),
            (name, value) => words.push(format!("{} {}", clean(name), text(value))),
        }
    }
    words.join(", ")
}

/// Returns a value for users: strings without quotes, lists with commas, everything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text).into_owned(),
        Value::Array(list) if list.iter().all(|value| !value.is_object()) => {
            list.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        other => clean(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        settings(value.as_object().unwrap())
    }

    #[test]
    fn forced_on_is_shown_as_one_word() {
        let mut forced = to_json(&Definition::forced(true));
        assert_eq!(settings(&forced), "on");

        forced.insert("percentage".to_owned(), 25.into());
        assert_eq!(settings(&forced), "on 25%");
        assert_eq!(shown(&json!({ "percentage": 5, "owner": null })), "5% without owner");
    }

    #[test]
    fn what_is_stored_beside_off_is_not_in_force() {
        let mut forced = to_json(&Definition::forced(true));
        forced.insert("percentage".to_owned(), 25.into());
        forced.insert("enabled".to_owned(), false.into());

        assert_eq!(settings(&forced), "off (stored: 25%)");
        assert_eq!(shown(&json!({ "enabled": false })), "off");
        let lists = json!({ "allowed_users": ["ana"], "enabled": false });
        assert_eq!(shown(&lists), "off (stored: allowed_users=ana)");
        let stored = json!({ "enabled": false, "percentage": 5, "owner": null });
        assert_eq!(shown(&stored), "off (stored: 5% without owner)");
    }

    #[test]
    fn a_rollout_is_summarized_in_one_line() {
        assert_eq!(
            shown(&json!({ "rollout": {
                "stages": [{ "percentage": 1, "for": "2h" }, { "percentage": 100 }],
                "stage": 2,
                "stage_started": "2026-11-21T02:42:49Z",
                "paused_at": null,
            } })),
            "rollout(stage 2, 1% for 2h then 100%, since 2026-11-21T02:42:49Z, not paused)"
        );
        assert_eq!(
            shown(
                &json!({ "variants": { "a": 1, "b": { "weight": 2, "value": 7 } }, "rules": [{}] })
            ),
            "variants=a:1,b:2 rules=1 rule"
        );
    }
}
