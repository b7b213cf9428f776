use std::{ffi::OsStr, str::FromStr};

use clap_complete::{ArgValueCompleter, CompletionCandidate};
use flagstaff::{cli::ExitCode, definition::Code};
use serde_json::json;

use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
};

/// The name of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeArg(pub(super) Code);

impl FromStr for CodeArg {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = || "there is no such code; `flagstaff lint --explain` lists them".to_owned();
        Code::from_name(name).map(Self).ok_or_else(unknown)
    }
}

/// Completes the names of codes.
pub(super) fn codes() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let start = start.to_string_lossy();
        let codes = Code::ALL.iter().filter(|code| code.as_str().starts_with(&*start));
        let candidate =
            |code: &Code| CompletionCandidate::new(code.as_str()).help(Some(code.title().into()));
        codes.map(candidate).collect()
    })
}

/// Explains one code, or lists them all.
pub(super) fn run(code: Option<CodeArg>, output: &Output) -> Result<ExitCode, Failure> {
    match code {
        Some(CodeArg(code)) => output.thing(explanation(code), || text(code))?,
        None => output.listing(Listing {
            name: "codes",
            columns: &["CODE", "LEVEL", "ABOUT"],
            rows: Code::ALL.iter().map(|&code| row(code)).collect(),
            empty: "(no codes)",
        })?,
    }
    Ok(ExitCode::Done)
}

fn row(code: Code) -> Row {
    let cells = [code.as_str(), code.level().as_str(), code.title()];
    Row { cells: cells.map(str::to_owned).to_vec(), json: explanation(code) }
}

fn explanation(code: Code) -> serde_json::Value {
    json!({
        "code": code.as_str(),
        "level": code.level().as_str(),
        "lint": code.is_lint(),
        "title": code.title(),
        "explanation": code.explanation(),
    })
}

fn text(code: Code) -> String {
    let (title, level) = (code.title(), code.level());
    format!("{code}: {title}\n\n{}\n\nDefault level: {level}\n", wrapped(code.explanation()))
}

/// Returns the text in lines that are easy to read.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 80;

    let mut lines = String::with_capacity(text.len());
    let mut width = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if width > 0 && width + 1 + len > WIDTH {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += len;
    }
    lines
}
