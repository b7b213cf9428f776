//! flags.toml: the diagnostics and definitions of the files in `tests/data`.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Definition,
    definition::{Code, Definitions, Field, FlagsFile, Rollout, Setting, Severity, Stage},
};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::root;

/// Parses a file and runs its tests, at 2026-11-21 09:00 UTC.
fn tested(text: &str) -> FlagsFile {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600);
    FlagsFile::parse("flags.toml", text).tested(&Definitions::new(), now)
}

/// Runs `test` with the name and the text of each file.
pub(crate) fn each(folder: &str, mut test: impl FnMut(&str, &str)) {
    let folder = root().join("tests/data").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a folder of test data")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a readable name");
        test(name, &fs::read_to_string(&path).expect("a readable file"));
    }
}

pub(crate) fn snapshot(folder: &str, name: &str, content: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../data/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, content));
}

/// Returns the flags of a file as text, with those that differ in an environment.
fn outcome(file: &FlagsFile) -> String {
    let mut text = flags(file, |_, _| true);
    for name in file.environments() {
        let there = file.clone().in_environment(name).unwrap();
        let differ = |key: &str, flag: &Definition| {
            file.flags().get(key).is_none_or(|declared| **declared != *flag)
        };
        text += &format!("\nin environment {name:?}:\n{}", flags(&there, differ));
    }
    text
}

fn flags(file: &FlagsFile, is_shown: impl Fn(&str, &Definition) -> bool) -> String {
    let mut text = String::new();
    for (key, definition) in file.flags().iter().filter(|(key, flag)| is_shown(key, flag)) {
        text += &format!("{key}: {}\n", describe(definition));
    }
    if !file.is_usable() {
        text += "not usable\n";
    }
    if !file.rejected().is_empty() {
        text += &format!("rejected: {:?}\n", file.rejected());
    }
    text
}

/// Returns the settings of a definition as text, one after the other.
fn describe(definition: &Definition) -> String {
    let mut rest = definition.clone();
    (rest.created, rest.expires) = (Setting::Inherit, Setting::Inherit);
    let rare = rest.rare_mut();
    (rare.rollout, rare.active) = (Setting::Inherit, Setting::Inherit);
    let mut text = format!("{rest:?}").replace("Set(", "(").replace(" }", ", }");
    for field in Field::ALL {
        text = text.replace(&format!(" {field}: Inherit,"), "");
    }
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text = text.replace(" }", &format!(" {name}: ({value}), }}"));
        }
    };
    add("created", definition.created.value().map(time));
    add("expires", definition.expires.value().map(time));
    add("rollout", definition.rare().rollout.value().map(describe_rollout));
    add("from", definition.rare().active.value().and_then(|active| active.from.value().map(time)));
    add(
        "until",
        definition.rare().active.value().and_then(|active| active.until.value().map(time)),
    );
    text.replace("Definition ", "")
}

fn describe_rollout(rollout: &Rollout) -> String {
    let stages = rollout.stages.value().map(Vec::as_slice).unwrap_or_default();
    let mut parts: Vec<_> = stages.iter().map(describe_stage).collect();
    let mut add = |name: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{name} {value}")));
    };
    add("start", rollout.start.value().map(time));
    add("stage", rollout.stage.value().map(u32::to_string));
    add("stage_started", rollout.stage_started.value().map(time));
    add("paused_at", rollout.paused_at.value().map(time));
    parts.join(", ")
}

fn describe_stage(stage: &Stage) -> String {
    let Stage { percentage, duration, at, auto, .. } = stage;
    let mut text = percentage.to_string();
    text += &duration.map(|duration| format!(" for {duration:?}")).unwrap_or_default();
    text += &at.map(|at| format!(" at {}", time(&at))).unwrap_or_default();
    text + if *auto { "" } else { " until advanced" }
}

fn time(time: &SystemTime) -> String {
    Timestamp::try_from(*time).expect("a time of our era").to_string()
}

#[test]
fn good_files_are_decoded_without_diagnostics() {
    each("ok", |name, text| {
        let file = tested(text);

        assert_eq!(file.diagnostics().to_string(), "", "{name}");
        assert!(file.is_usable(), "{name}");
        assert!(file.rejected().is_empty(), "{name}");
        snapshot("ok", name, &outcome(&file));
    });
}

#[test]
fn bad_files_are_explained() {
    each("bad", |name, text| {
        let file = tested(text);

        snapshot("bad", name, &format!("{}\n{}", file.diagnostics(), outcome(&file)));
    });
}

#[test]
fn every_code_has_a_file_that_is_named_after_it() {
    let found = Code::ALL.iter().copied().filter(|code| !code.is_lint());
    let mut missing: BTreeSet<_> = found.collect();

    each("bad", |name, text| {
        let file = tested(text);
        if let Some(code) = Code::from_name(name) {
            assert!(file.diagnostics().iter().all(|problem| problem.code == code), "{name}");
            assert!(!file.diagnostics().is_empty(), "{name}");
            missing.remove(&code);
        }
    });

    // Such a file would have 100,000 names: see `variant_names.rs`.
    missing.remove(&Code::TooManyVariantNames);
    // These codes are about flagstaff.toml: see `places.rs`.
    missing.remove(&Code::PasswordInFile);
    missing.remove(&Code::UnsetVariable);
    assert_eq!(missing, BTreeSet::new());
}

/// Returns the text of all files in `tests/data`, for mutation.
fn corpus() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in ["ok", "bad", "lint/ok", "lint/bad"] {
        each(folder, |_, text| texts.push(text.to_owned()));
    }
    texts
}

/// Checks invariants of diagnostics that hold for any text.
fn check(text: &str) {
    let file = tested(text);

    let mut before = 0;
    for problem in file.diagnostics() {
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        assert!(problem.span.start >= before, "{problem:?}");
        before = problem.span.start;
        for related in &problem.related {
            assert!(text.get(related.span.clone()).is_some(), "{problem:?}");
        }
        let line = text[..problem.span.start].matches('\n').count() + 1;
        assert_eq!(problem.location.line, line);
    }
    let rendered = file.diagnostics().report().limit(usize::MAX).to_string();
    for problem in file.diagnostics() {
        assert!(
            rendered.contains(&format!(" flags.toml:{}\n", problem.location)),
            "{text:?} {rendered}"
        );
    }
    let _ = file.diagnostics().report().ansi().to_string();
    let errors = file.diagnostics().iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(errors, file.diagnostics().has_errors());
    if file.is_usable()
        && let Err(error) = toml::de::DeTable::parse(text)
    {
        // A day that does not exist is a problem of one flag here, but a syntax error for the `toml` crate.
        assert!(error.message().starts_with("invalid "), "{error}");
        assert!(file.diagnostics().iter().any(|problem| problem.code == Code::InvalidDate));
    }
    assert!(errors || (file.is_usable() && file.rejected().is_empty()), "{text:?}");
    assert!(file.rejected().iter().all(|key| !file.flags().contains_key(key)));
    crate::lint::check(text, &FlagsFile::parse("flags.toml", text));
}

proptest! {
    #[test]
    fn no_input_panics(text in "(?s).{0,200}") {
        check(&text);
    }

    #[test]
    fn no_heap_of_toml_makes_it_panic(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..40),
    ) {
        check(&parts.concat());
    }

    #[test]
    fn no_damaged_file_makes_it_panic(
        file in any::<prop::sample::Index>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..6, prop::sample::select(PARTS)),
            1..5,
        ),
    ) {
        let corpus = corpus();
        let mut text: Vec<char> = file.get(&corpus).chars().collect();
        for (at, removed, inserted) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }

        check(&text.into_iter().collect::<String>());
    }
}

const PARTS: &[&str] = &[
    "[flags]\n",
    "[flags.a]\n",
    "[[flags.a]]\n",
    "[a]\n",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "a",
    "b",
    "\"a\"",
    "é",
    "日本",
    "\u{feff}",
    "\0",
    ".",
    "=",
    ",",
    "#",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\\u00e9",
    "true",
    "false",
    "yes",
    "25",
    "25%",
    "\"25%\"",
    "0.5",
    "1e5",
    "nan",
    "-",
    "+",
    "2026-11-01",
    "2026-02-30",
    "2026-11-01T09:00:00Z",
    "09:00:00",
    "percentage",
    "enabled",
    "created",
    "expires",
    "denied_users",
    "allowed_users",
    "owner",
    "a = true\n",
    "a.b = true\n",
    "percentage = 10\n",
    "denied_users = [\"a\", 1]\n",
    "allowed_users = [\"a\"]\n",
    "expires = 2026-01-01\n",
    "created = 2026-02-30\n",
    "salt = \"a\"\n",
    "off = \"a\"\n",
    "variants = { a = 1, b = 2 }\n",
    "[[flags.a.rules]]\n",
    "when = {}\n",
    "serve = true\n",
];

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let keys = "a.".repeat(79) + "a";
    let headers = format!("[{keys}]\n");
    let inline = format!("{{ {keys} = ").repeat(79);
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{} = 1", "a.".repeat(100_000) + "a"),
        format!("[{}]\nb = 1", "a.".repeat(100_000) + "a"),
        format!("{headers}{keys} = {inline}1{}", "}".repeat(79)),
        format!("{headers}{keys} = {inline}"),
    ] {
        check(&text);
    }
}

/// A quadratic algorithm would take minutes.
#[test]
fn large_files_and_many_problems_take_linear_time() {
    let lines = |line: fn(usize) -> String| (0..10_000).map(line).collect::<String>();
    let list = lines(|i| format!("\"user{i}\", "));

    for (text, problems) in [
        (format!("[flags]\n{}", lines(|i| format!("f{i} = true\n"))), 0),
        // One long cycle, in which every flag closes another cycle.
        (lines(|i| format!("flags.f{i}.requires = [\"f{}\", \"f0\"]\n", (i + 1) % 10_000)), 1),
        // A second cycle after it.
        (
            lines(|i| format!("flags.f{i}.requires = [\"f{}\", \"f0\"]\n", (i + 1) % 10_000))
                + "flags.x.requires = [\"y\"]\nflags.y.requires = [\"x\"]\n",
            2,
        ),
        (lines(|i| format!("[flags.f{i}]\nowner = \"a\"\npercentage = {}\n", i % 100)), 0),
        (format!("[flags.a]\nallowed_users = [{list}]\ndenied_users = [{list}]"), 10_000),
        (format!("[flags.a]\nallowed_users = [{}]", list.replace('"', "")), 10_000),
        (format!("[flags]\n{}", lines(|i| format!("f{i} = {i}\n"))), 10_000),
        (format!("[flags]\n{}", lines(|i| format!("f{i} = yes\n"))), 10_000),
        (format!("[flags.a]\n{}", lines(|i| format!("f{i} = true\n"))), 10_000),
        (format!("[flags]\n{}", lines(|_| "a = true\n".to_owned())), 9_999),
        (lines(|_| "[flags.a]\npercentage = 10\n".to_owned()), 9_999),
        (format!("{}[flags]\n", lines(|i| format!("f{i} = true\n"))), 10_000),
        (format!("[flags]\na = [\n{}", lines(|i| format!("f{i} = true\n"))), 1),
        (format!("[flags]\n{} = 1", "a".repeat(1_000_000)), 1),
        (format!("[flags.a]\n{} = 1", "a".repeat(1_000_000)), 1),
    ] {
        let file = FlagsFile::parse("flags.toml", &text);

        assert_eq!(file.diagnostics().len(), problems, "{}", &text[..40]);
        let shown = file.diagnostics().to_string().matches(" --> flags.toml").count();
        assert_eq!(shown, problems.min(50));
    }
}

/// Looking at all segments again for each segment would take minutes.
#[test]
fn segments_in_rows_and_in_cycles_are_visited_once() {
    const SEGMENTS: usize = 30_000;
    let text = |names: fn(usize) -> String| {
        let line = |i| format!("s{i} = {{ when = {{ segment = {} }} }}\n", names(i));
        format!("[flags]\n[segments]\n{}", (0..SEGMENTS).map(line).collect::<String>())
    };

    // In a row, in one cycle, and in a row of cycles of two.
    for (text, problems) in [
        (text(|i| format!("\"s{}\"", i + 1)), SEGMENTS),
        (text(|i| format!("\"s{}\"", (i + 1) % SEGMENTS)), 1),
        (text(|i| format!("[\"s{}\", \"s{}\"]", i + 1, i ^ 1)), SEGMENTS / 2),
    ] {
        assert_eq!(FlagsFile::parse("flags.toml", &text).diagnostics().len(), problems);
    }
}

#[test]
fn plain_booleans_share_two_definitions() {
    let text: String = (0..100).map(|i| format!("f{i} = {}\n", i % 2 == 0)).collect();

    let file = FlagsFile::parse("flags.toml", &format!("[flags]\n{text}"));

    let different: BTreeSet<_> =
        file.flags().values().map(|it| std::ptr::from_ref(&**it)).collect();
    assert_eq!((file.flags().len(), different.len()), (100, 2));
}

#[test]
fn a_bad_flag_is_rejected_and_the_others_are_decoded() {
    let file = FlagsFile::parse("flags.toml", "[flags]\ngood = true\nbad = 25\n");

    assert!(file.is_usable());
    assert_eq!(file.flags().keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(file.rejected().iter().collect::<Vec<_>>(), ["bad"]);
}

#[test]
fn a_misplaced_flag_that_is_defined_elsewhere_is_not_rejected() {
    let file = FlagsFile::parse("flags.toml", "a = true\n[flags]\na = false\n");

    assert!(file.flags().contains_key("a"));
    assert!(file.rejected().is_empty());
    assert!(file.diagnostics().has_errors());
}

#[test]
fn a_truncated_file_is_usable_only_with_its_flags_table() {
    for text in [
        "",
        " \r\n",
        "# only",
        "[fla",
        "[flags",
        "[[flags]]",
        "flags = 1",
        "[flags.a]\nexpires = 2026-1",
    ] {
        let parts = FlagsFile::parse("flags.toml", text).into_parts();

        assert!(parts.is_err_and(|diagnostics| diagnostics.has_errors()), "{text:?}");
    }
}
