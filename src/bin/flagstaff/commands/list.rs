use std::time::SystemTime;

use clap::Args;
use flagstaff::{Context, Flags, cli::ExitCode};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
    query::{Subject, Term},
    session::Session,
    time, unreadable,
};

/// List flags: what each amounts to, and which source says so
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 2 if a stored value cannot be read: what that flag is, is not known.

All names and filters have to hold.

Filters:
  owner=payments        `owner=` alone is a flag without an owner
  tag=checkout
  source=redis          the strongest source that has the flag

  on, off, partial      the state for all users
  permanent             or permanent=false; client and testable too
  metadata.issue=PAY-*  or metadata.issue, whatever its value

  expires<14d           or a day: expires<2027-01-01
  created>90d           older than that

In names and values, `*` is any text and `?` any character.

Examples:
  flagstaff list
  flagstaff list 'checkout_*'
  flagstaff list --filter owner=payments --filter 'expires<14d'
  flagstaff list --filter partial -o jsonl")]
pub(crate) struct List {
    /// A part of the name, or a glob
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Keep the flags for which this holds; may be repeated
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let now = SystemTime::now();
        let filters = self.filter.iter().map(|filter| Term::parse(filter, now));
        let names = self.names.iter().map(|name| Term::name(name));
        let query: Result<Vec<_>, _> = names.chain(filters).collect();
        let query = query.map_err(Failure::usage)?;
        let Session { place, output } = session;
        let (flags, code) = place.flags_as_far_as_possible(output).await?;
        Self::print(&flags, &query, output)?;
        place.tell_other_files(output).await;
        Ok(unreadable::tell_all(&flags, output).unwrap_or(code))
    }

    /// Prints the flags for which all terms hold.
    pub(super) fn print(flags: &Flags, query: &[Term], output: &Output) -> Result<(), Failure> {
        let snapshot = flags.snapshot();
        let mut rows = Vec::new();
        for (name, _) in snapshot.all(&Context::anonymous()) {
            let Some(info) = snapshot.info(name) else { continue };
            let sources = flags.sources_of(name);
            let source = sources.first().map(|said| said.source);
            let kind = source.map(|source| source.kind);
            let (definition, state) = (info.definition(), info.state());
            let subject = Subject { name, definition, state, source: kind };
            if !query.iter().all(|term| term.holds(&subject)) {
                continue;
            }
            let owner = definition.owner.value().cloned().unwrap_or_default();
            let tags = definition.tags.value().cloned().unwrap_or_default();
            let expires = definition.expires.value().copied().map(time::date);
            let end = match definition.is_permanent() {
                true => "permanent".to_owned(),
                false => expires.clone().unwrap_or_default(),
            };
            rows.push(Row {
                cells: vec![
                    name.to_owned(),
                    state.to_string(),
                    source.map(|source| source.to_string()).unwrap_or_default(),
                    owner,
                    tags.join(","),
                    end,
                ],
                json: json!({
                    "flag": name,
                    "state": state.as_str(),
                    "summary": state.to_string(),
                    "source": source,
                    "owner": definition.owner.value(),
                    "tags": tags,
                    "expires": expires,
                    "permanent": definition.is_permanent(),
                    "client": definition.is_client(),
                    "testable": definition.is_testable(),
                    "metadata": definition.rare().metadata.value(),
                    "definition": Value::Object(flagstaff::definition::to_json(definition)),
                }),
            });
        }
        output.listing(Listing {
            name: "flags",
            columns: &["FLAG", "STATE", "SOURCE", "OWNER", "TAGS", "EXPIRES"],
            rows,
            empty: "(no flags)",
        })
    }
}
