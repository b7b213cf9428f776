use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use flagstaff::{Context, cli::ExitCode};

use super::{disable::Disable, enable::Enable, get::Get, list};
use crate::{failure::Failure, session::Session, text::clean, unreadable};

/// Use the verbs of tempest-fastapi-sdk, with its exit codes
#[derive(Debug, Args)]
#[command(after_help = "\
For scripts that call `tempest flags`. `list` prints a name and a state in each
line, aligned with spaces. `get` of an unknown flag exits with 1.

Exit codes:
  2  the store cannot be reached, which is 3 everywhere else; or a stored
     value cannot be read, as everywhere else
  otherwise those of `flagstaff --help`

Examples:
  flagstaff flags list
  flagstaff flags enable new_checkout --redis-url redis://localhost")]
pub(crate) struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print all flags, aligned with spaces
    List,
    Get(Get),
    Enable(Enable),
    Disable(Disable),
}

impl Flags {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let ran = match self.verb {
            Verb::List => list(session).await,
            Verb::Get(get) => get.run(session).await,
            Verb::Enable(enable) => enable.run(session).await,
            Verb::Disable(disable) => disable.run(session).await,
        };
        ran.map_err(Failure::like_python)
    }
}

/// Prints the lines that `tempest flags list` prints. Fails without the store, as that command does.
async fn list(session: &Session) -> Result<ExitCode, Failure> {
    let flags = session.place.flags(&session.output).await?;
    if session.output.is_json() {
        list::List::print(&flags, &[], &[], &BTreeSet::new(), &session.output)?;
        return Ok(unreadable::report_all(&flags, &session.output).unwrap_or(ExitCode::Done));
    }
    let snapshot = flags.snapshot();
    let anonymous = Context::anonymous();
    let names = snapshot.all(&anonymous).map(|(name, _)| name);
    let rows: Vec<_> =
        names.filter_map(|name| Some((clean(name), snapshot.info(name)?.state()))).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: String =
        rows.iter().map(|(name, state)| format!("{name:width$}  {state}\n")).collect();
    session.output.write(if lines.is_empty() { "(no flags)\n" } else { &lines })?;
    Ok(unreadable::report_all(&flags, &session.output).unwrap_or(ExitCode::Done))
}
