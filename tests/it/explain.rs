//! Explanations: their text, and that they agree with the answer.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Env, File, FlagGate, Flags, Memory, Percentage, Reason,
    answer::{Cause, ErrorCode, Value},
    context::context_fn,
    definition::{Condition, Field, FlagsFile, Operator, Prerequisite, Rule, Serve, Setting},
    explain::{Check, ConditionTrace, EntryTrace, Explanation, Outcome, Shown},
    source::Offer,
    write::Provenance,
};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    json,
    rules::value,
    support::{Act, BOUND, Scripted, flags, next},
};

const DECLARED: &str = r#"[flags]
dark_mode = true
search_v2 = "25%"

[flags.payments_v3]
allowed_groups = ["employees"]
percentage = 0

[flags.new_checkout]
description = "One-page checkout"
owner = "payments"
requires = ["dark_mode"]
denied_users = ["mallory", "trent"]
allowed_groups = ["employees"]
percentage = 10

[[flags.new_checkout.rules]]
name = "old iOS stays out"
when = { os = "ios", app_version = { semver = "<5.2.0" } }
serve = false

[[flags.new_checkout.rules]]
name = "german pros"
when = { segment = "german_pros", "company.seats" = { ge = 10 } }
serve = "25%"
bucket_by = "company.id"

[[flags.new_checkout.rules]]
when = { any = [{ email = { ends_with = "@example.com" } }, { not = { plan = "free" } }] }
serve = true

[flags.pricing_page]
requires = ["dark_mode", { flag = "search_v2" }]
variants = { control = 34, higher_price = 33, lower_price = 33 }

[flags.needs_price]
requires = [{ flag = "pricing_page", variant = "control" }]

[flags.banner]
traffic = 50
[flags.banner.variants]
sale = { weight = 1, value = "20 % off" }
plain = { weight = 1, value = "Welcome" }

[flags.checkout_v2.rollout]
start = 2020-01-01
stages = [ { percentage = 1, for = "2h" }, { percentage = 25 } ]

[segments.german_pros]
when = { country = ["DE", "AT"], plan = "pro" }
"#;

fn ana() -> Context<'static> {
    let company = [("id", Value::from(7)), ("seats", Value::from(12))];
    Context::user("ana")
        .group("beta")
        .attribute("os", "ios")
        .attribute("app_version", "5.3.0")
        .attribute("country", "DE")
        .attribute("plan", "pro")
        .attribute("company", company.into_iter().collect::<Value<'_>>())
}

/// Compares with `tests/data/explain/NAME.snap`.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../data/explain");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Returns the text without the parts that differ from run to run.
fn stable(explanation: &Explanation, folder: &TempDir) -> String {
    explanation.to_string().replace(&format!("{}/", folder.path().display()), "")
}

fn declared() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    fs::write(&path, DECLARED).unwrap();
    (folder, path)
}

async fn from_file(path: &Path) -> Flags {
    Flags::builder().source(File::open(path).unwrap()).start().await.unwrap()
}

fn overridden(percentage: u32) -> Offer {
    let mut provenance = Provenance::default();
    provenance.author = Some("ana".to_owned());
    provenance.reason = Some("incident 42\nall is well".to_owned());
    provenance.at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_300_000));
    let patch = Definition::new().percentage(Percentage::whole(percentage).unwrap());
    Offer::from_iter([("checkout_v2", patch)]).with_provenance("checkout_v2", provenance)
}

#[tokio::test]
async fn the_text_shows_sources_authors_and_locations() {
    let (folder, path) = declared();
    let (script, source) = Scripted::new();
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_DARK_MODE", "no")]);
    script.send(Act::Publish(overridden(60))).unwrap();
    let file = File::open(&path).unwrap();
    let flags = Flags::builder().source(source).source(env).source(file).start().await.unwrap();

    let text = |key| stable(&flags.explain(key, &ana()), &folder);

    snapshot("overridden", &text("checkout_v2"));
    snapshot("forced", &text("dark_mode"));
    snapshot("prerequisite", &text("new_checkout"));
    snapshot("unknown", &text("new_chekout"));
}

#[tokio::test]
async fn the_text_shows_each_step() {
    let (folder, path) = declared();
    let flags = from_file(&path).await;
    let text = |key, context: &Context<'_>| stable(&flags.explain(key, context), &folder);

    snapshot("rules", &text("new_checkout", &ana()));
    snapshot("rules-anonymous", &text("new_checkout", &Context::anonymous()));
    snapshot("denied", &text("new_checkout", &Context::user("mallory")));
    snapshot("variants", &text("pricing_page", &ana()));
    snapshot("variant-required", &text("needs_price", &ana()));
    snapshot("traffic", &text("banner", &ana()));
    snapshot("rollout", &text("checkout_v2", &ana()));
}

#[tokio::test]
async fn the_json_has_the_content_of_the_text() {
    let (_folder, path) = declared();
    let flags = from_file(&path).await;

    let explanation = flags.explain("new_checkout", &ana()).redact(["targeting_key"]);
    let mut json = json!(explanation);

    json["generation"] = 1.into();
    let text = serde_json::to_string_pretty(&json).unwrap();
    snapshot("json", &text.replace(&*path.to_string_lossy(), "flags.toml"));
}

#[tokio::test]
async fn an_answer_serializes_as_evaluation_details_without_what_does_not_apply() {
    let (_folder, path) = declared();
    let flags = from_file(&path).await;

    let price = json!(flags.variant("pricing_page", &ana(), "none"));
    let unknown = json!(flags.boolean("new_chekout", &ana(), true));

    let (value, reason) = ("lower_price", Reason::Split);
    assert_eq!(
        price,
        json!({
            "value": value, "reason": reason, "cause": "variant", "source": "file", "variant": value,
        })
    );
    assert_eq!(
        unknown,
        json!({
            "value": true, "reason": "ERROR", "cause": "unknown_flag", "errorCode": "FLAG_NOT_FOUND",
        })
    );
}

#[test]
fn a_source_is_named_by_the_field_that_decided() {
    let flags = flags(DECLARED);

    let explanation = flags.explain("new_checkout", &Context::user("mallory"));

    let decided: Vec<_> = explanation.steps.iter().map(|step| step.outcome).collect();
    assert_eq!(explanation.answer.cause, Cause::DeniedUser);
    assert_eq!(
        decided,
        [
            Outcome::Passed,
            Outcome::Passed,
            Outcome::Decided,
            Outcome::NotReached,
            Outcome::NotReached,
            Outcome::NotReached,
        ]
    );
    let Check::List { field, names, found, .. } = &explanation.steps[2].check else {
        panic!("not a list: {:?}", explanation.steps[2]);
    };
    assert_eq!((*field, *names), (Field::DeniedUsers, 2));
    assert_eq!(*found, Some(Shown::Value("mallory".into())));
}

#[tokio::test]
async fn lines_are_those_of_now_as_long_as_the_flag_is_the_same() {
    let (_folder, path) = declared();
    let flags = from_file(&path).await;
    let mut events = flags.events();
    let pinned = flags.pin(Context::anonymous());
    let place = |key: &str| pinned.explain(key).place.unwrap();
    assert!(place("search_v2").ends_with("flags.toml:3"), "{}", place("search_v2"));

    let edited = DECLARED.replace("percentage = 0", "percentage = 1");
    fs::write(&path, format!("# A comment.\n{edited}")).unwrap();
    next(&mut events).await;

    assert!(place("search_v2").ends_with("flags.toml:4"), "{}", place("search_v2"));
    // The entry has changed since, so its location in the new file does not apply.
    assert!(place("payments_v3").ends_with("flags.toml:7"), "{}", place("payments_v3"));
}

#[tokio::test]
async fn a_pinned_generation_is_explained_by_the_entries_of_its_time() {
    let (script, source) = Scripted::new();
    script.send(Act::Publish(overridden(60))).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();
    let pinned = flags.pin(Context::user("ana"));

    script.send(Act::Publish(Offer::from_iter([("checkout_v2", false)]))).unwrap();
    next(&mut events).await;

    let said = |explanation: Explanation| explanation.sources[0].entry.clone();
    let then = said(pinned.explain("checkout_v2"));
    let now = said(flags.explain("checkout_v2", &Context::user("ana")));
    assert_eq!(then, Some(EntryTrace::Settings(vec![Field::Percentage])));
    assert_eq!(now, Some(EntryTrace::Forced(false)));
}

/// The change publishes no generation.
#[tokio::test]
async fn an_entry_that_changes_nothing_is_explained_too() {
    let (script, source) = Scripted::new();
    script.send(Act::Publish(Offer::new())).unwrap();
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_CHECKOUT_V2", "yes")]);
    let flags = Flags::builder().source(env).source(source).start().await.unwrap();
    let generation = flags.snapshot().generation();

    script.send(Act::Publish(overridden(60))).unwrap();
    let heard = async {
        while flags.health().sources[1].flags == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, heard).await.unwrap();

    let explanation = flags.explain("checkout_v2", &Context::user("ana"));
    let source = &explanation.sources[1];
    assert_eq!(explanation.generation, generation);
    assert_eq!(source.entry, Some(EntryTrace::Settings(vec![Field::Percentage])));
    assert_eq!(source.provenance.as_ref().unwrap().author.as_deref(), Some("ana"));
}

#[tokio::test]
async fn a_rejected_flag_is_not_given_the_line_of_what_was_rejected() {
    let (_folder, path) = declared();
    let flags = from_file(&path).await;
    let mut events = flags.events();

    fs::write(&path, DECLARED.replace("percentage = 10", "percentage = 1000")).unwrap();
    next(&mut events).await;

    let explanation = flags.explain("new_checkout", &Context::user("mallory"));
    let place = explanation.place.unwrap();
    assert!(place.ends_with("as it was before flag `new_checkout` was rejected"), "{place}");
}

#[tokio::test]
async fn a_variable_is_named_as_it_is_spelled() {
    let env = Env::with_prefix("FEATURE_");
    let env = env.variables([("FEATURE_NEW_SEARCH", "on"), ("FEATURE_OTHER", "0")]);
    let flags = Flags::builder().source(env).start().await.unwrap();

    let explanation = flags.explain("new-search", &Context::anonymous());

    assert!(explanation.answer.value);
    assert_eq!(explanation.place.as_deref(), Some("FEATURE_NEW_SEARCH"));
    assert_eq!(explanation.sources[0].entry, Some(EntryTrace::Forced(true)));
}

const LINKED: &str = r#"
[flags]
maintenance = false
payments_v3 = true

[flags.pricing_page]
variants = { control = 1, lower_price = 0 }

[flags.shop]
requires = [{ flag = "maintenance", on = false }, { flag = "pricing_page", variant = ["control", "lower_price"] }]
percentage = 0

[[flags.shop.rules]]
name = "large orders"
when = { total = { ge = 100, as = "number" }, attributes = { flag = "gold" } }
serve = true

[[flags.shop.rules]]
name = "not lost"
unless = { any = [{ flag = "nosuch" }, { country = "US" }] }
serve = true

[[flags.shop.rules]]
name = "payments"
when = { flag = "payments_v3", not = { flag = { flag = "maintenance", on = false } } }
unless = { country = "US" }
serve = true

[[flags.shop.rules]]
name = "all but Americans"
when = { segment = "ready", unless = { plan = "free" } }
unless = { country = "US", flag = "maintenance" }
serve = true

[flags.closed]
requires = [{ flag = "payments_v3", on = false }]

[segments.ready]
when = { flag = { flag = "pricing_page", variant = "control" } }
"#;

#[tokio::test]
async fn a_near_miss_of_an_unless_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let text = "[flags.a]\npercentage = 0\nrules = [{ when = { plan = \"pro\" }, unless = { country = \"US\" }, serve = true }]\n";
    fs::write(&path, text).unwrap();
    let flags = from_file(&path).await;
    let miss = |plan: &'static str, country: &'static str| {
        let context = Context::user("ana").attribute("plan", plan).attribute("country", country);
        flags.explain("a", &context).to_string()
    };

    let excluded = miss("pro", "US");
    assert!(excluded.contains(" unless country = \"US\", seen \"US\"\n"), "{excluded}");
    let other = miss("free", "DE");
    assert!(other.contains("            plan = \"pro\", seen \"free\"\n"), "{other}");
}

#[tokio::test]
async fn the_flags_that_a_flag_depends_on_are_named_with_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    fs::write(&path, LINKED).unwrap();
    let flags = from_file(&path).await;
    let ana = Context::user("ana").attribute("total", "99.5").attribute("flag", "gold");

    let explanation = flags.explain("shop", &ana);

    snapshot("linked", &stable(&explanation, &folder));
    snapshot("linked-redacted", &stable(&explanation.clone().redact_all(), &folder));
    let explained = serde_json::to_value(&explanation).unwrap();
    let rules = explained["steps"].as_array().unwrap();
    let rules = rules.iter().find(|step| step["step"] == "rules").unwrap();
    let rules = serde_json::to_string_pretty(rules).unwrap();
    snapshot("linked-json", &rules.replace(&format!("{}/", folder.path().display()), ""));
    assert_eq!(
        flags.explain("closed", &ana).because,
        "it requires payments_v3 to be off, and it is on"
    );
}

#[tokio::test]
async fn a_flag_that_is_asked_for_can_be_the_near_miss() {
    let rule = |condition: Condition| Rule::new(condition, Serve::Off);
    let ask = |condition: Condition| async {
        let flag = Definition::new().rules([rule(condition)]);
        let source = Memory::new().with("x", flag).with("on", true).with("off", false);
        let flags = Flags::builder().source(source).start().await.unwrap();
        let miss = flags.explain("x", &Context::anonymous()).near_miss;
        miss.map(|miss| miss.comparison.to_string())
    };
    let flag = |name: &str| Condition::Flag(Prerequisite::on(name));

    let off = Some("flag off is on, and it is off".to_owned());
    assert_eq!(ask(flag("off")).await, off);
    assert_eq!(ask(Condition::All(vec![flag("on"), flag("off")])).await, off);
    let on = Some("flag on is on, and it is on".to_owned());
    assert_eq!(ask(flag("on").negated()).await, on);
    assert_eq!(ask(flag("on").unless()).await, on);
    assert_eq!(
        ask(flag("nosuch")).await,
        Some("flag nosuch is on, which no source has".to_owned())
    );
    assert_eq!(ask(Condition::All(vec![flag("off"), flag("nosuch")])).await, None);
    let lost = Condition::Any(vec![flag("off"), flag("nosuch")]).unless();
    assert_eq!(ask(lost).await, Some("flag nosuch is on, which no source has".to_owned()));
}

/// Returns the near miss of the rules for a context with `a = 1` and `b = 2`.
fn near_miss(rules: &[(&str, bool)]) -> Option<(usize, String)> {
    let rules =
        rules.iter().map(|(when, serve)| format!("{{ when = {{ {when} }}, serve = {serve} }}"));
    let rules: Vec<_> = rules.collect();
    let flags = flags(&format!("[flags.x]\nrules = [{}]", rules.join(", ")));
    let context = Context::anonymous().attribute("a", 1).attribute("b", 2);
    let miss = flags.explain("x", &context).near_miss?;
    let ConditionTrace::Compare(comparison) = miss.comparison else { return None };
    Some((miss.rule, comparison.attribute))
}

#[test]
fn a_near_miss_failed_on_exactly_one_comparison() {
    let miss = |attribute: &str| Some((0, attribute.to_owned()));

    assert_eq!(near_miss(&[("a = 1, b = 3", true)]), miss("b"));
    // Also a comparison at which the evaluation stopped.
    assert_eq!(near_miss(&[("a = 2, b = 2", true)]), miss("a"));
    assert_eq!(near_miss(&[("a = 2, b = 3", true)]), None);
    assert_eq!(near_miss(&[("a = 1, c = 1", true)]), miss("c"));
    assert_eq!(near_miss(&[("any = [{ a = 2, b = 3 }, { a = 3, b = 2 }]", true)]), miss("a"));
    assert_eq!(near_miss(&[("not = { a = 1 }", true)]), miss("a"));
    assert_eq!(near_miss(&[("not = { a = 1, b = 2 }", true)]), miss("a"));
    assert_eq!(near_miss(&[("not = { any = [{ a = 1 }, { b = 2 }] }", true)]), None);
    // The first near miss before the rule that matches.
    assert_eq!(
        near_miss(&[("a = 2, b = 3", true), ("b = 3", false), ("a = 1", true), ("a = 2", true)]),
        Some((1, "b".to_owned()))
    );
    assert_eq!(near_miss(&[("a = 1", true), ("a = 2", true)]), None);
}

#[test]
fn the_trace_has_exactly_the_comparisons_that_were_made() {
    let flags = flags(DECLARED);

    let explanation = flags.explain("new_checkout", &ana());

    let Some(Check::Rules(rules)) =
        explanation.steps.iter().map(|step| &step.check).find(|it| matches!(it, Check::Rules(_)))
    else {
        panic!("{explanation}")
    };
    let mut needed = Vec::new();
    for rule in rules {
        collect(rule.when.as_ref(), &mut needed);
    }
    let needed: Vec<_> = needed.iter().map(|(path, holds)| (path.as_str(), *holds)).collect();
    assert_eq!(
        needed,
        [
            ("os", Some(true)),
            ("app_version", Some(false)),
            ("country", Some(true)),
            ("plan", Some(true)),
            ("company.seats", Some(true)),
        ]
    );
    assert_eq!(rules[2].matches, None);
}

/// Collects the comparisons that the evaluation made.
fn collect(condition: Option<&ConditionTrace>, into: &mut Vec<(String, Option<bool>)>) {
    match condition {
        Some(ConditionTrace::Compare(it)) if it.was_needed => {
            into.push((it.attribute.clone(), it.holds));
        }
        Some(ConditionTrace::All(parts) | ConditionTrace::Any(parts)) => {
            parts.iter().for_each(|part| collect(Some(part), into));
        }
        Some(ConditionTrace::Not(part) | ConditionTrace::Segment(_, part)) => {
            collect(Some(part), into);
        }
        _ => {}
    }
}

#[test]
fn named_attributes_are_redacted_with_what_lies_in_them() {
    let flags = flags(DECLARED);
    let explanation = flags.explain("new_checkout", &ana());

    let company = explanation.clone().redact(["company"]);
    let id = explanation.clone().redact(["company.id"]);
    let os = explanation.redact(["os"]);

    assert!(company.to_string().contains("company [redacted]"), "{company}");
    assert!(company.to_string().contains("company.seats ge [redacted], seen [redacted]"));
    assert!(company.to_string().contains("drawn by company.id [redacted]"));
    assert!(company.to_string().contains("os = \"ios\", seen \"ios\""));
    // A table is redacted as a whole.
    assert!(id.to_string().contains("company [redacted]"), "{id}");
    assert!(id.to_string().contains("company.seats ge 10, seen 12"));
    assert!(os.to_string().contains("os = [redacted], seen [redacted]"), "{os}");
    assert_eq!(json!(os)["askedBy"]["attributes"]["os"], json!({ "redacted": true }));
}

#[test]
fn no_string_can_fake_a_line() {
    let rule = Rule::new(
        Condition::compare("agent", Operator::Contains, "\u{1b}[2J").unwrap(),
        Serve::Off,
    );
    let flags = Flags::for_test().with("a", Definition::new().rules([rule.named("x\ny is on")]));
    let agent = "curl\nb is on: nothing holds it back\u{202e}";

    let text = flags.start().explain("a", &Context::user("eve\n").attribute("agent", agent));

    let text = text.to_string();
    assert!(!text.contains("\nb is on") && !text.contains("\ny is on"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    assert!(text.contains(r"curl\nb is on"), "{text}");
}

#[test]
fn long_values_and_many_comparisons_are_cut_short() {
    let countries = (0..10_000).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let many = Condition::All(
        (0..500)
            .map(|n| Condition::compare(format!("a{n}"), Operator::Eq, n).unwrap())
            .chain([Condition::compare("country", Operator::In, countries).unwrap()])
            .collect(),
    );
    let definition = Definition::new().rules([Rule::new(many, Serve::On)]);
    let flags = Flags::for_test().with("a", definition).start();

    let explanation =
        flags.explain("a", &Context::anonymous().attribute("long", "x".repeat(9_999)));

    let text = explanation.to_string();
    assert!(text.lines().count() < 100, "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    assert!(text.contains("and 451 more lines"), "{text}");
}

#[tokio::test]
async fn an_override_of_the_running_test_is_explained() {
    let flags = flags(DECLARED);

    let explain = async { flags.explain("dark_mode", &Context::anonymous()) };
    let explanation = flagstaff::testing::with_overrides([("dark_mode", false)], explain).await;

    assert_eq!(explanation.answer.cause, Cause::Test);
    assert_eq!(explanation.steps[0].check, Check::Test);
    assert_eq!(explanation.steps[0].outcome, Outcome::Decided);
}

prop_compose! {
    fn context()(
        user in prop::option::of(prop::sample::select(&["", "ana", "bob"][..])),
        groups in prop::collection::vec("[a-c]", 0..3),
        attributes in prop::collection::vec(
            (prop::sample::select(&["plan", "company", "a", "b"][..]), value()), 0..4,
        ),
    ) -> Context<'static> {
        let context = user.map_or_else(Context::anonymous, Context::user);
        let context = context.groups(groups);
        attributes.into_iter().fold(context, |context, (name, value)| context.attribute(name, value))
    }
}

prop_compose! {
    /// One of a few flags that require each other, also in cycles.
    fn definition()(
        mut definition in json::definition().boxed(),
        requires in prop::collection::vec(
            (prop::sample::select(&["a", "b", "c", "d"][..]), 0..4), 0..3,
        ),
        traffic in 0_u32..=100,
        by in prop::sample::select(&["targeting_key", "plan", "company.id", "groups"][..]),
        is_experiment in any::<bool>(),
    ) -> Definition {
        let requires = requires.into_iter().map(|(flag, state)| match state {
            0 => Prerequisite::variant(flag, "control"),
            1 => Prerequisite::off(flag),
            _ => Prerequisite::on(flag),
        });
        definition.rare_mut().requires = Setting::Set(requires.collect());
        if is_experiment {
            definition.rare_mut().traffic = Setting::Set(Percentage::whole(traffic).expect("at most 100"));
            definition.rare_mut().bucket_by = Setting::Set(by.into());
            definition = definition.variants([("control", 1), ("b", 1), ("c", 2)]);
        }
        definition
    }
}

fn start(sources: [[Option<Definition>; 3]; 2]) -> Flags {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let sources = sources.map(|flags| {
        let named = ["a", "b", "c"].into_iter().zip(flags);
        named.fold(Memory::new(), |memory, (key, definition)| match definition {
            Some(definition) => memory.with(key, definition),
            None => memory,
        })
    });
    let builder =
        sources.into_iter().fold(Flags::builder(), |builder, source| builder.source(source));
    runtime.block_on(builder.start()).unwrap()
}

/// Checks that the explanation agrees with the answer.
fn check(flags: &Flags, key: &str, context: &Context<'_>) {
    let snapshot = flags.snapshot();
    let explanation = snapshot.explain(key, context);

    assert_eq!(explanation.answer.value, snapshot.is_enabled(key, context), "{explanation}");
    let gate = snapshot.all(context).find(|(name, _)| *name == key).map(|(_, answer)| answer);
    assert_eq!(
        (gate.is_some(), explanation.answer),
        (gate.is_some(), gate.unwrap_or(explanation.answer))
    );
    let variant = snapshot.variant(key, context, "none");
    match &explanation.served {
        None => assert_eq!(variant.variant, None, "{explanation}"),
        // A constant is not a variant.
        Some(served) if served.variant.is_none() => {
            assert_eq!(variant.error_code, Some(ErrorCode::TypeMismatch), "{explanation}");
            assert_eq!(served.error_code, None, "{explanation}");
        }
        Some(served) => assert_eq!(
            (served.variant, served.reason, served.cause, served.source),
            (variant.variant, variant.reason, variant.cause, variant.source),
            "{explanation}"
        ),
    }
    let decided = explanation.steps.iter().filter(|step| step.outcome == Outcome::Decided).count();
    assert_eq!(decided, usize::from(explanation.answer.cause != Cause::UnknownFlag));
    let json = json!(explanation).to_string();
    assert!(!explanation.to_string().is_empty() && !json.is_empty());
    let hidden = explanation.redact_all();
    assert_eq!(hidden.clone().redact_all(), hidden);
}

proptest! {
    #[test]
    fn the_explained_answer_is_the_plain_one(
        definitions in prop::array::uniform3(prop::option::of(definition().boxed())),
        patches in prop::array::uniform3(prop::option::of(json::definition().boxed())),
        contexts in prop::collection::vec(context(), 1..4),
    ) {
        let flags = start([patches, definitions]);

        for context in &contexts {
            for key in ["a", "b", "c", "d"] {
                check(&flags, key, context);
            }
        }
    }

    #[test]
    fn nothing_of_the_context_is_left_once_all_is_redacted(
        user in "secret-[0-9]{6}", email in "secret-[0-9]{6}", by_email in any::<bool>(),
    ) {
        let when = Condition::compare("email", Operator::Eq, email.clone()).expect("an operand");
        let rule = Rule::new(when, Serve::Percentage(Percentage::ZERO)).named("r");
        let rule = if by_email { rule.bucket_by("email") } else { rule };
        let definition = Definition::new()
            .allowed_users([user.clone()])
            .denied_groups([email.clone()])
            .rules([rule]);
        let flags = start([[None, None, None], [Some(definition), None, None]]);
        let context = |user: &str| Context::user(user.to_owned()).attribute("email", email.clone());

        for context in [
            context(&user), context("secret-x"), context("secret-y").group(email.clone()),
        ] {
            let explanation = flags.explain("a", &context).redact_all();

            let json = json!(explanation).to_string();
            for text in [explanation.to_string(), format!("{explanation:?}"), json] {
                prop_assert!(!text.contains("secret"), "{text}");
            }
        }
    }
}

#[test]
fn lines_of_ten_thousand_flags_are_few_bytes() {
    let flag = |n| format!("[flags.checkout_step_{n}]\nowner = \"payments\"\npercentage = 10\n");
    let text: String = (0..10_000).map(flag).collect();
    let file = flagstaff::definition::FlagsFile::parse("flags.toml", &text);
    let mut kept = Vec::new();

    let info = allocation_counter::measure(|| kept.push(file.lines().clone()));

    assert_eq!(kept[0].setting("checkout_step_9999", Field::Percentage), Some(30_000));
    assert!(info.bytes_current < 500_000, "{}", info.bytes_current);
}

/// A quadratic algorithm would take minutes.
#[tokio::test]
async fn a_flag_with_fifty_thousand_rules_is_explained() {
    let rule = |n| format!("[[flags.a.rules]]\nwhen = {{ n = {n} }}\nserve = true\n");
    let text: String = (0..50_000).map(rule).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    std::fs::write(&path, text).unwrap();
    let flags = from_file(&path).await;

    let explanation = flags.explain("a", &Context::anonymous().attribute("n", 49_999));

    assert!(explanation.answer.value);
    let shown = explanation.to_string();
    assert!(shown.contains("149998"), "{}", &shown[shown.len() - 500..]);
}

#[test]
fn an_explanation_can_be_shared() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}

    let flags = flags(DECLARED);

    is_shared(&Arc::new(flags.explain("dark_mode", &Context::anonymous())));
}

#[tokio::test]
async fn outside_of_the_traffic_is_what_decides() {
    let (folder, path) = declared();
    let flags = from_file(&path).await;
    let outside = (0..100).map(|n| Context::user(format!("user-{n}"))).find(|user| {
        let answer = flags.boolean("banner", user, true);
        !answer.value
    });

    let explanation = flags.explain("banner", &outside.unwrap());

    assert_eq!(explanation.because, Cause::Traffic.to_string());
    let decided: Vec<_> = explanation
        .steps
        .iter()
        .filter(|step| step.outcome == Outcome::Decided)
        .map(|step| matches!(step.check, Check::Variants { .. }))
        .collect();
    assert_eq!(decided, [true], "{explanation}");
    snapshot("outside-traffic", &stable(&explanation, &folder));
}

#[tokio::test]
async fn the_traffic_behind_a_rule_that_lets_users_in_is_shown() {
    let text = "[flags.beta]\nvariants = { a = 1, b = 1 }\ntraffic = 50\n\
                [[flags.beta.rules]]\nname = \"most\"\nwhen = {}\nserve = \"99%\"\n";
    let file = FlagsFile::parse("flags.toml", text);
    let beta = file.flags().get("beta").unwrap().clone();
    let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await.unwrap();

    for number in 0..50 {
        let user = Context::user(format!("u{number}"));
        let explanation = flags.explain("beta", &user);
        let traffic = explanation.steps.iter().find_map(|step| match &step.check {
            Check::Variants { traffic_draw, .. } => traffic_draw.clone(),
            _ => None,
        });
        let is_out = traffic.as_ref().is_some_and(|draw| !draw.is_inside);
        assert_eq!(explanation.answer.cause == Cause::Traffic, is_out, "{explanation}");
        if is_out {
            assert_eq!(explanation.because, "the bucket is outside of the `traffic`");
        }
    }
}

#[tokio::test]
async fn an_experiment_without_traffic_is_off_because_no_user_takes_part() {
    let flag = Definition::new().variants([("a", 1), ("b", 1)]).traffic(Percentage::ZERO);
    let flags = Flags::builder().source(Memory::new().with("a", flag)).start().await.unwrap();

    let explanation = flags.explain("a", &Context::user("ana"));

    assert_eq!(explanation.because, "no user takes part, since `traffic` is 0%");
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_not_shown_as_an_entry() {
    let above = Memory::new().with("limit", Definition::new().value("fifty"));
    let below = Memory::new().with("limit", Definition::new().value(50));
    let flags = Flags::builder().source(above.clone()).source(below).start().await.unwrap();
    let explain = || flags.explain("limit", &Context::anonymous());

    let explained = explain();

    let problem = "the values of the flag are numbers, and this one is a string";
    assert_eq!(explained.because, format!("the value in memory cannot be read: {problem}"));
    let [said, _] = &explained.sources[..] else { panic!("{explained:?}") };
    assert_eq!((&said.entry, said.problem.as_deref()), (&None, Some(problem)));
    assert!(explained.to_string().contains("memory    not readable"), "{explained}");

    above.insert("limit", Definition::new().value(60));
    above.insert("limit", Definition::new().value("sixty"));
    let explained = explain();
    assert_eq!(explained.served.as_ref().unwrap().value, 60.into());
    assert!(explained.sources[0].entry.is_some() && explained.sources[0].problem.is_some());
}

/// Returns true if a gate lets a request through that has the context.
fn is_open(gate: FlagGate, flags: &Flags, context: &Context<'static>) -> bool {
    let kept = context_fn(|head| match head.extensions.get::<Context<'static>>() {
        Some(context) => context.clone().shorten(),
        None => Context::anonymous(),
    });
    let inner = service_fn(async |_: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let service = gate.flags(flags).context(kept).layer(inner);
    let mut request = http::Request::new(());
    request.extensions_mut().insert(context.clone());
    let response = service.oneshot(request).now_or_never().expect("nothing here waits");
    response.unwrap().status().is_success()
}

/// Files with all words of the language, read in every way.
mod readings {
    use flagstaff::definition::{UnknownKeys, from_json_object, to_json};
    use proptest::test_runner::Config;

    use super::*;
    use crate::random_files::{FLAGS, file};

    /// Returns the flags of a file, and the flags after a round trip through JSON.
    fn both(file: &FlagsFile) -> [Flags; 2] {
        let mut written = Memory::new();
        let mut read = Memory::new();
        for (key, definition) in file.flags() {
            let json = to_json(definition);
            let again = from_json_object(key, &json, UnknownKeys::Reject).unwrap();
            written = written.with(key, definition.clone());
            read = read.with(key, again);
        }
        [written, read].map(|source| block_on(Flags::builder().source(source).start()).unwrap())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(future)
    }

    fn contexts() -> Vec<Context<'static>> {
        let pros = (0..4).map(|n| Context::user(format!("u{n}")).attribute("plan", "gold"));
        let others = [
            Context::anonymous(),
            Context::user("ana"),
            Context::user("bob").group("banned").attribute("plan", "free"),
            Context::user("eve").attribute("seats", "12").attribute("segment", "x"),
            Context::anonymous().attribute("seats", 12).attribute("plan", "Gold"),
        ];
        pros.chain(others).collect()
    }

    fn agree(text: &str) {
        let file = FlagsFile::parse("flags.toml", text);
        let staging = file.clone().in_environment("staging").ok();
        for file in [Some(file), staging].into_iter().flatten() {
            let [flags, from_json] = both(&file);
            // Forced on is not a setting, so JSON does not contain it. Other flags may require such a flag.
            let is_forced = file.environment().is_some()
                && file.entries("staging").any(|(_, entry)| entry.forces() == Some(true));
            for context in contexts() {
                for key in FLAGS.into_iter().filter(|key| file.flags().contains_key(*key)) {
                    check(&flags, key, &context);
                    let value = |flags: &Flags| flags.value(key, &context, serde_json::Value::Null);
                    // A draw by request has a new outcome each time.
                    if !text.contains("\"request\"") && !is_forced {
                        assert_eq!(value(&flags), value(&from_json), "{key}: {text}");
                    }
                    let is_on = flags.is_enabled(key, &context);
                    assert_eq!(is_on, flags.boolean(key, &context, !is_on).value, "{key}: {text}");
                    if text.contains("\"request\"") {
                        continue;
                    }
                    let gates = [FlagGate::new(key), FlagGate::new(key).inverted()];
                    let open = gates.map(|gate| is_open(gate, &flags, &context));
                    assert_eq!(open, [is_on, !is_on], "{key}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_generator_makes_files_that_are_mostly_good() {
        let (mut good, mut all) = (0, 0);
        for seed in 0..200_u32 {
            let choices: Vec<_> = (0..200_u32).map(|n| mixed(seed, n)).collect();
            let text = file(&choices);
            let parsed = FlagsFile::parse("flags.toml", &text);
            assert!(parsed.is_usable(), "{text}{}", parsed.diagnostics());
            good += parsed.flags().len();
            all += FLAGS.len();
        }
        assert!(good * 2 > all, "{good} of {all}");
    }

    fn mixed(seed: u32, n: u32) -> u8 {
        let mixed = (seed.wrapping_mul(0x9e37_79b9) ^ n).wrapping_mul(0x85eb_ca6b);
        (mixed >> 15) as u8
    }

    proptest! {
        // Each case checks some seventy answers.
        #![proptest_config(Config { cases: Config::default().cases / 8, failure_persistence: None, ..Config::default() })]

        #[test]
        fn all_readings_of_a_file_agree(choices in prop::collection::vec(any::<u8>(), 0..200)) {
            agree(&file(&choices));
        }
    }
}
