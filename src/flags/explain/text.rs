//! The text of explanations for people: the answer first, then the sources and settings, then the steps.

use std::fmt::{self, Write};

use super::{
    Asker, Check, ComparisonTrace, ConditionTrace, DrawTrace, EntryTrace, Explanation, FlagTrace,
    Outcome, RequirementTrace, RuleTrace, SettingTrace, Shown, SourceTrace, Step,
};
use crate::{
    backend::Provenance,
    model::{Answer, Case, Cause, Field, Operator, Percentage, RequiredState, Serve, Value},
    text::{count, instant, line},
};

/// The maximum number of lines for a rule: conditions may have thousands of comparisons.
const MOST_LINES: usize = 50;

/// The maximum number of elements that are shown of a list.
const MOST_ELEMENTS: usize = 5;

/// The maximum number of characters that are shown of a string.
const MOST_CHARACTERS: usize = 80;

/// Writes several lines for a terminal or a log, the answer in the first one.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, answer, because, .. } = self;
        let state = match (answer.cause, answer.value) {
            (Cause::UnknownFlag, _) => "unknown",
            (Cause::Rejected, _) => "not known",
            (_, true) => "on",
            (_, false) => "off",
        };
        writeln!(f, "{} is {state}: {because}", Name(key))?;
        self.facts().write(f)?;
        for (title, table) in [
            ("Sources, strongest first", table(&self.sources)),
            ("Settings", table(&self.settings)),
            ("Steps", table(&self.steps)),
        ] {
            if !table.rows.is_empty() {
                writeln!(f, "\n{title}")?;
                table.write(f)?;
            }
        }
        Ok(())
    }
}

impl Explanation {
    /// Returns the facts about the answer.
    fn facts(&self) -> Table {
        let mut table = Table::default();
        let Self { answer, .. } = self;
        let code = answer.error_code.map(|code| format!(", {code}"));
        table.row("", ["reason", &format!("{}{}", answer.reason, code.unwrap_or_default())]);
        if let Some(source) = answer.source {
            let place = self.place.as_ref().map(|place| format!(", {}", line(place)));
            table.row("", ["decided by", &format!("{source}{}", place.unwrap_or_default())]);
        }
        if let Some(served) = &self.served {
            let value = Short(&served.value);
            let text = match served.variant {
                None => value.to_string(),
                Some(variant) if served.value == Value::from(variant) => Name(variant).to_string(),
                Some(variant) => format!("{} = {value}", Name(variant)),
            };
            table.row("", ["serves", &text]);
        }
        if let Some(similar) = &self.similar {
            table.row("", ["similar", &Name(similar).to_string()]);
        }
        if let Some(miss) = &self.near_miss {
            let rule = Title { index: miss.rule, name: miss.name.as_deref() };
            let serve = Served(&miss.serve);
            table
                .row("", ["near miss", &format!("{rule}, serving {serve}, failed on this alone:")]);
            // A comparison that holds is one that had to fail. Without the word, it would read as a contradiction.
            let unless = if miss.comparison.holds() == Some(true) { "unless " } else { "" };
            table.row("", ["", &format!("{unless}{}", miss.comparison)]);
        }
        for (index, line) in self.asked_by.lines().iter().enumerate() {
            table.row("", [if index == 0 { "asked by" } else { "" }, line]);
        }
        table
    }
}

impl Asker {
    fn lines(&self) -> Vec<String> {
        let user = match &self.targeting_key {
            Shown::Missing => "an anonymous user: the context has no targeting_key".to_owned(),
            user => format!("targeting_key {user}"),
        };
        let groups = (self.groups != Shown::Missing).then(|| format!("groups {}", self.groups));
        let attributes =
            self.attributes.iter().map(|(name, value)| format!("{} {value}", Name(name)));
        [user].into_iter().chain(groups).chain(attributes).collect()
    }
}

/// Rows of cells, whose columns are made as wide as they need to be.
#[derive(Default)]
struct Table {
    /// The rows, each with a mark in front.
    rows: Vec<(&'static str, Vec<String>)>,
}

impl Table {
    fn row<const CELLS: usize>(&mut self, mark: &'static str, cells: [&str; CELLS]) {
        self.rows.push((mark, cells.map(str::to_owned).into()));
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default();
        let width = |column: usize| {
            // The last cell of a row has no column after it, so it needs no width.
            let cells = self.rows.iter().filter(|(_, cells)| column + 1 < cells.len());
            cells.map(|(_, cells)| cells[column].chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for (mark, cells) in &self.rows {
            let mut line = format!("{mark:<2}");
            for (cell, width) in cells.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A part of an explanation that is shown in rows.
trait Rows {
    fn rows(&self, table: &mut Table);
}

fn table(all: &[impl Rows]) -> Table {
    let mut table = Table::default();
    for one in all {
        one.rows(&mut table);
    }
    table
}

impl Rows for SourceTrace {
    fn rows(&self, table: &mut Table) {
        let entry = match (&self.entry, &self.problem) {
            (Some(entry), _) => entry.to_string(),
            (None, Some(_)) => "not readable".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        let place = self.place.as_deref().map(line).unwrap_or_default();
        table.row("", [self.source, &entry, &place]);
        if let Some(problem) = &self.problem {
            table.row("", ["", &line(problem)]);
        }
        if let Some(warning) = &self.warning {
            table.row("", ["", &line(warning)]);
        }
        if let Some(provenance) = &self.provenance {
            for line in signature(provenance) {
                table.row("", ["", &line]);
            }
        }
    }
}

/// Returns the author and the times of an override, and its reason.
fn signature(provenance: &Provenance) -> Vec<String> {
    let Provenance { author, reason, at, expires_at, forced_until } = provenance;
    let text = |text: &str| Short(&Value::from(text)).to_string();
    let by = author.as_deref().map(|author| format!("by {}", text(author)));
    let at = at.map(|at| format!("at {}", instant(at)));
    let until = expires_at.map(|until| format!("until {}", instant(until)));
    let forced = forced_until.map(|until| format!("forced until {}", instant(until)));
    let first: Vec<_> = by.into_iter().chain(at).chain(forced).chain(until).collect();
    let why = reason.as_deref().map(|reason| format!("because {}", text(reason)));
    let lines = [first.join(" "), why.unwrap_or_default()];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

impl Rows for SettingTrace {
    fn rows(&self, table: &mut Table) {
        let value = match &self.value {
            Some(value) => shortened(&line(value), MOST_CHARACTERS),
            None => "removed".to_owned(),
        };
        let place = self.place.as_deref().map(line).unwrap_or_default();
        table.row("", [self.field.as_str(), &value, self.source, &place]);
    }
}

impl Rows for Step {
    fn rows(&self, table: &mut Table) {
        let name = self.check.name();
        match self.outcome {
            Outcome::NotReached => table.row("", [name, "not reached"]),
            Outcome::Decided => table.row(">", [name, &self.check.to_string()]),
            Outcome::Passed | Outcome::Served => table.row("", [name, &self.check.to_string()]),
        }
        if self.outcome != Outcome::NotReached {
            for line in self.check.details() {
                table.row("", ["", &line]);
            }
        }
    }
}

impl Check {
    /// Returns the name of the step: that of the setting, if it is one.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Stale(_) => Field::OnStale.as_str(),
            Self::Enabled(_) => Field::Enabled.as_str(),
            Self::Active(_) => Field::Active.as_str(),
            Self::Requires(_) => Field::Requires.as_str(),
            Self::List { field, .. } => field.as_str(),
            Self::Rules(_) => Field::Rules.as_str(),
            Self::Percentage { rollout: Some(_), .. } => Field::Rollout.as_str(),
            Self::Percentage { .. } => Field::Percentage.as_str(),
            Self::Value(_) => Field::Value.as_str(),
            Self::Serve { .. } => Field::Serve.as_str(),
            Self::Variants { .. } => Field::Variants.as_str(),
        }
    }

    /// Returns the lines below the step.
    fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Self::Requires(required) => {
                let line = |it: &RequirementTrace| format!("  {:<4} {it}", mark(Some(it.is_met)));
                lines.extend(required.iter().map(line));
            }
            Self::Rules(rules) => {
                for rule in rules {
                    let place = rule.place.as_ref().map(|place| format!(" ({})", line(place)));
                    lines.push(format!("{rule}{}", place.unwrap_or_default()));
                    lines.extend(rule.details());
                }
            }
            Self::Percentage { draw, .. } => lines.extend(draw.as_ref().and_then(drawn_by)),
            Self::Variants { arms, traffic, traffic_draw, draw, .. } => {
                if let Some(draw) = traffic_draw {
                    lines.push(format!("traffic {traffic}: {draw}"));
                }
                lines.extend(draw.as_ref().or(traffic_draw.as_ref()).and_then(drawn_by));
                if draw.as_ref().is_some_and(|draw| draw.bucket.is_some()) {
                    let arms = arms.iter().filter(|arm| arm.from < arm.until);
                    lines.extend(arms.map(|arm| {
                        format!("  {} to {}: {}", arm.from, arm.until, Name(&arm.name))
                    }));
                }
            }
            Self::Test
            | Self::Stale(_)
            | Self::Enabled(_)
            | Self::Active(_)
            | Self::List { .. }
            | Self::Value(_)
            | Self::Serve { .. } => {}
        }
        lines
    }
}

/// Writes the result of the check in one line.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test => Cause::Test.fmt(f),
            Self::Stale(on_stale) => write!(f, "{on_stale}, since a source is lost"),
            Self::Enabled(enabled) => enabled.fmt(f),
            Self::Active(is_active) => {
                write!(
                    f,
                    "the time is {} the window",
                    if *is_active { "inside" } else { "outside" }
                )
            }
            Self::Requires(required) => f.write_str(match required.last() {
                Some(last) if last.is_met => "met",
                Some(_) => "not met",
                None => "cannot be met",
            }),
            Self::List { field, names, found } => {
                let noun = match field {
                    Field::DeniedGroups | Field::AllowedGroups => "group",
                    _ => "user",
                };
                match found {
                    None => write!(f, "not on the list ({})", count(*names, noun)),
                    Some(found) => write!(f, "{found} is on the list ({})", count(*names, noun)),
                }
            }
            Self::Rules(rules) => match rules.iter().find(|rule| rule.matches == Some(true)) {
                None => write!(f, "{}, none matches", count(rules.len(), "rule")),
                Some(rule) => write!(f, "{} matches", rule.title()),
            },
            Self::Percentage { percentage, rollout, draw } => {
                match draw {
                    None if *percentage == Percentage::HUNDRED => f.write_str("all users")?,
                    None => percentage.fmt(f)?,
                    Some(draw) => draw.fmt(f)?,
                }
                match rollout {
                    None => Ok(()),
                    Some(at) => write!(f, ", stage {} of {}, {}", at.stage, at.stages, at.status),
                }
            }
            Self::Value(value) => Short(value).fmt(f),
            Self::Serve { variant, is_known: true } => Name(variant).fmt(f),
            Self::Serve { variant, is_known: false } => {
                write!(f, "{}, which the flag does not have", Name(variant))
            }
            Self::Variants { served, draw, traffic_draw, .. } => {
                match served {
                    Some(served) => Name(served).fmt(f)?,
                    None => f.write_str("none")?,
                }
                match (draw, traffic_draw) {
                    (None, Some(draw)) if !draw.is_inside => {
                        f.write_str(", outside of the traffic")
                    }
                    (Some(DrawTrace { bucket: Some(bucket), .. }), _) => {
                        write!(f, ", which bucket {bucket} is served")
                    }
                    (Some(draw), _) => write!(f, ": {draw}"),
                    (None, _) => Ok(()),
                }
            }
        }
    }
}

/// Returns `drawn by targeting_key "ana"`; `None` if the attribute is missing.
fn drawn_by(draw: &DrawTrace) -> Option<String> {
    let is_there = draw.seen != Shown::Missing;
    is_there.then(|| format!("  drawn by {} {}", Name(&draw.by), draw.seen))
}

impl fmt::Display for DrawTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, seen, bucket, threshold, is_inside } = self;
        match (bucket, *threshold) {
            (None, _) if *seen == Shown::Missing => {
                write!(f, "there is no {} to draw a bucket by", Name(by))
            }
            (None, _) => write!(f, "no bucket can be drawn by {}", Name(by)),
            (Some(bucket), Percentage::HUNDRED) => write!(f, "bucket {bucket}"),
            (Some(bucket), _) => {
                let side = if *is_inside { "inside" } else { "outside" };
                write!(f, "bucket {bucket} is {side} of {threshold}")
            }
        }
    }
}

impl fmt::Display for RequirementTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Name(&self.flag);
        let wanted = match (&self.state, &self.answer) {
            (_, None) => return write!(f, "{name}, which no source has"),
            (RequiredState::Variants(names), Some(_)) => format!(" to serve {}", AnyOf(names)),
            (RequiredState::Off, Some(_)) => " to be off".to_owned(),
            (RequiredState::On, Some(answer)) => {
                return write!(f, "{name}, which {}", Answered(answer, &self.state));
            }
        };
        match &self.answer {
            None => Ok(()),
            Some(answer) => write!(f, "{name}{wanted}, and it {}", Answered(answer, &self.state)),
        }
    }
}

/// Writes `flag pricing_page serves higher_price, and it is off`.
impl fmt::Display for FlagTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flag {} ", Name(&self.flag))?;
        match &self.state {
            RequiredState::On => f.write_str("is on")?,
            RequiredState::Off => f.write_str("is off")?,
            RequiredState::Variants(names) => write!(f, "serves {}", AnyOf(names))?,
        }
        match &self.answer {
            None => f.write_str(", which no source has"),
            Some(answer) if self.holds.is_none() => {
                write!(f, ", which is in no state: {}", answer.cause)
            }
            Some(answer) => write!(f, ", and it {}", Answered(answer, &self.state)),
        }
    }
}

/// The names of variants, joined by `or`.
struct AnyOf<'a>(&'a [String]);

impl fmt::Display for AnyOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().take(MOST_ELEMENTS).enumerate() {
            let or = if index == 0 { "" } else { " or " };
            write!(f, "{or}{}", Name(name))?;
        }
        more(self.0.len(), f)
    }
}

/// The answer of a flag, in the words of the state that is required of it.
struct Answered<'a>(&'a Answer<bool>, &'a RequiredState);

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.1, self.0.value, self.0.variant) {
            (RequiredState::Variants(_), true, Some(served)) => {
                write!(f, "serves {}", Name(served))
            }
            (RequiredState::Variants(_), true, None) => f.write_str("has no variants"),
            (_, true, _) => f.write_str("is on"),
            (_, false, _) => f.write_str("is off"),
        }
    }
}

/// The title of a rule: `rule 2 "german pros"`.
struct Title<'a> {
    index: usize,
    name: Option<&'a str>,
}

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.index + 1)?;
        match self.name {
            None => Ok(()),
            Some(name) => write!(f, " {}", Short(&Value::from(name))),
        }
    }
}

/// A short description of the outcome of a rule.
struct Served<'a>(&'a Serve);

impl fmt::Display for Served<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(&line(&self.0.to_string()), MOST_CHARACTERS))
    }
}

impl RuleTrace {
    fn title(&self) -> Title<'_> {
        Title { index: self.index, name: self.name.as_deref() }
    }

    fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(when) = &self.when {
            when.lines(2, true, &mut lines);
        }
        if let Some(unless) = &self.unless {
            lines.push("  unless".to_owned());
            unless.lines(4, true, &mut lines);
        }
        if let Some(hidden) = lines.len().checked_sub(MOST_LINES).filter(|&hidden| hidden > 0) {
            lines.truncate(MOST_LINES);
            lines.push(format!("  and {hidden} more lines"));
        }
        lines.extend(self.draw.as_ref().and_then(drawn_by));
        lines
    }
}

/// Writes `rule 2 "german pros" matches and serves 25%, and bucket 61.8034% is outside`.
impl fmt::Display for RuleTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title();
        match (self.matches, &self.draw) {
            (None, _) => write!(f, "{title} is not reached"),
            (Some(false), _) => write!(f, "{title} does not match"),
            (Some(true), None) => write!(f, "{title} matches and serves {}", Served(&self.serve)),
            (Some(true), Some(draw)) => {
                write!(f, "{title} matches and serves {}, and ", Served(&self.serve))?;
                match (&draw.bucket, &self.serve) {
                    (None, _) => draw.fmt(f),
                    (Some(bucket), Serve::Percentage(_)) => {
                        let side = if draw.is_inside { "inside" } else { "outside" };
                        write!(f, "bucket {bucket} is {side}")
                    }
                    (Some(bucket), _) => write!(f, "bucket {bucket} selects the variant"),
                }
            }
        }
    }
}

impl ConditionTrace {
    /// Adds the lines of the condition. With `is_plain`, a list of parts needs no title: all of them have to hold.
    fn lines(&self, depth: usize, is_plain: bool, lines: &mut Vec<String>) {
        // Deep conditions are still shown, with a limited indentation.
        let indent = " ".repeat(depth.min(40));
        let (title, parts) = match self {
            Self::Compare(comparison) => {
                let note = if comparison.was_needed { "" } else { " (not needed)" };
                lines.push(format!("{indent}{:<4} {comparison}{note}", mark(comparison.holds)));
                return;
            }
            Self::Flag(flag) => {
                let note = if flag.was_needed { "" } else { " (not needed)" };
                lines.push(format!("{indent}{:<4} {flag}{note}", mark(flag.holds)));
                return;
            }
            Self::All(parts) if is_plain => {
                parts.iter().for_each(|part| part.lines(depth, false, lines));
                return;
            }
            Self::Segment(name, part) => {
                lines.push(format!("{indent}segment {}", Name(name)));
                part.lines(depth + 2, true, lines);
                return;
            }
            Self::All(parts) => ("all of", &**parts),
            Self::Any(parts) => ("any of", &**parts),
            Self::Not(part) => ("not", std::slice::from_ref(&**part)),
            Self::Unless(part) => ("unless", std::slice::from_ref(&**part)),
        };
        lines.push(format!("{indent}{title}"));
        parts.iter().for_each(|part| part.lines(depth + 2, false, lines));
    }
}

fn mark(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    }
}

/// Writes a comparison or a flag in one line; nothing for other conditions.
impl fmt::Display for ConditionTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(comparison) => comparison.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            _ => Ok(()),
        }
    }
}

impl ConditionTrace {
    /// Returns the truth of a comparison, or of a condition on another flag.
    const fn holds(&self) -> Option<bool> {
        match self {
            Self::Compare(comparison) => comparison.holds,
            Self::Flag(flag) => flag.holds,
            _ => None,
        }
    }
}

/// Writes `country in ["DE", "AT"], seen "FR"`.
impl fmt::Display for ComparisonTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attribute, operator, operand, case, reads_numbers, seen, .. } = self;
        let operator = match operator {
            Operator::Eq => "=",
            other => other.as_str(),
        };
        write!(f, "{} {operator} {operand}", Name(attribute))?;
        if *case == Case::Ignored {
            f.write_str(" ignoring case")?;
        }
        if *reads_numbers {
            f.write_str(" as number")?;
        }
        match (seen, self.holds) {
            (Shown::Missing, _) => f.write_str(", missing"),
            (seen, None) => write!(f, ", seen {seen}, which cannot be compared"),
            (seen, Some(_)) => write!(f, ", seen {seen}"),
        }
    }
}

/// Writes `on for all users` or `percentage, owner`.
impl fmt::Display for EntryTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced(true) => f.write_str("on for all users"),
            Self::Forced(false) => f.write_str("off for all users"),
            Self::Text(text) => write!(f, "{} for all users", Short(&Value::from(&**text))),
            Self::Settings(fields) => {
                let names: Vec<_> = fields.iter().map(|field| field.as_str()).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("(missing)"),
            Self::Value(value) => Short(value).fmt(f),
            Self::Redacted => f.write_str("[redacted]"),
        }
    }
}

/// A name, escaped and shortened to fit into a line.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => f.write_str("\"\""),
            false => f.write_str(&shortened(&line(self.0), MOST_CHARACTERS)),
        }
    }
}

/// A value in one line. Long strings, lists and tables are shortened.
struct Short<'a>(&'a Value<'a>);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(value) => value.fmt(f),
            Value::Integer(number) => number.fmt(f),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::String(text) => {
                write!(f, "\"{}\"", shortened(&line(&text.replace('"', "\\\"")), MOST_CHARACTERS))
            }
            Value::List(list) => {
                f.write_char('[')?;
                for (index, value) in list.iter().take(MOST_ELEMENTS).enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Short(value))?;
                }
                more(list.len(), f)?;
                f.write_char(']')
            }
            Value::Table(table) => {
                f.write_char('{')?;
                for (index, (name, value)) in table.iter().take(MOST_ELEMENTS).enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{} = {}", Name(name), Short(value))?;
                }
                more(table.len(), f)?;
                f.write_char('}')
            }
        }
    }
}

fn more(elements: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match elements.checked_sub(MOST_ELEMENTS).filter(|&hidden| hidden > 0) {
        None => Ok(()),
        Some(hidden) => write!(f, ", and {hidden} more"),
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
