//! Variants, their weights and their values, through the facade.

use std::time::SystemTime;

use flagstaff::{
    Context, Definition, Env, Flags, Memory, Percentage, Reason,
    answer::{Cause, ErrorCode, Value},
    definition::{Active, BucketBy, Condition, Operator, Rule, Serve, Variant, Variants},
};
use proptest::prelude::*;

fn prices() -> Definition {
    Definition::new().variants([("control", 34), ("higher_price", 33), ("lower_price", 33)])
}

fn one(name: &str, value: impl Into<Value<'static>>) -> Definition {
    Definition::new().variants([(name, Variant::new().weight(1).value(value))])
}

fn flags(flags: impl IntoIterator<Item = (&'static str, Definition)>) -> Flags {
    let set = |test: flagstaff::testing::TestFlags, (key, flag)| test.with(key, flag);
    flags.into_iter().fold(Flags::for_test(), set).start()
}

fn users() -> impl Iterator<Item = Context<'static>> {
    (0..100).map(|n| Context::user(format!("user-{n}")))
}

#[test]
fn every_user_is_drawn_into_one_variant_and_stays_there() {
    let flags = flags([("pricing_page", prices())]);

    for user in users() {
        let answer = flags.variant("pricing_page", &user, "none");

        assert_eq!((answer.reason, answer.cause), (Reason::Split, Cause::Variant));
        assert_eq!(answer.variant, Some(answer.value));
        assert_eq!(answer, flags.variant("pricing_page", &user, "none"));
        let gate = flags.boolean("pricing_page", &user, false);
        assert_eq!((gate.value, gate.reason), (true, Reason::Split));
        assert_eq!(gate.variant, answer.variant);
    }
}

#[test]
fn a_user_who_is_off_or_out_is_served_control_or_no_variant() {
    let off = prices().enabled(false);
    let denied = prices().denied_users(["mallory"]);
    let nobody = prices().percentage(Percentage::ZERO);
    let first = Definition::new().variants([("fast", 1), ("slow", 1)]).enabled(false);
    let flags = flags([("off", off), ("denied", denied), ("nobody", nobody), ("first", first)]);
    let mallory = Context::user("mallory");

    for (key, variant, cause) in [
        ("off", "control", Cause::Disabled),
        ("denied", "control", Cause::DeniedUser),
        ("nobody", "control", Cause::NoUsers),
        ("first", "none", Cause::Disabled),
    ] {
        let answer = flags.variant(key, &mallory, "none");

        assert_eq!((answer.value, answer.cause), (variant, cause), "{key}");
        assert!(!flags.is_enabled(key, &mallory), "{key}");
    }
}

#[test]
fn off_names_the_variant_that_is_served_while_the_flag_is_off() {
    let off = prices().off("lower_price").enabled(false);
    let unknown = prices().off("none").enabled(false);
    let flags = flags([("off", off), ("unknown", unknown)]);

    assert_eq!(flags.variant("off", &Context::anonymous(), "none").value, "lower_price");
    assert_eq!(flags.variant("unknown", &Context::anonymous(), "none").value, "control");
}

/// Returns flags with this value in the environment variable of the flag.
async fn with_variable(value: &str, flag: Definition) -> Flags {
    let env = Env::with_prefix("F_").variables([("F_PRICING_PAGE", value)]);
    Flags::builder()
        .source(env)
        .source(Memory::new().with("pricing-page", flag))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_variable_with_the_name_of_a_variant_serves_it_to_all_users() {
    let flag = prices().percentage(Percentage::ZERO).denied_users(["mallory"]);
    let flags = with_variable(" higher_price\n", flag).await;

    for context in users().chain([Context::anonymous()]) {
        let answer = flags.variant("pricing-page", &context, "none");

        assert_eq!((answer.value, answer.reason), ("higher_price", Reason::Default));
        assert_eq!((answer.source, answer.error_code), (Some("env"), None));
    }
    let denied = flags.variant("pricing-page", &Context::user("mallory"), "none");
    assert_eq!((denied.value, denied.cause), ("control", Cause::DeniedUser));
}

#[tokio::test]
async fn a_variable_that_is_neither_truthy_nor_a_variant_is_off() {
    for value in ["2", "HIGHER_PRICE", "null", "", "no"] {
        let flags = with_variable(value, prices()).await;

        let answer = flags.variant("pricing-page", &Context::user("ana"), "none");

        assert_eq!((answer.value, answer.cause), ("control", Cause::Disabled), "{value:?}");
    }
}

#[tokio::test]
async fn a_truthy_variable_leaves_the_draw_of_the_variants() {
    let flags = with_variable("1", prices().percentage(Percentage::ZERO)).await;
    let plain = self::flags([("pricing-page", prices())]);

    for user in users() {
        let answer = flags.variant("pricing-page", &user, "none");

        assert_eq!(answer.value, plain.variant("pricing-page", &user, "none").value);
    }
}

#[tokio::test]
async fn a_variable_of_an_unknown_flag_that_is_not_truthy_is_off() {
    let env = Env::with_prefix("F_").variables([("F_A_B", "treatment")]);
    let flags = Flags::builder().source(env).start().await.unwrap();

    for key in ["a_b", "a-b"] {
        assert_eq!(flags.boolean(key, &Context::anonymous(), true).cause, Cause::Disabled);
    }
}

#[test]
fn without_a_user_a_flag_that_draws_is_out() {
    let flags = flags([("pricing_page", prices()), ("single", one("only", 1))]);

    let answer = flags.variant("pricing_page", &Context::anonymous(), "none");
    let single = flags.integer("single", &Context::anonymous(), 0);

    assert_eq!((answer.value, answer.reason), ("control", Reason::Error));
    assert_eq!(answer.error_code, Some(ErrorCode::TargetingKeyMissing));
    assert!(answer.error_details().unwrap().contains("names no user"));
    assert!(!flags.is_enabled("pricing_page", &Context::anonymous()));
    assert_eq!((single.value, single.reason, single.error_code), (1, Reason::Static, None));
}

#[test]
fn a_variant_without_weight_is_never_drawn() {
    let some = Definition::new().variants([("a", 0), ("b", 1), ("c", 0), ("d", 1)]);
    let none = Definition::new().variants([("a", 0), ("control", 0)]);
    let flags = flags([("some", some), ("none", none)]);

    for user in users() {
        assert!(["b", "d"].contains(&flags.variant("some", &user, "none").value));
        assert_eq!(flags.variant("none", &user, "none").value, "control");
        assert!(!flags.is_enabled("none", &user));
    }
}

#[test]
fn outside_the_traffic_the_flag_is_off_and_nothing_is_drawn() {
    let with = |percent| prices().traffic(Percentage::whole(percent).unwrap());
    let none = with(0);
    let single = Definition::new().variants([("control", 0), ("new", 1)]).traffic(Percentage::ZERO);
    let flags =
        flags([("p", with(20)), ("grown", with(60).salt("p")), ("none", none), ("single", single)]);
    let mut inside = 0;

    for user in users() {
        let (answer, grown) = (flags.variant("p", &user, ""), flags.variant("grown", &user, ""));

        match answer.cause {
            Cause::Traffic => assert_eq!(answer.value, "control"),
            cause => {
                assert_eq!((cause, answer), (Cause::Variant, grown), "more traffic moves nobody");
                inside += 1;
            }
        }
        assert_eq!(answer.reason, Reason::Split);
        assert_eq!(flags.is_enabled("p", &user), answer.cause == Cause::Variant);
        assert_eq!(flags.variant("none", &user, "").cause, Cause::NoUsers);
        assert_eq!(flags.variant("single", &user, "").value, "control");
    }
    assert!((5..40).contains(&inside), "{inside}");
}

#[test]
fn the_traffic_does_not_affect_the_variant() {
    let half = prices().traffic(Percentage::whole(50).unwrap());
    let flags = flags([("p", half)]);
    let drawn = users().map(|user| flags.variant("p", &user, ""));
    let drawn: Vec<_> = drawn.filter(|answer| answer.cause == Cause::Variant).collect();

    for name in ["control", "higher_price", "lower_price"] {
        assert!(drawn.iter().any(|answer| answer.value == name), "{name}");
    }
}

#[test]
fn users_who_share_the_attribute_of_the_draw_are_served_alike() {
    let by_company = || prices().percentage(Percentage::whole(50).unwrap()).bucket_by("company.id");
    let flags = flags([("p", by_company()), ("q", prices().bucket_by("company.id"))]);
    let who = |user: &str, company: i64| {
        let company: Value<'_> = [("id", Value::from(company))].into_iter().collect();
        Context::user(user.to_owned()).attribute("company", company.into_owned())
    };

    for company in 0..50 {
        let (ana, bob) = (who("ana", company), who("bob", company));

        assert_eq!(flags.variant("p", &ana, ""), flags.variant("p", &bob, ""));
        assert_eq!(flags.boolean("p", &ana, false), flags.boolean("p", &bob, false));
        // The bucket is that of a user with this name.
        let user = self::flags([("q", prices())]);
        let same = user.variant("q", &Context::user(company.to_string()), "").value;
        assert_eq!(flags.variant("q", &ana, "").value, same);
    }
    let nobody = flags.boolean("p", &Context::user("ana"), false);
    assert!(matches!(nobody.cause, Cause::NoUnit(unit) if unit.as_str() == "company.id"));
    assert!(nobody.error_details().unwrap().contains("`company.id`"), "it says what is missing");
    assert_eq!(flags.variant("q", &Context::user("ana"), "").cause, nobody.cause);
    assert!(!nobody.value && !flags.is_enabled("q", &Context::user("ana")));
}

#[test]
fn the_targeting_key_by_its_name_is_the_default_unit() {
    let half = || prices().percentage(Percentage::whole(50).unwrap());
    let plain = flags([("p", half())]);

    for unit in [BucketBy::TargetingKey, BucketBy::Attribute("targeting_key".to_owned())] {
        let named = flags([("p", half().bucket_by(unit))]);

        for user in users() {
            assert_eq!(named.variant("p", &user, ""), plain.variant("p", &user, ""));
        }
    }
}

#[test]
fn values_come_in_the_type_that_was_asked_for() {
    let table: Value<'_> = [("model", Value::from("b"))].into_iter().collect();
    let flags = flags([
        ("text", one("sale", "20 % off")),
        ("whole", one("fast", 200)),
        ("half", one("half", 0.5)),
        ("yes", one("yes", true)),
        ("no", one("no", false)),
        ("list", one("list", ["a", "b"])),
        ("table", one("table", table)),
        ("bare", prices()),
        ("plain", Definition::new()),
    ]);
    let ana = Context::user("ana");

    assert_eq!(flags.string("text", &ana, "none").value, "20 % off");
    assert_eq!(flags.integer("whole", &ana, 0).value, 200);
    assert_eq!(flags.float("whole", &ana, 0.0).value, 200.0);
    assert_eq!(flags.float("half", &ana, 0.0).value, 0.5);
    assert!(flags.boolean("yes", &ana, false).value);
    assert!(!flags.boolean("no", &ana, false).value);
    assert!(!flags.is_enabled("no", &ana), "a flag that serves `false` is off");
    assert_eq!(flags.value("list", &ana, Vec::<String>::new()).value, ["a", "b"]);
    let table = flags.value("table", &ana, serde_json::Value::Null).value;
    assert_eq!(table, serde_json::json!({ "model": "b" }));
    let variant = flags.variant("bare", &ana, "none").value;
    assert_eq!(flags.string("bare", &ana, "none").value, variant);
    assert!(flags.value("plain", &ana, false).value);
}

#[test]
fn another_type_is_answered_with_the_default() {
    let flags = flags([
        ("text", one("sale", "20 % off")),
        ("half", one("half", 0.5)),
        ("bare", prices()),
        ("plain", Definition::new()),
    ]);
    let ana = Context::user("ana");
    let mismatch = (Reason::Error, Some(ErrorCode::TypeMismatch), None);

    for key in ["text", "half", "plain"] {
        let answer = flags.integer(key, &ana, 7);
        assert_eq!(answer.value, 7, "{key}");
        assert_eq!((answer.reason, answer.error_code, answer.variant), mismatch, "{key}");
        assert_eq!(flags.value(key, &ana, vec![7]).value, [7], "{key}");
    }
    for key in ["half", "plain"] {
        let answer = flags.string(key, &ana, "none");
        assert_eq!((&*answer.value, answer.error_code), ("none", mismatch.1), "{key}");
    }
    for default in [true, false] {
        let answer = flags.boolean("text", &ana, default);
        assert_eq!((answer.value, answer.error_code), (true, None), "on or off is no type");
    }
    assert_eq!(flags.float("text", &ana, 0.5).error_code, mismatch.1);
    assert_eq!(flags.variant("plain", &ana, "none").value, "none");
    assert!(flags.variant("plain", &ana, "none").error_details().unwrap().contains("type"));
}

#[tokio::test]
async fn an_unknown_flag_is_answered_with_the_default() {
    let flags = Flags::builder().source(Memory::new()).start().await.unwrap();
    let ana = Context::user("ana");

    let answer = flags.variant("unknown", &ana, "none");

    assert_eq!((answer.value, answer.error_code), ("none", Some(ErrorCode::FlagNotFound)));
    assert_eq!(flags.string("unknown", &ana, "none").value, "none");
    assert_eq!(flags.integer("unknown", &ana, 7).value, 7);
    assert_eq!(flags.float("unknown", &ana, 0.5).value, 0.5);
    assert_eq!(flags.value("unknown", &ana, [7]).value, [7]);
}

#[tokio::test]
async fn a_stronger_source_changes_one_weight_and_one_value() {
    let timeouts = Variants::new()
        .with("fast", Variant::new().weight(50).value(200))
        .with("slow", Variant::new().weight(50).value(800));
    let declared = Memory::new().with("timeout", Definition::new().variants(timeouts));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    let values = || users().map(|user| flags.integer("timeout", &user, 0).value);
    assert!(values().any(|timeout| timeout == 200));

    let patch = Variants::new().with("fast", 0).with("slow", Variant::new().value(900));
    flags.set("timeout", Definition::new().variants(patch)).await.unwrap();

    assert!(values().all(|timeout| timeout == 900));
}

#[tokio::test]
async fn a_request_is_served_from_its_snapshot() {
    let memory = Memory::new().with("banner", one("sale", "20 % off"));
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let request = flags.pin(Context::user("ana"));

    memory.insert("banner", false);

    assert_eq!(request.string("banner", "Welcome").value, "20 % off");
    assert_eq!(request.variant("banner", "none").value, "sale");
    assert_eq!(request.value("banner", String::new()).value, "20 % off");
    assert_eq!((request.integer("banner", 7).value, request.float("banner", 0.5).value), (7, 0.5));
    assert_eq!(flags.string("banner", request.context(), "Welcome").value, "Welcome");
}

#[test]
fn all_includes_the_variants() {
    let flags = flags([("pricing_page", prices()), ("beta", Definition::new())]);
    let ana = Context::user("ana");

    let all = flags.all(&ana);

    let all: Vec<_> =
        all.iter().map(|(key, answer)| (&**key, answer.value, answer.variant)).collect();
    let variant = flags.variant("pricing_page", &ana, "none").variant;
    assert_eq!(all, [("beta", true, None), ("pricing_page", true, variant)]);
}

proptest! {
    #[test]
    fn no_variants_make_an_evaluation_panic(
        weights in prop::collection::vec(prop::option::of(0..=u32::MAX), 0..10),
        enabled in any::<bool>(),
        user in prop::option::of(".{0,10}"),
    ) {
        let variant = |weight: &Option<u32>| weight.map(Variant::from).unwrap_or_default();
        let variants: Variants =
            weights.iter().enumerate().map(|(n, weight)| (n.to_string(), variant(weight))).collect();
        let flags = flags([("a", Definition::new().variants(variants).enabled(enabled))]);
        let context = user.map_or_else(Context::anonymous, Context::user);

        let answer = flags.variant("a", &context, "none");

        let known = answer.value.parse::<usize>().is_ok_and(|index| index < weights.len());
        let is_on = flags.is_enabled("a", &context);
        prop_assert_eq!(known, is_on && !weights.is_empty(), "there is no variant for off");
        prop_assert_eq!(is_on, flags.boolean("a", &context, false).value);
    }
}

fn switch(on: u32, off: u32) -> Definition {
    let variants = Variants::new()
        .with("on", Variant::new().weight(on).value(true))
        .with("off", Variant::new().weight(off).value(false));
    Definition::new().variants(variants)
}

#[test]
fn off_is_off_whatever_the_order_of_the_variants() {
    let flags = flags([
        ("denied", switch(1, 0).denied_users(["mallory"])),
        ("killed", switch(1, 0).enabled(false)),
        ("nobody", switch(1, 0).percentage(Percentage::ZERO)),
        ("unmet", switch(1, 0).requires(["killed"])),
        ("named", switch(0, 1).off("off")),
        ("over", switch(1, 0).active(Active::new().until(SystemTime::UNIX_EPOCH))),
    ]);
    let mallory = Context::user("mallory");

    for key in ["denied", "killed", "nobody", "unmet", "named", "over"] {
        for default in [true, false] {
            let answer = flags.boolean(key, &mallory, default);
            assert_eq!((answer.value, answer.variant), (false, Some("off")), "{key}");
        }
        assert!(!flags.is_enabled(key, &mallory), "{key}");
        assert!(!flags.value(key, &mallory, true).value, "{key}");
    }
    assert!(flags.is_enabled("denied", &Context::user("ana")));
}

#[tokio::test]
async fn a_flag_that_is_switched_off_at_run_time_is_off_whatever_the_order_of_the_variants() {
    let ten = Percentage::whole(10).unwrap();
    let declared = Memory::new().with("f", switch(1, 0)).with("part", switch(1, 0).percentage(ten));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    let (mut on, mut off) = (0, 0);
    for user in users() {
        let answer = flags.boolean("part", &user, true);
        assert_eq!(answer.variant, Some(if answer.value { "on" } else { "off" }));
        if answer.value { on += 1 } else { off += 1 }
    }
    assert!(on > 0 && off > on, "{on} {off}");

    flags.disable("f").await.unwrap();

    let answer = flags.boolean("f", &Context::user("ana"), true);
    assert_eq!((answer.value, answer.variant), (false, Some("off")));
}

#[test]
fn reasons_are_those_by_which_a_client_caches() {
    let rule = Rule::new(Condition::compare("country", Operator::Eq, "DE").unwrap(), Serve::Off);
    let half = Percentage::whole(50).unwrap();
    let flags = flags([
        ("ruled", Definition::new().rules([rule])),
        ("half", Definition::new().percentage(half)),
        ("company", Definition::new().percentage(half).bucket_by("company.id")),
        ("on", Definition::new()),
    ]);
    let ask = |key: &str, context: &Context<'_>| {
        let answer = flags.boolean(key, context, true);
        (answer.value, answer.reason, answer.error_code)
    };
    let country = |country: &'static str| Context::user("ana").attribute("country", country);
    let missing = Some(ErrorCode::TargetingKeyMissing);

    assert_eq!(ask("ruled", &country("DE")), (false, Reason::TargetingMatch, None));
    assert_eq!(ask("ruled", &country("CH")), (true, Reason::Default, None));
    assert_eq!(ask("on", &country("CH")), (true, Reason::Static, None));
    assert_eq!(ask("half", &Context::user("ana")).1, Reason::Split);
    assert_eq!(ask("half", &Context::anonymous()), (false, Reason::Error, missing));
    let company = flags.boolean("company", &Context::user("ana"), true);
    assert_eq!((company.reason, company.error_code), (Reason::Error, missing));
    let details = company.error_details().unwrap();
    assert!(details.contains("company.id") && !details.contains("user"), "{details}");
}

#[test]
fn a_flag_that_serves_its_off_variant_is_off() {
    let names = Definition::new().variants([("on", 10), ("off", 90)]);
    let needs = Definition::new().requires(["beta"]);
    let flags = flags([("beta", names), ("needs", needs)]);
    let mut on = 0;

    for user in users() {
        let served = flags.variant("beta", &user, "none").value;
        let answer = flags.boolean("beta", &user, true);

        assert_eq!((answer.value, answer.reason), (served == "on", Reason::Split));
        assert_eq!(flags.is_enabled("beta", &user), served == "on");
        assert_eq!(flags.is_enabled("needs", &user), served == "on");
        on += usize::from(answer.value);
    }
    assert!((1..30).contains(&on), "{on}");
}

#[tokio::test]
async fn forced_on_draws_only_among_the_variants_that_turn_the_flag_on() {
    for text in ["on", "1", "yes"] {
        let flags = with_variable(text, switch(0, 1)).await;
        let answer = flags.boolean("pricing-page", &Context::anonymous(), false);
        assert_eq!((answer.value, answer.variant), (true, Some("on")), "{text}");
    }
    for text in ["off", "0", "OFF", ""] {
        let flags = with_variable(text, switch(1, 0)).await;
        let answer = flags.boolean("pricing-page", &Context::user("ana"), true);
        assert_eq!((answer.value, answer.variant), (false, Some("off")), "{text:?}");
    }
    let numbers = Variants::new()
        .with("on", Variant::new().weight(0).value(1))
        .with("off", Variant::new().weight(1).value(0));
    for (text, number) in [("on", 1), ("off", 0)] {
        let flags = with_variable(text, Definition::new().variants(numbers.clone())).await;
        assert_eq!(flags.integer("pricing-page", &Context::user("ana"), 7).value, number);
    }
}

#[tokio::test]
async fn names_of_variants_come_before_words() {
    let sizes = || Definition::new().variants([("1", 0), ("2", 50), ("4", 50)]);

    let forced = with_variable("1", sizes()).await;
    let half = with_variable("25%", Definition::new().variants([("25%", 0), ("b", 1)])).await;
    let percentage = with_variable("25%", sizes()).await;

    let ana = Context::user("ana");
    assert_eq!(forced.variant("pricing-page", &ana, "none").value, "1");
    assert_eq!(half.variant("pricing-page", &ana, "none").value, "25%");
    let off = percentage.boolean("pricing-page", &ana, true);
    assert_eq!((off.value, off.cause), (false, Cause::Disabled), "neither on nor off is off");
}

#[tokio::test]
async fn without_a_unit_what_is_forced_on_or_allowed_is_on_without_a_variant() {
    let forced = with_variable("1", prices().traffic(Percentage::ZERO)).await;
    let allowed = flags([("p", prices().allowed_groups(["staff"]))]);

    let answer = forced.boolean("pricing-page", &Context::anonymous(), false);
    let staff = Context::anonymous().group("staff");

    assert_eq!((answer.value, answer.variant, answer.error_code), (true, None, None));
    assert_eq!(forced.variant("pricing-page", &Context::anonymous(), "none").value, "none");
    assert!(allowed.is_enabled("p", &staff));
    assert_eq!(allowed.variant("p", &staff, "none").value, "none");
}

#[tokio::test]
async fn forced_off_removes_nothing() {
    let declared = prices().percentage(Percentage::ZERO).allowed_users(["ana"]);
    let flags = Flags::builder()
        .source(Memory::new().with("p", Definition::new().enabled(true)))
        .source(Memory::new().with("p", false))
        .source(Memory::new().with("p", declared))
        .start()
        .await
        .unwrap();

    assert!(flags.is_enabled("p", &Context::user("ana")));
    assert!(!flags.is_enabled("p", &Context::user("bob")));
}

#[tokio::test]
async fn a_forced_variant_that_counts_as_off_forces_the_flag_off() {
    let calm = Variants::new()
        .with("busy", Variant::new().weight(1).value(true))
        .with("calm", Variant::new().weight(1).value(false))
        .with("quiet", Variant::new().weight(1).value(false));

    let flags = with_variable("quiet", Definition::new().variants(calm)).await;

    let answer = flags.boolean("pricing-page", &Context::user("ana"), true);
    assert_eq!((answer.value, answer.variant), (false, Some("quiet")));
}

#[test]
fn a_flag_without_a_percentage_draws_nothing() {
    let flags = flags([("off", Definition::new().percentage(Percentage::ZERO))]);

    let answer = flags.boolean("off", &Context::anonymous(), true);

    assert_eq!((answer.value, answer.reason), (false, Reason::Static));
    assert_eq!(answer.error_code, None);
}
