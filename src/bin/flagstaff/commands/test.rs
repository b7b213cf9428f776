use std::{fmt::Write, time::SystemTime};

use clap::Args;
use flagstaff::{
    cli::ExitCode,
    definition::{Diagnostics, Expected, FlagsFile, TestResult, TestRun},
};
use serde_json::{Value, json};

use crate::{failure::Failure, session::Session, text::count, time};

/// Run the tests of flags.toml, and show those that fail
#[derive(Debug, Args)]
#[command(after_help = "\
Tests are written below their flag, as [[flags.NAME.tests]]. They evaluate the
file alone, without a store or variables. A flag with errors is not tested.
Tests in [[environments.NAME.FLAG.tests]] evaluate the flag in that environment.
All tests are run; with --environment, only those of that environment.

Exits with 1 if a test fails or a flag has errors.

Examples:
  flagstaff test
  flagstaff test --as-of 2026-12-24 --file deploy/flags.toml")]
pub(crate) struct Test {
    /// Time of tests that do not set a time: 2026-12-24, +2h [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::instant, allow_hyphen_values = true)]
    as_of: Option<SystemTime>,
}

impl Test {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let file = session.place.needed_file()?;
        let diagnostics = file.parsed.diagnostics();
        if !file.parsed.is_usable() {
            session.output.report(diagnostics);
            return Err(Failure::usage(format!("`{}` cannot be used", file.path.display())));
        }
        let run = file.parsed.test(self.as_of.unwrap_or_else(SystemTime::now));
        let run = match file.parsed.environment() {
            Some(environment) => run.of_environment(environment),
            None => run,
        };
        let is_good = run.passed() && !problems(&file.parsed).has_errors();
        session.output.thing(json(&run, &file.parsed), || text(&run, &file.parsed))?;
        Ok(if is_good { ExitCode::Done } else { ExitCode::No })
    }
}

/// The problems of the file, or of the environment that is chosen.
fn problems(file: &FlagsFile) -> Diagnostics {
    match file.environment() {
        Some(environment) => file.diagnostics().concerning(Some(environment)),
        None => file.diagnostics().clone(),
    }
}

fn json(run: &TestRun, file: &FlagsFile) -> Value {
    let tests: Vec<_> = run.results().iter().map(result).collect();
    let rejected: Vec<_> = file.rejected().iter().collect();
    json!({ "tests": tests, "rejected": rejected })
}

fn result(result: &TestResult) -> Value {
    let expected: Value = match &result.expected {
        Expected::On => true.into(),
        Expected::Off => false.into(),
        Expected::Variant(name) => name.as_str().into(),
        other => other.to_string().into(),
    };
    json!({
        "flag": &*result.flag,
        "environment": result.environment,
        "index": result.index,
        "name": result.name,
        "line": result.location.line,
        "column": result.location.column,
        "time": time::rfc3339(result.time),
        "expected": expected,
        "value": result.answer.value,
        "variant": result.answer.variant,
        "reason": result.answer.reason.as_str(),
        "passed": result.passed(),
    })
}

/// Returns the failures, as compilers show them, and the sum.
fn text(run: &TestRun, file: &FlagsFile) -> String {
    let mut text = String::new();
    let mut show = |diagnostics: &Diagnostics| {
        if !diagnostics.is_empty() {
            // Writing to a string does not fail; colours are stripped where the output shows none.
            let report = diagnostics.report().ansi().to_string();
            let _ = writeln!(text, "{report}");
        }
    };
    let problems = problems(file);
    if problems.has_errors() {
        show(&problems);
    }
    show(run.diagnostics());
    text + &sum(run, file)
}

fn sum(run: &TestRun, file: &FlagsFile) -> String {
    let failed = run.results().iter().filter(|result| !result.passed()).count();
    let passed = run.results().len() - failed;
    let untested = match file.rejected().len() {
        0 => String::new(),
        flags => format!(", {} with errors not tested", count(flags, "flag")),
    };
    format!("{passed} passed, {failed} failed{untested}\n")
}
