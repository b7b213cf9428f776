//! Flags that serve one value or variant to all users: constants, `serve`, and the caller's default.

use flagstaff::{
    Context, Definition, Env, Flags, Memory, Percentage, Reason,
    answer::{Cause, ErrorCode, Value},
    definition::{Condition, FlagsFile, Operator, Rule, Serve, Setting, Variant, Variants},
    event::WarningKind,
};

use crate::support::flags;

fn ana() -> Context<'static> {
    Context::user("ana")
}

fn load() -> Variants {
    let of = |value: f64| Variant::new().value(value);
    Variants::new().with("off", of(0.0)).with("10%", of(0.1)).with("full", of(1.0))
}

/// Returns flags with these definitions of `a`, the strongest source first.
async fn stacked(definitions: impl IntoIterator<Item = Definition>) -> Flags {
    let add =
        |builder: flagstaff::source::FlagsBuilder, it| builder.source(Memory::new().with("a", it));
    definitions.into_iter().fold(Flags::builder(), add).start().await.unwrap()
}

#[test]
fn a_constant_is_the_value_of_a_flag_that_is_on() {
    let flags = flags(
        r#"
[flags]
limit.value = 50
ratio.value = 0.25
region.value = "eu"
hosts.value = ["a", "b"]
retry.value = { times = 3, wait = "1s" }
"#,
    );

    let limit = flags.integer("limit", &ana(), 10);

    assert_eq!((limit.value, limit.reason, limit.cause), (50, Reason::Static, Cause::AllUsers));
    assert_eq!((limit.variant, limit.error_code), (None, None));
    assert_eq!(flags.float("ratio", &ana(), 1.0).value, 0.25);
    assert_eq!(flags.float("limit", &ana(), 1.0).value, 50.0);
    assert_eq!(flags.string("region", &ana(), "us").value, "eu");
    assert_eq!(flags.value("hosts", &ana(), Vec::<String>::new()).value, ["a", "b"]);
    let retry = flags.value("retry", &ana(), serde_json::Value::Null).value;
    assert_eq!(retry, serde_json::json!({ "times": 3, "wait": "1s" }));
    let gate = flags.boolean("limit", &ana(), false);
    assert_eq!((gate.value, gate.reason, gate.variant), (true, Reason::Static, None));
}

#[test]
fn a_constant_has_one_type_and_no_variant() {
    let flags = flags("[flags]\nlimit.value = 50\n");

    let text = flags.string("limit", &ana(), "none");
    let variant = flags.variant("limit", &ana(), "none");

    assert_eq!((text.value.as_str(), text.error_code), ("none", Some(ErrorCode::TypeMismatch)));
    assert_eq!((variant.value, variant.error_code), ("none", Some(ErrorCode::TypeMismatch)));
}

#[test]
fn a_constant_of_a_flag_that_is_off_is_the_default_of_the_caller() {
    let flags = flags(
        r#"
[flags.limit]
value = 50
percentage = 0
allowed_users = ["ana"]

[flags.killed]
value = 50
enabled = false
"#,
    );

    let answers = [("limit", ana()), ("limit", Context::user("bob")), ("killed", ana())]
        .map(|(flag, user)| flags.integer(flag, &user, 7));

    let found = answers.map(|it| (it.value, it.reason, it.error_code));
    assert_eq!(
        found,
        [
            (50, Reason::TargetingMatch, None),
            (7, Reason::Default, None),
            (7, Reason::Disabled, None)
        ]
    );
    assert!(!flags.is_enabled("killed", &ana()));
}

#[test]
fn a_constant_is_served_to_the_share_of_the_flag_and_by_rules() {
    let flags = flags(
        r#"
[flags.limit]
value = 50
percentage = 50
rules = [{ when = { plan = "pro" }, serve = true }, { when = { plan = "free" }, serve = false }]
"#,
    );
    let users = (0..100).map(|n| Context::user(format!("user-{n}")));

    let served = users.filter(|user| flags.integer("limit", user, 7).value == 50).count();

    assert!((30..70).contains(&served), "{served}");
    let by_plan = ["pro", "free"].map(|plan| {
        let answer = flags.integer("limit", &ana().attribute("plan", plan), 7);
        (answer.value, answer.reason)
    });
    assert_eq!(by_plan, [(50, Reason::TargetingMatch), (7, Reason::TargetingMatch)]);
}

#[test]
fn an_integer_is_a_float_only_if_it_is_one_exactly() {
    let value = |number: i64| {
        let flags = Flags::for_test().with("a", Definition::new().value(number)).start();
        let answer = flags.float("a", &ana(), 0.5);
        (answer.value, answer.error_code)
    };

    assert_eq!(value(1 << 53), (9_007_199_254_740_992.0, None));
    assert_eq!(value(i64::MIN), (-9_223_372_036_854_775_808.0, None));
    for rounded in [(1 << 53) + 1, i64::MAX, -(1 << 53) - 1] {
        assert_eq!(value(rounded), (0.5, Some(ErrorCode::TypeMismatch)), "{rounded}");
    }
}

#[test]
fn serve_names_the_variant_of_all_who_are_left() {
    let flags = flags(
        r#"
[flags.load]
serve = "10%"
denied_users = ["mallory"]
traffic = 0
rules = [{ when = { plan = "pro" }, serve = "full" }, { when = { plan = "free" }, serve = true }]
variants = { off = { value = 0.0 }, "10%" = { value = 0.1 }, full = { value = 1.0 } }

[flags.plain]
serve = "b"
variants = { a = 1, b = 1 }
"#,
    );
    let pro = ana().attribute("plan", "pro");
    let free = ana().attribute("plan", "free");

    let served = [ana(), pro, free, Context::user("mallory"), Context::anonymous()].map(|user| {
        let answer = flags.float("load", &user, 9.0);
        (answer.value, answer.variant, answer.reason)
    });

    assert_eq!(
        served,
        [
            (0.1, Some("10%"), Reason::Default),
            (1.0, Some("full"), Reason::TargetingMatch),
            (0.1, Some("10%"), Reason::TargetingMatch),
            (0.0, Some("off"), Reason::TargetingMatch),
            (0.1, Some("10%"), Reason::Default),
        ]
    );
    let plain = flags.variant("plain", &Context::anonymous(), "none");
    assert_eq!((plain.value, plain.reason), ("b", Reason::Static));
    assert!(flags.is_enabled("plain", &Context::anonymous()));
}

#[tokio::test]
async fn a_served_variant_that_counts_as_off_turns_the_flag_off() {
    let flags =
        stacked([Definition::new().variants(load()).serve("off").allowed_users(["ana"])]).await;

    let bob = flags.float("a", &Context::user("bob"), 9.0);
    let gate = flags.boolean("a", &Context::user("bob"), true);

    assert_eq!((bob.value, bob.variant), (0.0, Some("off")));
    assert_eq!((gate.value, gate.variant), (false, Some("off")));
    // Two variants are on, and neither has a weight.
    assert!(!flags.is_enabled("a", &ana()));
}

#[tokio::test]
async fn a_stronger_source_names_a_variant_like_a_percentage() {
    let patch = flagstaff::definition::from_json("a", r#"{"serve": "10%"}"#).unwrap();
    let file = Definition::new().variants(load()).serve("full").owner("payments");

    let flags = stacked([patch, file]).await;

    let answer = flags.float("a", &ana(), 9.0);
    assert_eq!((answer.value, answer.variant), (0.1, Some("10%")));
    assert_eq!((answer.reason, answer.source), (Reason::Static, Some("memory")));
    assert!(flags.is_enabled("a", &ana()));
}

#[tokio::test]
async fn an_unknown_variant_to_serve_is_off_and_reported() {
    let file = Definition::new().variants(load()).serve("full");

    let flags = stacked([Definition::new().serve("20%"), file]).await;

    let answer = flags.float("a", &ana(), 9.0);
    assert_eq!((answer.value, answer.variant), (0.0, Some("off")));
    assert!(!flags.is_enabled("a", &ana()));
    let [warning] = &*flags.warnings() else { panic!("{:?}", flags.warnings()) };
    assert_eq!((warning.kind, warning.source.position), (WarningKind::UnknownVariant, 0));
    assert_eq!(
        warning.to_string(),
        "flag `a` in source `memory`: it serves `20%`, which is not a variant of the flag, so the flag is off"
    );
}

#[tokio::test]
async fn forced_on_keeps_what_is_served_unless_that_is_off() {
    let on = Definition::new().variants(load()).serve("full").percentage(Percentage::ZERO);
    let off = Definition::new().variants([("off", 0), ("on", 0)]).serve("off");
    let gone = Definition::new().serve("gone");
    let constant = Definition::new().value(5).percentage(Percentage::ZERO);

    for (file, expected) in [
        (on, Some(Value::from(1.0))),
        (off, Some(Value::from(true))),
        (gone, None),
        (constant, Some(Value::from(5))),
    ] {
        let memory = Memory::new().with("a", file.clone());
        let env = Env::with_prefix("F_").variables([("F_A", "on")]);
        let flags = Flags::builder().source(env).source(memory).start().await.unwrap();

        assert!(flags.is_enabled("a", &Context::anonymous()), "{file:?}");
        let explanation = flags.explain("a", &Context::anonymous());
        assert_eq!(explanation.served.map(|served| served.value), expected, "{file:?}");
    }
}

#[tokio::test]
async fn a_forced_string_is_served_to_all_for_whom_the_flag_is_on() {
    let file = Definition::new().variants(load()).serve("full").denied_users(["mallory"]);
    let memory = Memory::new().with("a", file);
    let env = Env::with_prefix("F_").variables([("F_A", "10%")]);
    let flags = Flags::builder().source(env).source(memory).start().await.unwrap();

    let [ana, mallory] = ["ana", "mallory"].map(|user| flags.float("a", &Context::user(user), 9.0));

    assert_eq!((ana.value, ana.source), (0.1, Some("env")));
    assert_eq!((mallory.value, mallory.variant), (0.0, Some("off")));
    assert!(!flags.is_enabled("a", &Context::user("mallory")));
}

#[tokio::test]
async fn of_a_constant_and_variants_the_stronger_source_decides() {
    let variants = Definition::new().variants(load()).serve("full");
    let constant = Definition::new().value(0.7);
    let weights = Definition::new().variants([("a", 1)]);

    let by_constant = stacked([constant.clone(), variants.clone()]).await;
    let by_variant = stacked([Definition::new().serve("full"), variants.serve("off"), constant]);
    let by_weight = stacked([weights, Definition::new().value("b")]).await;

    assert_eq!(by_constant.float("a", &ana(), 9.0).value, 0.7);
    assert_eq!(by_variant.await.float("a", &ana(), 9.0).value, 1.0);
    assert_eq!(by_weight.string("a", &ana(), "none").value, "a");
}

#[test]
fn one_patch_after_the_other_is_one_patch() {
    let patches = [
        Definition::new().value(1),
        Definition::new().serve("full"),
        Definition::new().value(2),
        Definition::new().variants(load()),
        Definition::new().serve("off"),
    ];
    let below = Definition::new().variants(load()).serve("10%");

    for first in &patches {
        for second in &patches {
            let mut one_by_one = below.clone();
            one_by_one.merge(first);
            one_by_one.merge(second);
            let mut both = first.clone();
            both.merge(second);
            let mut at_once = below.clone();
            at_once.merge(&both);

            let value = |it: &Definition| it.rare().value.clone();
            assert_eq!(value(&one_by_one), value(&at_once), "{first:?}, {second:?}");
        }
    }
}

#[test]
fn a_rule_serves_the_default_of_the_caller() {
    let flags = flags(
        r#"
[flags.limit]
value = 50
rules = [{ when = { plan = "free" }, serve = "default" }]

[flags.theme]
variants = { control = 1, dark = 0 }
rules = [{ when = { plan = "free" }, serve = "default" }]

[flags.plain]
rules = [{ when = { plan = "free" }, serve = "default" }]

[flags.named]
variants = { control = 1, default = 0 }
rules = [{ when = { plan = "free" }, serve = "default" }]
"#,
    );
    let free = ana().attribute("plan", "free");

    let limit = flags.integer("limit", &free, 7);
    let theme = flags.variant("theme", &free, "none");

    assert_eq!((limit.value, limit.reason, limit.error_code), (7, Reason::TargetingMatch, None));
    assert_eq!((theme.value, theme.variant, theme.cause), ("none", None, Cause::Rule(0)));
    for flag in ["limit", "theme", "plain"] {
        let gate = flags.boolean(flag, &free, true);
        assert_eq!((gate.value, gate.reason), (false, Reason::TargetingMatch), "{flag}");
        assert!(!flags.is_enabled(flag, &free), "{flag}");
        assert!(flags.is_enabled(flag, &ana()), "{flag}");
    }
    assert_eq!(flags.variant("named", &free, "none").value, "default");
}

#[tokio::test]
async fn a_variant_of_another_source_may_be_named_default() {
    let rules = flagstaff::definition::from_json(
        "a",
        r#"{"rules": [{"when": {"plan": "free"}, "serve": "default"}]}"#,
    )
    .unwrap();
    let free = ana().attribute("plan", "free");

    let with = stacked([rules.clone(), Definition::new().variants([("default", 1), ("x", 1)])]);
    let without = stacked([rules, Definition::new().variants([("x", 1)])]).await;

    assert_eq!(with.await.variant("a", &free, "none").value, "default");
    assert_eq!(without.variant("a", &free, "none").value, "none");
}

#[test]
fn a_rule_of_a_program_may_serve_the_default_of_the_caller() {
    let when = Condition::compare("plan", Operator::Eq, "free").unwrap();
    let flag = Definition::new().value("x").rules([Rule::new(when, Serve::Default)]);
    let flags = Flags::for_test().with("a", flag).start();

    let answer = flags.string("a", &ana().attribute("plan", "free"), "none");

    assert_eq!((answer.value.as_str(), answer.reason), ("none", Reason::TargetingMatch));
}

#[test]
fn off_default_serves_no_variant() {
    let flags = flags(
        "[flags.theme]\noff = \"default\"\nenabled = false\nvariants = { control = 1, dark = 1 }\n",
    );

    let theme = flags.variant("theme", &ana(), "none");

    assert_eq!((theme.value, theme.variant, theme.reason), ("none", None, Reason::Disabled));
    assert!(!flags.boolean("theme", &ana(), true).value);
}

#[test]
fn metadata_of_all_sources_is_one_and_reached_by_the_flag() {
    let file = FlagsFile::parse(
        "flags.toml",
        "[flags.a]\nmetadata = { issue = \"PAY-412\", tier = 1, share = 0.5, old = true }\n",
    );
    let mut flag = Definition::clone(&file.flags()["a"]);
    let patch = r#"{"metadata": {"tier": 2, "old": null}, "client": true, "testable": true}"#;
    flag.overlay(&flagstaff::definition::from_json("a", patch).unwrap());
    let flags = Flags::for_test().with("a", flag).start();

    let snapshot = flags.snapshot();
    let info = snapshot.info("a").unwrap();

    let facts: Vec<_> =
        info.metadata().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(facts, ["issue=PAY-412", "share=0.5", "tier=2"]);
    assert!(info.definition().is_client() && info.definition().is_testable());
    assert_eq!(flags.explain("a", &ana()).metadata.iter().count(), 3);
    assert_eq!(Definition::new().client(true).rare().client, Setting::Set(true));
}
