use clap::Args;
use flagstaff::{cli::ExitCode, definition::Field};

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
#[command(after_help = help())]
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

const ABOUT: &str = "\
The settings are those of flags.toml. Values are JSON, TOML or plain text.
Commas separate the members of a list; a name with a comma is quoted, as in
JSON. Tables have members: variants.control=50.

FIELD- removes a setting from the override, so that the file decides it again.
FIELD=null removes the setting of the file. No value is null by itself.

With --for, the whole override ends by itself. Then the sources below decide,
not the former override. A later change of one setting keeps that end.

Examples:
  flagstaff set new_checkout percentage=25 -m 'going well'
  flagstaff set new_checkout allowed_users+=ana,eve allowed_users-=bob
  flagstaff set new_checkout 'allowed_users+=[\"Doe, Jane\"]'
  flagstaff set new_checkout percentage=50 owner-
  flagstaff set new_checkout percentage=50 --for 1h --dry-run
  flagstaff set new_checkout percentage=50 --if-rev 42";

/// Returns the text behind the options, with the settings of the registry.
fn help() -> String {
    const WIDTH: usize = 80;

    let mut lines = vec!["Settings:".to_owned()];
    let last = Field::ALL.len() - 1;
    for (index, field) in Field::ALL.iter().enumerate() {
        let word = format!(" {}{}", field.as_str(), if index == last { "" } else { "," });
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &word,
            _ => lines.push(format!(" {word}")),
        }
    }
    let (about, examples) = ABOUT.split_once("\n\n").unwrap_or((ABOUT, ""));
    format!("{about}\n\n{}\n\n{examples}", lines.join("\n"))
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let set = Change::Set(Assignments::new(self.assignments));
        change(session, &[self.flag], &set, &self.change, &self.of).await
    }
}
