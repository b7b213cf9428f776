use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    session::Session,
};

/// Take overrides away, so that the file decides again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flagstaff unset new_checkout
  flagstaff unset new_checkout --if-rev 42")]
pub(crate) struct Unset {
    /// Flags
    #[arg(required = true, add = completion::flags())]
    flags: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    of: OverrideArgs,
}

impl Unset {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let changed = change(session, &self.flags, &Change::Unset, &self.change, &self.of).await;
        changed.map_err(Failure::like_python)
    }
}
