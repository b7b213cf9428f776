use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};
use flagstaff::cli::ExitCode;

use crate::{cli::Cli, failure::Failure, session::Session};

/// Print the man page, or write one for each command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flagstaff man | man -l -
  flagstaff man --dir ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Directory for the pages of all commands
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let command = Cli::command();
        match self.dir {
            Some(dir) => {
                let written =
                    fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(command, &dir));
                written.map_err(|error| {
                    Failure::refused(format!("cannot write to `{}`: {error}", dir.display()))
                })?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                session.output.write(&String::from_utf8_lossy(&page))?;
            }
        }
        Ok(ExitCode::Done)
    }
}
