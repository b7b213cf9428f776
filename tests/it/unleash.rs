//! The published cases of Unleash's clients: see `tests/interop/unleash.py`, which translates them.

use std::{collections::BTreeMap, time::SystemTime};

use flagstaff::definition::{Code, FlagsFile};

const CASES: &str = include_str!("../vectors/unleash.toml");

/// Deliberate differences for values that cannot be read. In Unleash, such a constraint matches no user, or
/// only by the parts that can be read. Here it is an error of the flag, which keeps its previous
/// definition. Such a value is a mistake, and a flag that is suddenly off for all users is noticed late.
const REFUSED: &[(&str, Code)] = &[
    // `192.invalid`, beside valid addresses.
    ("06-remote-address-strategy/Feature.remoteAddress.C", Code::InvalidOperand),
    // `NOT_A_VALID_OPERATOR`
    ("13-constraint-operators/F7.invalid-operator", Code::UnknownOperator),
    // The number of a segment that is not in the file.
    ("15-global-constraints/F9.withMissingSegment", Code::UnknownSegment),
    // `(regex`
    ("21-regex-constraint-operators/invalid-regex-defaults-to-false", Code::InvalidOperand),
    // Lookarounds and back-references are rejected, since matching them can take exponential time.
    ("21-regex-constraint-operators/R90.reject_lookahead", Code::InvalidOperand),
    ("21-regex-constraint-operators/R91.reject_backreference", Code::InvalidOperand),
    // `127.invalid`, alone and beside a network.
    ("22-cidr-constraint-operators/CIDR.invalid.only", Code::InvalidOperand),
    ("22-cidr-constraint-operators/CIDR.mixed.values", Code::InvalidOperand),
    // `bad::cidr`, beside a network.
    ("22-cidr-constraint-operators/CIDR.ipv6.mixed.values", Code::InvalidOperand),
];

/// Deliberate differences: Unleash rejects versions with a leading `v`, which tags and clients have.
const DIFFERENT: &[(&str, &str)] = &[(
    "14-constraint-semver-operators/F8.invalidSemverWithLeadingV",
    "F8.invalidSemverWithLeadingV - invalid semver resolves to false",
)];

#[test]
fn the_answers_are_those_of_unleash() {
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
    assert!(file.rejected().iter().eq(refused.into_keys()));
}
