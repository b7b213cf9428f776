use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use clap::Args;
use flagstaff::{
    Context, Flags,
    cli::ExitCode,
    event::{Change, ChangeCause, Event},
    source::SourceKind,
    write::LogEntry,
};
use serde_json::{Value, json};
use tokio::signal;

use crate::{
    alert::Alerts,
    completion,
    failure::Failure,
    name,
    output::versioned,
    session::Session,
    similar,
    text::{clean, count},
    time,
};

/// Show changes as they happen
#[derive(Debug, Args)]
#[command(after_help = "\
Runs until it is interrupted. In a pipe, each change is a line: time, source,
flag, the state before and after, the settings that differ, revision, author,
reason, and cause. The causes are `source`, `time`, `source_lost` and
`source_back`.

Changes that were made at once are one JSON object. A command gets it on its
stdin, and a webhook in the body of a POST, one object after the other. A
webhook that fails is tried three times.

Author and reason are those in the log of the store when the change is seen. For
changes in quick succession, they are those of the latest. A writer that keeps
no log has neither. A stored value that cannot be read is a warning, at the
start and later: the flag keeps its last value, or is off.

Examples:
  flagstaff watch
  flagstaff watch new_checkout beta
  flagstaff watch --exec 'jq -r .changes[].flag'
  flagstaff watch --webhook https://chat.example/hooks/flags")]
pub(crate) struct Watch {
    /// Flags [default: all]
    #[arg(value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    /// Run a shell command for each change
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Post each change to this URL
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        let wanted: BTreeSet<_> = self.flags.into_iter().collect();
        let alerts = Alerts::start(self.exec, self.webhook.as_deref(), output)?;
        place.note_without_store(output);
        let flags = place.followed().await?;
        let mut events = flags.events();
        let mut log = Log::start(&flags).await;
        let snapshot = flags.snapshot();
        for unknown in wanted.iter().filter(|flag| snapshot.info(&***flag).is_none()) {
            output.warning(format!("no source has `{}` so far", clean(unknown)));
            similar::hint(&snapshot, unknown, output);
        }
        let number = match wanted.len() {
            0 => snapshot.all(&Context::anonymous()).count(),
            named => named,
        };
        output.note(format!("watching {}", count(number, "flag")));
        let interrupted = signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = &mut interrupted => break,
            };
            match event {
                None => break,
                Some(Event::Changed { generation, cause, changes, .. }) => {
                    let is_wanted = |key: &str| wanted.is_empty() || wanted.contains(key);
                    let changes: Vec<_> =
                        changes.iter().filter(|change| is_wanted(&change.key)).collect();
                    if changes.is_empty() {
                        continue;
                    }
                    let mut reported = match cause {
                        ChangeCause::Source(source) if source.kind == SourceKind::Redis => {
                            log.since(&flags, &changes).await
                        }
                        _ => BTreeMap::new(),
                    };
                    let source = cause.source().map_or("clock", |source| source.name);
                    let reported: Vec<_> = changes
                        .into_iter()
                        .map(|change| Line { change, by: reported.remove(&change.key) })
                        .collect();
                    let at = time::rfc3339(SystemTime::now());
                    let json = versioned(json!({
                        "at": at,
                        "cause": cause.as_str(),
                        "source": source,
                        "generation": generation,
                        "changes": reported.iter().map(Line::json).collect::<Vec<_>>(),
                    }));
                    if output.is_terse() {
                        let rows: Vec<_> = reported
                            .iter()
                            .map(|reported| reported.row(&at, source, cause))
                            .collect();
                        output.rows(&rows)?;
                    } else {
                        output.thing(json.clone(), || {
                            let line = |reported: &Line<'_>| {
                                format!("{at} {source} {}{cause}\n", reported.text())
                            };
                            reported.iter().map(line).collect()
                        })?;
                    }
                    alerts.send(json);
                }
                // A failure, a recovery, or what was missed.
                Some(event) => output.warning(event),
            }
        }
        alerts.finish().await;
        Ok(ExitCode::Done)
    }
}

/// The authors and reasons of changes, from the log of the store.
struct Log {
    /// The latest revision at the beginning.
    start: Option<u64>,
    /// The latest revision of each flag that was shown.
    reported: BTreeMap<String, u64>,
}

impl Log {
    async fn start(flags: &Flags) -> Self {
        let log = flags.history(50).await.unwrap_or_default();
        Self { start: log.iter().find_map(|entry| entry.revision), reported: BTreeMap::new() }
    }

    /// Returns the latest entry of each of these flags in the log, unless it was shown before, as it
    /// was when an override ends by itself. A user who may not read the log gets no entries.
    async fn since(&mut self, flags: &Flags, changes: &[&Change]) -> BTreeMap<String, LogEntry> {
        let log = flags.history(50 + changes.len()).await.unwrap_or_default();
        let mut latest = BTreeMap::new();
        for entry in log {
            latest.entry(entry.key.clone()).or_insert(entry);
        }
        latest.retain(|key, entry| {
            let reported = self.reported.get(key).copied().or(self.start);
            entry.revision > reported && changes.iter().any(|change| change.key == *key)
        });
        let revisions = latest.iter().filter_map(|(key, entry)| Some((key, entry.revision?)));
        self.reported.extend(revisions.map(|(key, revision)| (key.clone(), revision)));
        latest
    }
}

/// A change, with its author if that is known.
struct Line<'a> {
    change: &'a Change,
    by: Option<LogEntry>,
}

impl Line<'_> {
    /// Formats a change: `beta: off -> on (ana, "launch day", revision 7)`.
    fn text(&self) -> String {
        let change = clean(&self.change.to_string()).into_owned();
        let Some(LogEntry { author, reason, revision, .. }) = &self.by else { return change };
        let known = [
            author.as_deref().map(|author| clean(author).into_owned()),
            reason.as_deref().map(|reason| format!("\"{}\"", clean(reason))),
            revision.map(|revision| format!("revision {revision}")),
        ];
        let known: Vec<_> = known.into_iter().flatten().collect();
        format!("{change} ({})", known.join(", "))
    }

    fn fields(&self) -> Vec<&'static str> {
        self.change.fields.iter().map(|field| field.as_str()).collect()
    }

    fn row(&self, at: &str, source: &str, cause: ChangeCause) -> Vec<String> {
        let Change { key, before, after, .. } = self.change;
        let by = self.by.as_ref();
        let revision = by.and_then(|by| by.revision).map(|revision| revision.to_string());
        vec![
            at.to_owned(),
            source.to_owned(),
            key.clone(),
            before.to_string(),
            after.to_string(),
            self.fields().join(","),
            revision.unwrap_or_default(),
            by.and_then(|by| by.author.clone()).unwrap_or_default(),
            by.and_then(|by| by.reason.clone()).unwrap_or_default(),
            cause.as_str().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let by = self.by.as_ref();
        let mut json = json!(self.change);
        json["revision"] = json!(by.and_then(|by| by.revision));
        json["by"] = json!(by.and_then(|by| by.author.as_deref()));
        json["reason"] = json!(by.and_then(|by| by.reason.as_deref()));
        json
    }
}
