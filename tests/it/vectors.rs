//! The published vectors of buckets and rollouts, through the whole library.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Context, Definition, Flags, Percentage, Rollout, Setting, Stage, Variants, Weight,
};
use serde_json::Value;

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
