//! Tests of flags in flags.toml, and the flags that are rejected because of them.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, File, Flags,
    answer::Cause,
    definition::{Definitions, Diagnostics, Expected, FlagsFile, from_json},
    event::Event,
};

use crate::support::next;

fn declared(text: &str) -> Definitions {
    let file = FlagsFile::parse("flags.toml", text);
    assert_eq!(file.diagnostics().to_string(), "");
    file.flags().clone()
}

/// Returns the flags that are rejected for their tests, and the diagnostics.
fn rejected(text: &str, previous: &Definitions) -> (Vec<String>, String) {
    let file = FlagsFile::parse("flags.toml", text);
    assert_eq!(file.diagnostics().to_string(), "");
    let file = file.tested(previous, SystemTime::now());
    assert!(file.rejected().iter().all(|flag| !file.flags().contains_key(flag)));
    let rejected = file.rejected().iter().map(str::to_owned).collect();
    (rejected, file.diagnostics().to_string())
}

#[test]
fn each_test_has_a_result() {
    let text = r#"
[flags.page]
variants = { control = 0, b = 1 }
denied_users = ["mallory"]

[[flags.page.tests]]
name = "everybody"
user = "ana"
expect = "b"

[[flags.page.tests]]
user = "mallory"
time = 2026-11-01
expect = true

[flags.also]
tests = [{ expect = false }]
"#;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600);

    let run = FlagsFile::parse("flags.toml", text).test(now);

    let results: Vec<_> = run
        .results()
        .iter()
        .map(|result| {
            let asked = (&*result.flag, result.index, result.name.as_deref(), result.time == now);
            (asked, result.location.line, &result.expected, result.answer.variant, result.passed())
        })
        .collect();
    let b = Expected::Variant("b".to_owned());
    assert_eq!(
        results,
        [
            (("page", 0, Some("everybody"), true), 9, &b, Some("b"), true),
            (("page", 1, None, false), 14, &Expected::On, Some("control"), false),
            (("also", 0, None, true), 17, &Expected::Off, None, false),
        ]
    );
    assert_eq!(run.results()[1].answer.cause, Cause::DeniedUser);
    assert_eq!(run.diagnostics().len(), 2);
    assert!(!run.passed());
}

#[test]
fn tests_get_the_answers_that_services_get() {
    let declared = r#"
[flags.share]
percentage = 40
allowed_groups = ["staff"]
[flags.page]
variants = { control = 1, b = 1, c = 1 }
traffic = 60
off = "c"
[[flags.page.rules]]
name = "pros"
when = { segment = "pros" }
serve = { b = 1, c = 3 }
[flags.both]
requires = ["share", { flag = "page", variant = "b" }]
percentage = 80
[flags.deeper]
requires = ["both"]
variants = { x = 1, y = 1 }
bucket_by = "company"
[flags.only_b]
requires = [{ flag = "page", variant = "b" }]
[flags.stages.rollout]
start = 2026-11-01
stages = [{ percentage = 30, for = "24h" }, { percentage = 100 }]
[segments.pros]
when = { plan = "pro" }
"#;
    let time = "2026-11-01T12:00:00Z";
    let file = FlagsFile::parse("flags.toml", declared);
    assert_eq!(file.diagnostics().to_string(), "");
    let start = Flags::for_test().at(time.parse::<jiff::Timestamp>().unwrap().try_into().unwrap());
    let service = file.flags().iter();
    let service = service.fold(start, |flags, (key, flag)| flags.with(key, flag.clone())).start();

    let mut text = declared.to_owned();
    let mut tests = 0;
    for n in 0..200 {
        let (user, company) = (format!("user-{n}"), format!("company-{}", n % 20));
        let plan = if n % 3 == 0 { "pro" } else { "free" };
        let group = if n % 5 == 0 { "staff" } else { "public" };
        let context = Context::user(&user)
            .group(group)
            .attribute("plan", plan)
            .attribute("company", &company);
        for (flag, answer) in service.all(&context) {
            let mut test = |expect: String| {
                tests += 1;
                text += &format!(
                    "[[flags.{flag}.tests]]\nuser = \"{user}\"\ngroups = [\"{group}\"]\n\
                     time = {time}\nattributes = {{ plan = \"{plan}\", company = \"{company}\" }}\n\
                     expect = {expect}\n"
                );
            };
            test(answer.value.to_string());
            if let Some(variant) = answer.variant {
                test(format!("\"{variant}\""));
            }
        }
    }

    let run = FlagsFile::parse("flags.toml", &text).test(SystemTime::UNIX_EPOCH);

    assert_eq!(run.diagnostics().to_string(), "");
    assert_eq!(run.results().len(), tests);
    assert!(run.results().iter().any(|result| result.answer.value));
    assert!(run.results().iter().any(|result| !result.answer.value));
}

#[test]
fn the_tests_of_a_file_can_be_run_without_a_previous_file() {
    let text = r#"
[flags.new_checkout]
requires = ["payments"]
tests = [{ expect = true }]

[flags.payments]
tests = [{ expect = false }]
"#;

    let run = FlagsFile::parse("flags.toml", text).test(SystemTime::now());

    let passed: Vec<_> = run.results().iter().map(|result| result.passed()).collect();
    assert_eq!(passed, [true, false]);
}

#[test]
fn a_flag_is_tested_with_what_a_rejected_prerequisite_keeps() {
    let previous = declared("[flags]\npayments = true\n");
    let text = r#"
[flags.new_checkout]
requires = ["payments"]
tests = [{ expect = true }]

[flags.payments]
enabled = false
tests = [{ expect = true }]
"#;

    let (rejected, _) = rejected(text, &previous);

    assert_eq!(rejected, ["payments"]);
}

#[test]
fn a_flag_that_needs_a_rejected_definition_is_rejected_and_says_so() {
    let previous = declared("[flags]\npayments = false\n");
    let text = r#"
[flags.new_checkout]
requires = ["payments"]
tests = [{ expect = true }]

[flags.payments]
tests = [{ expect = true }, { expect = false }]
"#;

    let (rejected, diagnostics) = rejected(text, &previous);

    assert_eq!(rejected, ["new_checkout", "payments"]);
    insta::assert_snapshot!(diagnostics, @r#"
    error[failed-test]: test 1 of flag `new_checkout` fails
     --> flags.toml:4:21
      |
    3 | requires = ["payments"]
      |            ------------ `payments` is off
    4 | tests = [{ expect = true }]
      |                     ^^^^ expected on, answered off
      |
    help: `payments`, which it requires, keeps its previous definition

    error[failed-test]: test 2 of flag `payments` fails
     --> flags.toml:7:40
      |
    7 | tests = [{ expect = true }, { expect = false }]
      |                                        ^^^^^ expected off, answered on: nothing holds it back
    "#);
}

#[test]
fn a_flag_is_tested_again_when_what_it_was_tested_with_changes() {
    // `c` is tested first. The kept definition of `b` closes a cycle, so `a` fails and keeps its old value, off.
    let previous = declared("[flags]\na = false\nc = true\n[flags.b]\nrequires = [\"c\"]\n");
    let text = r#"
[flags.a]
requires = ["b"]
tests = [{ expect = true }]

[flags.b]
tests = [{ expect = false }]

[flags.c]
requires = ["a"]
tests = [{ expect = true }]
"#;

    let (rejected, _) = rejected(text, &previous);

    assert_eq!(rejected, ["a", "b", "c"]);
}

#[test]
fn a_flag_with_errors_is_not_tested() {
    let text = "[flags.a]\npercentage = 101\ntests = [{ expect = false }]\n";

    let file = FlagsFile::parse("flags.toml", text);

    assert!(file.test(SystemTime::now()).results().is_empty());
    let tested = file.tested(&Definitions::new(), SystemTime::now());
    assert_eq!(tested.diagnostics().len(), 1);
}

#[test]
fn a_definition_is_the_same_with_and_without_tests() {
    let with =
        declared("[flags.a]\npercentage = 10\ntests = [{ user = \"ana\", expect = true }]\n");

    assert_eq!(with, declared("[flags.a]\npercentage = 10\n"));
}

#[test]
fn tests_do_not_reach_other_sources() {
    let error = from_json("a", r#"{"enabled": true, "tests": []}"#).unwrap_err();

    assert_eq!(
        error.to_string(),
        "flag `a` has `tests`: only the flags of a flags.toml are tested"
    );
}

#[test]
fn thousands_of_tests_over_long_chains_end_soon() {
    let flags = (0..2_000).map(|n| {
        let requires = if n % 200 == 0 { String::new() } else { format!("\"f{}\"", n - 1) };
        format!("[flags.f{n}]\nrequires = [{requires}]\ntests = [{{ expect = {} }}]\n", n % 7 > 0)
    });
    let text: String = flags.collect();

    let file = FlagsFile::parse("flags.toml", &text).tested(&Definitions::new(), SystemTime::now());

    assert!(file.rejected().contains("f0"));
}

#[tokio::test]
async fn an_edit_that_fails_a_test_keeps_the_flag_and_changes_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let text = |denied: &str, beta: bool| {
        format!(
            "[flags]\nbeta = {beta}\n[flags.new_checkout]\ndenied_users = [\"{denied}\"]\n\
             [[flags.new_checkout.tests]]\nuser = \"mallory\"\nexpect = false\n"
        )
    };
    fs::write(&path, text("mallory", false)).unwrap();
    let flags = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap();
    let mut events = flags.events();

    fs::write(&path, text("mallroy", true)).unwrap();

    let Event::Changed { changes, .. } = next(&mut events).await else { panic!("no change") };
    assert_eq!(changes.iter().map(|change| &*change.key).collect::<Vec<_>>(), ["beta"]);
    assert!(!flags.is_enabled("new_checkout", &Context::user("mallory")));
    let Event::Failed { error, .. } = next(&mut events).await else { panic!("no failure") };
    let diagnostics = error.downcast_ref::<Diagnostics>().expect("diagnostics");
    assert_eq!(diagnostics.iter().map(|problem| problem.location.line).collect::<Vec<_>>(), [7]);

    fs::write(&path, text("mallory", true)).unwrap();

    assert!(matches!(next(&mut events).await, Event::Recovered { .. }));
}

#[tokio::test]
async fn a_flag_that_fails_its_tests_at_the_start_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\nbeta = true\nnew = { tests = [{ expect = false }] }\n").unwrap();

    let flags = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap();

    assert!(flags.is_enabled("beta", &Context::anonymous()));
    assert!(!flags.is_enabled("new", &Context::anonymous()));
    assert!(flags.health().sources[0].last_error.is_some());
}
