use clap::Args;
use flagstaff::cli::ExitCode;

use crate::{
    completion, context::ContextArgs, failure::Failure, name, session::Session, similar,
    text::clean, unreadable,
};

/// Test if a flag is on: exit with 0 if it is, and 1 if not
#[derive(Debug, Args)]
#[command(after_help = "\
No answer is printed. A flag that no source has is off, with a warning. A stored
value that cannot be read is an error (2), also that of a flag that it needs.

Examples:
  flagstaff is-on new_checkout && deploy
  flagstaff is-on new_checkout --user ana --group beta
  flagstaff is-on sale --as-of 2026-12-24")]
pub(crate) struct IsOn {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    #[command(flatten)]
    context: ContextArgs,
}

impl IsOn {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let context = self.context.context(&session.output)?;
        let flags = session.place.flags_in_silence(&session.output, self.context.as_of).await?;
        let snapshot = flags.snapshot();
        let context = self.context.fitted(context, &snapshot, &session.output);
        unreadable::refuse_answer(&flags, &self.flag)?;
        if snapshot.info(&*self.flag).is_none() && session.place.mistake(&self.flag).is_none() {
            session.output.warning(format!("no source has a flag `{}`", clean(&self.flag)));
            similar::hint(&snapshot, &self.flag, &session.output);
        }
        // Only a forced value in the store decides without the file.
        let strongest = flags.sources_of(&self.flag).into_iter().next();
        if strongest.is_none_or(|held| held.entry.forces().is_none()) {
            session.place.refuse_without_file()?;
        }
        Ok(if flags.is_enabled(&*self.flag, &context) { ExitCode::Done } else { ExitCode::No })
    }
}
