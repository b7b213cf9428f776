use std::{slice, time::SystemTime};

use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::Entry,
    source::{RedisHandle, WritableBackend},
    write::{Operation, Write},
};

use crate::{
    change::{Act, ChangeArgs, Rehearsal, Stored, Unknown, perform},
    completion,
    failure::Failure,
    guard::Leave,
    name, number, paste,
    session::Session,
    text::clean,
};

/// Restore the override that a flag had at a revision
#[derive(Debug, Args)]
#[command(after_help = "\
The revision may be a change of another flag. The override that this flag had
then is restored, or removed if there was none. `flagstaff history` lists the
revisions; `flagstaff undo` undoes one change.

Examples:
  flagstaff restore new_checkout --to 42 -m 'as before the release'
  flagstaff restore new_checkout --to 42 --dry-run")]
pub(crate) struct Restore {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    /// Revision to restore
    #[arg(long, value_name = "REV", value_parser = number::revision)]
    to: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The value to restore.
struct Restoring<'a> {
    redis: &'a RedisHandle,
    args: &'a ChangeArgs,
    stored: Option<String>,
    /// The value that is stored now. Only this value is replaced.
    current: Option<String>,
    logged: Stored,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Self { flag, to, change } = self;
        let redis = session.place.needed_redis()?.handle();
        let stored = stored_at(&redis, &flag, to).await?;
        let clear = Write::new(Operation::Clear);
        let current = redis.rehearse(&flag, &clear).await?.before;
        let logged = Stored::read(&redis, &flag, stored.as_deref()).map_err(|problem| {
            let flag = clean(&flag);
            Failure::refused(format!(
                "the value of `{flag}` at that revision cannot be read: {problem}"
            ))
        })?;
        let act = Restoring { redis: &redis, args: &change, stored, current, logged };
        perform(session, &redis, slice::from_ref(&flag), &act, &change, None).await
    }
}

/// Returns the value of a flag at a revision.
async fn stored_at(redis: &RedisHandle, flag: &str, to: u64) -> Result<Option<String>, Failure> {
    let unknown = |message: String| {
        let history = paste::command("history", "");
        Failure::refused(message).hint(format!("{history} lists the revisions"))
    };
    if redis.revision(to).await?.is_none() {
        return Err(unknown(format!("the log has no revision {to}")));
    }
    let changes = redis.history(Some(flag), usize::MAX).await?;
    let logged: Vec<_> = changes.into_iter().filter(|change| !change.is_external()).collect();
    match logged.iter().find(|change| change.revision <= Some(to)) {
        Some(change) => Ok(change.after.clone()),
        None => match logged.last() {
            Some(first_later) => Ok(first_later.before.clone()),
            None => Err(unknown(format!("the log has no change of `{}`", clean(flag)))),
        },
    }
}

impl Act for Restoring<'_> {
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure> {
        self.logged.put(rehearsal);
        Ok(())
    }

    /// Restores the value, if the store still has the value of the rehearsal.
    async fn make(
        &self,
        leave: &Leave,
        _: &Flags,
        name: &str,
        _: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure> {
        // An override that has ended is not restored.
        let stored = self.stored.as_deref().filter(|_| !self.logged.is_empty());
        let (author, reason) = (self.args.author(), leave.reason.as_deref());
        let (redis, current) = (self.redis, self.current.as_deref());
        Ok(redis.store(name, current, stored, author.as_deref(), reason).await?.revision)
    }

    /// Returns `false`, since the flags follow the store a moment later.
    fn is_in_force(&self) -> bool {
        false
    }

    fn end(&self, _: Option<SystemTime>) -> Option<SystemTime> {
        self.logged.end
    }

    fn unknown(&self) -> Unknown {
        Unknown::Accept
    }
}
