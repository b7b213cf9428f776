use clap::Args;
use flagstaff::{answer::ErrorCode, cli::ExitCode};
use serde_json::{Value, json};

use crate::{
    completion, context::ContextArgs, failure::Failure, name, session::Session, style, unreadable,
};

/// Explain an answer: each source's entry, and what decided
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if no source has the flag, or if it is rejected for a mistake in
the file. A stored value that cannot be read is an error (2), also in a flag
that this one depends on. In a pipe, the output is the same text; programs use
--output json.

Examples:
  flagstaff explain new_checkout --user ana --set plan=pro
  flagstaff explain new_checkout --context @request.json --redact email
  flagstaff explain new_checkout --user ana --as-of 2026-12-24 -o json")]
pub(crate) struct Explain {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    #[command(flatten)]
    context: ContextArgs,
    /// Leave out the values of this attribute, also targeting_key
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    redact: Vec<String>,
    /// Leave out all values of the context
    #[arg(long, help_heading = "Output")]
    redact_all: bool,
}

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let context = self.context.context(&session.output)?;
        let flags = session.place.flags_at(&session.output, self.context.as_of).await?;
        let context = self.context.fitted(context, &flags.snapshot(), &session.output);
        let mut explanation = flags.explain(&*self.flag, &context).redact(&self.redact);
        if self.redact_all {
            explanation = explanation.redact_all();
        }
        let refused = unreadable::refuse_answer(&flags, &self.flag);
        if let Err(failure) = &refused {
            explanation = explanation.without_answer(failure.message());
        }
        let mut json = json!(explanation);
        if refused.is_err() {
            json["answer"]["value"] = Value::Null;
        }
        let is_on = explanation.answer.value;
        session.output.thing(json, || style::explanation(&explanation.to_string(), is_on))?;
        session.place.warn_of_other_files(&session.output).await;
        refused?;
        Ok(match explanation.answer.error_code {
            Some(ErrorCode::FlagNotFound | ErrorCode::ParseError) => ExitCode::No,
            _ => ExitCode::Done,
        })
    }
}
