use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    name,
    session::Session,
};

/// Switch flags on, except for denied users, overriding the file
#[derive(Debug, Args)]
#[command(after_help = "\
The store gets a plain 1, which readers in every language can read; author and
reason go to its log. With --for it gets JSON, which other readers may read as
off. At the end, the stored settings apply again, or else the sources below
decide.

Percentage, allow-lists and rules of the file are ignored while the override is
on, and denied users stay out; `flagstaff unset` restores these settings. With
--source file they still apply, since that only sets enabled = true. With
--environment, `true` in the environment lifts them, too. If the environment has
a percentage or a table for the flag, it gets enabled = true beside it, and they
still apply.

With --wait, exits with 1 if an instance may not have applied the change, or if
there is no instance.

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
