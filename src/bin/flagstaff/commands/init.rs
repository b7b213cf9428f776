use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Args;
use flagstaff::{cli::ExitCode, definition::edit::TextFile};
use serde_json::json;

use crate::{
    failure::Failure,
    file,
    guard::{self, GuardArgs, Target},
    paste, places,
    session::Session,
    text::clean,
    time,
};

/// The example file. TODAY and LATER stand for dates.
const STARTER: &str = include_str!("init.toml");

/// The number of days until the flag of the example should be removed.
const LATER: u64 = 90;

/// In seconds.
const DAY: u64 = 86_400;

/// Create a flags.toml to start with
#[derive(Debug, Args)]
#[command(after_help = "\
The file goes into the current directory, or to the path of --file. An existing
file is never changed.

Examples:
  flagstaff init
  flagstaff init --file config/flags.toml")]
pub(crate) struct Init {
    #[command(flatten)]
    guard: GuardArgs,
}

impl Init {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let path = session.place.named().unwrap_or_else(|| PathBuf::from("flags.toml"));
        file::refuse_what_is_there(&path)?;
        // Always ask: `GuardArgs::ask_for` asks only about files that exist.
        let leave = guard::ask(
            &session.place,
            Target::File(&path),
            self.guard.wish(&path.to_string_lossy()),
            &[],
        )?;
        TextFile::create(&path, &starter(SystemTime::now()))?;
        let made = places::shown_path(&path);
        session.output.thing(json!({ "made": made }), || {
            let (file, list) = (session.place.with_file(&path), paste::command("list", ""));
            let reason = leave.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
            format!("created {file}{}; {list} shows its flags\n", reason.unwrap_or_default())
        })?;
        Ok(ExitCode::Done)
    }
}

fn starter(now: SystemTime) -> String {
    let today = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / DAY;
    let date = |day: u64| time::date(SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY));
    STARTER.replace("TODAY", &date(today)).replace("LATER", &date(today + LATER))
}

#[cfg(test)]
mod tests {
    use flagstaff::definition::FlagsFile;

    use super::*;
    use crate::commands::fmt;

    #[test]
    fn the_file_to_begin_with_is_good_and_formatted() {
        let text = starter(SystemTime::now());

        let file = FlagsFile::parse("flags.toml", &text);

        assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        assert!(file.flags().len() > 2);
        assert_eq!(fmt::formatted("flags.toml", &text).unwrap(), text);
    }
}
