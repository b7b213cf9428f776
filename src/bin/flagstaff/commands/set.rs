use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    assignment::{self, Assignment, Assignments},
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    session::Session,
};

/// Change settings of a flag, and leave its others
#[derive(Debug, Args)]
#[command(after_help = "\
The settings are those of flags.toml. Values are JSON or plain text; null takes
away what lower layers say. Tables have members: variants.control=50.

Examples:
  flagstaff set new_checkout percentage=25 -m 'going well'
  flagstaff set new_checkout allowed_users+=ana allowed_users-=bob
  flagstaff set new_checkout percentage=50 --dry-run
  flagstaff set new_checkout percentage=50 --if-rev 42")]
pub(crate) struct Set {
    /// Flag
    #[arg(add = completion::flags())]
    flag: String,
    /// What to set: field=value, list+=value, list-=value
    #[arg(
        required = true,
        value_parser = assignment::parse,
        value_name = "FIELD=VALUE",
        add = completion::fields("=")
    )]
    assignments: Vec<Assignment>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    of: OverrideArgs,
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let set = Change::Set(Assignments::new(self.assignments));
        change(session, &[self.flag], &set, &self.change, &self.of).await
    }
}
