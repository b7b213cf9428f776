use std::{slice, time::SystemTime};

use clap::Args;
use flagstaff::{Flags, cli::ExitCode, definition::Entry};

use crate::{
    change::{Act, ChangeArgs, NoEnd, Rehearsal, Source, Stored, TargetArgs, Unknown, perform},
    failure::Failure,
    guard::Leave,
    number, paste,
    session::Session,
    text::{self, clean},
};

/// Undo a change: store again what was stored before it
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 5 if the flag was changed since, so --if-rev REVISION is always meant.
What was stored before comes back with the end that it had, if it had one. At a
terminal you are asked before the flag is off for everybody, or on for more than
it is. `flagstaff history` lists the revisions.

Examples:
  flagstaff undo 42 --reason 'incident is over'
  flagstaff undo 42 --dry-run")]
pub(crate) struct Undo {
    /// Revision of the change
    #[arg(value_parser = number::revision)]
    revision: u64,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    no_end: NoEnd,
}

/// The undoing of one change.
struct Undoing<'a> {
    revision: u64,
    args: &'a ChangeArgs,
    logged: Stored,
}

impl Undo {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Self { revision, change, target, no_end } = self;
        no_end.check(
            "what was stored before comes back with the end that it had",
            "`flagstaff set` and its like take an end",
        )?;
        if target.source == Source::File {
            return Err(Failure::usage("only changes of the store have revisions to undo")
                .hint("the history of flags.toml is in its version control: `git revert`"));
        }
        if target.if_rev.is_some_and(|expected| expected != revision) {
            return Err(Failure::usage(format!(
                "revision {revision} is undone only if it is the latest change of its flag, so \
                 `--if-rev` can only be {revision}"
            )));
        }
        let redis = session.place.needed_redis()?.handle();
        let Some(undone) = redis.revision(revision).await? else {
            return Err(Failure::refused(format!("the log has no revision {revision}"))
                .hint(format!("{} lists the revisions", paste::command("history", ""))));
        };
        let logged = Stored::read(&redis, &undone.key, undone.before.as_deref());
        let logged = logged.map_err(|problem| {
            let (word, flag) = (text::word(&undone.key), clean(&undone.key));
            let message = format!("what was stored for `{flag}` before cannot be read: {problem}");
            Failure::refused(message)
                .hint(format!("{} takes what is stored now away", paste::command("unset", &word)))
        })?;
        let act = Undoing { revision, args: &change, logged };
        perform(session, &redis, slice::from_ref(&undone.key), &act, &change, Some(revision)).await
    }
}

impl Act for Undoing<'_> {
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure> {
        self.logged.put(rehearsal);
        Ok(())
    }

    /// It is made only if the flag was not changed since, so what was shown still holds.
    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        _: &str,
        _: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure> {
        let mut undo = flags.undo(self.revision);
        if let Some(author) = self.args.author() {
            undo = undo.author(author);
        }
        if let Some(reason) = &leave.reason {
            undo = undo.reason(reason);
        }
        Ok(undo.await?.revision)
    }

    fn unknown(&self) -> Unknown {
        Unknown::Accept
    }

    fn end(&self, _: Option<SystemTime>) -> Option<SystemTime> {
        self.logged.end
    }
}
