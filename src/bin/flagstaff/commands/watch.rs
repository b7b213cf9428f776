use std::{collections::BTreeSet, time::SystemTime};

use clap::Args;
use flagstaff::{Change, Context, Event, cli::ExitCode};
use serde_json::{Value, json};
use tokio::signal;

use crate::{
    alert::Alerts,
    commands::list::state_word,
    completion,
    failure::Failure,
    session::Session,
    text::{clean, count},
    time,
};

/// Show changes as they happen
#[derive(Debug, Args)]
#[command(after_help = "\
It goes on until it is interrupted. A command gets the changes as one JSON object on its stdin, and so
does a webhook in the body of a POST; both get one after the other, and a webhook that fails is tried
three times.

Examples:
  flagstaff watch
  flagstaff watch new_checkout beta
  flagstaff watch --exec 'jq -r .changes[].flag'
  flagstaff watch --webhook https://chat.example/hooks/flags")]
pub(crate) struct Watch {
    /// Flags; all of them unless named
    #[arg(add = completion::flags())]
    flags: Vec<String>,
    /// Run a command of the shell for each change
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Send each change to this address
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let wanted: BTreeSet<_> = self.flags.into_iter().collect();
        let alerts = Alerts::start(self.exec, self.webhook, &session.output)?;
        let flags = session.place.followed().await?;
        let mut events = flags.events();
        let all = flags.snapshot().all(&Context::anonymous()).count();
        session.output.note(format!("watching {}", count(all, "flag")));
        let interrupted = signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = &mut interrupted => break,
            };
            match event {
                None => break,
                Some(Event::Changed { generation, layer, changes }) => {
                    let changes = changes.iter();
                    let changes: Vec<_> = changes
                        .filter(|change| wanted.is_empty() || wanted.contains(&*change.key))
                        .collect();
                    if changes.is_empty() {
                        continue;
                    }
                    let at = time::rfc3339(SystemTime::now());
                    let json = json!({
                        "at": at,
                        "layer": layer,
                        "generation": generation,
                        "changes": changes.iter().map(|change| describe(change)).collect::<Vec<_>>(),
                    });
                    session.output.thing(json.clone(), || {
                        let line = |change: &&Change| {
                            format!("{at} {layer} {}\n", clean(&change.to_string()))
                        };
                        changes.iter().map(line).collect()
                    })?;
                    alerts.send(json);
                }
                // A failure, a recovery, or what was missed.
                Some(event) => session.output.warning(event),
            }
        }
        alerts.finish().await;
        Ok(ExitCode::Done)
    }
}

fn describe(change: &Change) -> Value {
    json!({
        "flag": &*change.key,
        "before": { "state": state_word(change.before), "summary": change.before.to_string() },
        "after": { "state": state_word(change.after), "summary": change.after.to_string() },
        "fields": change.fields.iter().map(|field| field.as_str()).collect::<Vec<_>>(),
    })
}
