use clap::Args;
use flagstaff::{WritableBackend, cli::ExitCode};
use serde_json::json;

use crate::{
    change::ChangeArgs, commands::history::without_notes, failure::Failure, session::Session,
    text::clean,
};

/// How far back the log is searched.
const LOG: usize = 20_000;

/// Undo a change: store again what was stored before it
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 5 if the flag was changed since. `flagstaff history` lists the
revisions.

Examples:
  flagstaff undo 42 --reason 'incident is over'
  flagstaff undo 42 --dry-run")]
pub(crate) struct Undo {
    /// Revision of the change
    revision: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Undo {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Self { revision, change } = self;
        let redis = session.place.needed_redis()?;
        let log = redis.history(None, LOG).await?;
        let Some(undone) = log.iter().find(|entry| entry.revision == Some(revision)) else {
            return Err(Failure::refused(format!("the log has no revision {revision}"))
                .hint("`flagstaff history` lists the revisions"));
        };
        let made = match change.dry_run {
            true => {
                let latest = log.iter().find(|entry| entry.key == undone.key);
                if latest != Some(undone) {
                    let flag = clean(&undone.key);
                    return Err(Failure::new(
                        ExitCode::Changed,
                        format!("flag `{flag}` was changed after revision {revision}"),
                    ));
                }
                None
            }
            false => redis.undo(revision, change.author(), change.reason.clone()).await?.revision,
        };

        let stored = |value: &Option<String>| clean(&without_notes(value.as_deref())).into_owned();
        let (before, after) = (stored(&undone.after), stored(&undone.before));
        let json = json!({
            "flag": undone.key,
            "dryRun": change.dry_run,
            "revision": made,
            "before": undone.after,
            "after": undone.before,
        });
        session.output.thing(json, || format!("{}: {before} -> {after}", clean(&undone.key)))?;
        match made {
            Some(made) => session.output.note(format!("revision {made}")),
            None => session.output.note("nothing was changed: this is a dry run"),
        }
        change.finish(&redis, made, &session.output).await
    }
}
