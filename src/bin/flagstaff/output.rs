//! The output of commands: stdout, stderr, and the forms.
//!
//! Data goes to stdout: as text for people on a terminal, separated by tabs in a pipe, or as JSON.
//! Everything else goes to stderr.

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, BufWriter, IsTerminal, Write},
};

use clap::{Args, ValueEnum};
use flagstaff::{cli::ExitCode, definition::Diagnostics, text::Untrusted};
use serde_json::{Map, Value, json};

use crate::{
    failure::{Failure, Report},
    style::{ERROR, HINT, WARNING, painted},
    table, variable,
};

/// The version of all shapes in JSON. It grows when a member is removed or changes its meaning.
const VERSION: u32 = 1;

/// The number of messages of a kind that are printed at most: a store may have ten thousand odd values.
pub(crate) const MOST: usize = 20;

/// The options of the output.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Output format [default: text on a terminal, tsv in a pipe] [env: FLAGSTAFF_OUTPUT]
    #[arg(long, short, global = true, value_name = "FORM")]
    output: Option<Format>,
    /// Colours [default: auto, which is on terminals without NO_COLOR]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    color: When,
    /// Print warnings and errors, but no notes and no hints
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// The choice of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

impl When {
    /// Sets the colours for all later output.
    pub(crate) fn apply(self) {
        let choice = match self {
            // A terminal that is not dumb, without NO_COLOR; or CLICOLOR_FORCE.
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::AlwaysAnsi,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// A form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    // Doc comments on the variants would give each variant a line of its own in the help of every command.
    Text,
    Tsv,
    Json,
    Jsonl,
}

/// Several things of one kind, to be printed.
#[derive(Debug)]
pub(crate) struct Listing<'c> {
    /// The key of the list in JSON.
    pub(crate) name: &'static str,
    /// The headings of the columns. New ones are only ever added at the end.
    pub(crate) columns: &'c [&'c str],
    pub(crate) rows: Vec<Row>,
    /// The line for users when the list is empty, such as `(no flags)`.
    pub(crate) empty: &'static str,
}

/// One of several things.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    /// The row as a JSON object.
    pub(crate) json: Value,
}

/// The messages that are not printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum LeftOut {
    None,
    Notes,
    /// All messages, since they were printed before.
    Warnings,
}

/// The printer of a command.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    format: Format,
    left_out: LeftOut,
}

impl Output {
    /// Fails if `FLAGSTAFF_OUTPUT` is not a form.
    pub(crate) fn new(args: &OutputArgs) -> Result<Self, Failure> {
        let wanted = match variable::value("FLAGSTAFF_OUTPUT").filter(|_| args.output.is_none()) {
            Some(form) => Some(Format::from_str(&form, true).map_err(|_| {
                let forms =
                    Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
                let forms: Vec<_> = forms.map(|form| format!("`{}`", form.get_name())).collect();
                let why = format!("`{form}` is not an output format");
                variable::bad("FLAGSTAFF_OUTPUT", &why)
                    .hint(format!("the formats are {}", forms.join(", ")))
            })?),
            None => None,
        };
        let output = Self::after(args);
        Ok(Self { format: wanted.unwrap_or(output.format), ..output })
    }

    /// Returns the output that the options ask for, without the environment.
    pub(crate) fn after(args: &OutputArgs) -> Self {
        let usual = || if io::stdout().is_terminal() { Format::Text } else { Format::Tsv };
        args.color.apply();
        let left_out = if args.quiet { LeftOut::Notes } else { LeftOut::None };
        Self { format: args.output.unwrap_or_else(usual), left_out }
    }

    /// Returns an output in JSON, for errors before the arguments are parsed.
    pub(crate) fn json() -> Self {
        Self { format: Format::Json, left_out: LeftOut::None }
    }

    /// Returns an output without messages, for completion.
    pub(crate) fn silent() -> Self {
        Self { format: Format::Text, left_out: LeftOut::Warnings }
    }

    /// Returns an output without warnings and notes, for work that is done a second time.
    pub(crate) fn repeated(&self) -> Self {
        Self { left_out: LeftOut::Warnings, ..self.clone() }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Returns `true` if the output is for people.
    pub(crate) fn is_for_people(&self) -> bool {
        self.format == Format::Text
    }

    /// Returns `true` if the output is for programs that read columns.
    pub(crate) fn is_terse(&self) -> bool {
        self.format == Format::Tsv
    }

    /// Prints rows as tab-separated lines.
    pub(crate) fn rows(&self, rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut lines = String::new();
        for row in rows {
            let cells: Vec<_> = row.iter().map(|cell| Untrusted::new(cell).tsv()).collect();
            lines += &cells.join("\t");
            lines.push('\n');
        }
        self.write(&lines)
    }

    /// Prints several things of a kind. Text is a table with headings. In a pipe, tabs separate the columns, without
    /// headings.
    pub(crate) fn listing(&self, listing: Listing<'_>) -> Result<(), Failure> {
        let Listing { name, columns, rows, empty } = listing;
        match self.format {
            Format::Json => {
                let rows: Vec<_> = rows.into_iter().map(|row| row.json).collect();
                self.document(json!({ name: rows }))
            }
            Format::Jsonl => rows.into_iter().try_for_each(|row| self.document(row.json)),
            Format::Tsv => {
                if rows.is_empty() {
                    self.note(empty);
                }
                let rows: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
                self.rows(&rows)
            }
            Format::Text if rows.is_empty() => self.write(&format!("{empty}\n")),
            Format::Text => {
                let rows: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
                self.write(&table::headed(columns, &rows, table::room()))
            }
        }
    }

    /// Prints a listing that has members beside its rows in JSON.
    pub(crate) fn listing_about(&self, about: Value, listing: Listing<'_>) -> Result<(), Failure> {
        if self.format != Format::Json {
            return self.listing(listing);
        }
        let rows: Vec<_> = listing.rows.into_iter().map(|row| row.json).collect();
        let mut about = about;
        about[listing.name] = rows.into();
        self.document(about)
    }

    /// Prints one thing: an object in JSON, and otherwise the result of `text`.
    pub(crate) fn thing(&self, json: Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json | Format::Jsonl => self.document(json),
            Format::Text | Format::Tsv => {
                let mut text = text();
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                self.write(&text)
            }
        }
    }

    /// Prints a JSON document with the version of its shape.
    fn document(&self, json: Value) -> Result<(), Failure> {
        let json = versioned(json);
        let text = match self.format {
            Format::Json => format!("{json:#}\n"),
            _ => format!("{json}\n"),
        };
        self.json_text(&text)
    }

    /// Prints JSON of any shape.
    pub(crate) fn json_text(&self, text: &str) -> Result<(), Failure> {
        self.write(&Untrusted::new(text).json())
    }

    /// Prints data unchanged.
    pub(crate) fn write(&self, data: &str) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(data.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Prints a note beside the data.
    pub(crate) fn note(&self, text: impl Display) {
        if self.left_out >= LeftOut::Notes {
            return;
        }
        let text = text.to_string();
        if self.is_json() {
            return self.beside("note", &text);
        }
        anstream::eprintln!("{}", Untrusted::new(&text).lines());
    }

    /// Lines for people that have colours of their own: what is in them was made clean one by one.
    pub(crate) fn preview(&self, lines: &str) {
        if self.left_out == LeftOut::None && !self.is_json() {
            anstream::eprintln!("{}", lines.trim_end());
        }
    }

    /// Prints a line for people, which programs have in the data.
    pub(crate) fn aside(&self, text: impl Display) {
        if !self.is_json() {
            self.note(text);
        }
    }

    /// Prints the diagnostics of a file to stderr, as compilers do.
    pub(crate) fn report(&self, diagnostics: &Diagnostics) {
        if self.left_out == LeftOut::Warnings {
            return;
        }
        if self.is_json() {
            return self.beside("note", diagnostics.report().to_string().trim_end());
        }
        let report = diagnostics.report().ansi().to_string();
        anstream::eprintln!("{}", report.trim_end());
    }

    /// Prints a hint, beside the data.
    pub(crate) fn hint(&self, text: impl Display) {
        if self.left_out >= LeftOut::Notes {
            return;
        }
        let text = text.to_string();
        if self.is_json() {
            return self.beside("hint", &text);
        }
        anstream::eprintln!("{}: {}", painted(HINT, "hint"), Untrusted::new(&text).lines());
    }

    /// Prints a warning: a problem that does not stop the command.
    pub(crate) fn warning(&self, text: impl Display) {
        if self.left_out == LeftOut::Warnings {
            return;
        }
        let text = text.to_string();
        if self.is_json() {
            return self.beside("warning", &text);
        }
        anstream::eprintln!("{}: {}", painted(WARNING, "warning"), Untrusted::new(&text).lines());
    }

    /// Prints the first of several warnings of a kind, and counts the rest.
    pub(crate) fn warnings(&self, warnings: impl IntoIterator<Item = String>) {
        let mut warnings = warnings.into_iter();
        warnings.by_ref().take(MOST).for_each(|warning| self.warning(warning));
        match warnings.count() {
            0 => {}
            more => self.warning(format!("{more} more like these")),
        }
    }

    /// Prints a line for programs on stderr.
    fn beside(&self, kind: &str, text: &str) {
        let json = versioned(json!({ kind: { "message": text } })).to_string();
        anstream::eprintln!("{}", Untrusted::new(&json).json());
    }

    /// Prints the error of a command, and returns the exit code of the process.
    pub(crate) fn failure(&self, failure: &Failure) -> ExitCode {
        let Failure::Report(Report { code, kind, message, causes, hint, .. }) = failure else {
            return ExitCode::Done;
        };
        if self.is_json() {
            let mut error = Map::new();
            error.insert("code".to_owned(), code.number().into());
            error.insert("kind".to_owned(), kind.as_str().into());
            error.insert("message".to_owned(), message.as_str().into());
            error.insert("causes".to_owned(), causes.clone().into());
            if let Some(hint) = hint {
                error.insert("hint".to_owned(), hint.as_str().into());
            }
            let error = versioned(json!({ "error": error })).to_string();
            anstream::eprintln!("{}", Untrusted::new(&error).json());
            return *code;
        }
        anstream::eprintln!(
            "{}: {}",
            painted(ERROR, "error"),
            Untrusted::new(&failure.text()).lines()
        );
        if let Some(hint) = hint.as_ref().filter(|_| self.left_out == LeftOut::None) {
            self.hint(hint);
        }
        *code
    }
}

/// A writer of JSON lines with the version of their shape.
#[derive(Debug)]
pub(crate) struct Lines(BufWriter<io::Stdout>);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    pub(crate) fn write(&mut self, json: Value) -> Result<(), Failure> {
        let line = versioned(json).to_string();
        self.0.write_all(Untrusted::new(&line).json().as_bytes())?;
        self.0.write_all(b"\n")?;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush()?;
        Ok(())
    }
}

/// Returns `true` if the arguments ask for JSON, even if they are wrong otherwise.
pub(crate) fn asked_for_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let forms = values(arguments, "output", Some("-o"));
    forms.iter().any(|form| matches!(form.as_str(), "json" | "jsonl"))
}

/// Reads `--color` from arguments that clap has rejected.
pub(crate) fn asked_for_color(arguments: impl IntoIterator<Item = OsString>) -> When {
    let last = values(arguments, "color", None).pop();
    last.and_then(|when| When::from_str(&when, true).ok()).unwrap_or(When::Auto)
}

/// Returns the values of an option in arguments that are not parsed.
fn values(
    arguments: impl IntoIterator<Item = OsString>,
    long: &str,
    short: Option<&str>,
) -> Vec<String> {
    let mut arguments =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    let mut values = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument.strip_prefix("--") == Some(long) || Some(argument.as_str()) == short {
            values.extend(arguments.next());
            continue;
        }
        let glued = match argument.strip_prefix("--").and_then(|it| it.strip_prefix(long)) {
            Some(value) => value.strip_prefix('='),
            None => short.and_then(|short| argument.strip_prefix(short)),
        };
        values.extend(glued.map(|value| value.trim_start_matches('=').to_owned()));
    }
    values
}

/// Returns an object with the version as its first member.
pub(crate) fn versioned(json: Value) -> Value {
    let mut object = Map::new();
    object.insert("version".to_owned(), VERSION.into());
    if let Value::Object(members) = json {
        object.extend(members);
    }
    object.into()
}
