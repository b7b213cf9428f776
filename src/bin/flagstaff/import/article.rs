//! A JSON object per flag, in Redis keys such as `ff:new_search`.

use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::Imported;
use crate::failure::Failure;

/// The members that are taken over as they are.
const PLAIN: [&str; 4] = ["enabled", "percentage", "allowed_users", "allowed_groups"];

/// Flags as one JSON object by key, or as lines of a key and its value.
pub(crate) fn article(text: &str) -> Result<Imported, Failure> {
    let mut imported = Imported::default();
    let mut draws = false;
    let mut add = |key: &str, value: Result<Value, String>| {
        // The prefix is whatever comes before the first colon.
        let key = key.split_once(':').map_or(key, |(_, key)| key);
        match value {
            Ok(Value::Object(object)) => {
                let settings = flag(key, &object, &mut imported);
                draws |= ["percentage", "rollout", "variants"]
                    .iter()
                    .any(|it| settings.contains_key(*it));
                imported.add(key, &settings);
            }
            Ok(Value::Null) => imported.note(key, "it is null, which is no flag"),
            Ok(_) => imported.leave_out(key, "its value is no JSON object"),
            Err(error) => imported.leave_out(key, &error),
        }
    };
    if text.trim_start().starts_with('{') {
        let all: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("this is no JSON object of flags: {error}")))?;
        for (key, value) in all {
            match value {
                // As it was read from Redis.
                Value::String(text) => add(&key, parse(&text)),
                value => add(&key, Ok(value)),
            }
        }
    } else {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(char::is_whitespace) {
                Some((key, value)) => add(key, parse(value.trim_start())),
                None => add(line, Err("there is no value behind the key".to_owned())),
            }
        }
    }
    if draws {
        imported.general(
            "percentages and variants: the hash of the other system differs from process to process, and \
             here users are drawn by `xxh3-v1`, so that other users are in",
        );
    }
    Ok(imported)
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("its value is no JSON: {error}"))
}

/// The settings that an object says.
fn flag(key: &str, object: &Map<String, Value>, imported: &mut Imported) -> Map<String, Value> {
    let plain = |name: &str| Some((name.to_owned(), object.get(name)?.clone()));
    let mut settings: Map<_, _> = PLAIN.into_iter().filter_map(plain).collect();
    if let Some(variants) = object.get("variants") {
        settings.insert("variants".to_owned(), variants.clone());
    }
    rollout(key, object, &mut settings, imported);
    for (name, value) in object {
        let note = match name.as_str() {
            "variants" | "rollout_stages" | "rollout_started" | "stage_started"
            | "current_stage" => continue,
            "type" if value == "experiment" && object.contains_key("variants") => continue,
            "rolled_back_at" if value.is_null() => continue,
            "rolled_back_at" => {
                format!("it was rolled back at {}", instant(value).unwrap_or_default())
            }
            name if PLAIN.contains(&name) => continue,
            name => format!("not imported: `{name}`, which is {value}"),
        };
        imported.note(key, note);
    }
    settings
}

/// The stages, and where they stand. There, `advance` of a job moves a rollout on; here it moves on by
/// itself.
fn rollout(
    key: &str,
    object: &Map<String, Value>,
    settings: &mut Map<String, Value>,
    imported: &mut Imported,
) {
    let list = object.get("rollout_stages").and_then(Value::as_array);
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        for name in ["rollout_started", "stage_started", "current_stage"] {
            if let Some(value) = object.get(name).filter(|value| !value.is_null()) {
                imported
                    .note(key, format!("not imported: `{name}`, which is {value}, without stages"));
            }
        }
        return;
    };
    let last = list.len() - 1;
    let stages: Vec<_> = list
        .iter()
        .enumerate()
        .map(|(index, stage)| {
            let mut members = Map::new();
            members.insert("percentage".to_owned(), stage["percentage"].clone());
            match stage["duration_hours"].as_f64() {
                Some(hours) if index < last => {
                    members.insert("for".to_owned(), duration(hours).into());
                }
                Some(_) => {}
                // It stays there until somebody advances it.
                None if index < last => drop(members.insert("auto".to_owned(), false.into())),
                None => {}
            }
            Value::Object(members)
        })
        .collect();
    let current = object.get("current_stage").and_then(Value::as_u64).unwrap_or(0);
    let percentage = list.get(current as usize).map(|stage| &stage["percentage"]);
    if let Some(own) = settings.remove("percentage")
        && percentage.and_then(Value::as_f64) != own.as_f64()
    {
        imported.note(
            key,
            format!("its percentage of {own} is left out, as it is not that of its stage"),
        );
    }
    let mut rollout = Map::new();
    rollout.insert("stages".to_owned(), stages.into());
    let rolled_back = object.get("rolled_back_at").is_some_and(|at| !at.is_null());
    if rolled_back {
        imported
            .note(key, "its rollout was rolled back, so that it is one that has not been started");
    } else if let Some(started) = object.get("rollout_started").and_then(instant) {
        rollout.insert("start".to_owned(), started.into());
        rollout.insert("stage".to_owned(), json!(current + 1));
        // A rollout in its first stage has no other start, and one that was started again keeps an old one.
        let stage = object.get("stage_started").and_then(instant).filter(|_| current > 0);
        if let Some(stage) = stage.or_else(|| object.get("rollout_started").and_then(instant)) {
            rollout.insert("stage_started".to_owned(), stage.into());
        }
        imported.note(key, "its rollout goes on by itself here, without a job that advances it");
    } else {
        imported.note(
            key,
            "its rollout has not been started: it reaches nobody until it is, whatever its percentage was",
        );
    }
    settings.insert("rollout".to_owned(), rollout.into());
}

/// Seconds since 1970, to the second.
fn instant(value: &Value) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite())?;
    let instant = Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()?;
    instant.round(Unit::Second).ok().map(|instant| instant.to_string())
}

fn duration(hours: f64) -> String {
    let seconds = (hours * 3_600.0).round() as u64;
    match (seconds % 3_600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3_600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{notes, settings};

    /// Byte for byte what the other system stores.
    const FIXTURE: &str = include_str!("../../../../tests/cli/transcripts/import.in/article.txt");

    #[test]
    fn what_the_keys_say_is_said_here() {
        let imported = article(FIXTURE).unwrap();

        assert_eq!(
            settings(&imported, "new_search"),
            json!({
                "enabled": true,
                "allowed_users": ["internal_tester_1"],
                "allowed_groups": ["employees"],
                "percentage": 10,
            })
        );
        assert_eq!(
            settings(&imported, "pricing_page"),
            json!({
                "enabled": true,
                "variants": { "control": 34, "higher_price": 33, "lower_price": 33 },
            })
        );
        assert_eq!(
            settings(&imported, "ro"),
            json!({
                "enabled": true,
                "rollout": {
                    "start": "2026-11-21T02:42:49Z",
                    "stages": [{ "percentage": 1, "for": "2h" }, { "percentage": 100 }],
                    "stage": 1,
                    "stage_started": "2026-11-21T02:42:49Z",
                },
            })
        );
        assert_eq!(
            settings(&imported, "rolled_back"),
            json!({
                "enabled": false,
                "rollout": { "stages": [{ "percentage": 1, "for": "2h" }, { "percentage": 100 }] },
            })
        );
        assert!(
            notes(&imported, "rolled_back")
                .iter()
                .any(|note| note.contains("2026-11-21T02:42:49Z"))
        );
        assert_eq!(imported.left_out, 0);
    }

    #[test]
    fn nothing_is_dropped_without_a_word() {
        let text = r#"{
            "ff:a": {"enabled": true, "colour": "red"},
            "ff:b": "{\"percentage\": NaN}",
            "ff:c": null,
            "ff:d": 1,
            "ff:e": {"percentage": 200}
        }"#;

        let imported = article(text).unwrap();

        assert_eq!(notes(&imported, "a"), ["not imported: `colour`, which is \"red\""]);
        for key in ["b", "c", "d", "e"] {
            assert_eq!(notes(&imported, key).len(), 1, "{key}");
        }
        assert_eq!((imported.left_out, imported.flags.len()), (3, 1));
        assert!(article("{").is_err());
        assert_eq!(article("ff:a\n").unwrap().left_out, 1);
    }
}
