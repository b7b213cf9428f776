use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use clap::Args;
use flagstaff::{
    Definition, Drift,
    cli::ExitCode,
    definition::{FlagsFile, to_json},
};
use serde_json::{Value, json};

use crate::{
    difference::{self, Difference, differences},
    failure::Failure,
    revision,
    session::Session,
    text::clean,
    time,
};

/// Show what the store changes against the file, or the file against a revision of git
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if anything differs.

Examples:
  flagstaff diff                overrides in the store against flags.toml
  flagstaff diff git:main       flags.toml against that of main")]
pub(crate) struct Diff {
    /// What to compare flags.toml with; the store unless named
    #[arg(value_name = "git:REV")]
    with: Option<String>,
}

/// One flag that differs.
struct Flag {
    name: String,
    /// Who made it so, when and why.
    told: Option<String>,
    json: Value,
    differences: Vec<Difference>,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let (flags, nothing) = match self.with.as_deref() {
            None => (against_store(session).await?, "the store changes nothing"),
            Some(with) => match with.strip_prefix("git:") {
                Some(revision) => (against_git(session, revision)?, "nothing differs"),
                None => {
                    return Err(Failure::usage(format!("cannot compare with `{with}`"))
                        .hint("write `git:REV`, such as `git:main`, or nothing for the store"));
                }
            },
        };
        let differs = !flags.is_empty();
        let json: Vec<_> = flags.iter().map(|flag| &flag.json).collect();
        session.output.thing(json!({ "flags": json }), || {
            let blocks = flags.iter().map(|flag| {
                let told = flag.told.as_ref().map(|told| format!("  {told}")).unwrap_or_default();
                let lines = difference::text(&flag.differences);
                format!("{}{told}\n{lines}", clean(&flag.name))
            });
            blocks.collect()
        })?;
        if !differs && !session.output.is_json() {
            session.output.note(nothing);
        }
        Ok(if differs { ExitCode::No } else { ExitCode::Done })
    }
}

async fn against_store(session: &Session) -> Result<Vec<Flag>, Failure> {
    // Without a store there is nothing to compare.
    session.place.needed_redis()?;
    let flags = session.place.flags(&session.output).await?;
    let now = SystemTime::now();
    Ok(flags.drift().into_iter().map(|drift| overridden(&drift, now)).collect())
}

fn overridden(drift: &Drift, now: SystemTime) -> Flag {
    let declared = drift.declared.as_deref().map(to_json).unwrap_or_default();
    let differences = differences(&declared, &to_json(&drift.overridden));
    let by = drift.provenance.as_deref();
    let mut told = Vec::new();
    if drift.is_undeclared() {
        told.push("no file declares it".to_owned());
    } else if differences.is_empty() {
        told.push("it says what is declared".to_owned());
    }
    if let Some(by) = by {
        told.extend(by.author.as_deref().map(|author| clean(author).into_owned()));
        told.extend(by.at.map(|at| time::relative(at, now)));
        told.extend(by.reason.as_deref().map(|reason| format!("\"{}\"", clean(reason))));
        told.extend(by.expires_at.map(|end| format!("ends {}", time::relative(end, now))));
    }
    let json = json!({
        "flag": &*drift.key,
        "declared": !drift.is_undeclared(),
        "by": by.and_then(|by| by.author.as_deref()),
        "at": by.and_then(|by| by.at).map(time::rfc3339),
        "reason": by.and_then(|by| by.reason.as_deref()),
        "expiresAt": by.and_then(|by| by.expires_at).map(time::rfc3339),
        "changes": differences.iter().map(Difference::json).collect::<Vec<_>>(),
    });
    let told = (!told.is_empty()).then(|| format!("({})", told.join(", ")));
    Flag { name: drift.key.to_string(), told, json, differences }
}

fn against_git(session: &Session, revision: &str) -> Result<Vec<Flag>, Failure> {
    let now = session.place.needed_file()?;
    let text = revision::text_at(revision, &now.path)?;
    let name = format!("{}@{revision}", now.path.display());
    let before = usable(FlagsFile::parse(&name, &text))?;
    let now = usable(now.parsed)?;
    let names = before.flags().keys().chain(now.flags().keys());
    let names: BTreeSet<_> = names.collect();
    let compared = names.into_iter().filter_map(|name| {
        let (before, after) = (before.flags().get(name), now.flags().get(name));
        let object = |flag: Option<&Arc<Definition>>| flag.map(|flag| to_json(flag));
        let differences =
            differences(&object(before).unwrap_or_default(), &object(after).unwrap_or_default());
        let told = match (&before, &after) {
            (None, _) => Some("(new)".to_owned()),
            (_, None) => Some("(removed)".to_owned()),
            _ if differences.is_empty() => return None,
            _ => None,
        };
        let json = json!({
            "flag": &**name,
            "before": before.is_some(),
            "after": after.is_some(),
            "changes": differences.iter().map(Difference::json).collect::<Vec<_>>(),
        });
        Some(Flag { name: name.to_string(), told, json, differences })
    });
    Ok(compared.collect())
}

/// A file that can be compared: all of it counts, or it would differ for no reason.
fn usable(file: FlagsFile) -> Result<FlagsFile, Failure> {
    match file.diagnostics().has_errors() {
        false => Ok(file),
        true => Err(Failure::usage(file.diagnostics().to_string())
            .hint("`flagstaff lint` shows what is wrong")),
    }
}
