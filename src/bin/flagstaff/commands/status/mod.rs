mod look;
mod part;

use std::time::{Duration, SystemTime};

use clap::Args;
use flagstaff::cli::ExitCode;
use serde_json::{Map, Value, json};

use self::{look::Look, part::Part};
use crate::{
    failure::Failure,
    session::Session,
    style::{HEADER, WARNING, painted},
    text::clean,
    time,
};

/// Show overrides, rollouts, ends and instances on one page
#[derive(Debug, Args)]
#[command(after_help = "\
The page has the overrides, the unfinished rollouts, past and near ends, the
instances, and the rejected flags of each file and of the store. A part that
cannot be read is named, and is never shown as empty.

These need attention: flags that have expired or are rejected, rollouts that
wait to be advanced, and overrides that cannot be read or that readers may
misunderstand. So do instances that are silent, that refuse their file, or that
run another file, and those that still lack a change 15 seconds after it.
An override of a flag that no file declares needs attention only if the file has
a flag with a similar name.

The ends include overrides that have ended and are still stored.

In a pipe, each line begins with the name of its part. In JSON, a part that
cannot be read is null.

Exits with 1 if something needs attention, with 2 if a file or a stored value
cannot be read, and with 3 if the store cannot be reached.

Examples:
  flagstaff status
  flagstaff status --at production --within 2d
  flagstaff status -o json")]
pub(crate) struct Status {
    /// Show ends within this time
    #[arg(long, value_name = "TIME", value_parser = time::duration, default_value = "7d")]
    within: Duration,
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Look { about, title, parts, attention, unknown } =
            Look::at(session, SystemTime::now(), self.within).await?;
        let output = &session.output;
        let code = match () {
            () if unknown.iter().any(|(_, failure)| failure.is_unreachable()) => {
                ExitCode::Unreachable
            }
            () if !unknown.is_empty() => ExitCode::Usage,
            () if !attention.is_empty() => ExitCode::No,
            () => ExitCode::Done,
        };
        if output.is_terse() {
            output.rows(&rows(&parts, &attention, &unknown))?;
        } else {
            let json = document(about, &parts, &attention, &unknown);
            output.thing(json, || page(&title, &parts, &attention, &unknown))?;
        }
        Ok(code)
    }
}

/// The parts that are not known, each with the reason.
type Unknown = [(String, Failure)];

fn page(title: &str, parts: &[Part], attention: &[String], unknown: &Unknown) -> String {
    let mut page = format!("{}\n", painted(HEADER, title));
    for part in parts {
        page += &part.text();
    }
    if !unknown.is_empty() {
        page += &format!("\n{}\n", painted(WARNING, "Not known:"));
    }
    for (what, failure) in unknown {
        page += &format!("  {}: {}\n", clean(what), clean(&failure.text()));
    }
    if !attention.is_empty() {
        page += &format!("\n{}\n", painted(WARNING, "Needs attention:"));
    }
    for line in attention {
        page += &format!("  {}\n", clean(line));
    }
    if attention.is_empty() && unknown.is_empty() {
        page += "\nnothing needs attention\n";
    }
    page
}

fn rows(parts: &[Part], attention: &[String], unknown: &Unknown) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = parts.iter().flat_map(Part::rows).collect();
    let unknown = unknown
        .iter()
        .map(|(what, failure)| vec!["unknown".to_owned(), what.clone(), failure.text()]);
    rows.extend(unknown);
    rows.extend(attention.iter().map(|line| vec!["attention".to_owned(), line.clone()]));
    rows
}

fn document(
    about: Map<String, Value>,
    parts: &[Part],
    attention: &[String],
    unknown: &Unknown,
) -> Value {
    let mut document = about;
    for part in parts {
        document.insert(part.name.to_owned(), part.json());
    }
    let unknown = unknown.iter();
    let unknown: Vec<_> =
        unknown.map(|(what, failure)| json!({ "what": what, "why": failure.text() })).collect();
    document.insert("unknown".to_owned(), unknown.into());
    document.insert("attention".to_owned(), json!(attention));
    document.into()
}
