//! Rules: conditions, segments and outcomes.

use flagstaff::{
    Answer, Context, Definition, Flags, Percentage, Reason,
    answer::{Cause, ErrorCode, Value},
    definition::{Condition, FlagsFile, Operator, Rule, Serve},
};
use proptest::prelude::*;

use crate::support::flags;

#[test]
fn a_rule_serves_the_variant_that_is_named_like_a_number_or_a_percentage() {
    let text = r#"
[flags.size]
variants = { 1 = 0, 2 = 0, 4 = 1 }
rules = [{ when = { plan = "pro" }, serve = "2" }]

[flags.load]
variants = { "25%" = { value = 0.25 }, none = { weight = 1, value = 0.0 } }
rules = [{ when = { plan = "pro" }, serve = "25%" }]
"#;
    let flags = flags(text);
    let served = |flag, user: &str| {
        let context = Context::user(user.to_owned()).attribute("plan", "pro");
        flags.variant(flag, &context, "the default").value.to_owned()
    };

    for user in ["ana", "bob", "eve", "mallory"] {
        assert_eq!((&*served("size", user), &*served("load", user)), ("2", "25%"));
    }
}

/// Returns true if a condition holds.
fn holds(when: &str, context: &Context<'_>) -> bool {
    let text = format!("[flags.a]\nrules = [{{ when = {{ {when} }}, serve = false }}]");
    !flags(&text).is_enabled("a", context)
}

fn ana() -> Context<'static> {
    Context::user("ana")
        .group("beta")
        .group("staff")
        .attribute("plan", "pro")
        .attribute("age", 30)
        .attribute("ratio", 0.5)
        .attribute("paid", true)
        .attribute("tags", ["a", "b"])
        .attribute("mixed", vec![Value::from("a"), Value::from(1)])
        .attribute("nothing", Vec::<&str>::new())
        .attribute("company", table([("plan", "team".into()), ("size", 12.into())]))
        .attribute(
            "orders",
            vec![
                table([("total", 5.into())]),
                table([("total", 80.into()), ("paid", true.into())]),
            ],
        )
        .attribute("http.method", "GET")
}

fn table<const N: usize>(entries: [(&'static str, Value<'static>); N]) -> Value<'static> {
    entries.into_iter().collect()
}

/// Returns the truth of a condition, or `None` if neither the condition nor its negation holds.
fn truth(when: &str, context: &Context<'_>) -> Option<bool> {
    let (yes, no) = (holds(when, context), holds(&format!("not = {{ {when} }}"), context));
    assert!(!(yes && no), "{when}");
    (yes || no).then_some(yes)
}

#[test]
fn every_operator_does_what_its_example_says() {
    for &operator in Operator::ALL {
        let example = operator.example();
        let context = |value: &str| {
            let context = Context::anonymous();
            if value.is_empty() {
                return context;
            }
            match serde_json::from_str(value).expect("a string or a number") {
                serde_json::Value::String(text) => context.attribute("x", text),
                serde_json::Value::Number(number) => {
                    context.attribute("x", number.as_f64().expect("a float"))
                }
                other => panic!("{other}"),
            }
        };
        let when = format!("x = {{ {operator} = {} }}", example.operand);

        assert_eq!(truth(&when, &context(example.holds)), Some(true), "{operator}");
        assert_eq!(truth(&when, &context(example.fails)), Some(false), "{operator}");
        assert!(operator.description().ends_with('.'), "{operator}");
    }
}

#[test]
fn a_comparison_has_three_values() {
    for (when, expected) in [
        // Scalars and lists of them.
        (r#"plan = "pro""#, Some(true)),
        (r#"plan = "free""#, Some(false)),
        (r#"plan = ["free", "pro"]"#, Some(true)),
        ("plan = []", Some(false)),
        ("plan = { not_in = [] }", Some(true)),
        ("paid = true", Some(true)),
        ("paid = false", Some(false)),
        ("age = 30.0", Some(true)),
        ("ratio = 0.5", Some(true)),
        // Missing attributes.
        (r#"country = "DE""#, None),
        (r#"country = { ne = "DE" }"#, None),
        (r#"country = { not_in = ["DE"] }"#, None),
        ("country = { exists = true }", Some(false)),
        ("country = { exists = false }", Some(true)),
        // Attributes of another type.
        ("plan = 1", None),
        ("plan = { ne = 1 }", None),
        (r#"age = "30""#, None),
        ("plan = { gt = 1 }", None),
        (r#"age = { starts_with = "3" }"#, None),
        (r#"plan = { semver = "1" }"#, None),
        (r#"plan = { cidr = "10.0.0.0/8" }"#, None),
        ("plan = { before = 2026-11-01 }", None),
        (r#"plan = ["pro", 1]"#, Some(true)),
        // All operators of a table hold.
        ("age = { gt = 18, lt = 65 }", Some(true)),
        ("age = { gt = 18, lt = 30 }", Some(false)),
        // Lists: any element.
        (r#"tags = "b""#, Some(true)),
        (r#"tags = "c""#, Some(false)),
        (r#"tags = { ne = "b" }"#, Some(false)),
        (r#"tags = { ne = "c" }"#, Some(true)),
        (r#"tags = { not_in = ["c", "d"] }"#, Some(true)),
        (r#"tags = { starts_with = "b" }"#, Some(true)),
        ("tags = 1", None),
        (r#"mixed = "b""#, Some(false)),
        ("mixed = { ge = 1 }", Some(true)),
        (r#"nothing = "a""#, Some(false)),
        (r#"nothing = { ne = "a" }"#, Some(true)),
        ("nothing = { exists = true }", Some(true)),
        // The user and the groups.
        (r#"targeting_key = "ana""#, Some(true)),
        (r#"targeting_key = ["a", "b", "c", "d", "e", "ana"]"#, Some(true)),
        (r#"groups = "staff""#, Some(true)),
        (r#"groups = ["x", "staff"]"#, Some(true)),
        (r#"groups = { ne = "staff" }"#, Some(false)),
        ("groups = { exists = true }", Some(true)),
        // Paths.
        (r#""company.plan" = "team""#, Some(true)),
        (r#""company.plan" = "pro""#, Some(false)),
        (r#""company.name" = "x""#, None),
        (r#""company.plan.x" = "x""#, None),
        ("company = { exists = true }", Some(true)),
        (r#"company = "team""#, None),
        (r#""http.method" = "GET""#, Some(true)),
        (r#""orders.total" = { gt = 50 }"#, Some(true)),
        (r#""orders.0.total" = { gt = 50 }"#, Some(false)),
        (r#""orders.1.total" = { gt = 50 }"#, Some(true)),
        (r#""orders.2.total" = { gt = 50 }"#, None),
        (r#""orders.paid" = true"#, Some(true)),
        (r#""orders.name" = { exists = true }"#, Some(false)),
        (r#""tags.1" = "b""#, Some(true)),
        (r#""tags.0" = "b""#, Some(false)),
        // Case.
        (r#"plan = "PRO""#, Some(false)),
        (r#"plan = { eq = "PRO", ignore_case = true }"#, Some(true)),
        (r#"plan = { in = ["FREE", "Pro"], ignore_case = true }"#, Some(true)),
        (r#"plan = { not_in = ["FREE", "Pro"], ignore_case = true }"#, Some(false)),
        (r#"plan = { glob = "P*", ignore_case = true }"#, Some(true)),
        (r#"plan = { matches = "^PRO$", ignore_case = true }"#, Some(true)),
    ] {
        assert_eq!(truth(when, &ana()), expected, "{when}");
    }
}

#[test]
fn an_anonymous_context_has_no_groups_and_no_targeting_key() {
    let nobody = Context::anonymous();

    assert_eq!(truth(r#"targeting_key = "ana""#, &nobody), None);
    assert_eq!(truth("targeting_key = { exists = true }", &nobody), Some(false));
    assert_eq!(truth(r#"groups = "beta""#, &nobody), Some(false));
    assert_eq!(truth("groups = { exists = true }", &nobody), Some(false));
}

const TRUE: &str = r#"plan = "pro""#;
const FALSE: &str = r#"plan = "free""#;
const UNKNOWN: &str = r#"country = "DE""#;

/// The truth tables are those of Kleene.
#[test]
fn conditions_are_joined_by_three_valued_logic() {
    let value = |text: &str| match text {
        TRUE => Some(true),
        FALSE => Some(false),
        _ => None,
    };
    for a in [TRUE, FALSE, UNKNOWN] {
        for b in [TRUE, FALSE, UNKNOWN] {
            let and = match (value(a), value(b)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (value(a), value(b)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };

            assert_eq!(truth(&format!("all = [{{ {a} }}, {{ {b} }}]"), &ana()), and, "{a} {b}");
            assert_eq!(truth(&format!("any = [{{ {a} }}, {{ {b} }}]"), &ana()), or, "{a} {b}");
            assert_eq!(
                truth(&format!("not = {{ any = [{{ {a} }}, {{ {b} }}] }}"), &ana()),
                or.map(|or| !or),
                "{a} {b}"
            );
        }
    }
    assert_eq!(truth("", &ana()), Some(true));
    assert_eq!(truth("any = []", &ana()), Some(false));
    assert_eq!(truth("all = []", &ana()), Some(true));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let flags = flags(
        r#"
        [flags.a]
        percentage = 0
        denied_users = ["mallory"]
        allowed_users = ["eve"]

        [[flags.a.rules]]
        when = { plan = "free" }
        serve = false

        [[flags.a.rules]]
        name = "pros"
        when = { plan = "pro" }
        serve = true

        [[flags.a.rules]]
        when = { plan = "pro" }
        serve = false
        "#,
    );
    let ask = |user: &'static str, plan: &'static str| {
        let answer = flags.boolean("a", &Context::user(user).attribute("plan", plan), false);
        (answer.value, answer.cause, answer.reason)
    };

    assert_eq!(ask("ana", "pro"), (true, Cause::Rule(1), Reason::TargetingMatch));
    assert_eq!(ask("ana", "free"), (false, Cause::Rule(0), Reason::TargetingMatch));
    assert_eq!(ask("ana", "team"), (false, Cause::Unmatched, Reason::Default));
    assert_eq!(ask("mallory", "pro").1, Cause::DeniedUser);
    assert_eq!(ask("eve", "free").1, Cause::AllowedUser);
}

#[test]
fn a_rule_that_serves_a_percentage_draws_by_its_own_name() {
    let flags = flags(
        r#"
        [flags.a]
        [[flags.a.rules]]
        name = "half"
        when = { plan = "pro" }
        serve = "50%"

        [[flags.a.rules]]
        name = "other half"
        when = { plan = "team" }
        serve = "50%"

        [flags.b]
        rules = [
            { when = { plan = "free" }, serve = true },
            { name = "half", when = { plan = "pro" }, serve = "50%" },
        ]
        "#,
    );
    let ask = |flag: &str, user: usize, plan: &'static str| -> Answer<bool> {
        flags.boolean(flag, &Context::user(format!("user-{user}")).attribute("plan", plan), false)
    };
    let same = (0..1_000).filter(|&n| ask("a", n, "pro").value == ask("a", n, "team").value);
    let inside = (0..1_000).filter(|&n| ask("a", n, "pro").value).count();

    // Five standard deviations of 1,000 fair coins are 79.
    assert!((421..579).contains(&same.count()));
    assert!((421..579).contains(&inside));
    let answer = ask("a", 1, "team");
    assert_eq!((answer.reason, answer.cause), (Reason::Split, Cause::RuleSplit(1)));
    // Another flag has another salt.
    assert!((0..1_000).any(|n| ask("a", n, "pro").value != ask("b", n, "pro").value));
}

#[test]
fn users_who_share_the_attribute_of_bucket_by_are_served_alike() {
    let flags = flags(
        r#"
        [[flags.a.rules]]
        name = "companies"
        when = {}
        serve = "50%"
        bucket_by = "company.id"
        "#,
    );
    let ask = |user: usize, company: usize| {
        let company = table([("id", Value::from(company as u32))]);
        flags.is_enabled("a", &Context::user(format!("{user}")).attribute("company", company))
    };
    let without = flags.boolean("a", &Context::user("ana"), false);

    for company in 0..50 {
        assert!((1..20).all(|user| ask(user, company) == ask(0, company)));
    }
    assert!((1..50).any(|company| ask(0, company) != ask(0, 0)));
    assert_eq!(without.error_code, Some(ErrorCode::TargetingKeyMissing));
    assert!(!without.value);
}

const PRICES: &str = r#"
[flags.price]
variants = { control = 1, higher = 0, lower = 0 }

[[flags.price.rules]]
name = "pros"
when = { plan = "pro" }
serve = "higher"

[[flags.price.rules]]
name = "teams"
when = { plan = "team" }
serve = { higher = 50, lower = 50 }

[[flags.price.rules]]
name = "companies"
when = { plan = "company" }
serve = { higher = 50, lower = 50 }
bucket_by = "company"

[[flags.price.rules]]
when = { plan = "free" }
serve = true

[[flags.price.rules]]
when = { plan = "none" }
serve = false
"#;

#[test]
fn a_rule_serves_a_variant() {
    let flags = flags(PRICES);
    let ask = |plan: &'static str| {
        let context = Context::user("ana").attribute("plan", plan);
        let variant = flags.variant("price", &context, "?");
        assert_eq!(variant.reason, variant.cause.reason());
        (variant.value, variant.cause, flags.is_enabled("price", &context))
    };

    assert_eq!(ask("pro"), ("higher", Cause::Rule(0), true));
    assert_eq!(ask("free"), ("control", Cause::Rule(3), true));
    assert_eq!(ask("none"), ("control", Cause::Rule(4), false));
    assert_eq!(ask("?"), ("control", Cause::Unmatched, true));
}

#[test]
fn a_rule_splits_its_users_among_variants() {
    let flags = flags(PRICES);
    let ask = |user: usize, plan: &'static str| {
        let context = Context::user(format!("user-{user}"))
            .attribute("plan", plan)
            .attribute("company", user as u32 / 10);
        flags.variant("price", &context, "?")
    };
    let lower = (0..1_000).filter(|&user| ask(user, "team").value == "lower").count();

    // Five standard deviations of 1,000 fair coins are 79.
    assert!((421..579).contains(&lower), "{lower}");
    assert!((0..1_000).all(|user| ["lower", "higher"].contains(&ask(user, "company").value)));
    assert!(
        (0..1_000)
            .all(|user| { ask(user, "company").value == ask(user / 10 * 10, "company").value })
    );
    let answer = ask(0, "team");
    assert_eq!((answer.cause, answer.reason), (Cause::RuleSplit(1), Reason::Split));
    let nobody = flags.variant("price", &Context::anonymous().attribute("plan", "team"), "?");
    assert_eq!((nobody.value, nobody.cause), ("control", Cause::NoTargetingKey));
    assert_eq!(nobody.error_code, Some(ErrorCode::TargetingKeyMissing));
}

#[test]
fn a_variant_that_no_source_has_is_off() {
    let everybody = Condition::All(Vec::new());
    let rule = Rule::new(everybody, Serve::Variant("lower".to_owned()));
    let definition = Definition::new().variants([("control", 1), ("higher", 1)]).rules([rule]);
    let flags = Flags::for_test().with("price", definition).start();
    let ana = Context::user("ana");

    assert!(!flags.is_enabled("price", &ana));
    assert_eq!(flags.variant("price", &ana, "?").value, "control");
}

#[test]
fn a_segment_is_the_condition_that_it_names() {
    let flags = flags(
        r#"
        [flags.a]
        percentage = 0
        rules = [{ when = { segment = "german_pros" }, serve = true }]

        [flags.b]
        percentage = 0
        rules = [{ when = { not = { segment = ["german", "pros"] } }, serve = true }]

        [segments.german_pros]
        when = { segment = "german", all = [{ segment = "pros" }] }

        [segments.german]
        when = { country = ["DE", "AT"] }

        [segments.pros]
        when = { plan = "pro" }
        "#,
    );
    let on = |country: &'static str, plan: &'static str| {
        let context = Context::user("ana").attribute("country", country).attribute("plan", plan);
        (flags.is_enabled("a", &context), flags.is_enabled("b", &context))
    };

    assert_eq!(on("AT", "pro"), (true, false));
    assert_eq!(on("CH", "pro"), (false, false));
    assert_eq!(on("CH", "free"), (false, true));
}

/// Recursive functions evaluate conditions.
#[test]
fn conditions_of_250_levels_need_little_of_a_stack_and_more_levels_are_refused() {
    // The first segment is one level. Each further segment adds one, and so does the rule that names one.
    let row = |segments: usize| {
        let mut text = format!(
            "[flags.a]\npercentage = 0\n\
             rules = [{{ when = {{ segment = \"s{}\" }}, serve = true }}]\n\
             [segments]\ns0.when = {{ plan = \"pro\" }}\n",
            segments - 1
        );
        for n in 1..segments {
            text += &format!("s{n}.when = {{ segment = \"s{}\" }}\n", n - 1);
        }
        FlagsFile::parse("flags.toml", &text)
    };
    let ask = move || {
        let definition = Definition::clone(&row(249).flags()["a"]);
        let flags = Flags::for_test().with("a", definition).start();
        let explanation = flags.explain("a", &ana());
        assert!(explanation.answer.value, "{explanation}");
        assert!(serde_json::json!(explanation)["steps"].is_array());
        let diagnostics = row(250).diagnostics().to_string();
        assert!(diagnostics.contains("250 levels with its segments written out"), "{diagnostics}");
    };

    // A thread of tokio has twice as much.
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(ask);

    thread.unwrap().join().unwrap();
}

#[test]
fn a_list_of_ten_thousand_users_works_like_any_other() {
    let users: Vec<_> = (0..10_000).map(|n| Value::from(format!("user-{n}"))).collect();
    let condition = Condition::compare("id", Operator::In, Value::List(users)).unwrap();
    let definition =
        Definition::new().percentage(Percentage::ZERO).rules([Rule::new(condition, Serve::On)]);
    let flags = Flags::for_test().with("a", definition).start();
    let on = |id: &'static str| flags.is_enabled("a", &Context::anonymous().attribute("id", id));

    assert!(on("user-0"));
    assert!(on("user-9999"));
    assert!(!on("user-10000"));
}

/// Returns any value that a context or a definition can have.
pub(crate) fn value() -> impl Strategy<Value = Value<'static>> {
    let text = prop::sample::select(
        &[
            "",
            "a",
            "A",
            "pro",
            "5.2.0-beta",
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "2026-11-01",
            "é*",
            "[a",
            "<5",
        ][..],
    );
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::ANY.prop_map(Value::from),
        text.prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|table| table.into_iter().collect()),
        ]
    })
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "a.b", "a.0", "a.b.a", "groups", "targeting_key", "c"][..])
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (path(), prop::sample::select(Operator::ALL), value())
        .prop_filter_map("an operand that fits", |(path, operator, operand)| {
            Condition::compare(path, operator, operand).ok()
        });
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Condition::negated),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
            prop::collection::vec(inner, 0..4).prop_map(Condition::Any),
        ]
    })
}

fn context() -> impl Strategy<Value = Context<'static>> {
    let user = prop::option::of(prop::sample::select(&["", "a", "pro"][..]));
    let groups = prop::collection::vec(prop::sample::select(&["a", "pro"][..]), 0..3);
    let attributes =
        prop::collection::vec((prop::sample::select(&["a", "b", "a.b"][..]), value()), 0..4);
    (user, groups, attributes).prop_map(|(user, groups, attributes)| {
        let context = user.map_or_else(Context::anonymous, Context::user).groups(groups);
        attributes
            .into_iter()
            .fold(context, |context, (name, value)| context.attribute(name, value))
    })
}

/// Evaluates a condition without the compiled form: each comparison is evaluated as a rule of its own.
fn naive(condition: &Condition, context: &Context<'_>) -> Option<bool> {
    match condition {
        Condition::Compare(_) => {
            let asked = |condition: Condition| {
                let rule = Rule::new(condition, Serve::Off);
                let flags = Flags::for_test().with("x", Definition::new().rules([rule])).start();
                !flags.is_enabled("x", context)
            };
            let no = asked(condition.clone().negated());
            let yes = asked(condition.clone());
            (yes || no).then_some(yes)
        }
        Condition::Not(not) => naive(not.condition(), context).map(|holds| !holds),
        // One part with this value decides alone. Otherwise all parts have to be known.
        Condition::All(parts) => joined(parts, false, context),
        Condition::Any(parts) => joined(parts, true, context),
        other => panic!("{other:?}"),
    }
}

fn joined(parts: &[Condition], decides: bool, context: &Context<'_>) -> Option<bool> {
    let parts: Vec<_> = parts.iter().map(|part| naive(part, context)).collect();
    match parts.contains(&Some(decides)) {
        true => Some(decides),
        false => parts.iter().all(Option::is_some).then_some(!decides),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn compiled_conditions_agree_with_a_naive_evaluation(
        conditions in prop::collection::vec(condition(), 1..4),
        context in context(),
    ) {
        let rules: Vec<_> =
            conditions.iter().map(|condition| Rule::new(condition.clone(), Serve::On)).collect();
        let definition = Definition::new().percentage(Percentage::ZERO).rules(rules);
        let flags = Flags::for_test().with("a", definition).start();

        let answer = flags.boolean("a", &context, false);

        let first = conditions.iter().position(|part| naive(part, &context) == Some(true));
        prop_assert_eq!(answer.value, first.is_some());
        if let Some(first) = first {
            prop_assert_eq!(answer.cause, Cause::Rule(u16::try_from(first).unwrap()));
        }
    }
}
