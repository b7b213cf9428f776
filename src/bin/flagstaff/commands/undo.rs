use std::{cell::Cell, slice, time::SystemTime};

use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::Entry,
    source::RedisHandle,
    write::{LogEntry, Operation, Write},
};

use crate::{
    change::{Act, ChangeArgs, NoEnd, Rehearsal, Source, Stored, TargetArgs, Unknown, perform},
    failure::Failure,
    guard::Leave,
    number, paste,
    session::Session,
    text::{self, clean},
};

/// Undo a change: restore the entry before it
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 5 if the flag was changed since, as with --if-rev REVISION. The
restored entry keeps its end, if it had one. At a terminal, asks for
confirmation if the flag would be off for all users, or on for more users.
`flagstaff history` lists the revisions. Undoing either change of a rename moves
the override back to the old name; the file is not changed.

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

/// The undoing of one change, or of both changes of a rename.
struct Undoing<'a> {
    redis: &'a RedisHandle,
    revision: u64,
    args: &'a ChangeArgs,
    /// The value to restore.
    logged: Stored,
    /// The flag that has this value afterwards.
    name: String,
    is_made: Cell<bool>,
}

impl Undo {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Self { revision, change, target, no_end } = self;
        no_end.check(
            "the restored entry keeps the end that it had",
            "`flagstaff set`, `enable` and `disable` take an end",
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
        let renamed = renamed(&redis, &undone).await?;
        let (name, before) = match &renamed {
            Some(renamed) => (&renamed.old, renamed.stored.as_deref()),
            None => (&undone.key, undone.before.as_deref()),
        };
        let logged = Stored::read(&redis, name, before).map_err(|problem| {
            let (word, flag) = (text::word(&undone.key), clean(name));
            let message = format!("the former value of `{flag}` cannot be read: {problem}");
            Failure::refused(message).hint(match &renamed {
                Some(Renamed { old, new, .. }) => format!(
                    "{} moves it as it is, once the file has the old name",
                    paste::command("rename --finish", &text::words([&**new, old]))
                ),
                None => {
                    format!("{} removes the stored value", paste::command("unset", &word))
                }
            })
        })?;
        let (name, is_made) = (name.clone(), Cell::new(false));
        let act = Undoing { redis: &redis, revision, args: &change, logged, name, is_made };
        match &renamed {
            // Either change of a rename may be named, and the log is compared for both flags.
            Some(renamed @ Renamed { old, new, .. }) => {
                renamed.refuse_changed(&redis).await?;
                let names = [old.clone(), new.clone()];
                perform(session, &redis, &names, &act, &change, None).await
            }
            None => {
                let names = slice::from_ref(&undone.key);
                perform(session, &redis, names, &act, &change, Some(revision)).await
            }
        }
    }
}

/// A rename that moved an override.
struct Renamed {
    old: String,
    new: String,
    /// The value that was moved.
    stored: Option<String>,
}

impl Renamed {
    /// Refuses to undo a rename if one of the values has changed since.
    async fn refuse_changed(&self, redis: &RedisHandle) -> Result<(), Failure> {
        let clear = Write::new(Operation::Clear);
        let new = redis.rehearse(&self.new, &clear).await?.before;
        let old = redis.rehearse(&self.old, &clear).await?.before;
        if old.is_none() && new == self.stored {
            return Ok(());
        }
        let (flag, word) = match old {
            Some(_) => (clean(&self.old), text::word(&self.old)),
            None => (clean(&self.new), text::word(&self.new)),
        };
        Err(Failure::new(
            ExitCode::Changed,
            format!("the override of `{flag}` was changed since the rename"),
        )
        .hint(format!("{} lists its changes", paste::command("history", &word))))
    }
}

/// Returns the rename to which a change belongs. A rename is two changes in a row.
async fn renamed(redis: &RedisHandle, undone: &LogEntry) -> Result<Option<Renamed>, Failure> {
    let revision = undone.revision.unwrap_or_default();
    let other = match (&undone.renamed_from, &undone.renamed_to) {
        (Some(_), None) => revision.checked_add(1),
        (None, Some(_)) => revision.checked_sub(1),
        _ => None,
    };
    let Some(other) = other else { return Ok(None) };
    let Some(other) = redis.revision(other).await? else { return Ok(None) };
    let (first, second) = match undone.renamed_from {
        Some(_) => (undone, &other),
        None => (&other, undone),
    };
    let is_pair = first.renamed_from.as_ref() == Some(&second.key)
        && second.renamed_to.as_ref() == Some(&first.key);
    Ok(is_pair.then(|| Renamed {
        old: second.key.clone(),
        new: first.key.clone(),
        stored: first.after.clone(),
    }))
}

impl Act for Undoing<'_> {
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure> {
        match rehearsal.name == self.name {
            true => self.logged.put(rehearsal),
            false => rehearsal.put(None, None),
        }
        Ok(())
    }

    /// Undoes the change, if the flag was not changed since. So the shown effect still holds.
    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        _: &str,
        _: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure> {
        if self.is_made.replace(true) {
            return Ok(None);
        }
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

    /// The value before the change is that at the revision before, unless there is none.
    async fn after_a_later_change(&self, name: &str) -> Option<String> {
        let word = text::word(name);
        let history = paste::command("history", &word);
        let before = self.revision.checked_sub(1)?;
        let before = self.redis.revision(before).await.ok()?.map(|_| before);
        let back = match before {
            Some(before) => paste::command("restore", &format!("{word} --to {before}")),
            None if self.logged.is_empty() => paste::command("unset", &word),
            None => return None,
        };
        Some(format!(
            "{history} lists its changes; {back} brings back what was before revision {}",
            self.revision
        ))
    }

    fn end(&self, _: Option<SystemTime>) -> Option<SystemTime> {
        self.logged.end
    }
}
