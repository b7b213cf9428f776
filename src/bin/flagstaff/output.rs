//! What is printed, where and how.
//!
//! Data goes to stdout: as text for people on a terminal, separated by tabs in a pipe, or as JSON.
//! Everything else goes to stderr.

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    io::{self, BufWriter, IsTerminal, Write},
};

use clap::{Args, ValueEnum};
use comfy_table::{ColumnConstraint, Table, Width, presets};
use flagstaff::cli::ExitCode;
use serde_json::{Map, Value, json};

use crate::{
    failure::{Failure, Told},
    text::clean,
};

/// The version of all shapes in JSON. It grows when a member is taken away or changes its meaning.
const VERSION: u32 = 1;

/// How to print.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Form [default: text on a terminal, tsv in a pipe] [env: FLAGSTAFF_OUTPUT]
    #[arg(long, short, global = true, value_name = "FORM")]
    output: Option<Format>,
}

/// A form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    // A doc comment here would give each a line of its own in the help of every command.
    Text,
    Tsv,
    Json,
    Jsonl,
}

/// Several things of one kind.
#[derive(Debug)]
pub(crate) struct Listing {
    /// What they are called in JSON.
    pub(crate) name: &'static str,
    /// The headings of the columns. New ones are only ever added at the end.
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Row>,
    /// What people read when there are none, such as `(no flags)`.
    pub(crate) empty: &'static str,
}

/// One of several things.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    /// An object.
    pub(crate) json: Value,
}

/// Prints.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(args: &OutputArgs) -> Self {
        let usual = || if io::stdout().is_terminal() { Format::Text } else { Format::Tsv };
        let wanted = || Format::from_str(&env::var("FLAGSTAFF_OUTPUT").ok()?, true).ok();
        Self { format: args.output.or_else(wanted).unwrap_or_else(usual) }
    }

    /// For errors before the arguments are understood.
    pub(crate) fn json() -> Self {
        Self { format: Format::Json }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether the output is for people.
    pub(crate) fn is_for_people(&self) -> bool {
        self.format == Format::Text
    }

    /// Whether the output is for programs that read columns.
    pub(crate) fn is_terse(&self) -> bool {
        self.format == Format::Tsv
    }

    /// Lines of columns, separated by tabs.
    pub(crate) fn rows(&self, rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut lines = String::new();
        for row in rows {
            let cells: Vec<_> = row.iter().map(|cell| clean(cell)).collect();
            lines += &cells.join("\t");
            lines.push('\n');
        }
        self.write(&lines)
    }

    /// Several things of a kind. Text is a table; tabs separate without headings.
    pub(crate) fn listing(&self, listing: Listing) -> Result<(), Failure> {
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
                self.write(&laid_out(columns, &rows, room()))
            }
        }
    }

    /// One thing: an object in JSON, and otherwise what `text` makes of it.
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

    /// A JSON document with the version of its shape.
    fn document(&self, json: Value) -> Result<(), Failure> {
        let json = versioned(json);
        match self.format {
            Format::Json => self.write(&format!("{json:#}\n")),
            _ => self.write(&format!("{json}\n")),
        }
    }

    /// Data, as it is.
    pub(crate) fn write(&self, data: &str) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(data.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Something beside the data.
    pub(crate) fn note(&self, text: impl Display) {
        if self.is_json() {
            let note = versioned(json!({ "note": { "message": text.to_string() } }));
            return anstream::eprintln!("{note}");
        }
        anstream::eprintln!("{text}");
    }

    /// What people read and programs have in the data.
    pub(crate) fn aside(&self, text: impl Display) {
        if !self.is_json() {
            self.note(text);
        }
    }

    /// What can be done about something, beside the data.
    pub(crate) fn hint(&self, text: impl Display) {
        if self.is_json() {
            let hint = versioned(json!({ "hint": { "message": text.to_string() } }));
            return anstream::eprintln!("{hint}");
        }
        anstream::eprintln!("\x1b[1;36mhint\x1b[0m: {text}");
    }

    /// Something that is not as it should be, and that the command can do without.
    pub(crate) fn warning(&self, text: impl Display) {
        if self.is_json() {
            let warning = versioned(json!({ "warning": { "message": text.to_string() } }));
            return anstream::eprintln!("{warning}");
        }
        anstream::eprintln!("\x1b[1;33mwarning\x1b[0m: {text}");
    }

    /// Tells why a command failed, and with which code the process ends.
    pub(crate) fn failure(&self, failure: &Failure) -> ExitCode {
        let Failure::Told(Told { code, kind, message, causes, hint }) = failure else {
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
            let error = versioned(json!({ "error": error }));
            anstream::eprintln!("{error}");
            return *code;
        }
        let message = [message].into_iter().chain(causes).cloned().collect::<Vec<_>>().join(": ");
        anstream::eprintln!("\x1b[1;31merror\x1b[0m: {message}");
        if let Some(hint) = hint {
            anstream::eprintln!("\x1b[1;36mhint\x1b[0m: {hint}");
        }
        *code
    }
}

/// JSON lines with the version of their shape, which go out by and by.
#[derive(Debug)]
pub(crate) struct Lines(BufWriter<io::Stdout>);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    pub(crate) fn write(&mut self, json: Value) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, &versioned(json)).map_err(io::Error::from)?;
        self.0.write_all(b"\n")?;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush()?;
        Ok(())
    }
}

/// Whether the arguments ask for JSON, also if they are wrong otherwise.
pub(crate) fn json_was_asked_for(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut arguments =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    let is_json = |value: &str| matches!(value.trim_start_matches('='), "json" | "jsonl");
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "-o" | "--output" => arguments.next().unwrap_or_default(),
            other => match other.strip_prefix("--output=").or_else(|| other.strip_prefix("-o")) {
                Some(value) => value.to_owned(),
                None => continue,
            },
        };
        if is_json(&value) {
            return true;
        }
    }
    false
}

/// The width of the terminal. One that does not know it says 0.
pub(crate) fn room() -> Option<u16> {
    Table::new().width().filter(|&width| width > 0)
}

/// The lines of a table, without a grid. Cells wrap between words where there is no room for all of
/// it, and no word is ever broken: names are copied from here.
fn laid_out(columns: &[&str], rows: &[Vec<String>], room: Option<u16>) -> String {
    let filled = |cell: fn(&str) -> String| {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        table.set_header(columns.iter().map(|heading| cell(heading)));
        table.add_rows(rows.iter().map(|row| row.iter().map(|text| cell(text))));
        table
    };
    let mut table = filled(|text| clean(text).into_owned());
    if let Some(room) = room {
        let word_by_word = filled(|text| clean(text).replace(' ', "\n"));
        let widths = widths(
            table.column_max_content_widths(),
            &word_by_word.column_max_content_widths(),
            room.saturating_sub(GAP * (columns.len() as u16 - 1)),
        );
        table.set_constraints(
            widths.into_iter().map(|it| ColumnConstraint::Absolute(Width::Fixed(it + GAP))),
        );
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines += line.strip_prefix(' ').unwrap_or(&line).trim_end();
        lines.push('\n');
    }
    lines
}

/// Between two columns, half of it on each side.
const GAP: u16 = 2;

/// The widest column that can give way does so, until there is room for all.
fn widths(mut widths: Vec<u16>, least: &[u16], room: u16) -> Vec<u16> {
    while widths.iter().copied().map(usize::from).sum::<usize>() > usize::from(room) {
        let can_give = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
        let Some((widest, _)) = can_give.max_by_key(|(width, _)| **width) else { break };
        *widest -= 1;
    }
    widths
}

/// The version goes first.
pub(crate) fn versioned(json: Value) -> Value {
    let mut object = Map::new();
    object.insert("version".to_owned(), VERSION.into());
    if let Value::Object(members) = json {
        object.extend(members);
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["FLAG", "STATE", "REASON"];

    fn rows() -> Vec<Vec<String>> {
        let rows = [
            [
                "new_checkout_of_the_shop",
                "10%, 2 allowed",
                "the new one is slow, and some pay twice",
            ],
            ["beta", "on", "größer"],
        ];
        rows.map(|row| row.map(str::to_owned).to_vec()).to_vec()
    }

    #[test]
    fn columns_of_sentences_give_way_to_names() {
        let lines = laid_out(COLUMNS, &rows(), Some(60));

        let expected = "\
FLAG                      STATE           REASON
new_checkout_of_the_shop  10%, 2 allowed  the new one is
                                          slow, and some pay
                                          twice
beta                      on              größer
";
        assert_eq!(lines, expected);
    }

    #[test]
    fn no_word_is_broken_at_any_width() {
        let all = laid_out(COLUMNS, &rows(), None);
        let words = |text: &str| -> Vec<String> {
            let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };

        assert!(all.contains("new_checkout_of_the_shop  10%, 2 allowed  the new one is slow, and"));
        for width in 1..120 {
            let lines = laid_out(COLUMNS, &rows(), Some(width));
            assert_eq!(words(&lines), words(&all), "{width}");
            let widest = lines.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            let least = "new_checkout_of_the_shop  allowed  größer".chars().count();
            assert!(widest <= usize::from(width).max(least), "{width}:\n{lines}");
        }
    }
}
