//! Definitions as JSON objects.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage,
    definition::{
        Active, BucketBy, Case, Comparison, Condition, Constant, Field, FlagsFile, InvalidJson,
        Metadata, MetadataValue, OnStale, Operator, Prerequisite, Rollout, Rule, Rules, Serve,
        Setting, Stage, UnknownKeys, Variant, Variants, Weight, from_json, from_json_object,
        merge_json, to_json,
    },
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::root;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    from_json("x", text).expect_err("a problem").problems().to_vec()
}

/// Checks a round trip through a map and through JSON text.
fn check_round_trip(definition: &Definition) {
    let object = to_json(definition);
    let text = Value::Object(object.clone()).to_string();

    assert_eq!(from_json_object("x", &object, UnknownKeys::Reject).as_ref(), Ok(definition));
    assert_eq!(from_json("x", &text).as_ref(), Ok(definition), "{text}");
}

#[test]
fn a_member_is_set_removed_or_left_to_lower_sources() {
    let definition = from_json("x", r#"{"percentage": 25, "denied_users": null}"#).unwrap();

    let mut expected = Definition::new().percentage(Percentage::whole(25).unwrap());
    expected.denied_users = Setting::Remove;
    assert_eq!(definition, expected);
    assert_eq!(from_json("x", "{}"), Ok(Definition::new()));
}

/// RFC 7396: `null` removes a member. It is not a value by itself.
#[tokio::test]
async fn null_removes_the_value_of_a_variant_and_is_a_value_nowhere() {
    let declared = r#"{"serve": "x", "variants": {"x": {"value": "X"}, "y": {"value": "Y"}}}"#;
    let patch = from_json("v", r#"{"variants": {"x": {"value": null}}}"#).unwrap();
    let flags = Flags::builder()
        .source(Memory::new().with("v", patch))
        .source(Memory::new().with("v", from_json("v", declared).unwrap()));

    let flags = flags.start().await.unwrap();

    // A variant without a value has its name as the value.
    assert_eq!(flags.string("v", &Context::anonymous(), "none").value, "x");
    let constant = from_json("v", r#"{"value": null}"#).unwrap();
    assert_eq!(constant.rare().value, Setting::Remove);
    for within in [
        json!({ "value": [null] }),
        json!({ "value": { "a": null } }),
        json!({ "variants": { "x": { "value": [null] } } }),
        json!({ "variants": { "x": { "value": { "a": null } } } }),
    ] {
        let [problem] = &problems(within.to_string())[..] else { panic!("{within}") };
        assert!(problem.contains("null"), "{within}: {problem}");
    }
}

#[test]
fn every_setting_can_be_removed() {
    let nulls = Field::ALL.iter().map(|field| (field.to_string(), Value::Null)).collect();

    let definition = from_json_object("x", &nulls, UnknownKeys::Reject).unwrap();

    assert!(definition.fields().eq(Field::ALL.iter().copied()));
    assert_eq!(to_json(&definition), nulls);
}

#[test]
fn every_flag_of_a_file_can_be_written_as_json() {
    let mut fields = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/data/ok")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for definition in FlagsFile::parse("flags.toml", &text).flags().values() {
            fields.extend(definition.fields());
            // Segments are expanded in JSON, and are not restored.
            match text.contains("[segments") {
                true => check_round_trip(
                    &from_json("x", Value::Object(to_json(definition)).to_string()).unwrap(),
                ),
                false => check_round_trip(definition),
            }
        }
    }

    assert!(fields.iter().eq(Field::ALL));
}

#[test]
fn a_unit_is_the_same_string_for_a_flag_and_for_a_rule() {
    for (text, unit) in [
        ("targeting_key", BucketBy::TargetingKey),
        ("request", BucketBy::Request),
        ("company.id", BucketBy::Attribute("company.id".to_owned())),
    ] {
        let rule = json!({"name": "r", "when": {}, "serve": "5%", "bucket_by": text});
        let object = object(json!({"bucket_by": text, "rules": [rule]}));

        let definition = from_json_object("x", &object, UnknownKeys::Reject).unwrap();

        assert_eq!(definition.rare().bucket_by, Setting::Set(unit.clone()));
        assert_eq!(definition.rare().rules.value().unwrap()[0].bucket_by, unit);
        check_round_trip(&definition);
        let written = to_json(&definition);
        assert_eq!(written["bucket_by"], text);
        // The default of a rule is not written.
        let said = written["rules"][0].get("bucket_by").and_then(Value::as_str);
        assert_eq!(said, Some(text).filter(|_| unit != BucketBy::TargetingKey));
    }
}

#[test]
fn members_are_written_in_the_order_of_the_documentation() {
    let definition = from_json("x", r#"{"enabled": true, "tags": ["b", "a"], "owner": "o"}"#);

    let text = Value::Object(to_json(&definition.unwrap())).to_string();

    assert_eq!(text, r#"{"owner":"o","tags":["b","a"],"enabled":true}"#);
}

#[test]
fn what_python_writes_is_read() {
    let text = r#"{"enabled": true, "percentage": 10, "allowed_users": ["internal_tester_1"], "allowed_groups": ["employees"], "owner": "M\u00fcller \ud83d\ude00"}"#;

    let definition = from_json("new_search", text).unwrap();

    let expected = Definition::new()
        .enabled(true)
        .percentage(Percentage::whole(10).unwrap())
        .allowed_users(["internal_tester_1"])
        .allowed_groups(["employees"])
        .owner("Müller 😀");
    assert_eq!(definition, expected);
}

#[test]
fn percentages_are_exact() {
    for (text, ten_thousandths) in [
        ("0.1", 1_000),
        ("10", 100_000),
        ("10.0", 100_000),
        ("1e1", 100_000),
        ("33.3333", 333_333),
        ("0.0001", 1),
        ("1E-4", 1),
        ("-0", 0),
        ("99.999900", 999_999),
        ("\"0.3%\"", 3_000),
    ] {
        let definition = from_json("x", format!(r#"{{"percentage": {text}}}"#)).unwrap();

        let percentage = definition.percentage.value().unwrap();
        assert_eq!(percentage.ten_thousandths(), ten_thousandths, "{text}");
    }
    for text in ["100.0001", "-1", "0.00001", "1e300", "99999999999999999999999999", "\"25\""] {
        let problems = problems(format!(r#"{{"percentage": {text}}}"#));

        assert!(problems[0].starts_with("invalid `percentage` in flag `x`: "), "{problems:?}");
    }
}

#[test]
fn dates_are_strings_in_json() {
    for (text, seconds) in [
        ("1970-01-02", 86_400),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01 00:00:01z", 1),
    ] {
        let definition = from_json("x", json!({"created": text}).to_string()).unwrap();

        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(definition.created, Setting::Set(time), "{text}");
    }
    for (value, why) in [
        (json!("2026-11-01T09:00:00"), "this time has no offset from UTC"),
        (json!("09:00:00"), "expected a date, found a time of day"),
        (json!("2026-02-30"), "expected a date, `2026-11-01`, or a time with an offset"),
        (json!("tomorrow"), "expected a date, `2026-11-01`, or a time with an offset"),
        (json!(""), "expected a date, `2026-11-01`, or a time with an offset"),
        (json!(1_795_228_969), "expected a date, found a number"),
    ] {
        let problems = problems(json!({"expires": value}).to_string());

        let expected = format!("invalid date `expires` in flag `x`: {why}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once_and_in_order() {
    let text = r#"{
        "enabeld": true, "percentage": true, "ownr": null, "denied_users": ["ana", 1],
        "owner": {"a": 1}, "stale_after": "soon", "on_stale": "open", "tags": ["a", null]
    }"#;

    let error = from_json("x", text).unwrap_err();

    insta::assert_snapshot!(error.problems().join("\n"), @r#"
    unknown key `enabeld` in flag `x`: not a flag setting (a setting with a similar name exists: `enabled`)
    wrong type for `percentage` in flag `x`: expected a number from 0 to 100 or a string such as `"25%"`, found a boolean
    unknown key `ownr` in flag `x`: not a flag setting (a setting with a similar name exists: `owner`)
    wrong type in list `denied_users` of flag `x`: expected a string, found a number
    wrong type for `owner` in flag `x`: expected a string, found an object
    invalid `stale_after` in flag `x`: not a length of time such as `"5m"`
    invalid `on_stale` in flag `x`: expected one of `keep`, `declared`, `on`, `off`, `unavailable`
    wrong type for `tags` in flag `x`: `null` is not allowed within this setting
    "#);
    assert_eq!(error.to_string(), error.problems().join("; "));
}

#[test]
fn no_message_about_json_uses_the_notation_of_toml() {
    let values =
        [json!(true), json!("yes"), json!("25"), json!(25), json!([1]), json!({"a": [{"b": 1.5}]})];
    let same = |field: &Field| values.clone().map(|value| json!({(field.as_str()): value}));
    let parts = [
        json!({"rules": [{"when": {}}]}),
        json!({"rules": [{"serve": true}]}),
        json!({"rules": [{"when": [], "serve": 25, "nam": 1}]}),
        json!({"rules": [{"when": {"any": {}}, "serve": "25%"}]}),
        json!({"rules": [{"when": {"plan": {}}, "serve": {"a": 0}, "name": ""}]}),
        json!({"rules": [{"when": {"plan": {"is": 1, "zzz": 1, "ignore_case": 1}}, "serve": true}]}),
        json!({"rules": [{"when": {"plan": {"matches": "("}}, "serve": {"a": true}}]}),
        json!({"rules": [{"when": {"seats": {"gt": {"a": 1}}}, "serve": []}]}),
        json!({"rules": [{"when": {"since": {"before": "soon"}}, "serve": "100.5%"}]}),
        json!({"rules": [{"when": {" ": 1, "segment": {}}, "serve": true}]}),
        json!({"rollout": {"start": 5, "stages": []}}),
        json!({"rollout": {"stages": [1, {"for": "2h"}, {"percentage": 1, "fro": "2h"}]}}),
        json!({"rollout": {"stages": [{"percentage": 1}, {"percentage": 100}], "stage": -1}}),
        json!({"active": {"from": "2026-11-02", "until": "2026-11-01"}}),
        json!({"active": {"from": "2026-11-02T09:00:00", "unitl": 1}}),
        json!({"variants": {"a": {"weight": "1", "vlaue": 1}, "b": -1, "c": true}}),
        json!({"variants": {"a": {"value": 1.5}, "b": {"value": {}}}}),
    ];
    let mut wrong = 0;
    for object in Field::ALL.iter().flat_map(same).chain(parts.clone()) {
        let Err(error) = from_json("x", object.to_string()) else {
            assert!(!parts.contains(&object), "{object}");
            continue;
        };

        wrong += 1;
        // This name contains a word of TOML.
        let text = error.to_string().replace("`testable`", "");
        for toml in [" = ", "[flags", "[segments", "[[", "table", "float", "integer"] {
            assert!(!text.contains(toml), "{text}");
        }
        assert!(error.problems().iter().all(|problem| !problem.ends_with(": ")), "{text}");
    }
    assert!(wrong > parts.len());
}

#[test]
fn variants_keep_their_order_and_can_be_removed() {
    let text = r#"{"variants":{"b":34,"a":{"weight":33.5,"value":1.5},"former":null,"c":{"weight":null}}}"#;

    let definition = from_json("x", text).unwrap();

    let mut without_weight = Variant::new();
    without_weight.weight = Setting::Remove;
    let expected = Variants::new()
        .with("b", 34)
        .with("a", Variant::new().weight("33.5".parse::<Weight>().unwrap()).value(1.5))
        .without("former")
        .with("c", without_weight);
    assert_eq!(definition, Definition::new().variants(expected));
    assert_eq!(Value::Object(to_json(&definition)).to_string(), text);
}

#[test]
fn conditions_are_written_as_people_write_them() {
    let text = json!({"rules": [
        {
            "name": "old iOS stays out",
            "when": {"os": "ios", "app_version": {"semver": "<5.2.0"}},
            "serve": false,
        },
        {
            "when": {"any": [{"plan": ["pro", "team"]}, {"not": {"email": {
                "ends_with": "@example.com", "ignore_case": true,
            }}}]},
            "serve": true,
        },
        {"name": "some", "when": {}, "serve": "0.5%", "bucket_by": "company.id"},
    ]})
    .to_string();

    let definition = from_json("x", &text).unwrap();

    assert_eq!(Value::Object(to_json(&definition)).to_string(), text);
}

#[test]
fn segments_are_written_out() {
    let file = FlagsFile::parse(
        "flags.toml",
        r#"
[flags.a]
rules = [{ when = { segment = "pros", country = "DE" }, serve = true }]
[segments.pros]
when = { plan = "pro", seats = { gt = 1 } }
"#,
    );

    let object = to_json(&file.flags()["a"]);

    let when = json!({"all": [{"plan": "pro"}, {"seats": {"gt": 1}}], "country": "DE"});
    assert_eq!(object["rules"][0]["when"], when);
    assert_eq!(
        problems(r#"{"rules": [{"when": {"segment": "pros"}, "serve": true}]}"#),
        ["unknown segment `pros` in flag `x`: not a segment \
          (segments of a flags.toml can be used in that file only)"]
    );
}

#[test]
fn a_patch_changes_what_it_names_and_leaves_the_rest_as_it_is_written() {
    let mut stored = object(json!({
        "note": [null], "percentage": 10.0, "owner": null, "tags": ["a"],
        "variants": {"a": 5, "b": 6},
    }));
    let mut patch = Definition::new().variants(Variants::from([("c", 7)]).without("a")).owner("o");
    patch.tags = Setting::Remove;

    merge_json("x", &mut stored, &patch).unwrap();

    let expected = r#"{"note":[null],"percentage":10.0,"owner":"o","tags":null,"variants":{"a":null,"b":6,"c":7}}"#;
    assert_eq!(Value::Object(stored).to_string(), expected);
    let mut bad = object(json!({"percentage": "ten"}));
    assert!(merge_json("x", &mut bad, &patch).is_err());
    assert_eq!(bad, object(json!({"percentage": "ten"})));
}

#[test]
fn unknown_keys_are_ignored_on_request() {
    let rollout = object(json!({
        "rollout_stages": [{"percentage": 1, "duration_hours": null}],
        "percentage": 1,
    }));

    let definition = from_json_object("ro", &rollout, UnknownKeys::Ignore);

    assert_eq!(definition, Ok(Definition::new().percentage(Percentage::whole(1).unwrap())));
    let error = from_json_object("ro", &rollout, UnknownKeys::Reject).unwrap_err();
    assert!(error.to_string().starts_with("unknown key `rollout_stages` in flag `ro`"));
}

#[test]
fn a_null_within_a_setting_is_an_error() {
    assert_eq!(
        problems(r#"{"allowed_users": ["ana", null]}"#),
        ["wrong type for `allowed_users` in flag `x`: \
          `null` is not allowed within this setting"]
    );
}

#[test]
fn of_members_with_the_same_name_the_last_one_counts() {
    let definition = from_json("x", r#"{"enabled": true, "enabled": 5, "enabled": false}"#);

    assert_eq!(definition, Ok(Definition::new().enabled(false)));
}

#[test]
fn json_that_is_not_an_object_is_an_error() {
    for text in ["", "1", "null", "[]", "\"a\"", "{", "{}}", "{'a': 1}", "{\"percentage\": NaN}"] {
        let problems = problems(text);

        assert!(problems[0].starts_with("not a JSON object: "), "{problems:?}");
    }
    assert!(from_json("x", b"{\"owner\": \"\xff\"}").is_err());
    let error = InvalidJson::from(serde_json::from_str::<Value>("{").unwrap_err());
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn deep_and_large_json_is_read_or_refused() {
    let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut deep = json!(1);
    for _ in 0..1_000 {
        deep = Value::Array(vec![deep, json!(1.5)]);
    }
    let long = "a".repeat(1_000_000);
    let users: Vec<_> = (0..100_000).map(|i| format!("user{i}")).collect();
    let unknown: Map<_, _> = (0..10_000).map(|i| (format!("f{i}"), json!(i))).collect();

    assert!(from_json("x", nested(100_000)).is_err());
    assert!(from_json("x", format!(r#"{{"owner": {}}}"#, nested(100))).is_err());
    assert!(from_json("x", format!(r#"{{"owner": {}}}"#, nested(100_000))).is_err());
    let error = from_json_object("x", &object(json!({"tags": deep})), UnknownKeys::Reject);
    assert!(error.unwrap_err().to_string().ends_with(": nested too deeply"));
    assert!(from_json("x", json!({(long.as_str()): 1}).to_string()).is_err());
    assert_eq!(from_json("x", json!({"salt": long}).to_string()), Ok(Definition::new().salt(long)));
    check_round_trip(&Definition::new().allowed_users(&users).denied_users(users));
    let error = from_json_object("x", &unknown, UnknownKeys::Reject).unwrap_err();
    assert_eq!(error.problems().len(), 10_000);
}

fn setting<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Setting<T>> {
    prop_oneof![Just(Setting::Inherit), Just(Setting::Remove), value.prop_map(Setting::Set)]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 0..4)
}

prop_compose! {
    /// A time in the years 0 to 9860, to the nanosecond. A lifetime after it still ends before the year 10000.
    fn time()(seconds in -62_167_219_200_i64..249_000_000_000, nanos in 0..1_000_000_000_u32)
        -> SystemTime {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let start = match seconds < 0 {
            true => SystemTime::UNIX_EPOCH - distance,
            false => SystemTime::UNIX_EPOCH + distance,
        };
        start + Duration::from_nanos(nanos.into())
    }
}

/// Converts the value with `make`, if there is one.
fn map<T, U>(setting: Setting<T>, make: impl FnOnce(T) -> U) -> Setting<U> {
    match setting {
        Setting::Inherit => Setting::Inherit,
        Setting::Remove => Setting::Remove,
        Setting::Set(value) => Setting::Set(make(value)),
    }
}

/// Returns an instant after `earlier`, if that is set.
fn after(earlier: Setting<SystemTime>, seconds: Setting<u32>) -> Setting<SystemTime> {
    let earlier = earlier.value().copied().unwrap_or(SystemTime::UNIX_EPOCH);
    map(seconds, |seconds| earlier + Duration::from_secs(1 + u64::from(seconds)))
}

fn percentage() -> impl Strategy<Value = Percentage> {
    (0_u32..=1_000_000)
        .prop_map(|share| Percentage::try_from(f64::from(share) / 10_000.0).expect("a percentage"))
}

fn duration() -> impl Strategy<Value = Duration> {
    (1..=i64::MAX as u64, 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

fn condition() -> impl Strategy<Value = Condition> {
    let attribute =
        prop::sample::select(["plan", "company.size", "groups", "targeting_key"].as_slice());
    let case = prop::sample::select([Case::Exact, Case::Ignored].as_slice());
    let operand = prop_oneof![
        any::<String>().prop_map(|text| (Operator::Eq, text.into())),
        any::<bool>().prop_map(|value| (Operator::Ne, value.into())),
        any::<i64>().prop_map(|number| (Operator::Eq, number.into())),
        (-1e300_f64..1e300).prop_map(|number| (Operator::Lt, number.into())),
        texts().prop_map(|list| (Operator::In, list.into())),
        texts().prop_map(|list| (Operator::NotIn, list.into())),
        any::<String>().prop_map(|text| (Operator::Contains, text.into())),
        Just((Operator::Semver, ">=1.2, <2".into())),
        Just((Operator::Before, "2026-11-01".into())),
        any::<bool>().prop_map(|value| (Operator::Exists, value.into())),
    ];
    let compare = (attribute, operand, case).prop_map(
        |(attribute, (operator, operand), case): (
            _,
            (Operator, flagstaff::answer::Value<'static>),
            _,
        )| {
            let case = if operator.has_case() { case } else { Case::Exact };
            let comparison = Comparison::new(attribute, operator, operand, case);
            Condition::Compare(comparison.expect("a comparison"))
        },
    );
    let number = (-1e9_f64..1e9).prop_map(|number| {
        let comparison = Comparison::new("company.size", Operator::Ge, number, Case::Exact);
        Condition::Compare(comparison.unwrap().reading_numbers().expect("it compares numbers"))
    });
    // Words of the condition language as names of attributes.
    let word = prop::sample::select(["flag", "share", "attributes"].as_slice());
    let word = word.prop_map(|word| Condition::compare(word, Operator::Eq, 1).expect("a scalar"));
    let leaf = prop_oneof![
        4 => compare,
        1 => number,
        1 => word,
        2 => prerequisite().prop_map(Condition::Flag),
    ];
    leaf.prop_recursive(4, 16, 3, |part| {
        let parts = || prop::collection::vec(part.clone(), 0..3);
        prop_oneof![
            parts().prop_map(Condition::All),
            parts().prop_map(Condition::Any),
            part.clone().prop_map(Condition::negated),
            part.prop_map(Condition::unless),
        ]
    })
}

/// Returns a prerequisite on a flag of `a` to `d`, in any state.
fn prerequisite() -> impl Strategy<Value = Prerequisite> {
    let names = prop::collection::vec("[a-c]", 1..3);
    ("[a-d]", names, 0..3).prop_map(|(flag, names, state)| match state {
        0 => Prerequisite::on(flag),
        1 => Prerequisite::off(flag),
        _ => Prerequisite::any_variant(flag, names),
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let weights = || (0_u32..1_000_000_000).prop_map(Weight::from);
    let split = (weights(), weights()).prop_map(|(most, some)| {
        Serve::Split(vec![
            ("b".to_owned(), most),
            ("a".to_owned(), some),
            ("c".to_owned(), 1.into()),
        ])
    });
    let serve = prop_oneof![
        Just(Serve::On),
        Just(Serve::Off),
        Just(Serve::Default),
        "[a-z]+".prop_map(Serve::Variant),
        percentage().prop_map(Serve::Percentage),
        split,
    ];
    let unless = prop::option::of(condition());
    let rule = (condition(), unless, serve, any::<bool>());
    prop::collection::vec(rule, 0..3).prop_map(|rules| {
        let rule = |(index, (when, unless, serve, by_company))| {
            let mut rule = Rule::new(when, serve).named(format!("rule {index}"));
            rule.unless = unless;
            if by_company { rule.bucket_by("company.id") } else { rule }
        };
        rules.into_iter().enumerate().map(rule).collect()
    })
}

prop_compose! {
    fn rollout()(
        stages in setting(prop::collection::vec((percentage(), duration(), any::<bool>()), 1..4)),
        start in setting(time()),
        stage in setting(any::<u32>()),
        stage_started in setting(time()),
        paused_at in setting(time()),
    ) -> Rollout {
        let stage_of = |(percentage, duration, auto)| {
            let stage = Stage::new(percentage).lasting(duration);
            if auto { stage } else { stage.manual() }
        };
        let mut rollout = Rollout::default();
        rollout.stages = map(stages, |stages| stages.into_iter().map(stage_of).collect());
        (rollout.start, rollout.stage) = (start, stage);
        (rollout.stage_started, rollout.paused_at) = (stage_started, paused_at);
        rollout
    }
}

prop_compose! {
    fn active()(from in setting(time()), lifetime in setting(any::<u32>())) -> Active {
        let mut active = Active::new();
        (active.from, active.until) = (from, after(from, lifetime));
        active
    }
}

fn variants() -> impl Strategy<Value = Variants> {
    let weight = (0_u64..=10_000_000_000_000)
        .prop_map(|weight| Weight::try_from(weight as f64 / 10_000.0).expect("a weight"));
    let value = prop_oneof![
        // Larger integers have no exact float.
        (-(1_i64 << 53)..=1 << 53).prop_map(flagstaff::answer::Value::from),
        (-1e300_f64..1e300).prop_map(flagstaff::answer::Value::from),
    ];
    let variant = (setting(weight), setting(value)).prop_map(|(weight, value)| {
        let mut variant = Variant::new();
        (variant.weight, variant.value) = (weight, value);
        variant
    });
    prop::collection::vec((any::<String>(), prop::option::of(variant)), 0..4).prop_map(|all| {
        all.into_iter().fold(Variants::new(), |all, (name, variant)| match variant {
            Some(variant) => all.with(name, variant),
            None => all.without(name),
        })
    })
}

prop_compose! {
    fn description()(
        description in setting(any::<String>()),
        owner in setting(any::<String>()),
        tags in setting(texts()),
        created in setting(time()),
        lifetime in setting(any::<u32>()),
        salt in setting(any::<String>()),
    ) -> Definition {
        let mut definition = Definition::new();
        definition.description = description;
        definition.owner = owner;
        definition.tags = tags;
        definition.created = created;
        definition.expires = after(created, lifetime);
        definition.rare_mut().salt = salt;
        definition
    }
}

fn constant() -> impl Strategy<Value = Constant> {
    prop_oneof![
        any::<i64>().prop_map(Constant::from),
        (-1e300_f64..1e300).prop_map(Constant::from),
        any::<String>().prop_map(Constant::from),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(Constant::from),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let value = prop_oneof![
        any::<bool>().prop_map(MetadataValue::from),
        any::<i64>().prop_map(MetadataValue::from),
        (-1e300_f64..1e300).prop_map(MetadataValue::from),
        any::<String>().prop_map(MetadataValue::from),
    ];
    prop::collection::vec((any::<String>(), prop::option::of(value)), 0..4).prop_map(|all| {
        all.into_iter().fold(Metadata::new(), |all, (name, value)| match value {
            Some(value) => all.with(name, value),
            None => all.without(name),
        })
    })
}

prop_compose! {
    /// A definition with facts about the flag, and with one value or variant for all users.
    fn serving()(
        mut definition in drawing(),
        metadata in setting(metadata()),
        client in setting(any::<bool>()),
        testable in setting(any::<bool>()),
        value in setting(constant()),
        serve in setting(prop::sample::select(&["control", "b", "gone"][..])),
    ) -> Definition {
        let rare = definition.rare_mut();
        (rare.metadata, rare.client, rare.testable) = (metadata, client, testable);
        match value {
            Setting::Set(_) => rare.value = value,
            _ => rare.serve = map(serve, str::to_owned),
        }
        definition
    }
}

fn bucket_by() -> impl Strategy<Value = BucketBy> {
    prop_oneof![Just("targeting_key"), Just("request"), Just("company.id")].prop_map(BucketBy::from)
}

prop_compose! {
    fn drawing()(
        mut definition in description(),
        permanent in setting(any::<bool>()),
        requires in setting(prop::collection::vec(prerequisite(), 0..3)),
        traffic in setting(percentage()),
        bucket_by in setting(bucket_by()),
    ) -> Definition {
        let rare = definition.rare_mut();
        (rare.permanent, rare.requires) = (permanent, requires);
        (rare.traffic, rare.bucket_by) = (traffic, bucket_by);
        definition
    }
}

prop_compose! {
    fn targeting()(
        mut definition in serving(),
        enabled in setting(any::<bool>()),
        denied_users in setting(texts()),
        denied_groups in setting(texts()),
        allowed_users in setting(texts()),
        allowed_groups in setting(texts()),
        rules in setting(rules()),
    ) -> Definition {
        definition.enabled = enabled;
        definition.denied_users = denied_users;
        definition.denied_groups = denied_groups;
        definition.allowed_users = allowed_users;
        definition.allowed_groups = allowed_groups;
        definition.rare_mut().rules = rules;
        definition
    }
}

prop_compose! {
    pub(crate) fn definition()(
        mut definition in targeting(),
        percentage in setting(percentage()),
        rollout in setting(rollout()),
        active in setting(active()),
        variants in setting(variants()),
        off in setting(any::<String>()),
        stale_after in setting(duration()),
        on_stale in setting(prop::sample::select(OnStale::ALL)),
    ) -> Definition {
        definition.percentage = percentage;
        definition.rare_mut().rollout = rollout;
        definition.rare_mut().active = active;
        definition.rare_mut().variants = variants;
        definition.rare_mut().off = off;
        definition.rare_mut().stale_after = stale_after;
        definition.rare_mut().on_stale = on_stale;
        definition
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(definition in definition()) {
        check_round_trip(&definition);
    }

    #[test]
    fn no_input_panics(text in "(?s).{0,100}") {
        let _ = from_json("x", format!("{{{text}}}"));
    }

    #[test]
    fn what_is_read_is_written_and_read_back(
        members in prop::collection::vec(
            (prop::sample::select(Field::ALL), prop::sample::select(VALUES)),
            0..6,
        ),
    ) {
        let members: Vec<_> =
            members.iter().map(|(field, value)| format!("\"{field}\": {value}")).collect();
        if let Ok(definition) = from_json("x", format!("{{{}}}", members.join(", "))) {
            check_round_trip(&definition);
        }
    }
}

const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "25",
    "0.5",
    "-1",
    "1e400",
    "123456789012345678901234567890",
    "\"\"",
    "\"25%\"",
    "\"5m\"",
    "\"keep\"",
    "\"2026-11-01\"",
    "\"2026-11-01T09:00:00.123456789+02:00\"",
    "\"2026-02-30\"",
    "\"é\\u0000\"",
    "[]",
    "[\"a\"]",
    "[\"a\", 1, null]",
    "{}",
    "{\"a\": {\"b\": [1.5]}}",
];
