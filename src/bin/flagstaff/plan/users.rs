//! The users that a change is tried on.

use std::{
    fmt,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use flagstaff::Context;
use serde_json::{Map, Value};

use super::made_up::MadeUp;
use crate::{
    context,
    failure::Failure,
    number, reading,
    text::{count, json_problem},
};

/// The hint with an example of a line of contexts.
const LINE: &str =
    "a line is `{\"targetingKey\": \"ana\", \"groups\": [\"beta\"], \"plan\": \"pro\"}`";

/// The number of users that a thread takes at once.
const BATCH: u64 = 1_000;

/// The users that a change is tried on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Users")]
pub(crate) struct UserArgs {
    /// Contexts of real users, one per line: {"targetingKey": "ana", "plan": "pro"}
    #[arg(long, value_name = "FILE|-")]
    contexts: Option<PathBuf>,
    /// Number of made-up users: user-1, user-2, …
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        value_parser = number::users,
        conflicts_with = "contexts"
    )]
    users: u64,
    /// Seed of the made-up users: another seed makes other users
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = number::seed,
        conflicts_with = "contexts"
    )]
    seed: u32,
}

/// The numbers that the users of one seed may have.
const OF_A_SEED: u64 = 1_000_000_000;

impl UserArgs {
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let Some(path) = &self.contexts else {
            let before = u64::from(self.seed) * OF_A_SEED;
            return Ok(Source::MadeUp {
                next: before + 1,
                last: before.saturating_add(self.users),
            });
        };
        let reader: Box<dyn BufRead + Send> = match path == Path::new("-") {
            true => Box::new(BufReader::new(io::stdin())),
            false => Box::new(BufReader::new(reading::open(path)?)),
        };
        Ok(Source::Lines { reader, name: path.display().to_string(), next: 1 })
    }

    pub(crate) fn are_made_up(&self) -> bool {
        self.contexts.is_none()
    }

    /// Returns the failure for contexts without a user. A change without users would look harmless.
    pub(crate) fn no_contexts(&self) -> Failure {
        let path = self.contexts.as_deref().unwrap_or(Path::new("-"));
        Failure::usage(format!("no contexts found in `{}`", path.display())).hint(LINE)
    }
}

/// `10000 made-up users`, `the contexts of users.jsonl`
impl fmt::Display for UserArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.contexts {
            None => write!(f, "{}", count(self.users as usize, "made-up user")),
            Some(path) => write!(f, "the contexts of {}", path.display()),
        }
    }
}

/// Users in batches.
pub(crate) enum Source {
    MadeUp { next: u64, last: u64 },
    Lines { reader: Box<dyn BufRead + Send>, name: String, next: u64 },
}

/// Some users that follow each other.
#[derive(Debug)]
pub(crate) enum Batch {
    MadeUp { first: u64, last: u64 },
    Lines { name: String, first: u64, text: String },
}

/// A line that is not a context.
#[derive(Debug)]
pub(crate) struct BadLine {
    pub(crate) number: u64,
    pub(crate) failure: Failure,
}

impl Source {
    /// Returns the next batch of users; `None` at the end.
    pub(crate) fn take(&mut self) -> Result<Option<Batch>, BadLine> {
        match self {
            Self::MadeUp { next, last } => {
                let (first, last) = (*next, (*next + BATCH - 1).min(*last));
                *next = last + 1;
                Ok((first <= last).then_some(Batch::MadeUp { first, last }))
            }
            Self::Lines { reader, name, next } => {
                let (first, mut text) = (*next, String::new());
                while *next < first + BATCH {
                    match reader.read_line(&mut text) {
                        Ok(0) => break,
                        Ok(_) => *next += 1,
                        Err(error) => {
                            let bad = bad_line(name, *next, &format!("cannot be read: {error}"));
                            self.stop();
                            return Err(bad);
                        }
                    }
                }
                let name = name.clone();
                Ok((*next > first).then_some(Batch::Lines { name, first, text }))
            }
        }
    }

    /// Skips all remaining users.
    pub(crate) fn stop(&mut self) {
        *self = Self::MadeUp { next: 1, last: 0 };
    }
}

impl Batch {
    /// Returns the number of users up to the end of this part.
    pub(crate) fn end(&self) -> u64 {
        match self {
            Self::MadeUp { last, .. } => (*last - 1) % OF_A_SEED + 1,
            Self::Lines { first, text, .. } => first - 1 + text.lines().count() as u64,
        }
    }

    /// Calls `ask` with each user. Blank lines are skipped.
    pub(crate) fn each(
        &self,
        made_up: &MadeUp,
        mut ask: impl FnMut(&Context<'_>),
    ) -> Result<(), BadLine> {
        match self {
            Self::MadeUp { first, last } => {
                (*first..=*last).for_each(|number| ask(&made_up.user(number)));
                Ok(())
            }
            Self::Lines { name, first, text } => {
                for (line, number) in text.lines().zip(*first..) {
                    if line.trim().is_empty() {
                        continue;
                    }
                    let object = serde_json::from_str(line).map_err(|error| json_problem(&error));
                    let context = object.map(asked).and_then(context::from_json);
                    ask(&context.map_err(|error| bad_line(name, number, &error))?);
                }
                Ok(())
            }
        }
    }
}

/// Returns the context of a question of `flagstaff eval --batch`; any other object is a context itself.
fn asked(mut object: Map<String, Value>) -> Map<String, Value> {
    if !matches!(object.get("flag"), Some(Value::String(_))) {
        return object;
    }
    match object.remove("context") {
        Some(Value::Object(context)) => context,
        Some(other) => {
            object.insert("context".to_owned(), other);
            object
        }
        None => object,
    }
}

fn bad_line(name: &str, number: u64, problem: &str) -> BadLine {
    let failure = Failure::usage(format!("line {number} of `{name}` is not a context: {problem}"));
    BadLine { number, failure: failure.hint(LINE) }
}
