use clap::{Args, CommandFactory};
use flagstaff::cli::ExitCode;

use crate::{cli::Cli, failure::Failure, session::Session, text::clean, words};

/// Print help: on the whole, or on one command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flagstaff help
  flagstaff help set
  flagstaff help rollout advance")]
pub(crate) struct Help {
    /// Command, with its subcommand if it has one
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

impl Help {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let all = Cli::command();
        let mut command = &all;
        for name in &self.path {
            command = command
                .find_subcommand(name)
                .ok_or_else(|| unknown(name, &words::meant(name, command)))?;
        }
        // Exactly the output of `--help`.
        let arguments = ["flagstaff"].into_iter().chain(self.path.iter().map(String::as_str));
        let help = all.clone().try_get_matches_from(arguments.chain(["--help"]));
        let text = help.err().map(|help| help.render().ansi().to_string()).unwrap_or_default();
        session.output.write(&text)?;
        Ok(ExitCode::Done)
    }
}

fn unknown(name: &str, meant: &[String]) -> Failure {
    let failure = Failure::usage(format!("`{}` is not a command", clean(name)));
    match meant {
        [] => failure.hint("`flagstaff help` lists the commands"),
        [one, ..] => failure.hint(format!("try `flagstaff help {one}`")),
    }
}
