//! Lints: the findings in the files of `tests/data/lint`.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Flags, Percentage,
    answer::Value,
    definition::{
        Code, Diagnostics, FlagsFile, Safety, Severity,
        lint::{Level, Lints},
    },
};
use proptest::prelude::*;

use crate::{
    definition::{each, snapshot},
    support::root,
};

/// Returns the start of 2026-11-21 in UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200)
}

/// Returns the findings in a file of `tests/data/lint`, which is named after a lint.
fn lint(name: &str, text: &str) -> Diagnostics {
    let code = Code::from_name(name).expect("the name of a lint");
    let others = Code::ALL.iter().filter(|&&other| other != code);
    let lints = others.fold(Lints::new().warn(code), |lints, &other| lints.allow(other));
    let before = root().join("tests/data/lint/before");
    let lints = match fs::read_to_string(before.join(name).with_extension("toml")) {
        Ok(before) => lints.against(before),
        Err(_) => lints,
    };
    lints.check("flags.toml", text, now())
}

#[test]
fn an_allow_list_alone_is_found_in_flags_and_in_each_environment_by_itself() {
    let alone = "k = { allowed_users = [\"ana\"] }";
    for (flag, entries, lines) in [
        (alone, "", &[2][..]),
        (alone, "[environments.e.k]\npercentage = 0", &[2]),
        (alone, "[environments.e.k]\nallowed_groups = [\"staff\"]", &[2, 4]),
        ("k = { allowed_users = [\"ana\"], percentage = 100 }", "", &[2]),
        ("k = { allowed_users = [\"ana\"], percentage = 0 }", "", &[]),
        (
            "k = { allowed_users = [\"ana\"], enabled = false }",
            "[environments.e.k]\nenabled = true\npercentage = 5",
            &[],
        ),
        (
            "k = { percentage = 0 }",
            "[environments.e.k]\nallowed_users = [\"bob\"]\npercentage = 100",
            &[4],
        ),
        ("k = { percentage = 0 }", "[environments.e.k]\nallowed_users = [\"bob\"]", &[]),
        (
            "k = { percentage = 0 }",
            "[environments.e.k]\nallowed_users = [\"bob\"]\npercentage = 5",
            &[],
        ),
    ] {
        let text = format!("[flags]\n{flag}\n{entries}\n");

        let found = Lints::new().check("flags.toml", &text, now());

        let found = found.iter().filter(|problem| problem.code == Code::SettingWithoutEffect);
        let found: Vec<_> =
            found.map(|problem| text[..problem.span.start].lines().count()).collect();
        assert_eq!(found, lines, "{text}");
    }
}

fn lints() -> BTreeSet<Code> {
    Code::ALL.iter().copied().filter(|code| code.is_lint()).collect()
}

#[test]
fn every_lint_finds_what_it_is_for() {
    let mut missing = lints();

    each("lint/bad", |name, text| {
        let found = lint(name, text);

        assert!(!found.is_empty(), "{name}");
        assert!(found.iter().all(|problem| problem.code.as_str() == name), "{name}: {found}");
        missing.remove(&Code::from_name(name).unwrap());
        let fixed = found.apply(Safety::Safe).map(|text| format!("\nfixed:\n\n{text}"));
        snapshot("lint/bad", name, &format!("{found}{}", fixed.unwrap_or_default()));
    });

    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn every_lint_is_silent_about_correct_files() {
    let mut missing = lints();

    each("lint/ok", |name, text| {
        assert_eq!(lint(name, text).to_string(), "", "{name}");
        missing.remove(&Code::from_name(name).unwrap());
    });

    assert_eq!(missing, BTreeSet::new());
}

/// A help with quotes of its own around a name would be another file than the one it recommends.
#[test]
fn names_in_helps_are_quoted_as_toml_has_them() {
    const HOSTILE: &str = r#""a\"b\\c""#;

    for (code, text, setting) in [
        ("invalid-type", format!("[flags.x]\nrequires = {HOSTILE}\n"), "requires = [NAME]"),
        (
            "unknown-variant",
            format!(
                "[flags]\n{HOSTILE} = true\n[flags.x]\nrequires = [{{ flag = {HOSTILE}, variant = \"v\" }}]\n"
            ),
            "write `NAME`",
        ),
        (
            "unknown-prerequisite",
            format!("[flags.x]\nrules = [{{ when = {{ flag = {HOSTILE} }}, serve = true }}]\n"),
            "attributes = { flag = NAME }",
        ),
        (
            "off-without-variant",
            format!("[flags.x.variants]\n{HOSTILE} = 1\nb = 1\n"),
            "such as `off = NAME`",
        ),
    ] {
        let found = lint(code, &text);
        let help = found.iter().find_map(|problem| problem.help.as_ref()).expect(code);

        assert!(help.contains(&setting.replace("NAME", HOSTILE)), "{code}: {help}");
    }
}

/// Returns all lints, compared with an older file that has flags of all kinds.
fn everything() -> Lints {
    let before = include_str!("../data/lint/before/redraws-users.toml");
    let all = Code::ALL.iter().fold(Lints::new(), |lints, &code| lints.warn(code));
    all.against(before.replace("[flags.salted]", "[flags.a]\npercentage = 20\n[flags.salted]"))
}

/// Checks invariants of lints that hold for any text.
pub(crate) fn check(text: &str, file: &FlagsFile) {
    let found = everything().check("flags.toml", text, now());

    assert!(found.len() >= file.diagnostics().len());
    let fails = file.diagnostics().has_errors() || !file.test(now()).passed();
    assert_eq!(found.has_errors(), fails);
    for problem in &found {
        let edits = problem.suggestion.iter().flat_map(|suggestion| &suggestion.edits);
        let places = edits.map(|edit| &edit.span).chain([&problem.span]);
        for span in places.chain(problem.related.iter().map(|related| &related.span)) {
            assert!(text.get(span.clone()).is_some(), "{problem:?}");
        }
    }
    let _ = found.report().limit(usize::MAX).to_string();
    let _ = found.report().ansi().to_string();
    if let Some(fixed) = found.apply(Safety::Safe)
        && file.is_usable()
    {
        let fixed_file = FlagsFile::parse("flags.toml", &fixed);
        assert!(fixed_file.is_usable(), "{text:?} {fixed:?}");
        assert!(file.flags().keys().eq(fixed_file.flags().keys()), "{text:?} {fixed:?}");
        assert!(fixed_file.diagnostics().len() <= file.diagnostics().len(), "{text:?} {fixed:?}");
    }
}

/// Applies safe fixes until none is left.
fn fix(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(fixed) = Lints::new().check("flags.toml", &text, now()).apply(Safety::Safe) {
        assert!(fixed.len() < text.len(), "{text}");
        text = fixed;
    }
    text
}

#[test]
fn safe_fixes_are_applied_until_none_is_left() {
    let text = "[flags.a]\nallowed_users = [\"ana\", \"bob\", \"ana\", \"ana\"]\ndenied_users = [\"bob\"]\n";

    let fixed = fix(text);

    assert_eq!(fixed, "[flags.a]\nallowed_users = [\"ana\"]\ndenied_users = [\"bob\"]\n");
}

/// Returns the answers of each flag in a file for some users.
fn answers(text: &str) -> Vec<(String, bool, String)> {
    let file = FlagsFile::parse("flags.toml", text);
    let defined = file.flags().iter();
    let flags = defined
        .fold(Flags::for_test(), |test, (key, definition)| test.with(key, definition.clone()));
    let flags = flags.start();
    let users = ["ana", "bob", "eve", "mallory"].map(str::to_owned);
    let users = users.into_iter().chain((0..50).map(|user| format!("user-{user}")));
    let mut answers = Vec::new();
    for user in users {
        for group in [None, Some("employees"), Some("beta")] {
            let context = Context::user(&user).groups(group).attribute("plan", "pro");
            for key in file.flags().keys() {
                let variant = flags.variant(key, &context, "").value.to_owned();
                answers.push((format!("{key} {user}"), flags.is_enabled(key, &context), variant));
            }
        }
    }
    answers
}

#[test]
fn safe_fixes_change_no_answer() {
    let mut fixed_files = 0;
    for folder in ["bad", "lint/bad"] {
        each(folder, |name, text| {
            if let (true, Some(fixed)) = (
                FlagsFile::parse("flags.toml", text).is_usable(),
                everything().check("flags.toml", text, now()).apply(Safety::Safe),
            ) {
                assert_eq!(answers(text), answers(&fixed), "{name}");
                fixed_files += 1;
            }
        });
    }
    assert!(fixed_files > 3, "{fixed_files}");
}

/// A quadratic algorithm would take minutes.
#[test]
fn large_files_are_linted_in_linear_time() {
    let lines = |line: fn(usize) -> String| (0..10_000).map(line).collect::<String>();
    let list = lines(|i| format!("\"user{}\", ", i / 2));
    let rule = |i| format!("[[flags.f{i}.rules]]\nwhen = {{ a = {{ gt = {i} }} }}\nserve = true\n");
    let rule_of_one = |i| format!("[[flags.f.rules]]\nwhen.a = {}\nserve = true\n", i % 2);
    let other_rule_of_one = |i| format!("[[flags.f.rules]]\nwhen.a = {i}\nserve = true\n");
    let segment = |i| format!("[segments.s{i}]\nwhen = {{ a = {i} }}\n");
    let salted = |i| format!("[flags.f{i}]\npercentage = {}\nsalt = \"x\"\n", i % 100 + 1);

    for (text, code, problems) in [
        (lines(salted), Code::RedrawsUsers, 9_900),
        (lines(|i| format!("[flags.f{i}]\npercentage = 1\n")), Code::MissingOwner, 10_000),
        (lines(|i| format!("[flags.f{i}]\noff = \"a\"\n")), Code::SettingWithoutEffect, 10_000),
        (format!("[flags.a]\nallowed_users = [{list}]"), Code::DuplicateEntry, 5_000),
        (format!("[flags]\nf = {{ tags = [{list}] }}"), Code::DuplicateEntry, 5_000),
        (lines(rule), Code::UnreachableRule, 0),
        (lines(rule_of_one), Code::UnreachableRule, 9_998),
        (lines(other_rule_of_one), Code::UnreachableRule, 0),
        (lines(segment) + "[flags]", Code::UnusedSegment, 10_000),
    ] {
        let lints = Lints::new().warn(code).against(text.replace("x", "y"));

        let found = lints.check("flags.toml", &text, now());

        assert_eq!(found.iter().filter(|it| it.code == code).count(), problems, "{}", &text[..60]);
        let _ = found.apply(Safety::Safe);
    }
}

#[test]
fn levels_decide_what_is_reported_and_how() {
    let text =
        "[flags.newCheckout]\nallowed_users = [\"a\"]\ndenied_users = [\"a\"]\nsalz = \"x\"\n";
    let codes = |lints: &Lints| {
        let found = lints.check("flags.toml", text, now());
        found.iter().map(|it| (it.code, it.severity)).collect::<Vec<_>>()
    };

    let unknown = (Code::UnknownKey, Severity::Error);
    let both = (Code::AllowedAndDenied, Severity::Warning);
    assert_eq!(codes(&Lints::new()), [both, unknown]);
    // Lints cannot allow errors of the file.
    let lints = Lints::new().allow(Code::AllowedAndDenied).allow(Code::UnknownKey);
    assert_eq!(codes(&lints), [unknown]);
    assert_eq!(lints.level(Code::UnknownKey), Level::Deny);
    let lints = Lints::new().deny(Code::AllowedAndDenied);
    assert_eq!(codes(&lints), [(Code::AllowedAndDenied, Severity::Error), unknown]);
}

#[test]
fn names_can_follow_another_convention() {
    let lints = Lints::new().names("[a-z]+(-[a-z]+)*").unwrap();

    let found = lints.check("flags.toml", "[flags]\nnew-checkout = true\nnew_cart = true\n", now());

    assert_eq!(found.len(), 1);
    assert!(found.summary().ends_with("`new_cart` does not follow the convention"), "{found}");
}

#[test]
fn the_files_of_the_repository_are_clean() {
    let root = root();
    let text = fs::read_to_string(root.join("flags.toml")).unwrap();

    let found = Lints::new().check("flags.toml", &text, now());

    assert_eq!(found.to_string(), "");
    assert!(FlagsFile::parse("flags.toml", &text).is_usable());
}

/// Returns the answers of the flag `f` in a file for many users.
fn served(text: &str) -> Vec<(bool, String)> {
    const USERS: usize = 5_000;

    let file = FlagsFile::parse("flags.toml", text);
    assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
    let flags = Flags::for_test().with("f", Definition::clone(&file.flags()["f"])).start();
    let users = (0..USERS).map(|user| {
        let context = Context::user(format!("user-{user}")).attribute("account", format!("{user}"));
        let variant = flags.variant("f", &context, "").value.to_owned();
        (flags.is_enabled("f", &context), variant)
    });
    users.collect()
}

/// Returns the share of users whose answer changed, and the least share that has to change, from 0 to 1.
fn moved(before: &[(bool, String)], after: &[(bool, String)]) -> (f64, f64) {
    let all = before.len() as f64;
    let moved = before.iter().zip(after).filter(|(was, is)| was != is).count() as f64;
    let count = |list: &[(bool, String)], one: &(bool, String)| {
        list.iter().filter(|other| *other == one).count() as f64
    };
    let outcomes: BTreeSet<_> = after.iter().collect();
    let gained: f64 =
        outcomes.iter().map(|one| (count(after, one) - count(before, one)).max(0.0)).sum();
    (moved / all, gained / all)
}

/// Returns the share in a message, from 0 to 1.
fn said(message: &str) -> f64 {
    let percent = message.split(' ').find_map(|word| word.strip_suffix('%')).expect("a share");
    percent.parse::<f64>().expect("a number") / 100.0
}

/// Returns a flag with some kind of draw.
fn any_flag() -> impl Strategy<Value = String> {
    let variants = prop::sample::select(vec![
        "",
        "variants = { a = 1, b = 2, c = 3 }",
        "variants = { a = 2, b = 2, c = 2 }",
        "variants = { c = 1, b = 2, a = 1 }",
        "variants = { a = 1, c = 1 }",
        "variants = { a = 1, control = 1, c = 0 }",
        "variants = { c = 1 }",
        "variants = { a = 1, b = 2 }\ntraffic = 50",
        "variants = { a = 1, b = 2 }\ntraffic = 20\noff = \"b\"",
    ]);
    let salt = prop::sample::select(vec!["", "salt = \"x\"", "salt = \"y\""]);
    let unit = prop::sample::select(vec!["", "", "bucket_by = \"account\""]);
    let rule = prop::sample::select(vec![
        "",
        "",
        "rules = [{ name = \"r\", when = {}, serve = \"30%\" }]",
        "rules = [{ name = \"s\", when = {}, serve = \"30%\" }]",
        "rules = [{ name = \"r\", when = {}, serve = \"50%\", bucket_by = \"account\" }]",
    ]);
    (0_u32..=100, variants, salt, unit, rule).prop_map(
        |(percentage, variants, salt, unit, rule)| {
            let lines = [format!("percentage = {percentage}").as_str(), variants, salt, unit, rule]
                .join("\n");
            format!("[flags.f]\n{lines}\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_reported_share_of_rebucketed_users_is_that_of_real_answers(
        before in any_flag(),
        after in any_flag(),
    ) {
        let has_rule = |text: &str| text.contains("rules");
        prop_assume!(has_rule(&before) == has_rule(&after));
        let (moved, needed) = moved(&served(&before), &served(&after));
        let found = Lints::new().against(before).check("flags.toml", &after, now());

        let redrawn = found.iter().filter(|it| it.code == Code::RedrawsUsers);
        let is_asked = |text: &&String| match has_rule(&after) {
            true => text.contains("of rule") || text.contains("of the users of this one"),
            false => text.contains("of flag"),
        };
        let texts = redrawn
            .flat_map(|it| it.related.iter().map(|related| &related.label).chain([&it.message]));
        let said = texts.filter(is_asked).map(|text| said(text)).next();

        // Six standard deviations of the widest draw of 5,000 users.
        let bound = 6.0 * (0.25_f64 / 5_000.0).sqrt();
        match said {
            Some(said) => prop_assert!((said - moved).abs() < bound, "{said} {moved}: {found}"),
            None => prop_assert!(moved - needed < bound, "{moved} {needed}: {found}"),
        }
    }
}

/// Comparisons of `a`, `b` and groups.
const COMPARISONS: &[&str] = &[
    "a = 1",
    "a = 2",
    "a = [1, 2]",
    "a = []",
    "a = \"xy\"",
    "a = { starts_with = \"x\" }",
    "a = { starts_with = \"X\", ignore_case = true }",
    "a = { eq = \"XY\", ignore_case = true }",
    "a = { gt = 1 }",
    "a = { ge = 2 }",
    "a = { lt = 2 }",
    "a = { ge = 1, le = 1 }",
    "a = { gt = 1, le = 1 }",
    "a = { ne = 1 }",
    "a = { not_in = [1, 2] }",
    "a = { exists = true }",
    "a = { exists = false }",
    "a = { exists = false, ne = 2 }",
    "a = { eq = 1, in = [2, \"xy\"] }",
    "a = { semver = \">2, <1\" }",
    "a = { after = 2026-01-02 }",
    "a = { after = 2026-01-01, before = 2026-01-03 }",
    "a = { after = 2026-01-03, before = 2026-01-01 }",
    "b = 1",
    "b = { lt = 2 }",
    "groups = \"g\"",
    "groups = { gt = 1 }",
    "b = { ge = 1, as = \"number\" }",
    "flag = \"g\"",
    "flag = { flag = \"g\", on = false }",
    "segment = \"s\"",
];

/// Returns comparisons, and conditions that contain them.
fn any_condition() -> impl Strategy<Value = String> {
    let comparison = prop::sample::select(COMPARISONS);
    comparison.prop_map(|it| format!("{{ {it} }}")).prop_recursive(3, 8, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            (list, prop::sample::select(vec!["any", "all"]))
                .prop_map(|(parts, word)| format!("{{ {word} = [{}] }}", parts.join(", "))),
            (inner, prop::sample::select(vec!["not", "unless"]))
                .prop_map(|(part, word)| format!("{{ {word} = {part} }}")),
        ]
    })
}

/// Returns contexts that differ in the attributes of the conditions. Lists are included only if `lists`.
fn contexts(lists: bool) -> Vec<Context<'static>> {
    let mut contexts = Vec::new();
    for n in 0..10 {
        for group in [None, Some("g")] {
            let context = Context::anonymous().groups(group);
            let context = match n {
                0 => context,
                1 => context.attribute("a", 1).attribute("b", 1),
                2 => context.attribute("a", 2),
                3 => context.attribute("a", 1.5).attribute("b", 3),
                4 => context.attribute("a", "xy"),
                5 => context.attribute("a", "Xz"),
                6 => context.attribute("a", "2026-01-02"),
                7 => context.attribute("a", "2026-01-04").attribute("b", 0),
                8 if lists => context.attribute("a", vec![Value::from(1), Value::from("xy")]),
                9 if lists => context.attribute("a", vec![Value::from(2), Value::from(1)]),
                _ => continue,
            };
            contexts.push(context);
        }
    }
    contexts
}

/// Evaluates a rule with this condition for each context.
fn met(condition: &str, contexts: &[Context<'_>]) -> Vec<bool> {
    let text = format!(
        "[segments.s]\nwhen = {{ any = [{{ a = 1 }}, {{ b = 1 }}] }}\n[flags.f]\npercentage = 0\n\
         rules = [{{ when = {condition}, serve = true }}]"
    );
    let file = FlagsFile::parse("flags.toml", &text);
    assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
    let g = Definition::new().percentage(Percentage::ZERO).allowed_groups(["g"]);
    let f = Definition::clone(&file.flags()["f"]);
    let flags = Flags::for_test().with("f", f).with("g", g).start();
    contexts.iter().map(|context| flags.is_enabled("f", context)).collect()
}

/// Returns true if the second of two rules is reported as never reached, and checks that claim.
fn check_reach(wide: &str, narrow: &str) -> bool {
    let text = format!(
        "[segments.s]\nwhen = {{ any = [{{ a = 1 }}, {{ b = 1 }}] }}\n[flags.f]\n\
         rules = [{{ when = {wide}, serve = true }}, {{ when = {narrow}, serve = false }}]"
    );
    let found = Lints::new().check("flags.toml", &text, now());
    let is_unreachable = found.iter().any(|it| it.code == Code::UnreachableRule);
    if is_unreachable {
        let contexts = contexts(true);
        for (wide, narrow) in met(wide, &contexts).into_iter().zip(met(narrow, &contexts)) {
            assert!(wide || !narrow, "{found}");
        }
    }
    is_unreachable
}

#[test]
fn a_comparison_never_hides_another_that_goes_further() {
    let conditions: Vec<_> = COMPARISONS.iter().map(|it| format!("{{ {it} }}")).collect();

    let pairs = conditions.iter().flat_map(|wide| conditions.iter().map(move |it| (wide, it)));
    let hidden = pairs.filter(|(wide, narrow)| check_reach(wide, narrow)).count();

    assert!(hidden > 50, "{hidden}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_rule_reported_as_unreachable_is_reached_by_no_context(
        wide in any_condition(),
        narrow in any_condition(),
    ) {
        check_reach(&wide, &narrow);
    }

    #[test]
    fn a_comparison_reported_as_impossible_holds_for_no_context(condition in any_condition()) {
        let text = format!("[segments.s]\nwhen = {{}}\n[flags.f]\nrules = [{{ when = {condition}, serve = true }}]");
        let found = Lints::new().check("flags.toml", &text, now());

        // Conditions below these need not hold.
        let needs_all = !["not =", "unless ="].iter().any(|it| condition.contains(it)) && !condition.contains("any =");
        if needs_all && found.iter().any(|it| it.code == Code::NeverMatches) {
            prop_assert_eq!(met(&condition, &contexts(false)), vec![false; 16], "{}", found);
        }
    }
}

/// Returns the codes that lints find in a file over another one.
fn codes_over(lints: Lints, below: &str, own: &str) -> Vec<(Code, usize)> {
    let below = FlagsFile::parse("below.toml", below);
    assert!(!below.diagnostics().has_errors(), "{}", below.diagnostics());
    let found = lints.over(below).check("own.toml", own, SystemTime::UNIX_EPOCH);
    found.iter().map(|problem| (problem.code, problem.location.line)).collect()
}

#[test]
fn a_file_over_another_one_is_not_blamed_for_what_the_file_below_has() {
    let below = "\
[flags.search]
owner = \"web\"
percentage = 10

[flags.page]
off = \"a\"
variants = { a = 1, b = 1 }

[flags.old]
";
    let own = "\
[flags.search]
requires = [\"old\"]

[flags.page]
traffic = 50

[flags.page.variants]
b = 0

[environments.staging]
old = false
";
    let lints = Lints::new().deny(Code::MissingOwner);

    assert_eq!(codes_over(lints.clone().deny(Code::OnlyInEnvironment), below, own), []);
    // Alone, the text has these problems.
    let alone = lints.check("own.toml", own, SystemTime::UNIX_EPOCH).to_string();
    for code in ["zero-weights", "unknown-prerequisite", "missing-owner"] {
        assert!(alone.contains(code), "{code}: {alone}");
    }
}

#[test]
fn a_file_over_another_one_is_checked_after_the_merge() {
    let below = "\
[flags.size]
value = 5
[flags.page]
off = \"a\"
variants = { a = 1, b = 1 }
[flags.first]
requires = [\"second\"]
[flags.second]
[environments.prod.size]
value = 6
[environments.test.plain]
value = \"x\"
";
    for (own, expected) in [
        ("[flags.size]\nvalue = 6\n", None),
        ("[flags.size]\nvalue = 6.5\n", Some((Code::MixedTypes, 2))),
        ("[flags.size]\nvalue = \"x\"\n", Some((Code::MixedTypes, 2))),
        ("[flags]\n[environments.prod.size]\nvalue = \"x\"\n", Some((Code::MixedTypes, 3))),
        ("[flags.plain]\nvalue = 5\n", Some((Code::MixedTypes, 2))),
        ("[flags.page]\nserve = \"c\"\n", Some((Code::UnknownVariant, 2))),
        ("[flags.page]\noff = \"c\"\n", Some((Code::UnknownVariant, 2))),
        (
            "[[flags.page.rules]]\nwhen = { os = 1 }\nserve = \"c\"\n",
            Some((Code::UnknownVariant, 3)),
        ),
        ("[flags.page.variants]\na = 0\nb = 0\n", Some((Code::ZeroWeights, 2))),
        ("[flags.page]\nserve = \"b\"\n", None),
        ("[flags.new.variants]\na = 0\n", Some((Code::ZeroWeights, 2))),
        ("[flags.second]\nrequires = [\"first\"]\n", Some((Code::PrerequisiteCycle, 2))),
        ("[flags.second]\nrequires = [\"third\"]\n", Some((Code::UnknownPrerequisite, 2))),
        ("[flags]\n[environments.prod]\nthird = true\n", Some((Code::OnlyInEnvironment, 3))),
    ] {
        let found = codes_over(Lints::new().allow(Code::OffWithoutVariant), below, own);
        assert_eq!(found, Vec::from_iter(expected), "{own}");
    }
}

#[test]
fn a_file_below_that_cannot_be_read_blames_no_other_file() {
    let broken = FlagsFile::parse("below.toml", "[flags\n");
    let own = "[flags.page]\nserve = \"c\"\n[environments.prod]\nx = true\n";

    let found = Lints::new().over(broken).check("own.toml", own, SystemTime::UNIX_EPOCH);

    assert_eq!(found.to_string(), "");
}
