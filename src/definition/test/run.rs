//! Runs tests, and rejects flags whose tests fail.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{
    because::Because,
    declared::{Expected, FlagTests, Test, Tests},
    flags::{Declared, Flags},
    result::{Ran, TestResult},
};
use crate::{
    definition::{
        code::Code,
        diagnostic::{Diagnostic, Location},
        environment::Flags as FileFlags,
        walk::{Step, Walk},
    },
    eval::Standalone,
    model::{Answer, Definitions, FlagKeys},
};

/// Runs the tests of all flags of a file, with the definitions of the file.
pub(in crate::definition) fn run(
    file: &FileFlags,
    environment: Option<&str>,
    now: SystemTime,
) -> Vec<Ran> {
    let FileFlags { good: Definitions(flags), rejected: FlagKeys(rejected), tests } = file;
    let previous = &BTreeMap::new();
    let declared = Declared { flags, rejected, previous, now, environment };
    tests.iter().flat_map(|(flag, tests)| run_flag(flag, tests, declared)).collect()
}

/// Rejects flags until the tests of all remaining flags pass, together with the previous
/// definitions of the rejected flags. Returns the failures.
pub(in crate::definition) fn settle(
    file: &mut FileFlags,
    environment: Option<&str>,
    Definitions(previous): &Definitions,
    now: SystemTime,
) -> Vec<Diagnostic> {
    let FileFlags { good: Definitions(flags), rejected: FlagKeys(rejected), tests } = file;
    let mut problems = Vec::new();
    // Required flags are settled first, so that a flag is tested with the definitions that will be
    // in force.
    let mut rest = required_first(tests, flags, previous);
    loop {
        let known = problems.len();
        rest.retain(|flag| {
            let declared = Declared { flags, rejected, previous, now, environment };
            let ran = run_flag(flag, &tests[flag], declared);
            let failed: Vec<_> = ran.into_iter().filter_map(|ran| ran.failure).collect();
            if failed.is_empty() {
                return true;
            }
            problems.extend(failed);
            flags.remove(flag);
            rejected.insert(Arc::clone(flag));
            false
        });
        // A flag whose tests passed may require one that was rejected later, if the previous
        // definition of that one requires flags in the opposite direction.
        rest.retain(|flag| flags.get(flag).is_some_and(|flag| !flag.needs().is_empty()));
        if problems.len() == known {
            return problems;
        }
    }
}

/// Returns the flags with tests, each behind those that it requires.
fn required_first(tests: &Tests, flags: &Flags, previous: &Flags) -> Vec<Arc<str>> {
    let requires = |flag: &str| {
        let definitions = [flags.get(flag), previous.get(flag)];
        let needs = definitions.into_iter().flatten().flat_map(|flag| flag.needs());
        Some(needs.map(|prerequisite| (&*prerequisite.flag, ())).collect::<Vec<_>>().into_iter())
    };
    let mut walk = Walk::new(requires);
    let mut order = Vec::with_capacity(tests.len());
    for flag in tests.keys() {
        walk.begin(flag);
        while let Some(step) = walk.step() {
            // The flags of a cycle are rejected elsewhere.
            if let Step::Done(flag) = step {
                order.extend(tests.get_key_value(flag).map(|(flag, _)| Arc::clone(flag)));
            }
        }
    }
    order.retain(|flag| flags.contains_key(flag));
    order
}

/// Runs the tests of one flag, unless it is rejected.
fn run_flag(flag: &Arc<str>, tests: &FlagTests, declared: Declared<'_>) -> Vec<Ran> {
    let Some(definition) = declared.flags.get(flag) else { return Vec::new() };
    let mut compiled: BTreeMap<SystemTime, Standalone> = BTreeMap::new();
    let ran = tests.list.iter().enumerate().map(|(index, test)| {
        let time = test.time.unwrap_or(declared.now);
        let standalone = compiled.entry(time).or_insert_with(|| {
            Standalone::compile(flag, definition, time, |flag| declared.find(flag))
        });
        let answer = answer(standalone, test);
        let result = TestResult {
            flag: flag.to_string(),
            environment: declared.environment.map(str::to_owned),
            index,
            name: test.name.clone(),
            location: Location { line: 1, column: 1 },
            time,
            expected: test.expected.clone(),
            answer,
        };
        let failure = (!result.passed()).then(|| failure(&result, test, tests, declared));
        Ran { result, place: test.span.clone(), failure }
    });
    ran.collect()
}

fn answer(flag: &Standalone, test: &Test) -> Answer<bool> {
    let evaluation = flag.evaluate(&test.context);
    let served = evaluation.served(&test.context, &mut ());
    let cause = match &test.expected {
        Expected::Variant(_) => served.decision.cause,
        Expected::On | Expected::Off => served.gate.cause,
    };
    let answer = Answer::new(served.on, cause, None);
    match served.arm {
        None => answer,
        Some(arm) => answer.with_variant(arm.name),
    }
}

fn failure(
    result: &TestResult,
    test: &Test,
    tests: &FlagTests,
    declared: Declared<'_>,
) -> Diagnostic {
    let flag = &result.flag;
    let message = match &result.name {
        Some(name) => format!("test `{name}` of flag `{flag}` fails"),
        None => format!("test {} of flag `{flag}` fails", result.index + 1),
    };
    let answered = match (&result.expected, result.answer.variant) {
        (Expected::Variant(_), Some(variant)) => format!("`{variant}`"),
        _ if result.answer.value => "on".to_owned(),
        _ => "off".to_owned(),
    };
    let because = Because::of(result, test, tests, declared);
    let label = format!("expected {}, answered {answered}", result.expected);
    let problem = Diagnostic::new(Code::FailedTest, test.span.clone(), message).flag(flag);
    let problem = match because.place {
        Some(place) => problem.label(label).related(place, because.text),
        None => problem.label(format!("{label}: {}", because.text)),
    };
    let problem = match because.help {
        Some(help) => problem.help(help),
        None => problem,
    };
    match declared.environment {
        Some(environment) => problem.environment(environment),
        None => problem,
    }
}
