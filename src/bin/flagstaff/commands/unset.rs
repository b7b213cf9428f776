use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    change::{Change, ChangeArgs, NoEnd, OverrideArgs, TargetArgs, change},
    completion,
    failure::Failure,
    name,
    session::Session,
};

/// Remove overrides, so that the file decides again
#[derive(Debug, Args)]
#[command(after_help = "\
Removes the whole override of a flag; `flagstaff set FLAG FIELD-` removes one
setting. With --source file, the flag is removed from flags.toml. With
--environment as well, only its entry in that environment is removed, and the
tests stay.

Examples:
  flagstaff unset new_checkout
  flagstaff unset new_checkout new_search --yes
  flagstaff unset new_checkout --if-rev 42
  flagstaff set new_checkout percentage-")]
pub(crate) struct Unset {
    /// Flags
    #[arg(required = true, value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    no_end: NoEnd,
}

impl Unset {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        self.no_end.check(
            "nothing is left that could end",
            "`flagstaff disable FLAG --for 1h` makes an override that ends",
        )?;
        name::refuse_what_may_be_settings(&self.flags)?;
        let of = OverrideArgs::unending(self.target);
        change(session, &self.flags, &Change::Unset, &self.change, &of).await
    }
}
