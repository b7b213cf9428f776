//! Colours of output for people. They are removed again if no colours are shown.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use flagstaff::{answer::FlagState, text::Untrusted};

pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const HEADER: Style = Style::new().bold();
pub(crate) const ON: Style = AnsiColor::Green.on_default();
pub(crate) const OFF: Style = AnsiColor::Red.on_default();
pub(crate) const PARTIAL: Style = AnsiColor::Yellow.on_default();

/// The columns of tables that have states in them.
const STATES: [&str; 5] = ["STATE", "VALUE", "BEFORE", "AFTER", "FINDING"];

/// Returns the string of a state in its colour.
pub(crate) fn state(state: FlagState) -> String {
    let style = match state {
        FlagState::On => ON,
        FlagState::Off => OFF,
        FlagState::Partial { .. } => PARTIAL,
        _ => Style::new(),
    };
    painted(style, state)
}

/// Returns the lines of a diff in the colours of diffs.
pub(crate) fn diff(diff: &str) -> String {
    let line = |line: &str| {
        let style = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => HEADER,
            [b'+', ..] => ON,
            [b'-', ..] => OFF,
            _ => Style::new(),
        };
        // The line ends as in the file.
        let text = line.trim_end_matches(['\r', '\n']);
        // TOML allows C1 controls and marks of direction in a string.
        painted(style, Untrusted::new(text).report()) + &line[text.len()..]
    };
    diff.split_inclusive('\n').map(line).collect()
}

/// Returns the lines of an explanation: the answer in the colour of its value, headings, and the steps that decided.
pub(crate) fn explanation(text: &str, is_on: bool) -> String {
    let answer = if is_on { ON } else { OFF };
    let line = |(index, line): (usize, &str)| {
        let style = match (index, line.as_bytes()) {
            (0, _) => answer.bold(),
            (_, [b'>', ..]) => answer,
            (_, [b' ', ..] | []) => return format!("{line}\n"),
            _ => HEADER,
        };
        painted(style, line) + "\n"
    };
    text.lines().enumerate().map(line).collect()
}

pub(crate) fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns the style of a cell below a heading, if it is a state.
pub(crate) fn of_cell(heading: &str, text: &str) -> Option<Style> {
    if !STATES.contains(&heading) {
        return None;
    }
    match text {
        "on" | "ready" | "true" => Some(ON),
        "off" | "behind" | "false" | "expired" | "unknown" => Some(OFF),
        _ if text.contains('%') => Some(PARTIAL),
        _ => None,
    }
}
