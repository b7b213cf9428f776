use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    name,
    session::Session,
};

/// Switch flags off for all users, overriding the file
#[derive(Debug, Args)]
#[command(after_help = "\
The store gets a plain 0, which readers in every language can read; author and
reason go to its log. Stored settings, such as the stage of a rollout, are kept,
and apply again after `enable` or at the end of --for. A stored plain value is
not kept: then the sources below the store decide.

With --wait, exits with 1 if an instance may not have applied the change, or if
there is no instance.

Examples:
  flagstaff disable new_checkout -m 'incident 42'
  flagstaff disable new_checkout --for 1h
  flagstaff disable new_checkout --wait 5s")]
pub(crate) struct Disable {
    /// Flags
    #[arg(required = true, value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    of: OverrideArgs,
}

impl Disable {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        change(session, &self.flags, &Change::Disable, &self.change, &self.of).await
    }
}
