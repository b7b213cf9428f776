use std::{
    collections::{BTreeSet, HashSet},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use flagstaff::{Answer, Context, Flags, Snapshot, answer::ErrorCode, cli::ExitCode};
use serde_json::{Map, Value, json};

use crate::{
    completion,
    context::{self, ContextArgs},
    failure::Failure,
    glob::{self, Pattern},
    name,
    output::{Lines, Listing, Output, Row},
    reading,
    session::Session,
    similar,
    text::{clean, json_problem},
    unreadable,
};

/// Evaluate flags for a context: the value and the reason
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Without a name, all flags are evaluated.

", glob::notation!(), "
A flag of exactly that name takes precedence.

Exits with 1 if no source has one of the flags, if a glob matches none, or if a
flag is rejected for a mistake in the file. A stored value that cannot be read
is an error (2): the answer has the code PARSE_ERROR, and so do the answers of
flags that require it.

A batch has a question on each line:

  {\"flag\": \"new_checkout\", \"context\": {\"targetingKey\": \"ana\"}, \"default\": false}

Each answer is on a line of its own, in the same order, with the number of its
`line`. For a line that is not a question, the answer is an `errorCode`, and the
exit code is 2. Blank lines are skipped.

Examples:
  flagstaff eval new_checkout --user ana --group beta
  flagstaff eval new_checkout search --set plan=pro --set seats=12
  flagstaff eval new_checkout --context @request.json --as-of 2026-12-24
  flagstaff eval --batch questions.jsonl > answers.jsonl"))]
pub(crate) struct Eval {
    /// Flags, or globs of their names; all flags unless named
    #[arg(value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    /// Questions as JSON lines, in a file or on stdin
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["flags", "user", "group", "set", "context"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    context: ContextArgs,
}

impl Eval {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let context = self.context.context(&session.output)?;
        let flags = session.place.flags_at(&session.output, self.context.as_of).await?;
        let snapshot = flags.snapshot();
        let context = self.context.fitted(context, &snapshot, &session.output);
        if let Some(path) = &self.batch {
            return batch(path, &flags, &session.output);
        }
        let Selected { names, mut code } = self.select(&snapshot, session)?;
        let (mut rows, mut unknown) = (Vec::new(), None);
        for flag in &names {
            if let Err(failure) = unreadable::refuse_answer(&flags, flag) {
                unknown = Some(session.output.failure(&failure));
                rows.push(unknown_row(flag, &failure));
                continue;
            }
            let answer = ask(&snapshot, flag, &context, Value::Null);
            if let Some(ErrorCode::FlagNotFound | ErrorCode::ParseError) = answer.error_code {
                code = ExitCode::No;
                similar::hint(&snapshot, flag, &session.output);
            }
            rows.push(row(flag, &answer));
        }
        let columns = &["FLAG", "VALUE", "VARIANT", "REASON", "SOURCE", "ERROR"];
        session.output.listing(Listing { name: "flags", columns, rows, empty: "(no flags)" })?;
        session.place.warn_of_other_files(&session.output).await;
        Ok(unknown.unwrap_or(code))
    }

    /// Returns the chosen flags, each once.
    fn select(&self, snapshot: &Snapshot, session: &Session) -> Result<Selected, Failure> {
        let are_names = self.flags.iter().all(|text| Pattern::parse(text).is_none());
        if !self.flags.is_empty() && are_names {
            return Ok(Selected { names: self.flags.clone(), code: ExitCode::Done });
        }
        let anonymous = Context::anonymous();
        let known = snapshot.all(&anonymous).map(|(name, _)| name.to_owned());
        // The snapshot does not list rejected flags.
        let all: BTreeSet<_> = known.chain(session.place.rejected()).collect();
        if self.flags.is_empty() {
            return Ok(Selected { names: all.into_iter().collect(), code: ExitCode::Done });
        }
        let mut selected = Selected { names: Vec::new(), code: ExitCode::Done };
        let mut seen = HashSet::new();
        for text in &self.flags {
            let pattern = match Pattern::parse(text).filter(|_| !all.contains(text)) {
                Some(pattern) => pattern.map_err(Failure::usage)?,
                None => {
                    selected.names.extend(seen.insert(text.clone()).then(|| text.clone()));
                    continue;
                }
            };
            let matching: Vec<_> = all.iter().filter(|name| pattern.matches(name)).collect();
            if matching.is_empty() {
                session.output.warning(format!("no flag has a name like `{}`", clean(text)));
                selected.code = ExitCode::No;
            }
            let new = matching.into_iter().filter(|&name| seen.insert(name.clone()));
            selected.names.extend(new.cloned());
        }
        Ok(selected)
    }
}

/// Flags to evaluate.
struct Selected {
    names: Vec<String>,
    /// The exit code, unless an answer has another one.
    code: ExitCode,
}

/// Evaluates as the type of the default, as code does. Without a default, evaluates as the type of the flag.
fn ask(snapshot: &Snapshot, flag: &str, context: &Context<'_>, default: Value) -> Answer<Value> {
    match default {
        Value::Bool(default) => json_of(snapshot.boolean(flag, context, default)),
        Value::String(default) => json_of(snapshot.string(flag, context, &default)),
        // JSON has one kind of number: 0 is as good a default of 3.5 as 0.0 is.
        Value::Number(default) => snapshot.value(flag, context, default).map(Value::Number),
        Value::Object(default) => snapshot.value(flag, context, default).map(Value::Object),
        Value::Array(default) => snapshot.value(flag, context, default).map(Value::Array),
        Value::Null => snapshot.value(flag, context, Value::Null),
    }
}

fn json_of<T: Into<Value>>(answer: Answer<T>) -> Answer<Value> {
    answer.map(Into::into)
}

fn row(flag: &str, answer: &Answer<Value>) -> Row {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Row {
        cells: vec![
            flag.to_owned(),
            shown(answer),
            text(answer.variant),
            answer.reason.to_string(),
            text(answer.source),
            text(answer.error_code.map(|code| code.as_str())),
        ],
        json: details(flag, answer),
    }
}

/// The row of a flag whose answer is not known.
fn unknown_row(flag: &str, failure: &Failure) -> Row {
    let cells = [flag, "", "", "ERROR", "", ErrorCode::ParseError.as_str()];
    Row {
        cells: cells.map(str::to_owned).to_vec(),
        json: unknown_answer(flag, &Value::Null, &failure.text()),
    }
}

/// The details of an answer that is not known: the default is served.
fn unknown_answer(flag: &str, default: &Value, problem: &str) -> Value {
    json!({
        "flag": flag, "value": default, "variant": null, "reason": "ERROR",
        "errorCode": ErrorCode::ParseError.as_str(), "errorDetails": problem, "source": null,
    })
}

/// Returns the value for users: on or off for a flag without variants, strings without quotes.
fn shown(answer: &Answer<Value>) -> String {
    match (&answer.value, answer.variant) {
        (Value::Bool(true), None) => "on".to_owned(),
        (Value::Bool(false), None) => "off".to_owned(),
        (Value::String(text), _) => text.clone(),
        (Value::Null, _) => String::new(),
        (value, _) => value.to_string(),
    }
}

/// OpenFeature's evaluation details.
fn details(flag: &str, answer: &Answer<Value>) -> Value {
    let mut json = Map::new();
    json.insert("flag".to_owned(), flag.into());
    json.insert("value".to_owned(), answer.value.clone());
    json.insert("variant".to_owned(), answer.variant.into());
    json.insert("reason".to_owned(), answer.reason.as_str().into());
    if let Some(code) = answer.error_code {
        json.insert("errorCode".to_owned(), code.as_str().into());
        json.insert("errorDetails".to_owned(), answer.error_details().into());
    }
    json.insert("source".to_owned(), answer.source.into());
    json.into()
}

/// Answers questions line by line. Each answer is written at once, for callers that wait for it
/// before they send the next question.
fn batch(path: &Path, flags: &Flags, output: &Output) -> Result<ExitCode, Failure> {
    let input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(reading::open(path)?),
    };
    let mut questions = BufReader::with_capacity(64 * 1024, input);
    let snapshot = flags.snapshot();
    let unknown = unreadable::answers(flags);
    for failure in unknown.values() {
        output.failure(failure);
    }
    let mut answers = Lines::new();
    let mut code = ExitCode::Done;
    let mut is_noted = false;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if questions.buffer().is_empty() {
            answers.flush()?;
        }
        let read = questions.read_until(b'\n', &mut line);
        if read.map_err(|error| reading::unreadable(path, &error))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut answer = match Question::parse(&line) {
            Ok(Question { flag, context, default }) => {
                // Warn once: if one line has this mistake, all lines have it.
                if let Some(name) = context::boxed(&context).filter(|_| !is_noted) {
                    output.warning(format!("line {number}: {}", context::boxed_warning(name)));
                    is_noted = true;
                }
                match unknown.get(&flag) {
                    Some(failure) => {
                        code = ExitCode::Usage;
                        unknown_answer(&flag, &default, &failure.text())
                    }
                    None => details(&flag, &ask(&snapshot, &flag, &context, default)),
                }
            }
            Err((error_code, problem)) => {
                code = ExitCode::Usage;
                output.warning(format!("line {number}: {problem}"));
                json!({
                    "flag": null, "value": null, "variant": null, "reason": "ERROR",
                    "errorCode": error_code, "errorDetails": problem,
                })
            }
        };
        answer["line"] = number.into();
        answers.write(answer)?;
    }
    answers.flush()?;
    Ok(code)
}

/// One line of a batch.
struct Question {
    flag: String,
    context: Context<'static>,
    default: Value,
}

impl Question {
    /// Parses a line. An error has OpenFeature's error code and a sentence.
    fn parse(line: &[u8]) -> Result<Self, (&'static str, String)> {
        let parse_error = |problem: String| ("PARSE_ERROR", problem);
        let line = str::from_utf8(line).map_err(|error| {
            parse_error(format!("byte {} is not UTF-8", error.valid_up_to() + 1))
        })?;
        let mut object: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| parse_error(format!("no JSON object: {}", json_problem(&error))))?;
        let Some(Value::String(flag)) = object.remove("flag") else {
            return Err(parse_error("a string `flag` is missing".to_owned()));
        };
        let context = match object.remove("context") {
            None | Some(Value::Null) => Ok(Context::anonymous()),
            Some(Value::Object(context)) => context::from_json(context),
            Some(_) => Err("`context` has to be an object".to_owned()),
        };
        let context = context.map_err(|problem| ("INVALID_CONTEXT", problem))?;
        Ok(Self { flag, context, default: object.remove("default").unwrap_or_default() })
    }
}
