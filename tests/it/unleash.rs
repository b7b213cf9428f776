//! The published cases of Unleash's clients: see `tests/interop/unleash.py`, which translates them.

use std::{collections::BTreeMap, time::SystemTime};

use flagstaff::definition::{Code, FlagsFile};

const CASES: &str = include_str!("../vectors/unleash.toml");

/// What is accepted there, and matches nobody, or only by those parts that can be read. Here it is
/// an error of the flag, which keeps its previous definition: nobody writes such a thing on purpose.
const REFUSED: &[(&str, Code)] = &[];

/// Where the answers differ on purpose.
const DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn the_cases_of_unleash_hold_but_for_those_that_differ_on_purpose() {
    let file = FlagsFile::parse("unleash.toml", CASES);

    let run = file.test(SystemTime::now());

    let failed = run.results().iter().filter(|result| !result.passed());
    let failed: Vec<_> =
        failed.map(|result| (&*result.flag, result.name.as_deref().unwrap_or_default())).collect();
    assert_eq!(failed, DIFFERENT);
    assert!(run.results().len() >= 140, "{}", run.results().len());
}

#[test]
fn what_cannot_be_read_is_refused() {
    let file = FlagsFile::parse("unleash.toml", CASES);

    let refused: BTreeMap<_, _> = file
        .diagnostics()
        .iter()
        .filter_map(|problem| Some((problem.flag.as_deref()?, problem.code)))
        .collect();
    assert_eq!(refused, REFUSED.iter().copied().collect());
    assert!(file.rejected().iter().map(|flag| &**flag).eq(refused.into_keys()));
}
