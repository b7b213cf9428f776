//! A JSON object per flag, in Redis keys such as `ff:new_search`.

use std::time::Duration;

use flagstaff::text as shown;
use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::{Imported, known};
use crate::{failure::Failure, paste, text};

/// The members that are taken over as they are.
const PLAIN: [&str; 5] = ["enabled", "percentage", "allowed_users", "allowed_groups", "variants"];
/// The members with the progress of a rollout.
const PROGRESS: [&str; 3] = ["rollout_started", "stage_started", "current_stage"];
/// The others that are known.
const OTHERS: [&str; 3] = ["type", "rollout_stages", "rolled_back_at"];

/// Flags as one JSON object by key, or as lines of a key and its value.
pub(crate) fn article(text: &str, prefix: &str) -> Result<Imported, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let mut imported = Imported::default();
    let mut draws = false;
    let mut other_prefix = false;
    let mut add = |key: &str, value: Result<Value, String>| {
        let name = key.strip_prefix(prefix).and_then(|name| name.strip_prefix(':'));
        other_prefix |= name.is_none() && key.contains(':');
        let key = name.unwrap_or(key);
        match value {
            Ok(Value::Object(object)) if object.is_empty() => {
                imported.note(key, "it is empty, which is not a flag");
            }
            Ok(Value::Object(object)) => match flag(key, &object) {
                Ok(Flag { settings, notes }) => {
                    draws |= ["percentage", "rollout", "variants"]
                        .iter()
                        .any(|it| settings.contains_key(*it));
                    notes.into_iter().for_each(|note| imported.note(key, note));
                    imported.add(key, &settings);
                }
                Err(why) => imported.leave_out(key, &why),
            },
            Ok(Value::Null) => imported.note(key, "it is null, which is not a flag"),
            Ok(_) => imported.leave_out(key, "its value is not a JSON object"),
            Err(error) => imported.leave_out(key, &error),
        }
    };
    if text.trim_start().starts_with('{') {
        let all: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Failure::usage(format!(
                "this is not a JSON object of flags: {}",
                text::json_problem(&error)
            ))
        })?;
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
                None => add(line, Err("there is no value after the key".to_owned())),
            }
        }
    }
    if other_prefix {
        imported.general(format!(
            "keys that do not begin with `{prefix}:` are names as they are: `--key-prefix` names \
             another prefix"
        ));
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
    serde_json::from_str(text)
        .map_err(|error| format!("its value is not JSON: {}", text::json_problem(&error)))
}

/// The settings of an object, and notes on those that differ here.
#[derive(Debug, Default)]
struct Flag {
    settings: Map<String, Value>,
    notes: Vec<String>,
}

impl Flag {
    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// Returns the settings of an object, or the reason why it has to be left out.
fn flag(key: &str, object: &Map<String, Value>) -> Result<Flag, String> {
    known(object, &[&PLAIN[..], &PROGRESS, &OTHERS].concat())?;
    let mut flag = Flag::default();
    for name in PLAIN {
        match object.get(name) {
            // Here a null would count as a missing setting, and a flag without settings is on for all users.
            Some(Value::Null) => return Err(format!("its `{name}` is null")),
            Some(value) => drop(flag.settings.insert(name.to_owned(), value.clone())),
            None => {}
        }
    }
    let is_experiment = match object.get("variants") {
        None => false,
        Some(Value::Object(weights)) if weights.values().all(Value::is_number) => true,
        Some(other) => return Err(format!("its `variants` are {other}, and not weights")),
    };
    match object.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "experiment" && is_experiment => {}
        Some(other) => return Err(format!("its `type` is {other}, which is not known here")),
    }
    rollout(key, object, &mut flag)?;
    if let Some(at) = object.get("rolled_back_at").filter(|at| !at.is_null()) {
        flag.note(format!("it was rolled back at {}", instant(at).unwrap_or(at.to_string())));
    }
    Ok(flag)
}

/// Returns the rollout with its progress. In the other system, a job advances rollouts; here the clock would.
fn rollout(key: &str, object: &Map<String, Value>, flag: &mut Flag) -> Result<(), String> {
    let given = |name: &str| object.get(name).filter(|value| !value.is_null());
    let list = match given("rollout_stages") {
        None => &[],
        Some(Value::Array(list)) => &list[..],
        Some(other) => {
            return Err(format!("its `rollout_stages` are {other}, which is not a list"));
        }
    };
    let Some(last) = list.len().checked_sub(1) else {
        for (name, value) in PROGRESS.iter().filter_map(|name| Some((name, given(name)?))) {
            flag.note(format!("not imported: `{name}`, which is {value}, without stages"));
        }
        return Ok(());
    };
    let stages = list.iter().enumerate();
    let stages: Vec<_> =
        stages.map(|(index, it)| stage(it, index == last)).collect::<Result<_, _>>()?;
    let current = match given("current_stage") {
        None => 0,
        Some(number) => {
            let place = number.as_u64();
            place.ok_or_else(|| {
                format!("its `current_stage` is {number}, which is not a place in a list")
            })?
        }
    };
    let mut rollout = Map::new();
    rollout.insert("stages".to_owned(), stages.into());
    let began = given("rollout_started").and_then(instant);
    if given("rolled_back_at").is_some() {
        flag.note("its rollout was rolled back, so it counts as not started");
        flag.settings.remove("percentage");
    } else if let Some(began) = began {
        // The other system evaluates `percentage` alone: its job sets it, and so do users who stop a
        // // rollout by hand.
        let share = flag.settings.get("percentage").map_or(Some(100.0), Value::as_f64);
        if share != list.get(current as usize).and_then(|stage| stage["percentage"].as_f64()) {
            flag.note(
                "its stages are left out: its `percentage` applies, and not that of its stage",
            );
            return Ok(());
        }
        flag.settings.remove("percentage");
        // A rollout in its first stage has no other start, and one that was started again keeps an old one.
        let stage = given("stage_started").filter(|_| current > 0).and_then(instant);
        let stage = stage.unwrap_or_else(|| began.clone());
        rollout.insert("start".to_owned(), began.into());
        rollout.insert("stage".to_owned(), json!(current + 1));
        rollout.insert("stage_started".to_owned(), stage.clone().into());
        rollout.insert("paused_at".to_owned(), stage.into());
        flag.note(format!(
            "its rollout is paused here, since the clock advances rollouts here, and no job does: {} resumes it",
            paste::command("rollout resume", &text::word(key))
        ));
    } else {
        flag.note(
            "its rollout has not been started: it reaches no users until it is started, whatever its percentage was",
        );
        flag.settings.remove("percentage");
    }
    flag.settings.insert("rollout".to_owned(), rollout.into());
    Ok(())
}

fn stage(value: &Value, is_last: bool) -> Result<Value, String> {
    let object =
        value.as_object().ok_or_else(|| format!("its stage {value} is not a JSON object"))?;
    known(object, &["percentage", "duration_hours"])?;
    let share = object.get("percentage").filter(|share| share.is_number());
    let share = share.ok_or_else(|| format!("its stage {value} has no percentage"))?;
    let mut members = Map::new();
    members.insert("percentage".to_owned(), share.clone());
    let hours = object.get("duration_hours").filter(|hours| !hours.is_null());
    let hours = hours.map(|hours| hours.as_f64().filter(|hours| *hours > 0.0).ok_or(hours));
    match hours.transpose().map_err(|hours| format!("its stage lasts {hours} hours"))? {
        _ if is_last => {}
        Some(hours) => drop(members.insert("for".to_owned(), duration(hours).into())),
        // The rollout stays at its stage until a user advances it.
        None => drop(members.insert("auto".to_owned(), false.into())),
    }
    Ok(members.into())
}

/// Seconds since 1970, to the second.
fn instant(value: &Value) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite())?;
    let instant = Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()?;
    let instant = instant.round(Unit::Second).ok()?;
    Some(shown::instant(instant.try_into().ok()?))
}

fn duration(hours: f64) -> String {
    shown::duration(Duration::from_secs((hours * 3_600.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{notes, settings};

    /// Byte for byte what the other system stores.
    const FIXTURE: &str = include_str!("../../../../tests/cli/transcripts/import.in/article.txt");

    #[test]
    fn each_member_of_a_key_is_imported() {
        let imported = article(FIXTURE, "ff").unwrap();

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
                    "paused_at": "2026-11-21T02:42:49Z",
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
    fn everything_that_is_not_imported_is_reported() {
        let text = r#"{
            "ff:a": {"enabled": true, "rollout_started": 1795228969.0},
            "ff:b": "{\"percentage\": NaN}",
            "ff:c": null,
            "ff:d": 1,
            "ff:e": {"percentage": 200},
            "ff:f": {}
        }"#;

        let imported = article(text, "ff").unwrap();

        for key in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(notes(&imported, key).len(), 1, "{key}");
        }
        assert_eq!((imported.left_out, imported.flags.len()), (3, 1));
        assert!(article("{", "ff").is_err());
        assert_eq!(article("ff:a\n", "ff").unwrap().left_out, 1);
    }

    #[test]
    fn a_flag_that_says_what_is_not_known_is_left_out() {
        for value in [
            r#"{"enabled": true, "colour": "red"}"#,
            r#"{"enabled": null}"#,
            r#"{"percentage": null}"#,
            r#"{"enabled": true, "type": "kill"}"#,
            r#"{"enabled": true, "type": "experiment"}"#,
            r#"{"enabled": true, "variants": {"a": {"weight": 1, "country": "DE"}}}"#,
            r#"{"enabled": true, "rollout_stages": {}}"#,
            r#"{"enabled": true, "rollout_stages": [1]}"#,
            r#"{"enabled": true, "rollout_stages": [{"percentage": 1, "country": "DE"}]}"#,
            r#"{"enabled": true, "rollout_stages": [{"percentage": null}]}"#,
            r#"{"rollout_stages": [{"percentage": 1, "duration_hours": "2"}, {"percentage": 5}]}"#,
            r#"{"rollout_stages": [{"percentage": 1}], "current_stage": "0"}"#,
        ] {
            let imported = article(&format!("ff:a {value}"), "ff").unwrap();

            assert_eq!((imported.left_out, imported.flags.len()), (1, 0), "{value}");
            assert!(notes(&imported, "a")[0].starts_with("left out: "), "{value}");
        }
    }

    /// The stages are only what a job goes by.
    #[test]
    fn the_percentage_counts_and_not_the_stage() {
        let rollout = |share: &str| {
            let started =
                r#""rollout_stages": [{"percentage": 25}], "rollout_started": 1795228969"#;
            let imported = article(&format!(r#"ff:a {{"enabled": true, {share}{started}}}"#), "ff");
            let imported = imported.unwrap();
            assert_eq!((imported.left_out, notes(&imported, "a").len()), (0, 1), "{share}");
            settings(&imported, "a")
        };

        assert_eq!(rollout(r#""percentage": 5, "#), json!({ "enabled": true, "percentage": 5 }));
        assert_eq!(rollout(""), json!({ "enabled": true }));
        let stages = &rollout(r#""percentage": 25, "#)["rollout"]["stages"];
        assert_eq!(*stages, json!([{ "percentage": 25 }]));
    }

    #[test]
    fn a_name_may_have_a_colon() {
        let imported = article("ff:a:b {\"enabled\": true}", "ff").unwrap();
        assert_eq!((&*imported.flags[0].0, imported.notes.len()), ("a:b", 0));

        let imported = article("flags:a {\"enabled\": true}", "flags").unwrap();
        assert_eq!((&*imported.flags[0].0, imported.notes.len()), ("a", 0));

        let imported = article("flags:a {\"enabled\": true}", "ff").unwrap();
        assert_eq!(imported.flags[0].0, "flags:a");
        assert!(imported.notes[0].text.contains("--key-prefix"));
    }
}
