use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    assignment::{self, Assignment, Assignments},
    change::{Change, ChangeArgs, OverrideArgs, change},
    completion,
    failure::Failure,
    name,
    session::Session,
};

/// Change settings of a flag, and keep its other settings
#[derive(Debug, Args)]
#[command(after_help = "\
The settings are those of flags.toml. Values are JSON, TOML or plain text.
Commas separate the members of a list; a name with a comma is quoted, as in
JSON. Tables have members: variants.control=50.

FIELD- removes a setting from the override, so that the file decides it again.
FIELD=null removes the setting of the file. A `value` cannot be null.

With --for, the whole override ends by itself. Then the sources below decide,
not the former override. A later change of one setting keeps that end.

Examples:
  flagstaff set new_checkout percentage=25 -m 'going well'
  flagstaff set new_checkout allowed_users+=ana,eve allowed_users-=bob
  flagstaff set new_checkout 'allowed_users+=[\"Doe, Jane\"]'
  flagstaff set new_checkout percentage=50 owner-
  flagstaff set new_checkout percentage=50 --for 1h --dry-run
  flagstaff set new_checkout percentage=50 --if-rev 42")]
pub(crate) struct Set {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    /// Changes: field=value, list+=value, list-=value, field-
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
