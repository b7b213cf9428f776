use std::time::{Duration, SystemTime};

use clap::Args;
use flagstaff::{
    Definition, Flags, Percentage,
    cli::ExitCode,
    definition::{Effect, Field, edit::TextFile, to_json},
    source::SourceKind,
    text::Untrusted,
};

use serde_json::{Map, Value};

use crate::{
    assignment::{self, Assignment, Assignments},
    change::{ChangeArgs, Edit, TargetArgs, edit},
    failure::Failure,
    file,
    guard::GuardArgs,
    name, paste, references,
    session::Session,
    text::{self, clean},
    time,
};

/// Create a flag in flags.toml
#[derive(Debug, Args)]
#[command(after_help = "\
The flag has today's date as `created`. It is off unless --on, --percentage, or
the setting `enabled`, `percentage` or `rollout` switches it on. With only
allow-lists or rules, it is on for these. In a file whose flags are in
alphabetical order, it is inserted in that order, otherwise after the others.
Settings and values are those of `flagstaff set`. The Rust expression that
evaluates the flag is printed.

Refuses (4) a name that the file, the environment or the store has already.
Warns of conditions and lists that name the flag before it is there.

Examples:
  flagstaff create new_checkout --owner payments --expires +90d
  flagstaff create new_search --percentage 10 denied_groups=partners
  flagstaff create theme variants.light=50 variants.dark=50 --dry-run")]
pub(crate) struct Create {
    /// Name of the flag
    #[arg(value_parser = name::flag)]
    name: String,
    /// Another setting: field=value
    #[arg(value_parser = assignment::parse, value_name = "FIELD=VALUE")]
    assignments: Vec<Assignment>,
    /// Team or person responsible for the flag
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Purpose of the flag, in a sentence
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Word to find the flag by; may be repeated
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,
    /// Day by which the flag should be removed: 2027-02-01, +90d
    #[arg(long, value_name = "DATE", value_parser = time::instant)]
    expires: Option<SystemTime>,
    /// Switch the flag on for this share of users
    #[arg(long, value_name = "PERCENT", conflicts_with = "on")]
    percentage: Option<Percentage>,
    /// Switch the flag on for all users who are not denied
    #[arg(long)]
    on: bool,
    /// Print the change without making it
    #[arg(long, short = 'n', help_heading = "Change")]
    dry_run: bool,
    #[command(flatten, next_help_heading = "Change")]
    guard: GuardArgs,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let definition = self.definition()?;
        let over = self.refuse_what_other_sources_have(session).await?;
        let places = self.places(session, over.as_ref()).await?;
        let names = [self.name.clone()];
        let change = ChangeArgs::of_a_file(self.guard.reason.clone(), self.dry_run, self.guard.yes);
        let target = TargetArgs::file();
        let code = edit(session, &names, &change, &target, Edit::New, |document, name| {
            let added = document.add(name, &definition);
            added.map_err(|error| file::refused(session, &error))?;
            name::warn_of_convention(name, &session.output);
            if !places.is_empty() {
                session.output.warning(format!(
                    "`{}` is named already, and counts there once it is created: {}",
                    clean(name),
                    places.join(", "),
                ));
            }
            Ok(())
        })
        .await?;
        self.hint_at_use(session, &definition);
        Ok(code)
    }

    fn definition(&self) -> Result<Definition, Failure> {
        let mut definition = Definition::new().created(midnight(SystemTime::now()));
        if let Some(owner) = &self.owner {
            definition = definition.owner(owner);
        }
        if let Some(description) = &self.description {
            definition = definition.description(description);
        }
        if !self.tag.is_empty() {
            definition = definition.tags(&self.tag);
        }
        if let Some(expires) = self.expires {
            definition = definition.expires(midnight(expires));
        }
        if let Some(percentage) = self.percentage {
            definition = definition.percentage(percentage);
        }
        let assignments = Assignments::new(self.assignments.clone());
        definition.merge(&assignments.in_a_file().patch(&self.name, Some(&definition))?);
        let settings = to_json(&definition);
        refuse_removals(&assignments.taken_out(), &settings)?;
        if self.on {
            return Ok(definition.enabled(true));
        }
        let has = |effect: Effect| {
            let mut fields = Field::ALL.iter().filter(|field| field.effect() == effect);
            fields.any(|field| settings.contains_key(field.as_str()))
        };
        if has(Effect::Share) {
            return Ok(definition);
        }
        // Without a percentage, the flag would also be on for all users whom no list and no rule names.
        let names_users = has(Effect::Allows) || settings.contains_key(Field::Rules.as_str());
        Ok(match names_users {
            true => definition.percentage(Percentage::ZERO),
            false => definition.enabled(false),
        })
    }

    /// Refuses the name of a flag that the environment or the store has, since these would decide about the new flag.
    /// Returns the sources over the file, as far as they can be read.
    async fn refuse_what_other_sources_have(
        &self,
        session: &Session,
    ) -> Result<Option<Flags>, Failure> {
        let Session { place, output } = session;
        let over = match place.flags_over_the_file(output).await {
            Ok(over) => over,
            Err(failure) => {
                let why = failure.text();
                output.warning(format!("it is unknown whether another source has the flag: {why}"));
                return Ok(None);
            }
        };
        let sources = over.as_ref().map(|over| over.sources_of(&self.name)).unwrap_or_default();
        let Some(held) = sources.first() else { return Ok(over) };
        let (flag, source) = (clean(&self.name), held.source.name);
        Err(Failure::refused(format!("there is a flag `{flag}` in source `{source}` already"))
            .hint(match held.source.kind {
                SourceKind::Redis => format!(
                    "{} shows the entry of each source; {} writes an override into the file",
                    paste::command("show", &text::word(&self.name)),
                    paste::command("promote", &text::word(&self.name)),
                ),
                // Only overrides can be promoted.
                _ => format!(
                    "{} shows the entry of each source",
                    paste::command("show", &text::word(&self.name))
                ),
            }))
    }

    /// Returns the places that name the flag already. A condition there is never met before there is a flag.
    async fn places(
        &self,
        session: &Session,
        over: Option<&Flags>,
    ) -> Result<Vec<String>, Failure> {
        let place = &session.place;
        // A file that cannot be read is left to the edit.
        let files = place.paths().into_iter().filter_map(|path| TextFile::read(path).ok());
        let mut places: Vec<_> =
            files.flat_map(|it| references::in_file(it.path(), it.text(), &self.name)).collect();
        if let Some(over) = over {
            places.extend(references::in_overrides(place, over, &self.name).await?);
        }
        Ok(places)
    }

    /// Prints the Rust code that evaluates the flag.
    fn hint_at_use(&self, session: &Session, definition: &Definition) {
        let name = Untrusted::new(&self.name).rust();
        let settings = to_json(definition);
        if let Some(value) = settings.get(Field::Value.as_str()) {
            let question = match value {
                Value::String(_) => "string",
                Value::Number(number) if number.is_f64() => "float",
                Value::Number(_) => "integer",
                _ => "value",
            };
            session.output.hint(format!("in Rust: `flags.{question}({name}, &context, default)`"));
            return;
        }
        let has_variants = definition.rare().variants.value().is_some();
        let question = if has_variants { "variant" } else { "is_enabled" };
        session.output.hint(format!(
            "in Rust: `flags.{question}({name}, &context)`, or a route behind `FlagGate::new({name})`"
        ));
    }
}

/// Refuses `field-` and `field=null`. A removed `enabled` or `percentage` would count as a setting, and
/// the flag would be on for all users.
fn refuse_removals(removed: &[Field], settings: &Map<String, Value>) -> Result<(), Failure> {
    let is_removed = |field: &&Field| {
        removed.contains(field) || settings.get(field.as_str()).is_some_and(Value::is_null)
    };
    match Field::ALL.iter().find(is_removed) {
        Some(field) => Err(Failure::usage(format!(
            "a new flag has no `{}` that could be removed",
            field.as_str()
        ))
        .hint("leave it out: a setting that is not given is not written")),
        None => Ok(()),
    }
}

/// Returns the day of an instant, in UTC.
fn midnight(instant: SystemTime) -> SystemTime {
    const DAY: u64 = 86_400;
    let since = instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs() / DAY * DAY)
}
