use std::{num::NonZeroUsize, time::SystemTime};

use clap::Args;
use flagstaff::{cli::ExitCode, write::LogEntry};
use serde_json::{Map, Value, json};

use crate::{
    completion,
    entry::{settings, switched_off},
    failure::Failure,
    name, number,
    output::{Listing, Row},
    session::Session,
    time,
};

/// List the changes in the store, the latest first
#[derive(Debug, Args)]
#[command(after_help = "\
A change without a revision was made by a writer that keeps no log, such as
redis-cli. A rename is two changes, one of each name.

Examples:
  flagstaff history
  flagstaff history new_checkout --limit 5
  flagstaff history -o jsonl")]
pub(crate) struct History {
    /// Flag [default: all]
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: Option<String>,
    /// Largest number of changes to list
    #[arg(long, short = 'l', value_name = "NUMBER", default_value = "20", value_parser = number::limit)]
    limit: NonZeroUsize,
}

impl History {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let (flag, limit) = (self.flag.as_deref(), self.limit.get());
        let changes = session.place.changes(flag, limit, &session.output).await?;

        // The store dates the changes.
        let now = changes.now;
        let for_people = session.output.is_for_people();
        let rows = changes.list.iter().map(|change| row(change, for_people.then_some(now)));
        session.output.listing(Listing {
            name: "changes",
            columns: &["REVISION", "WHEN", "FLAG", "BY", "BEFORE", "AFTER", "REASON"],
            rows: rows.collect(),
            empty: "(no changes)",
        })?;
        Ok(ExitCode::Done)
    }
}

/// Returns the row of a change. With `now`, the time is relative, for people.
fn row(change: &LogEntry, now: Option<SystemTime>) -> Row {
    let when = change.at.map(|at| match now {
        Some(now) => time::relative(at, now),
        None => time::rfc3339(at),
    });
    let renamed = match (&change.renamed_from, &change.renamed_to) {
        (Some(old), _) => Some(format!("renamed from {old}")),
        (_, Some(new)) => Some(format!("renamed to {new}")),
        (None, None) => None,
    };
    let reason = match (&change.reason, change.undoes) {
        (Some(reason), _) => Some(reason.clone()),
        (None, Some(undone)) => Some(format!("undoes {undone}")),
        (None, None) if change.is_external() => Some("(not logged by its writer)".to_owned()),
        (None, None) => None,
    };
    let reason = renamed.into_iter().chain(reason).collect::<Vec<_>>().join(": ");
    let stored = |value: &Option<String>| match now {
        Some(_) => shown(value.as_deref()),
        None => without_notes(value.as_deref()),
    };
    Row {
        cells: vec![
            change.revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string()),
            when.unwrap_or_default(),
            change.key.clone(),
            change.author.clone().unwrap_or_default(),
            stored(&change.before),
            stored(&change.after),
            reason,
        ],
        json: json!(change),
    }
}

/// Returns a stored value without its author and reason, which are shown beside it; `unset` if
/// there is none.
pub(crate) fn without_notes(stored: Option<&str>) -> String {
    without_override(stored, |settings| Value::Object(settings).to_string())
}

/// Returns a stored value for people: `on`, `off`, or the settings in a few words, and the end.
fn shown(stored: Option<&str>) -> String {
    match stored {
        Some("1") => return "on".to_owned(),
        Some("0") => return "off".to_owned(),
        _ => {}
    }
    let object = stored.and_then(|stored| serde_json::from_str::<Value>(stored).ok());
    let time = |member: &str| object.as_ref()?["override"][member].as_str();
    let end = time("expires_at");
    let shown = without_override(stored, |mut members| {
        let forced = members.remove("force").and_then(|force| match force {
            Value::Bool(true) => Some("on".to_owned()),
            Value::Bool(false) => Some("off".to_owned()),
            Value::String(variant) => Some(variant),
            _ => None,
        });
        let settings = Some(settings(&members)).filter(|settings| !settings.is_empty());
        if let (Some(forced), Some(until), Some(then)) = (&forced, time("force_until"), &settings) {
            return format!("{forced} until {until}, then {then}");
        }
        if let (Some("off"), Some(settings)) = (forced.as_deref(), &settings) {
            return switched_off(settings);
        }
        let words: Vec<_> = forced.into_iter().chain(settings).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
    });
    match end {
        Some(end) => format!("{shown} until {end}"),
        None => shown,
    }
}

fn without_override(
    stored: Option<&str>,
    text: impl FnOnce(Map<String, Value>) -> String,
) -> String {
    let Some(stored) = stored else { return "unset".to_owned() };
    match serde_json::from_str(stored) {
        Ok(Value::Object(mut object)) => {
            object.remove("override");
            text(object)
        }
        _ => stored.to_owned(),
    }
}
