//! `[environments.NAME]` of a flags.toml.

use std::{error::Error as _, fs, time::SystemTime};

use flagstaff::{
    Context, Definition, File, Flags, Percentage,
    answer::{ErrorCode, FlagState, Reason},
    definition::{
        Code, Definitions, Entry, Field, FlagsFile, Safety, Setting, Variants,
        edit::{Document, EditError},
        lint::Lints,
    },
    event::Event,
    source::Status,
};
use tempfile::TempDir;

use crate::support::next;

fn parse(text: &str) -> FlagsFile {
    FlagsFile::parse("flags.toml", text)
}

/// Returns the flags of a file in an environment, as states: `a: on, b: 25%`.
fn states(text: &str, environment: &str) -> String {
    let file = parse(text).in_environment(environment).unwrap();
    let file = file.tested(&Definitions::new(), SystemTime::UNIX_EPOCH);
    let states = file
        .flags()
        .iter()
        .map(|(key, flag)| format!("{key}: {}", FlagState::at(flag, SystemTime::UNIX_EPOCH)));
    let rejected = file.rejected().iter().map(|key| format!("{key}: rejected"));
    states.chain(rejected).collect::<Vec<_>>().join(", ")
}

/// Returns the problems, in one line each.
fn problems(text: &str) -> Vec<String> {
    let file = parse(text).tested(&Definitions::new(), SystemTime::UNIX_EPOCH);
    file.diagnostics().iter().map(ToString::to_string).collect()
}

/// A file on disk.
struct Subject {
    directory: TempDir,
}

impl Subject {
    fn new(text: &str) -> Self {
        let subject = Self { directory: tempfile::tempdir().unwrap() };
        subject.save(text);
        subject
    }

    fn save(&self, text: &str) {
        // Replaced by rename, as editors do, so that no half-written file is read.
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.directory.path().join("flags.toml")).unwrap();
    }

    fn file(&self) -> File {
        File::open(self.directory.path().join("flags.toml")).unwrap()
    }

    async fn start(&self, environment: &str) -> Flags {
        Flags::builder().source(self.file().environment(environment)).start().await.unwrap()
    }
}

#[test]
fn an_environment_is_merged_over_the_flags_and_others_are_not() {
    let text = "\
[flags]
a = false
b = true
c = \"10%\"

[environments.staging]
a = true
c = \"50%\"
d = true

[environments.production]
b = false
";

    assert_eq!(states(text, "staging"), "a: on, b: on, c: 50%, d: on");
    assert_eq!(states(text, "production"), "a: off, b: off, c: 10%");
    let base: Vec<_> = parse(text).flags().keys().map(str::to_owned).collect();
    assert_eq!(base, ["a", "b", "c"], "no environment is chosen");
}

#[test]
fn forced_on_lifts_what_lets_few_users_in_and_deny_lists_still_hold() {
    let text = "\
[flags.a]
percentage = 0
allowed_users = [\"ana\"]
denied_users = [\"mallory\"]

[environments.staging]
a = true
";
    let file = parse(text).in_environment("staging").unwrap();

    let a = &file.flags()["a"];

    assert_eq!((a.percentage.value(), a.allowed_users.value()), (None, None));
    assert_eq!(a.denied_users.value().unwrap(), &["mallory"]);
}

#[test]
fn a_table_is_a_patch_and_deny_lists_add_up() {
    let text = "\
[flags.a]
owner = \"web\"
allowed_users = [\"ana\"]
denied_users = [\"mallory\"]

[environments.staging.a]
allowed_users = [\"bob\"]
denied_users = [\"eve\"]
enabled = false
";
    let file = parse(text).in_environment("staging").unwrap();

    let a = &file.flags()["a"];

    assert_eq!(a.owner.value().unwrap(), "web");
    assert_eq!(a.allowed_users.value().unwrap(), &["bob"]);
    assert_eq!(a.denied_users.value().unwrap(), &["mallory", "eve"]);
    assert_eq!(a.enabled.value(), Some(&false));
}

#[test]
fn a_percentage_of_an_environment_ends_a_rollout_and_a_rollout_a_percentage() {
    let text = "\
[flags.a.rollout]
start = 2020-01-01
stages = [{ percentage = 1, for = \"2h\" }, { percentage = 100 }]

[flags]
b = \"10%\"

[environments.staging]
a = \"25%\"

[environments.staging.b.rollout]
start = 1960-01-01
stages = [{ percentage = 40 }]
";

    assert_eq!(states(text, "staging"), "a: 25%, b: 40%");
    assert_eq!(problems(text), [""; 0]);
}

#[test]
fn variants_merge_by_name_and_a_weight_of_zero_takes_one_out_of_the_draw() {
    let text = "\
[flags.a.variants]
small = { weight = 50, value = 1 }
large = { weight = 50, value = 2 }

[environments.staging.a.variants]
small = 0
huge = { weight = 1, value = 3 }
";
    let file = parse(text).in_environment("staging").unwrap();

    let variants = file.flags()["a"].rare().variants.value().unwrap();

    let weights: Vec<_> = variants
        .iter()
        .map(|(name, variant)| format!("{name}={}", variant.weight.value().unwrap()))
        .collect();
    assert_eq!(weights, ["small=0", "large=50", "huge=1"]);
    assert_eq!(variants.value("small"), Some(1.into()));
    assert_eq!(problems(text), [""; 0]);
}

#[test]
fn a_mistake_in_one_environment_rejects_the_flag_there_alone() {
    let text = "\
[flags]
a = false
b = true

[environments.staging]
a = 1
b = false

[environments.production]
a = true
";

    assert_eq!(states(text, "staging"), "b: off, a: rejected");
    assert_eq!(states(text, "production"), "a: on, b: on");
    assert!(parse(text).rejected().is_empty());
    assert_eq!(
        problems(text),
        ["6:5: error[ambiguous-number]: flag `a` is a bare number in environment `staging`"]
    );
}

#[test]
fn a_mistake_in_flags_rejects_the_flag_in_all_environments_and_is_reported_once() {
    let text = "\
[flags]
a = 1
[flags.b]
requires = [{ flag = \"c\", variant = \"x\" }]
[flags.c]
variants = { y = 1 }
[environments.staging]
a = true
c = true
[environments.production]
";

    assert_eq!(states(text, "staging"), "c: on, a: rejected, b: rejected");
    assert_eq!(states(text, "production"), "c: on, a: rejected, b: rejected");
    assert_eq!(problems(text).len(), 2);
}

#[test]
fn a_flag_is_checked_after_the_merge() {
    let text = "\
[flags.price]
variants = { low = 1, high = 1 }
[flags.a]
requires = [\"b\"]
[flags]
b = true

[environments.ok.price]
variants = { free = 1 }
off = \"free\"
rules = [{ when = { plan = \"pro\" }, serve = \"low\" }]

[environments.bad.price]
off = \"gone\"
rules = [{ when = { plan = \"pro\" }, serve = \"medium\" }]

[environments.cycle.b]
requires = [\"a\"]
";

    assert_eq!(
        problems(text),
        [
            "4:13: error[prerequisite-cycle]: flags require each other: `a` -> `b` -> `a` in \
             environment `cycle`",
            "14:7: error[unknown-variant]: flag `price` has no variant `gone` in environment `bad`",
            "15:45: error[unknown-variant]: flag `price` has no variant `medium` in environment \
             `bad`",
        ]
    );
    assert_eq!(states(text, "bad"), "a: 100%, 1 required, b: on, price: rejected");
    assert_eq!(states(text, "cycle"), "price: 100%, 2 variants, a: rejected, b: rejected");
}

#[test]
fn values_of_variants_have_one_type_in_an_environment_too() {
    let text = "\
[flags.a.variants]
small = { weight = 1, value = 1 }
[environments.staging.a.variants]
large = { weight = 1, value = \"2\" }
";

    assert_eq!(
        problems(text),
        ["4:31: error[mixed-types]: variants of flag `a` have values of different types in \
          environment `staging`"]
    );
}

#[test]
fn a_segment_of_the_file_can_be_used_in_an_environment() {
    let text = "\
[flags]
a = true
[segments.staff]
when = { company = \"acme\" }
[environments.staging.a]
rules = [{ when = { segment = \"staff\" }, serve = false }]
";

    assert_eq!(problems(text), [""; 0]);
}

#[test]
fn tests_of_an_environment_run_there_and_reject_the_flag_there_alone() {
    let text = "\
[flags.a]
percentage = 0
tests = [{ user = \"ana\", expect = false }]

[environments.staging.a]
percentage = 100
tests = [{ user = \"ana\", expect = true }]

[environments.production.a]
allowed_users = [\"bob\"]
tests = [{ name = \"ana is in\", user = \"ana\", expect = true }]
";

    let run = parse(text).test(SystemTime::UNIX_EPOCH);

    let results: Vec<_> = run
        .results()
        .iter()
        .map(|result| (result.environment.as_deref(), result.passed()))
        .collect();
    assert_eq!(results, [(None, true), (Some("staging"), true), (Some("production"), false)]);
    assert_eq!(states(text, "staging"), "a: on");
    assert_eq!(states(text, "production"), "a: rejected");
    assert_eq!(
        problems(text),
        ["11:55: error[failed-test]: test `ana is in` of flag `a` fails in environment \
          `production`"]
    );
}

#[test]
fn a_flag_whose_tests_fail_is_rejected_in_all_environments() {
    let text = "\
[flags.a]
tests = [{ expect = false }]
[environments.staging]
a = false
";

    assert_eq!(states(text, "staging"), "a: rejected");
}

#[test]
fn a_name_that_is_not_there_is_an_error_with_the_near_one() {
    let file = parse("[flags]\n[environments.staging]\n[environments.production]\n");

    let near = file.clone().in_environment("stagin").unwrap_err();
    let far = file.in_environment("x").unwrap_err();
    let none = parse("[flags]\n").in_environment("x").unwrap_err();

    let messages = [near, far, none].map(|error| error.to_string());
    assert_eq!(
        messages,
        [
            "the flag file has no environment `stagin`; it has `staging`",
            "the flag file has no environment `x`; it has `production`, `staging`",
            "the flag file has no environment `x`; it has none",
        ]
    );
}

#[test]
fn locations_are_those_of_the_environment_if_it_has_an_entry() {
    let text = "\
[flags.a]
owner = \"web\"
percentage = 10

[flags.b]

[environments.staging.a]
percentage = 50
";
    let file = parse(text);
    assert_eq!(file.lines().setting("a", Field::Percentage), Some(3));

    let file = file.in_environment("staging").unwrap();

    let lines = file.lines();
    assert_eq!((lines.flag("a"), lines.flag("b")), (Some(7), Some(5)));
    assert_eq!(lines.setting("a", Field::Owner), Some(2));
    assert_eq!(lines.setting("a", Field::Percentage), Some(8));
}

#[tokio::test]
async fn a_start_in_an_environment_that_is_not_there_fails_and_names_the_near_one() {
    let subject = Subject::new("[flags]\n[environments.staging]\n");
    let file = subject.file().environment("stagng");

    let error = Flags::builder().source(file).start().await.unwrap_err();

    let source = error.source().unwrap().to_string();
    assert!(source.contains("no environment `stagng`; it has `staging`"), "{source}");
}

#[tokio::test]
async fn a_mistake_elsewhere_hurts_neither_a_strict_start_nor_the_health() {
    let subject =
        Subject::new("[flags]\na = false\n[environments.x]\na = 1\n[environments.y]\na = true\n");

    let strict = subject.file().strict().environment("y");
    let flags = Flags::builder().source(strict).start().await.unwrap();

    assert!(flags.is_enabled("a", &Context::anonymous()));
    assert_eq!(flags.health().sources[0].status, Status::Ready);
    let strict = subject.file().strict().environment("x");
    assert!(Flags::builder().source(strict).start().await.is_err());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_makes_the_flag_rejected_there() {
    let subject = Subject::new("[flags]\na = true\n[environments.staging]\na = \"on\"\n");

    let flags = subject.start("staging").await;

    let answer = flags.boolean("a", &Context::anonymous(), true);
    assert_eq!((answer.value, answer.reason), (true, Reason::Error));
    assert_eq!(answer.error_code, Some(ErrorCode::ParseError));
}

#[tokio::test]
async fn a_running_process_keeps_its_flags_when_the_environment_is_gone() {
    let subject = Subject::new("[flags]\na = false\n[environments.staging]\na = true\n");
    let flags = subject.start("staging").await;
    let mut events = flags.events();

    subject.save("[flags]\na = false\nb = true\n");

    let Event::Failed { error, .. } = next(&mut events).await else { panic!("no failure") };
    assert!(error.to_string().contains("no environment `staging`"), "{error}");
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn forced_on_is_on_without_a_variant_where_there_is_no_user() {
    let subject = Subject::new(
        "[flags.a]\nvariants = { x = 1, y = 1 }\npercentage = 0\n\n[environments.staging]\na = true\n",
    );

    let flags = subject.start("staging").await;

    assert!(flags.is_enabled("a", &Context::anonymous()));
    assert!(flags.is_enabled("a", &Context::user("ana")));
}

#[tokio::test]
async fn an_explanation_names_the_environment_and_the_line() {
    let subject = Subject::new(
        "[flags.a]\nowner = \"web\"\npercentage = 10\n\n[environments.staging]\na = \"100%\"\n",
    );

    let flags = subject.start("staging").await;

    let text = flags.explain("a", &Context::user("ana")).to_string();
    assert!(text.contains("flags.toml:6 in environment `staging`"), "{text}");
    let place = flags.sources_of("a")[0].place.clone().unwrap();
    assert!(place.ends_with("flags.toml:6 in environment `staging`"), "{place}");
}

#[tokio::test]
async fn of_several_files_the_stronger_one_is_merged_over_the_weaker() {
    let (local, shared) = (
        Subject::new("[flags]\na = \"50%\"\n"),
        Subject::new("[flags.a]\nowner = \"web\"\npercentage = 10\n[environments.staging]\n"),
    );
    let builder = Flags::builder().source(local.file());

    let flags = builder.source(shared.file().environment("staging")).start().await.unwrap();

    let info = flags.snapshot().info("a").unwrap().definition().clone();
    assert_eq!(info.percentage.value().map(ToString::to_string), Some("50%".to_owned()));
    assert_eq!(info.owner.value().map(String::as_str), Some("web"));
    let sources = flags.sources_of("a");
    let names: Vec<_> = sources.iter().map(|said| said.source.name).collect();
    assert_eq!(names, ["file", "file#2"]);
}

/// Returns the file after an edit in `staging`, which has a comment that stays.
fn edited(text: &str, edit: impl FnOnce(&mut Document) -> Result<(), EditError>) -> String {
    let document = Document::parse("flags.toml", text).unwrap();
    let mut document = document.in_environment("staging").unwrap();
    match edit(&mut document) {
        Ok(()) => document.text().strip_prefix(BASE).expect("`[flags]` stays").to_owned(),
        Err(error) => format!("{error}"),
    }
}

const BASE: &str = "\
[flags]
a = false # off
[flags.b]
owner = \"web\"
percentage = 10
denied_users = [\"mallory\"]

";

fn percentage(percent: u32) -> Definition {
    Definition::new().percentage(Percentage::whole(percent).unwrap())
}

#[test]
fn switches_in_an_environment_are_forced_values_unless_it_has_a_table() {
    let none = format!("{BASE}[environments.staging] # ours\n");
    let forced = format!("{BASE}[environments.staging] # ours\na = false # for now\n");
    let table = format!("{BASE}[environments.staging.a] # ours\npercentage = 5\n");

    let on = |text: &str| edited(text, |document| document.enable("a"));

    assert_eq!(on(&none), "[environments.staging] # ours\na = true\n");
    assert_eq!(on(&forced), "[environments.staging] # ours\na = true # for now\n");
    assert_eq!(on(&table), "[environments.staging.a] # ours\npercentage = 5\nenabled = true\n");
}

#[test]
fn settings_go_into_the_table_of_the_environment() {
    let none = format!("{BASE}[environments.staging] # ours\n");
    let short = format!("{BASE}[environments.staging]\nb = \"20%\" # ours\n");
    let forced = format!("{BASE}[environments.staging]\nb = true # ours\n");

    let half = |text: &str| edited(text, |document| document.set("b", &percentage(50)));
    let both = percentage(50).owner("search");
    let patch = |text: &str| edited(text, |document| document.set("b", &both));

    assert_eq!(half(&none), "[environments.staging] # ours\nb = \"50%\"\n");
    assert_eq!(half(&short), "[environments.staging]\nb = \"50%\" # ours\n");
    assert_eq!(
        half(&forced),
        "[environments.staging]\nb = { enabled = true, percentage = 50 } # ours\n"
    );
    // As a table, the entry no longer lifts the percentage of `[flags]`, so it gets its own.
    assert_eq!(
        edited(&forced, |document| document.set("b", &Definition::new().owner("search"))),
        "[environments.staging]\nb = { enabled = true, owner = \"search\", percentage = 100 } # ours\n"
    );
    assert_eq!(
        patch(&none),
        "[environments.staging] # ours\n\n[environments.staging.b]\nowner = \"search\"\npercentage = 50\n"
    );
    assert_eq!(
        edited(&short, |document| document.set("b", &Definition::new().enabled(true))),
        "[environments.staging]\nb = { percentage = \"20%\", enabled = true } # ours\n"
    );
}

#[test]
fn a_setting_of_flags_cannot_be_removed_in_an_environment() {
    let text =
        format!("{BASE}[environments.staging.b] # ours\nexpires = 2027-01-01\npermanent = false\n");
    let without = |field: Field| {
        let mut patch = Definition::new();
        match field {
            Field::Owner => patch.owner = Setting::Remove,
            _ => patch.expires = Setting::Remove,
        }
        edited(&text, |document| document.set("b", &patch))
    };

    assert_eq!(
        without(Field::Owner),
        "`[flags]` sets `owner` of flag `b`, which an environment cannot remove"
    );
    assert_eq!(without(Field::Expires), "[environments.staging.b] # ours\npermanent = false\n");
}

#[test]
fn a_setting_of_an_environment_can_be_removed_there() {
    let removed = |entry: &str, field: Field| {
        let mut patch = Definition::new();
        match field {
            Field::Percentage => patch.percentage = Setting::Remove,
            _ => patch.enabled = Setting::Remove,
        }
        let text = format!("{BASE}[environments.staging] # ours\n{entry}");
        edited(&text, |document| document.set("b", &patch))
    };
    let nothing = "[environments.staging] # ours\n";

    assert_eq!(removed("b = \"50%\" # half\n", Field::Percentage), nothing);
    assert_eq!(removed("b = true\n", Field::Enabled), nothing);
    assert_eq!(
        removed("b = { owner = \"x\", percentage = 50 }\n", Field::Percentage),
        "[environments.staging] # ours\nb = { owner = \"x\" }\n"
    );
    assert_eq!(
        removed("b = true\n", Field::Percentage),
        "`[flags]` sets `percentage` of flag `b`, which an environment cannot remove"
    );
}

#[test]
fn removing_a_flag_in_an_environment_leaves_it_in_the_flags() {
    let text = format!("{BASE}[environments.staging] # ours\na = true # why\n");

    assert_eq!(edited(&text, |document| document.remove("a")), "[environments.staging] # ours\n");
    assert_eq!(
        edited(&text, |document| document.remove("b")),
        "environment `staging` has no entry for flag `b`"
    );
}

#[test]
fn a_promoted_override_is_what_it_was_in_that_environment() {
    let none = format!("{BASE}[environments.staging] # ours\n");
    let table = format!("{BASE}[environments.staging.b] # ours\npercentage = 20\n");

    let promoted =
        |text: &str, entry: Entry| edited(text, |document| document.promote("b", &entry));

    assert_eq!(promoted(&none, true.into()), "[environments.staging] # ours\nb = true\n");
    assert_eq!(
        promoted(&table, percentage(40).into()),
        "[environments.staging.b] # ours\npercentage = 40\n"
    );
    assert_eq!(
        promoted(&table, Definition::new().denied_users(["eve"]).into()),
        "[environments.staging.b] # ours\npercentage = 20\ndenied_users = [\"eve\"]\n"
    );
    // Settings are added to a table, and its comments stay.
    assert_eq!(
        promoted(&table, true.into()),
        "[environments.staging.b] # ours\npercentage = 100\nenabled = true\n"
    );
}

/// Promotes an override of `f`, and returns the rest of the text or the error.
fn promoted(flag: &str, environment: &str, entry: &Entry) -> String {
    let below = format!("[flags.f]\n{flag}\n");
    let text = format!("{below}[environments.staging] # ours\n{environment}");
    let document = Document::parse("flags.toml", &*text).unwrap();
    let mut document = document.in_environment("staging").unwrap();
    match document.promote("f", entry) {
        Ok(()) => document.text().strip_prefix(&*below).expect("`[flags]` stays").to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_promoted_override_writes_values_for_the_settings_that_it_removes() {
    let head = "[environments.staging] # ours\n";
    let json = |text: &str| Entry::from(flagstaff::definition::from_json("f", text).unwrap());
    let served = "percentage = 10\nvariants = { control = 50, fancy = 50 }";

    assert_eq!(
        promoted(served, "", &Entry::from_text("fancy")),
        format!(
            "{head}\n[environments.staging.f]\nenabled = true\npercentage = 100\nserve = \"fancy\"\n"
        )
    );
    assert_eq!(promoted(served, "", &Entry::from_text("on")), format!("{head}f = true\n"));
    assert_eq!(
        promoted("requires = [\"g\"]\n[flags]\ng = true", "", &json(r#"{"requires": null}"#)),
        format!("{head}\n[environments.staging.f]\nrequires = []\n")
    );
    assert_eq!(
        promoted(
            "rollout = { stages = [{ percentage = 5, at = 2026-12-01 }] }",
            "",
            &json(r#"{"rollout": null}"#)
        ),
        format!("{head}f = \"100%\"\n")
    );
    // No value means no owner, or no active window.
    assert_eq!(
        promoted("owner = \"web\"", "", &json(r#"{"owner": null}"#)),
        "`[flags]` sets `owner` of flag `f`, which an environment cannot remove"
    );
    let active = "active = { until = 2026-12-01 }";
    assert_eq!(
        promoted(active, "f = { enabled = false }\n", &true.into()),
        format!("{head}f = true\n")
    );
}

#[test]
fn a_promoted_override_that_changes_nothing_writes_no_entry() {
    let null = Entry::from(flagstaff::definition::from_json("f", r#"{"rules": null}"#).unwrap());

    let unchanged = promoted("percentage = 10", "", &null);

    assert_eq!(unchanged, "[environments.staging] # ours\n");
}

const TESTED: &str = "\
[flags]
a = \"10%\"

[environments.staging.a]
percentage = 50 # half

# the tests
[[environments.staging.a.tests]]
user = \"ana\"
expect = false
";

#[test]
fn removing_an_entry_leaves_its_tests() {
    let mut document =
        Document::parse("flags.toml", TESTED).unwrap().in_environment("staging").unwrap();

    document.remove("a").unwrap();

    assert_eq!(document.text(), TESTED.replace("percentage = 50 # half\n", ""));
    // `remove` does not remove an entry that has only tests.
    assert!(matches!(document.remove("a"), Err(EditError::NoEntry { .. })));
    // The last setting is removed in the same way.
    let mut patch = Definition::new();
    patch.percentage = Setting::Remove;
    let mut document =
        Document::parse("flags.toml", TESTED).unwrap().in_environment("staging").unwrap();
    document.set("a", &patch).unwrap();
    assert_eq!(document.text(), TESTED.replace("percentage = 50 # half\n", ""));
}

#[test]
fn an_override_is_promoted_beside_tests() {
    let mut document =
        Document::parse("flags.toml", TESTED).unwrap().in_environment("staging").unwrap();

    document.promote("a", &true.into()).unwrap();

    assert_eq!(document.text(), TESTED.replace("= 50 # half", "= 100 # half\nenabled = true"));
}

#[test]
fn a_deleted_flag_is_gone_from_all_environments_with_its_tests() {
    let mut document = Document::parse("flags.toml", TESTED).unwrap();
    document.delete("a").unwrap();
    assert_eq!(document.text(), "[flags]\n\n[environments.staging]\n");

    // An entry that makes no sense without its flag.
    let text = "[flags.a]\nvariants = { x = 1, y = 1 }\n[environments.staging.a.variants]\ny = 0\n";
    let staging = Document::parse("flags.toml", text).unwrap().in_environment("staging");
    let mut document = staging.unwrap();
    document.delete("a").unwrap();
    assert_eq!(document.file().environment(), Some("staging"));
    assert!(!document.text().contains("variants"), "{}", document.text());

    // A flag whose entry in an environment has a mistake cannot be deleted, since the entry would stay.
    let text = "[flags]\na = true\n[environments.staging]\na = 1\n";
    let mut document = Document::parse("flags.toml", text).unwrap();
    assert!(matches!(document.delete("a"), Err(EditError::Rejected { .. })));
    assert_eq!(document.text(), text);
    assert!(matches!(document.delete("b"), Err(EditError::UnknownFlag { .. })));
}

#[test]
fn a_file_over_another_one_patches_its_variants() {
    let text = "[flags.a.variants]\nx = 0 # not now\n\n[environments.staging.a]\nserve = \"y\"\n";
    assert!(parse(text).rejected().contains("a"));

    let file = FlagsFile::parse_partial("flags.toml", text);
    assert_eq!(file.diagnostics().to_string(), "");
    let below = "[flags.a]\noff = \"default\"\nvariants = { x = 1, y = 1 }\n";
    let lints = Lints::new().over(FlagsFile::parse("below.toml", below));
    assert_eq!(lints.check("flags.toml", text, SystemTime::UNIX_EPOCH).to_string(), "");

    let mut document = Document::parse_partial("flags.toml", text).unwrap();
    let weights = Variants::new().with("y", 2);
    document.set("a", &Definition::new().variants(weights)).unwrap();
    assert_eq!(document.text(), text.replace("# not now\n", "# not now\ny = 2\n"));
}

#[tokio::test]
async fn files_over_each_other_are_merged_in_their_variants() {
    let below = Subject::new("[flags.a]\nowner = \"web\"\nvariants = { x = 1, y = 1 }\n");
    let above = Subject::new("[flags.a.variants]\nx = 0\n");
    let file = |subject: &Subject| File::open(subject.directory.path().join("flags.toml")).unwrap();

    let flags = Flags::builder().source(file(&above).partial()).source(file(&below));
    let flags = flags.start().await.unwrap();

    for user in ["ana", "bob", "eve", "joe"] {
        assert_eq!(flags.variant("a", &Context::user(user), "x").value, "y");
    }
    let info = flags.snapshot();
    let owner = info.info("a").unwrap().definition().owner.value().cloned();
    assert_eq!(owner.as_deref(), Some("web"));
}

#[test]
fn an_edit_that_makes_the_flag_wrong_in_another_environment_is_refused() {
    let text = "\
[flags.a]
variants = { x = 1, y = 1 }
[environments.staging.a]
off = \"y\"
";
    let mut document = Document::parse("flags.toml", text).unwrap();
    let mut patch = Definition::new();
    patch.rare_mut().variants = Setting::Set(Variants::new().without("y"));

    let error = document.set("a", &patch).unwrap_err();

    assert!(matches!(error, EditError::Invalid { .. }), "{error}");
    assert_eq!(document.text(), text);
}

#[test]
fn a_fix_of_what_is_repeated_takes_no_environment_away() {
    for text in [
        "[flags]\na = true\n[environments.staging]\na = true\n",
        "environments.staging.a = true\n[flags]\na = true\n",
        "environments.staging.a.enabled = true\n[flags]\na = true\n",
        "environments = { staging = { a = true } }\n[flags]\na = true\n",
    ] {
        let found = Lints::new().check("flags.toml", text, SystemTime::UNIX_EPOCH);
        assert_eq!(found.iter().next().unwrap().code, Code::RepeatedInEnvironment, "{text}");

        let fixed = found.apply(Safety::Safe).unwrap_or_else(|| text.to_owned());

        assert_eq!(parse(&fixed).environments().collect::<Vec<_>>(), ["staging"], "{fixed}");
    }
}

#[test]
fn a_flag_has_values_of_one_type_in_all_environments() {
    for (below, above) in [
        ("value = 5", "value = \"text\""),
        ("value = 5", "variants = { a = { weight = 1, value = \"x\" } }"),
        ("variants = { a = { weight = 1, value = 1 } }", "variants = { a = { value = \"x\" } }"),
        ("variants = { a = { weight = 1, value = 1 } }", "value = [1]"),
        ("variants = { a = 1, b = 1 }", "value = 5"),
        // Code that asks for an integer has no use for a float.
        ("value = 5", "value = 0.5"),
        ("value = 0.5", "value = 9007199254740993"),
    ] {
        let text = format!("[flags.f]\n{below}\n[environments.staging.f]\n{above}\n");
        let file = parse(&text);

        let diagnostics: Vec<_> = file.diagnostics().iter().collect();
        let [mixed] = &diagnostics[..] else { panic!("{text}{diagnostics:?}") };
        assert_eq!(mixed.code, Code::MixedTypes, "{text}");
        assert_eq!(mixed.environment.as_deref(), Some("staging"), "{mixed}");
        assert!(file.flags().contains_key("f"), "{text}");
    }
    for (below, above) in [
        ("value = 0.5", "value = 5"),
        ("variants = { a = 1, b = 1 }", "variants = { b = 0 }"),
        ("variants = { a = { weight = 1, value = 1 } }", "variants = { a = 3 }"),
    ] {
        let text = format!("[flags.f]\n{below}\n[environments.staging.f]\n{above}\n");
        assert!(!parse(&text).diagnostics().has_errors(), "{text}");
    }
}

/// Without a value in `[flags]`, the first environment that has a value sets the type.
#[test]
fn a_flag_that_has_values_in_environments_alone_has_one_type_there() {
    let text = "[flags]\nf = true\n[environments.staging.f]\nvalue = 5\n[environments.production.f]\nvalue = \"x\"\n";

    let file = parse(text);

    let diagnostics: Vec<_> = file.diagnostics().iter().collect();
    let [mixed] = &diagnostics[..] else { panic!("{diagnostics:?}") };
    assert_eq!((mixed.code, mixed.environment.as_deref()), (Code::MixedTypes, Some("production")));
    assert!(!parse(&text.replace("\"x\"", "6")).diagnostics().has_errors());
}

/// Each of the two parts is valid by itself.
#[test]
fn a_window_and_a_rollout_are_checked_with_what_an_environment_adds() {
    for (below, above, code) in [
        ("active.from = 2026-01-01", "active.until = 2025-01-01", Code::NeverActive),
        ("active.until = 2026-01-01", "active.from = 2026-01-01", Code::NeverActive),
        (
            "rollout = { start = 2026-01-01, stages = [{ percentage = 100 }] }",
            "rollout.stages = [{ percentage = 100, at = 2026-02-01 }]",
            Code::RolloutTimes,
        ),
        ("owner = \"x\"", "rollout.start = 2026-01-01", Code::RolloutWithoutStages),
        ("created = 2026-01-01", "expires = 2025-01-01", Code::ExpiresBeforeCreated),
    ] {
        let text = format!("[flags.f]\n{below}\n[environments.staging.f]\n{above}\n");
        let file = parse(&text);

        let found: Vec<_> = file.diagnostics().iter().map(|it| it.code).collect();
        assert_eq!(found, [code], "{text}{}", file.diagnostics());
        assert!(file.flags().contains_key("f"), "{text}");
        let staging = file.in_environment("staging").unwrap();
        let is_error = code != Code::RolloutWithoutStages;
        assert_eq!(staging.rejected().contains("f"), is_error, "{text}");
    }
}

#[test]
fn a_value_that_is_not_an_environment_is_named() {
    let error = |text: &str| {
        FlagsFile::parse("flags.toml", text).in_environment("staging").unwrap_err().to_string()
    };

    assert_eq!(
        error("environments = 3\n[flags]\n"),
        "environment `staging` of the flag file cannot be used: 1:16: `environments` is an integer, expected a table"
    );
    assert_eq!(
        error("[flags]\n[environments]\nstaging = true\n"),
        "environment `staging` of the flag file cannot be used: 3:11: invalid environment `staging`, expected a \
         table of flags, found a boolean"
    );
    assert_eq!(
        error("[flags]\n[environments]\nother = true\n"),
        "the flag file has no environment `staging`; it has none"
    );
}
