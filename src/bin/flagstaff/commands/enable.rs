use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    name,
    session::Session,
};

/// Switch flags on for all users, overriding the file
#[derive(Debug, Args)]
#[command(after_help = "\
The store gets a plain 1, which readers in every language know; who and why go
to its log. With --for it gets JSON, which other readers may take for off. At
the end, the settings that the store had count again, or else what is below.

Percentage, lists and rules of the file do not count while it is on;
`flagstaff unset` gives them back. With --source file they count: that only sets
enabled = true. With --environment, `true` in the environment lifts them, too.
Where that has a percentage or a table for the flag, it gets enabled = true
beside it, and they count.

With --wait, it exits with 1 if an instance may not have it, or if there is
none.

Examples:
  flagstaff enable new_checkout -m 'launch day'
  flagstaff enable new_checkout --for 1h
  flagstaff enable new_checkout --wait 5s")]
pub(crate) struct Enable {
    /// Flags
    #[arg(required = true, value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    of: OverrideArgs,
}

impl Enable {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        change(session, &self.flags, &Change::Enable, &self.change, &self.of).await
    }
}
