//! The environment, against the Python package that shares it.

use std::collections::BTreeMap;

use flagstaff::{Context, Env, Flags, answer::ErrorCode};
use serde::Deserialize;

use crate::support::python;

#[derive(Deserialize)]
struct Answers {
    cases: Vec<Case>,
    listings: Vec<Listing>,
}

#[derive(Deserialize)]
struct Case {
    environment: BTreeMap<String, String>,
    name: String,
    /// `None` if the package treats the flag as unset.
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Listing {
    environment: BTreeMap<String, String>,
    /// The answers of the package for the flags that it lists.
    read: BTreeMap<String, Option<bool>>,
}

fn ask_python() -> Answers {
    let output = python().arg("tests/interop/env.py").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn flags(environment: &BTreeMap<String, String>) -> Flags {
    let env = Env::with_prefix("FEATURE_").variables(environment);
    Flags::builder().source(env).start().await.unwrap()
}

#[tokio::test]
async fn the_python_package_gives_the_same_answers_for_the_same_environment() {
    let answers = ask_python();
    assert!(answers.cases.len() > 1_000);

    for case in &answers.cases {
        let flags = flags(&case.environment).await;

        let ours = flags.boolean(&case.name, &Context::anonymous(), false);

        let ours = (ours.error_code != Some(ErrorCode::FlagNotFound)).then_some(ours.value);
        assert_eq!(ours, case.enabled, "{:?} in {:?}", case.name, case.environment);
    }
}

/// The package lists a variable whose name is not in upper case with the value of that variable, which it
/// never reads. Here the listed value is the one that is read.
#[tokio::test]
async fn the_python_package_lists_the_same_flags() {
    let answers = ask_python();
    assert!(!answers.listings.is_empty());

    for listing in answers.listings {
        let flags = flags(&listing.environment).await;

        let all = flags.all(&Context::anonymous());

        let ours: BTreeMap<_, _> = all.into_iter().map(|(key, a)| (key, a.value)).collect();
        let theirs = listing.read.into_iter();
        let theirs: BTreeMap<_, _> = theirs.filter_map(|(key, on)| Some((key, on?))).collect();
        assert_eq!(ours, theirs, "{:?}", listing.environment);
    }
}
