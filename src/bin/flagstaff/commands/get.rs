use clap::Args;
use flagstaff::{
    cli::ExitCode,
    definition::{Field, to_json},
};
use serde_json::{Value, json};

use crate::{
    completion, failure::Failure, name, session::Session, similar, style, text::clean, unreadable,
};

/// Print the state of a flag, or one of its settings
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if no source has the flag, or none has the setting. A stored value
that cannot be read is an error (2).

Examples:
  flagstaff get new_checkout               new_checkout 10%, 1 allowed
  flagstaff get new_checkout owner         payments
  flagstaff get new_checkout allowed_users ana
                                           bob")]
pub(crate) struct Get {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    /// Setting, as in flags.toml
    #[arg(add = completion::fields(""))]
    field: Option<String>,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let flag = &*self.flag;
        let field = self.field.as_deref().map(field).transpose()?;
        let flags = session.place.flags(&session.output).await?;
        unreadable::refuse(&flags, flag)?;

        let snapshot = flags.snapshot();
        let Some(info) = snapshot.info(flag) else {
            let json = json!({ "flag": flag, "state": "unknown" });
            session.output.thing(json, || format!("{} unset", clean(flag)))?;
            similar::hint(&snapshot, flag, &session.output);
            return Ok(ExitCode::No);
        };
        let Some(field) = field else {
            let state = info.state();
            let json = json!({
                "flag": flag,
                "state": state.as_str(),
                "summary": state.to_string(),
                "definition": Value::Object(to_json(info.definition())),
            });
            session.output.thing(json, || format!("{} {}", clean(flag), style::state(state)))?;
            return Ok(ExitCode::Done);
        };
        let value =
            to_json(info.definition()).remove(field.as_str()).filter(|value| !value.is_null());
        let json = json!({
            "flag": flag,
            "field": field.as_str(),
            "value": value,
            "source": info.source_of(field),
        });
        session.output.thing(json, || value.as_ref().map(plain).unwrap_or_default())?;
        Ok(if value.is_some() { ExitCode::Done } else { ExitCode::No })
    }
}

fn field(name: &str) -> Result<Field, Failure> {
    let found = Field::ALL.iter().find(|field| field.as_str() == name);
    found.copied().ok_or_else(|| {
        let all: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
        Failure::usage(format!("`{name}` is not a setting of a flag"))
            .hint(format!("the settings are {}", all.join(", ")))
    })
}

/// Prints strings without quotes, lists with a line for each element, everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text).into_owned(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join("\n"),
        other => clean(&other.to_string()).into_owned(),
    }
}
