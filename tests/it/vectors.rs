//! The published vectors of buckets, rollouts, rules, off flags, environments, served variants, and all words together,
//! through the whole library.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Env, Flags, Memory, Percentage, Reason,
    answer::Cause,
    definition::{
        Condition, Diagnostics, Entry, FlagsFile, Rollout, Rule, Serve, Setting, Stage, Variant,
        Variants, Weight, from_json,
    },
};
use serde_json::{Value, json};

use crate::support::{flags, root};

#[test]
fn every_row_is_in_or_out_as_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/bucketing.json")).unwrap();
    let rows = vectors["percentages"].as_array().unwrap();
    assert!(rows.len() >= 300);

    for row in rows.iter().filter(|row| row["purpose"] == "rollout") {
        let flag = row["flag"].as_str().unwrap();
        let percentage = row["percentage"].as_str().unwrap();
        let mut definition =
            Definition::new().percentage(percentage.parse::<flagstaff::Percentage>().unwrap());
        if let Some(salt) = row["salt"].as_str() {
            definition = definition.salt(salt);
        }
        let flags = Flags::for_test().with(flag, definition).start();

        let on = flags.is_enabled(flag, &Context::user(row["key"].as_str().unwrap()));

        assert_eq!(on, row["in"], "{row}");
    }
}

#[test]
fn every_row_is_served_the_variant_that_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/bucketing.json")).unwrap();
    let rows = vectors["variants"].as_array().unwrap();
    assert!(rows.len() >= 250);

    for row in rows {
        let weights = row["weights"].as_array().unwrap().iter().enumerate();
        let variants: Variants = weights
            .map(|(index, weight)| {
                let weight: u64 = weight.as_str().unwrap().parse().unwrap();
                let text = format!("{}.{:04}", weight / 10_000, weight % 10_000);
                (index.to_string(), text.parse::<Weight>().unwrap())
            })
            .collect();
        let mut definition = Definition::new().variants(variants);
        if let Some(salt) = row["salt"].as_str() {
            definition = definition.salt(salt);
        }
        let flag = row["flag"].as_str().unwrap();
        let flags = Flags::for_test().with(flag, definition).start();

        let served = flags.variant(flag, &Context::user(row["key"].as_str().unwrap()), "none");

        assert_eq!(served.value, row["index"].to_string(), "{row}");
    }
}

fn time(seconds: &Value) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.as_u64()?))
}

fn percentage(text: &Value) -> Percentage {
    text.as_str().unwrap().parse().unwrap()
}

fn setting<T>(value: Option<T>) -> Setting<T> {
    value.map_or(Setting::Inherit, Setting::Set)
}

fn rollout(row: &Value) -> Rollout {
    let stages = row["stages"].as_array().unwrap().iter().map(|row| {
        let mut stage = Stage::new(percentage(&row["percentage"]));
        stage.duration = row["for"].as_u64().map(Duration::from_secs);
        stage.at = time(&row["at"]);
        stage.auto = row["auto"] != false;
        stage
    });
    let mut rollout = Rollout::new(stages);
    rollout.start = setting(time(&row["start"]));
    rollout.stage = setting(row["stage"].as_u64().map(|stage| stage.try_into().unwrap()));
    rollout.stage_started = setting(time(&row["stage_started"]));
    rollout.paused_at = setting(time(&row["paused_at"]));
    rollout
}

#[test]
fn every_rollout_stands_where_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/rollouts.json")).unwrap();
    let rows = vectors["rollouts"].as_array().unwrap();
    assert!(rows.len() >= 100);

    for row in rows {
        let (flag, now) = (row["flag"].as_str().unwrap(), time(&row["now"]).unwrap());
        let rollout = rollout(&row["rollout"]);
        let flags = Flags::for_test().with(flag, Definition::new().rollout(rollout.clone()));

        let progress = rollout.at(now).unwrap();
        let user = Context::user(row["key"].as_str().unwrap());
        let on = flags.at(now).start().is_enabled(flag, &user);

        assert_eq!(progress.stage, row["stage"], "{row}");
        assert_eq!(progress.percentage, percentage(&row["percentage"]), "{row}");
        assert_eq!(progress.status.as_str(), row["status"], "{row}");
        assert_eq!(progress.since, time(&row["since"]), "{row}");
        assert_eq!(progress.due, time(&row["due"]), "{row}");
        assert_eq!(progress.next_boundary(), time(&row["next"]), "{row}");
        assert_eq!(on, row["in"], "{row}");
    }
}

fn rule_vectors(section: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/rules.json")).unwrap();
    let rows = vectors[section].as_array().unwrap();
    assert!(rows.len() >= 100);
    rows.clone()
}

/// The settings that are dates, which JSON has as strings.
const DATES: [&str; 5] = ["created", "expires", "from", "until", "at"];

/// JSON as TOML writes it on one line. Variants are a list of their names with weights and values, and a split is one of
/// names with weights.
fn toml(json: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match json {
        Value::Array(list) if list.iter().all(|it| it[1].is_number()) && !list.is_empty() => {
            let arms = list.iter().map(|arm| match arm.get(2) {
                None => format!("{} = {}", arm[0], arm[1]),
                Some(value) => format!("{} = {{ weight = {}, value = {value} }}", arm[0], arm[1]),
            });
            format!("{{ {} }}", joined(arms.collect()))
        }
        Value::Array(list) => format!("[{}]", joined(list.iter().map(toml).collect())),
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                // These vectors use `share` as an attribute. It is a word of conditions now.
                let prefix = if key == "share" { "attributes." } else { "" };
                let value = match value.as_str() {
                    Some(date) if DATES.contains(&key.as_str()) => date.to_owned(),
                    _ => toml(value),
                };
                format!("{prefix}{} = {value}", Value::from(key.clone()))
            };
            format!("{{ {} }}", joined(table.iter().map(entry).collect()))
        }
        scalar => scalar.to_string(),
    }
}

fn attribute(json: &Value) -> flagstaff::answer::Value<'static> {
    match json {
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(list) => list.iter().map(attribute).collect(),
        Value::Object(table) => {
            table.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
        }
        Value::Null => panic!("no attribute is null"),
    }
}

/// The context of a row.
pub(crate) fn who(json: &Value) -> Context<'static> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let context = match &json["targeting_key"] {
        Value::Null => Context::anonymous(),
        user => Context::user(text(user)),
    };
    let groups = json["groups"].as_array().into_iter().flatten();
    let context = context.groups(groups.map(text));
    let attributes = json["attributes"].as_object().into_iter().flatten();
    attributes
        .fold(context, |context, (name, value)| context.attribute(name.clone(), attribute(value)))
}

#[test]
fn every_condition_holds_as_the_vectors_say() {
    for row in rule_vectors("conditions") {
        let when = toml(&row["when"]);
        let mut file = format!(
            "[flags]\nyes.rules = [{{ when = {when}, serve = false }}]\n\
             no.rules = [{{ when = {{ not = {when} }}, serve = false }}]\n[segments]\n"
        );
        for (name, when) in row["segments"].as_object().into_iter().flatten() {
            file += &format!("{name}.when = {}\n", toml(when));
        }
        let flags = flags(&file);
        let context = who(&row["context"]);
        let matches = |flag: &str| !flags.is_enabled(flag, &context);

        let holds = match (matches("yes"), matches("no")) {
            (true, false) => Value::Bool(true),
            (false, true) => Value::Bool(false),
            (false, false) => Value::Null,
            (true, true) => panic!("true and false: {row}"),
        };

        assert_eq!(holds, row["holds"], "{row}");
    }
}

#[test]
fn every_row_is_served_what_the_vectors_say() {
    for row in rule_vectors("rules") {
        let flag = row["flag"].as_str().unwrap();
        let mut file = format!("[flags.{flag}]\nrules = {}\n", toml(&row["rules"]));
        let variants = row["variants"].as_array().cloned().unwrap_or_default();
        for (index, name) in variants.iter().enumerate() {
            // Users for whom no rule decides get the first variant.
            file += &format!("variants.{name} = {}\n", usize::from(index == 0));
        }
        let flags = flags(&file);
        let context = who(&row["context"]);

        let answer = flags.boolean(flag, &context, false);

        let rule = match answer.cause {
            Cause::Rule(rule) | Cause::RuleSplit(rule) => Value::from(rule),
            // The context has no unit to draw by.
            Cause::NoTargetingKey | Cause::NoUnit(_) => row["rule"].clone(),
            _ => Value::Null,
        };
        assert_eq!(rule, row["rule"], "{row}");
        assert_eq!(answer.value, row["on"], "{row}");
        assert_eq!(answer.reason == Reason::Split, row["drawn"], "{row}");
        if !variants.is_empty() {
            let variant = row["variant"].as_str().unwrap_or("control");
            assert_eq!(flags.variant(flag, &context, "none").value, variant, "{row}");
        }
    }
}

fn off_vectors() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/off.json")).unwrap();
    let rows = vectors["off"].as_array().unwrap();
    assert!(rows.len() >= 200);
    rows.clone()
}

fn with_variants(row: &Value) -> Definition {
    let variants = row["variants"].as_array().unwrap().iter().map(|row| {
        let weight = u32::try_from(row[1].as_u64().unwrap()).unwrap();
        let variant = Variant::new().weight(weight);
        let variant = match &row[2] {
            Value::Null => variant,
            value => variant.value(attribute(value)),
        };
        (row[0].as_str().unwrap(), variant)
    });
    let definition = Definition::new().variants(variants.collect::<Variants>());
    match row["off"].as_str() {
        Some(off) => definition.off(off),
        None => definition,
    }
}

#[tokio::test]
async fn an_off_flag_serves_what_the_vectors_say() {
    for row in off_vectors() {
        let definition = with_variants(&row);
        let variants = definition.rare().variants.value().unwrap();
        let off = variants.names().filter(|name| variants.counts_as_off(name));
        assert_eq!(json!(off.collect::<Vec<_>>()), row["counts_as_off"], "{row}");
        assert_eq!(json!(definition.off_variant()), row["off_variant"], "{row}");

        let flags = Flags::for_test().with("f", definition.enabled(false)).start();

        let ana = Context::user("ana");
        let served = row["off_variant"].as_str().unwrap_or("the caller's");
        assert_eq!(flags.variant("f", &ana, "the caller's").value, served, "{row}");
        assert!(!flags.boolean("f", &ana, true).value, "{row}");
    }
}

/// Returns the flag of a row, for which the step of that row decides.
fn decided_by(row: &Value) -> Definition {
    let mut flag = with_variants(row)
        .traffic(Percentage::whole(row["traffic"].as_u64().unwrap() as u32).unwrap());
    if row["variants"].as_array().unwrap().is_empty() {
        flag.rare_mut().variants = Setting::Inherit;
    }
    if let Some(serve) = row["serve"].as_str() {
        flag = flag.serve(serve);
    }
    if let Some(value) = row["value"].as_i64() {
        flag = flag.value(value);
    }
    let way = row["way"].as_str().unwrap();
    let rule = |serve| Rule::new(Condition::All(Vec::new()), serve);
    match way.split_once(':').unwrap_or((way, "")) {
        ("allowed", _) => flag.percentage(Percentage::ZERO).allowed_users(["ana"]),
        ("denied", _) => flag.denied_users(["ana"]),
        ("killed", _) => flag.enabled(false),
        ("rule", "on") => flag.rules([rule(Serve::On)]),
        ("rule", name) => flag.rules([rule(Serve::Variant(name.to_owned()))]),
        // A forced value has to lift these settings.
        ("forced", _) => flag.percentage(Percentage::ZERO).rules([rule(Serve::Off)]),
        _ => flag,
    }
}

#[tokio::test]
async fn a_flag_serves_what_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/served.json")).unwrap();
    let rows = vectors["served"].as_array().unwrap();
    assert!(rows.len() >= 500);

    for row in rows {
        let forced = row["way"].as_str().and_then(|way| way.strip_prefix("forced:"));
        let env = Env::with_prefix("X_").variables(forced.map(|text| ("X_F", text)));
        let declared = Memory::new().with("f", decided_by(row));
        let flags = Flags::builder().source(env).source(declared).start().await.unwrap();

        let explanation = flags.explain("f", &Context::user("ana"));

        let served = explanation.served.as_ref().map(|served| json!(served.value));
        let found = json!({
            "on": explanation.answer.value,
            "variant": explanation.answer.variant,
            "value": served,
        });
        assert_eq!(found, row["answer"], "{row}\n{explanation}");
        assert_eq!(flags.is_enabled("f", &Context::user("ana")), row["answer"]["on"], "{row}");
    }
}

#[tokio::test]
async fn a_flag_that_is_forced_on_serves_what_the_vectors_say() {
    for row in off_vectors() {
        let declared = Memory::new().with("f", with_variants(&row));
        let store = Memory::new().with("f", true);
        let flags = Flags::builder().source(store).source(declared).start().await.unwrap();
        let expected: Vec<_> = row["forced_on"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();

        let users = (0..50).map(|user| Context::user(format!("user-{user}")));
        let mut served = BTreeSet::new();
        for user in users {
            assert_eq!(flags.is_enabled("f", &user), !expected.is_empty(), "{row}");
            served.insert(flags.variant("f", &user, "none").value);
        }

        if !expected.is_empty() {
            assert_eq!(served, expected.into_iter().collect(), "{row}");
        }
        assert_eq!(flags.warnings().is_empty(), !row["forced_on"][0].is_null(), "{row}");
    }
}

fn linked_vectors() -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../vectors/linked.json")).unwrap();
    assert!(rows.len() >= 100);
    rows
}

#[test]
fn every_flag_that_depends_on_others_is_what_the_vectors_say() {
    for row in linked_vectors() {
        let definitions = row["flags"].as_object().unwrap().iter().map(|(name, flag)| {
            let flag = from_json(name, flag.to_string()).expect("a flag");
            (name.clone(), flag)
        });
        let source = definitions.fold(Memory::new(), |memory, (name, it)| memory.with(name, it));
        let flags = Flags::builder().source(source).start_blocking().unwrap();
        let context = who(&json!({ "attributes": row["attributes"] }));

        for (name, on) in row["on"].as_object().unwrap() {
            let explanation = flags.explain(name, &context);

            assert_eq!(flags.is_enabled(name, &context), *on, "{name}: {row}");
            assert_eq!(explanation.answer, flags.boolean(name, &context, false), "{name}: {row}");
        }
    }
}

#[test]
fn tests_of_a_file_answer_what_the_vectors_say() {
    for row in linked_vectors() {
        let mut text = "[flags]
"
        .to_owned();
        for (name, flag) in row["flags"].as_object().unwrap() {
            let mut flag = flag.clone();
            flag["tests"] = json!([{ "expect": row["on"][name], "attributes": row["attributes"] }]);
            text += &format!(
                "{name} = {}
",
                toml(&flag)
            );
        }

        let run = FlagsFile::parse("flags.toml", &text).test(SystemTime::UNIX_EPOCH);

        assert_eq!(run.results().len(), row["on"].as_object().unwrap().len(), "{text}");
        assert!(
            run.passed(),
            "{text}
{}",
            run.diagnostics()
        );
    }
}

#[tokio::test]
async fn a_flag_is_in_an_environment_what_the_vectors_say() {
    let vectors: Value =
        serde_json::from_str(include_str!("../vectors/environments.json")).unwrap();
    let rows = vectors["environments"].as_array().unwrap();
    assert!(rows.len() >= 200);
    let mut started: Option<(&str, Flags)> = None;

    for row in rows {
        let text = row["file"].as_str().unwrap();
        if started.as_ref().is_none_or(|(of, _)| *of != text) {
            let file = FlagsFile::parse("flags.toml", text).in_environment("staging").unwrap();
            assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
            let flags = file.flags().iter().fold(Memory::new(), |memory, (key, flag)| {
                memory.with(key, Entry::Definition(flag.clone()))
            });
            started = Some((text, Flags::builder().source(flags).start().await.unwrap()));
        }
        let (_, flags) = started.as_ref().unwrap();
        let context = match row["user"].as_str() {
            Some(user) => Context::user(user),
            None => Context::anonymous(),
        };

        let (is_on, variant) =
            (flags.is_enabled("f", &context), flags.variant("f", &context, "none").value);

        assert_eq!(json!(is_on), row["on"], "{row}");
        assert_eq!(variant, row["variant"].as_str().unwrap_or("none"), "{row}");
    }
}

/// The rows of flags with all words of the language.
pub(crate) fn word_vectors() -> Vec<Value> {
    let rows = fs::read_to_string(root().join("tests/vectors/words.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    assert!(rows.len() >= 400);
    rows
}

/// The answers of the library to a row of [`word_vectors`], or the problems of its file.
pub(crate) fn word_answers(row: &Value) -> Result<Value, Diagnostics> {
    let lines = |table: &Value| {
        let entries = table.as_object().into_iter().flatten();
        entries.map(|(name, entry)| format!("{name} = {}\n", toml(entry))).collect::<String>()
    };
    let mut text =
        format!("[segments]\n{}[flags]\n{}", lines(&row["segments"]), lines(&row["flags"]));
    if row["environment"].is_object() {
        text += &format!("[environments.staging]\n{}", lines(&row["environment"]));
    }
    let file = FlagsFile::parse("flags.toml", &text);
    if file.diagnostics().has_errors() {
        return Err(file.diagnostics().clone());
    }
    let file = match row["environment"].is_object() {
        true => file.in_environment("staging").unwrap(),
        false => file,
    };
    let source = file.flags().iter().fold(Memory::new(), |memory, (key, flag)| {
        memory.with(key, Entry::Definition(flag.clone()))
    });
    let now = "2026-11-21T00:00:00Z".parse::<jiff::Timestamp>().unwrap().try_into().unwrap();
    let flags = Flags::builder().source(source).clock(move || now).start_blocking().unwrap();
    let context = who(&row["context"]);

    let answer = |name: &String| {
        let explanation = flags.explain(name, &context);
        assert_eq!(flags.is_enabled(name, &context), explanation.answer.value, "{name}: {row}");
        let value = explanation.served.as_ref().map(|served| json!(served.value));
        let answer = explanation.answer;
        json!({ "on": answer.value, "variant": answer.variant, "value": value })
    };
    let names = row["flags"].as_object().unwrap().keys();
    Ok(names.map(|name| (name.clone(), answer(name))).collect::<serde_json::Map<_, _>>().into())
}

#[test]
fn flags_with_all_words_answer_what_the_vectors_say() {
    for row in word_vectors() {
        let answers = word_answers(&row);

        let answers = answers.unwrap_or_else(|problems| panic!("{problems}\n{row}"));
        assert_eq!(answers, row["answers"], "{row}");
    }
}
