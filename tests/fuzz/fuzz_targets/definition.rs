//! Any string as a flags.toml: diagnostics, lints and failed tests point into it, and the valid part
//! evaluates.

#![no_main]

use std::time::SystemTime;

use flagstaff::{
    Context, Definition, Flags, Percentage, Reason,
    definition::{
        Code, Definitions, Diagnostics, FlagsFile, Safety, lint::Lints, places::PlacesFile,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);

    let file = FlagsFile::parse("flags.toml", &text);

    if !file.is_usable() {
        assert!(file.flags().is_empty() && file.rejected().is_empty());
        assert!(file.diagnostics().has_errors());
    }
    check_diagnostics(&text, file.diagnostics());
    check_lints(&text, &file);
    check_tests(&text, &file);
    check_places(&text);

    check_flags(&file);
    for environment in file.environments() {
        let there = file.clone().in_environment(environment).expect("it has that environment");
        check_flags(&there);
        // A flag that `[flags]` rejects is rejected in every environment. Any other flag is valid or rejected there.
        let is_rejected = |key: &str| there.rejected().contains(key);
        assert!(file.rejected().iter().all(is_rejected));
        assert!(file.flags().keys().all(|key| is_rejected(key) || there.flags().contains_key(key)));
        for (key, _) in there.entries(environment) {
            assert!(there.flags().contains_key(key) || is_rejected(key));
            assert!(there.lines().flag(key).is_some_and(|line| line <= text.lines().count()));
        }
    }
});

/// Checks that the flags of a file, or of an environment, answer by their definitions.
fn check_flags(file: &FlagsFile) {
    assert!(file.rejected().iter().all(|key| !file.flags().contains_key(key)));
    let defined = file.flags().iter();
    let test = defined
        .fold(Flags::for_test(), |test, (key, definition)| test.with(key, definition.clone()));
    // `Flags::for_test` panics on a flag without a value, so the flags that others need are set to off.
    let needed = file.flags().values().flat_map(|flag| flag.needs());
    let unknown = needed.filter(|it| !file.flags().contains_key(&*it.flag));
    let flags = unknown.fold(test, |test, needed| test.off(&*needed.flag)).start();
    for (key, definition) in file.flags() {
        check_flag(&flags, key, definition);
    }
    let all = flags.all(&Context::anonymous());
    let known = all.iter().map(|(key, _)| &**key).filter(|&key| file.flags().contains_key(key));
    assert!(known.eq(file.flags().keys()));
}

/// Parses the text as a flagstaff.toml.
fn check_places(text: &str) {
    let places = PlacesFile::parse("flagstaff.toml", text);
    check_diagnostics(text, places.diagnostics());
    for place in [None].into_iter().chain(places.names().map(Some)) {
        let settings = places.resolve(place, |_| None);
        assert!(settings.is_err() || settings.is_ok_and(|it| it.is_some()));
        let set = places.resolve(place, |_| Some("x".to_owned()));
        assert_eq!(set.is_err(), places.diagnostics_of(place).has_errors());
        let _ = places.readable(place, |_| None);
    }
}

/// Lints the second half of the text as an edit of the first.
fn check_lints(text: &str, file: &FlagsFile) {
    let lints = Code::ALL.iter().fold(Lints::new(), |lints, &code| lints.warn(code));
    let (before, after) = text.split_once("\n---\n").unwrap_or((text, text));
    check_diagnostics(
        after,
        &lints.clone().against(before).check("flags.toml", after, SystemTime::UNIX_EPOCH),
    );

    let found = lints.check("flags.toml", text, SystemTime::UNIX_EPOCH);

    if let (true, Some(fixed)) = (file.is_usable(), found.apply(Safety::Safe)) {
        let fixed = FlagsFile::parse("flags.toml", &fixed);
        assert!(fixed.is_usable(), "{found}");
        assert!(file.flags().keys().eq(fixed.flags().keys()), "{found}");
    }
}

/// Runs the tests in the text. After failures are rejected, the tests of all flags that are left pass.
/// The first half of the text is the previous file.
fn check_tests(text: &str, file: &FlagsFile) {
    let run = file.test(SystemTime::UNIX_EPOCH);
    check_diagnostics(text, run.diagnostics());
    let failed = run.results().iter().filter(|result| !result.passed());
    assert_eq!(failed.count(), run.diagnostics().iter().count());
    let outside = || run.results().iter().filter(|result| result.environment.is_none());
    assert!(outside().all(|result| file.flags().contains_key(&result.flag)));

    let alone = file.clone().tested(&Definitions::new(), SystemTime::UNIX_EPOCH);
    assert!(alone.test(SystemTime::UNIX_EPOCH).passed());
    let passed = outside().all(|result| result.passed());
    assert_eq!(alone.flags().len() == file.flags().len(), passed);

    let before = text.split_once("\n---\n").map_or("", |(before, _)| before);
    let before = FlagsFile::parse("flags.toml", before);
    for file in [alone, file.clone().tested(before.flags(), SystemTime::UNIX_EPOCH)] {
        check_diagnostics(text, file.diagnostics());
        assert!(file.rejected().iter().all(|key| !file.flags().contains_key(key)));
    }
}

fn check_diagnostics(text: &str, diagnostics: &Diagnostics) {
    let report = diagnostics.to_string();
    let shown = diagnostics.report().limit(usize::MAX).to_string();
    let _ = (diagnostics.report().ansi().limit(1).to_string(), diagnostics.summary());
    assert_eq!(report.is_empty(), diagnostics.is_empty());

    for problem in diagnostics {
        let related = problem.related.iter().map(|related| &related.span);
        let suggestion = problem.suggestion.iter();
        let edits = suggestion.flat_map(|it| &it.edits).map(|edit| &edit.span);
        for span in related.chain(edits).chain([&problem.span]) {
            // The span is inside the text and on character boundaries.
            assert!(text.get(span.clone()).is_some(), "{problem:?}");
        }
        // Editors do not show a byte order mark.
        let before = &text[..problem.span.start];
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let place = (problem.location.line, problem.location.column);
        let expected = (1 + before.matches('\n').count(), 1 + line.chars().count());
        assert_eq!(place, expected, "{problem:?}");
        assert!(shown.contains(problem.code.as_str()), "{problem:?}");
    }
}

fn check_flag(flags: &Flags, key: &str, definition: &Definition) {
    let list = |list: Option<&Vec<String>>| list.cloned().unwrap_or_default();
    let allowed =
        [&definition.allowed_users, &definition.allowed_groups].map(|it| list(it.value()));
    let denied = [&definition.denied_users, &definition.denied_groups].map(|it| list(it.value()));
    let enabled = definition.enabled.value() != Some(&false);
    let rare = definition.rare();
    let is_simple = rare.requires.value().is_none()
        && rare.active.value().is_none()
        && rare.variants.value().is_none()
        && rare.value.value().is_none()
        && rare.serve.value().is_none()
        && rare.rules.value().is_none()
        && rare.rollout.value().is_none();
    let everybody = definition.percentage.value().is_none_or(|it| *it == Percentage::HUNDRED);

    let anybody = ["ana".to_owned(), String::new()];
    let users =
        || allowed[0].iter().chain(&denied[0]).take(4).chain(&anybody).map(Some).chain([None]);
    let groups =
        || allowed[1].iter().chain(&denied[1]).take(4).chain(&anybody).map(Some).chain([None]);
    for user in users() {
        for group in groups() {
            let has = |lists: &[Vec<String>; 2]| {
                user.is_some_and(|user| lists[0].contains(user))
                    || group.is_some_and(|group| lists[1].contains(group))
            };
            let context = user.map_or_else(Context::anonymous, Context::user);
            let context = context.groups(group);

            let answer = flags.boolean(key, &context, false);

            assert_eq!(answer.value, flags.is_enabled(key, &context));
            if !is_simple {
                continue;
            }
            match (enabled, has(&denied), has(&allowed)) {
                (false, ..) => assert_eq!((answer.value, answer.reason), (false, Reason::Disabled)),
                (_, true, _) => assert!(!answer.value, "denied: {definition:?}"),
                (_, _, true) => assert!(answer.value, "allowed: {definition:?}"),
                _ if everybody => assert!(answer.value, "everybody: {definition:?}"),
                _ if user.is_none() => assert!(!answer.value, "no bucket: {definition:?}"),
                _ => {}
            }
        }
    }
}
