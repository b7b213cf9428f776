//! Lints: the files of `tests/data/lint` and what is said about them.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use flagstaff::definition::{
    Code, Diagnostics, FlagsFile, Safety, Severity,
    lint::{Level, Lints},
};

use crate::definition::{each, snapshot};

/// 2026-11-21, the start of the day.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200)
}

/// What is found in a file of `tests/data/lint` that is named after a lint.
fn lint(name: &str, text: &str) -> Diagnostics {
    let code = Code::from_name(name).expect("the name of a lint");
    let others = Code::ALL.iter().filter(|&&other| other != code);
    let lints = others.fold(Lints::new().warn(code), |lints, &other| lints.allow(other));
    let before = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lint/before");
    let lints = match fs::read_to_string(before.join(name).with_extension("toml")) {
        Ok(before) => lints.against(before),
        Err(_) => lints,
    };
    lints.check("flags.toml", text, now())
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
fn every_lint_is_silent_about_what_is_right() {
    let mut missing = lints();

    each("lint/ok", |name, text| {
        assert_eq!(lint(name, text).to_string(), "", "{name}");
        missing.remove(&Code::from_name(name).unwrap());
    });

    assert_eq!(missing, BTreeSet::new());
}

/// Everything that can be found, compared with a text that has flags of all kinds.
fn everything() -> Lints {
    let before = include_str!("../data/lint/before/redraws-users.toml");
    let all = Code::ALL.iter().fold(Lints::new(), |lints, &code| lints.warn(code));
    all.against(before.replace("[flags.salted]", "[flags.a]\npercentage = 20\n[flags.salted]"))
}

/// Whatever the text, these hold of what lints say about it.
pub(crate) fn check(text: &str, file: &FlagsFile) {
    let found = everything().check("flags.toml", text, now());

    assert!(found.len() >= file.diagnostics().len());
    assert_eq!(found.has_errors(), file.diagnostics().has_errors());
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

/// Applies what is safe until nothing is left to apply.
fn fix(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(fixed) = Lints::new().check("flags.toml", &text, now()).apply(Safety::Safe) {
        assert!(fixed.len() < text.len(), "{text}");
        text = fixed;
    }
    text
}

#[test]
fn what_is_safe_is_applied_until_nothing_is_left_of_it() {
    let text = "[flags.a]\nallowed_users = [\"ana\", \"bob\", \"ana\", \"ana\"]\ndenied_users = [\"bob\"]\n";

    let fixed = fix(text);

    assert_eq!(fixed, "[flags.a]\nallowed_users = [\"ana\"]\ndenied_users = [\"bob\"]\n");
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
    // Errors of the file are not for lints to allow.
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("flags.toml")).unwrap();

    let found = Lints::new().check("flags.toml", &text, now());

    assert_eq!(found.to_string(), "");
    assert!(FlagsFile::parse("flags.toml", &text).is_usable());
}
