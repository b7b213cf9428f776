use std::time::SystemTime;

use clap::Args;
use flagstaff::{
    Flags, Percentage,
    answer::{FlagInfo, FlagState},
    cli::ExitCode,
    definition::{Entry, Field, Metadata, to_json},
    source::{SourceEntry, SourceKind},
    write::{LogEntry, Provenance},
};
use serde_json::{Map, Value, json};

use crate::{
    change::store_now,
    completion,
    entry::{plain, settings},
    failure::Failure,
    name,
    session::Session,
    similar,
    style::{self, HEADER, painted},
    table,
    text::clean,
    time, unreadable,
};

/// Show a flag: its entry in each source, and what decides
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if no source has the flag, and with 2 if its stored value cannot be
read: then the state of the flag in services is unknown.

Examples:
  flagstaff show new_checkout
  flagstaff show new_checkout -o json")]
pub(crate) struct Show {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
}

/// Returns the settings for people alone.
fn about() -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(|field| field.is_about())
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        let (flags, code) = place.flags_as_far_as_possible(output).await?;
        let snapshot = flags.snapshot();
        let Some(info) = snapshot.info(&*self.flag) else {
            let json = json!({ "flag": self.flag, "state": "unknown" });
            output.thing(json, || format!("{} unset", clean(&self.flag)))?;
            similar::hint(&snapshot, &self.flag, output);
            return Ok(if code == ExitCode::Done { ExitCode::No } else { code });
        };
        let mut sources = Vec::new();
        for source in flags.sources_of(&self.flag) {
            sources.push(SourceRow::of(source, &flags, &self.flag).await);
        }
        let (now, store_now) = (SystemTime::now(), store_now(&flags));
        let shown = Shown { flag: &self.flag, info, sources, now, store_now };
        match output.is_terse() {
            true => output.rows(&shown.rows())?,
            false => output.thing(shown.json(), || shown.text())?,
        }
        unreadable::refuse(&flags, &self.flag)?;
        Ok(code)
    }
}

/// An entry of a source, with all that is known about its author.
struct SourceRow {
    entry: SourceEntry,
    revision: Option<u64>,
}

impl SourceRow {
    /// Adds the author and the reason from the log, since a plain on or off has them only there.
    async fn of(entry: SourceEntry, flags: &Flags, flag: &str) -> Self {
        let mut held = Self { entry, revision: None };
        if held.entry.source.kind != SourceKind::Redis {
            return held;
        }
        // Without the right to read the log, the page lacks them.
        let latest = flags.history_of(flag, 1).await.ok().and_then(|log| log.into_iter().next());
        if let Some(LogEntry { revision: revision @ Some(_), at, author, reason, .. }) = latest {
            held.revision = revision;
            let by = held.entry.provenance.get_or_insert_default();
            by.at = by.at.or(at);
            by.author = by.author.take().or(author);
            by.reason = by.reason.take().or(reason);
        }
        held
    }

    /// Formats the author, the time and the reason: `by ana, 3 minutes ago: incident 42`.
    fn text(&self, now: SystemTime) -> String {
        let problem = self.entry.problem.as_deref().map(clean);
        match (problem, self.signature(now)) {
            (None, signature) => signature,
            (Some(problem), signature) if signature.is_empty() => problem.into_owned(),
            (Some(problem), signature) => format!("{problem}; {signature}"),
        }
    }

    fn signature(&self, now: SystemTime) -> String {
        let Some(Provenance { author, reason, at, expires_at, forced_until, .. }) =
            &self.entry.provenance
        else {
            return String::new();
        };
        let author = author.as_ref().map(|author| format!("by {}", clean(author)));
        let at = at.map(|at| time::relative(at, now));
        let end = expires_at.map(|end| format!("ends {}", time::relative(end, now)));
        let forced = forced_until.filter(|&until| until > now);
        let forced = forced.map(|until| format!("switch ends {}", time::relative(until, now)));
        let revision = self.revision.map(|revision| format!("revision {revision}"));
        let known: Vec<_> = [author, at, forced, end, revision].into_iter().flatten().collect();
        match reason {
            Some(reason) => format!("{}: {}", known.join(", "), clean(reason)),
            None => known.join(", "),
        }
    }

    fn json(&self) -> Value {
        let mut json = json!(self.entry);
        json["revision"] = json!(self.revision);
        json
    }
}

struct Shown<'a> {
    flag: &'a str,
    info: FlagInfo<'a>,
    sources: Vec<SourceRow>,
    now: SystemTime,
    /// The time by which overrides end.
    store_now: SystemTime,
}

impl Shown<'_> {
    /// Returns the state, unless a stored value cannot be read.
    fn state(&self) -> Option<FlagState> {
        let is_known = self.sources.iter().all(|held| held.entry.problem.is_none());
        is_known.then(|| self.info.state())
    }

    fn definition(&self) -> Map<String, Value> {
        to_json(self.info.definition())
    }

    /// Returns the settings among `fields` that are set, with their sources.
    fn set(&self, fields: impl Iterator<Item = Field>) -> Vec<(Field, Value, String)> {
        let definition = self.definition();
        let set = fields.filter_map(|field| {
            let value = definition.get(field.as_str()).filter(|value| !value.is_null())?;
            let sources: Vec<_> =
                self.info.sources_of(field).iter().map(|source| source.name).collect();
            Some((field, value.clone(), sources.join(", ")))
        });
        set.collect()
    }

    fn text(&self) -> String {
        let state = self.state().map_or_else(|| unreadable::NOT_KNOWN.to_owned(), style::state);
        let mut text = format!("{}  {state}\n", painted(HEADER, clean(self.flag)));
        let about = self.set(about());
        text += &table(about.iter().map(|(field, value, _)| {
            let note = match field {
                Field::Expires => self.info.definition().expiry(),
                _ => None,
            };
            let note = note.map(|at| format!(" ({})", time::relative(at, self.now)));
            let value = match (field, value) {
                (Field::Metadata, _) => {
                    self.info.definition().rare().metadata.value().map(facts_of).unwrap_or_default()
                }
                _ => day(&plain(value)),
            };
            vec![field.as_str().to_owned(), value + &note.unwrap_or_default()]
        }));

        text += &format!("\n{}\n", painted(HEADER, "Sources, the strongest first:"));
        text += &table(self.sources.iter().map(|held| {
            let entry = match &held.entry.problem {
                Some(_) => unreadable::NOT_READABLE.to_owned(),
                None => short(&held.entry.entry),
            };
            vec![held.entry.source.to_string(), entry, held.text(self.store_now)]
        }));

        text += &format!("\n{}\n", painted(HEADER, "What decides, in this order:"));
        if self.state().is_none() {
            return text + &format!("  {}\n", unreadable::NOT_KNOWN);
        }
        let steps = self.set(Field::steps());
        text += &table(steps.iter().map(|(field, value, source)| {
            vec![field.as_str().to_owned(), plain(value), source.clone()]
        }));
        if let Some(progress) = self.info.rollout() {
            text += &format!("  rollout is at {progress}\n");
        }
        if !self.info.is_active() {
            text += "  it is outside of its active window\n";
        }
        format!("{text}  {}\n", self.otherwise())
    }

    /// Describes the answer for users about whom no earlier step decides.
    fn otherwise(&self) -> String {
        let definition = self.info.definition();
        let served = match definition.off_variant() {
            Some(variant) => format!(", which serves `{}`", clean(variant)),
            None => String::new(),
        };
        let traffic = definition.rare().traffic.value().copied().unwrap_or_default();
        match self.info.state() {
            FlagState::Off => format!("so it is off for all users{served}"),
            FlagState::Partial { percentage, .. } if percentage < Percentage::HUNDRED => {
                format!("otherwise off{served}")
            }
            FlagState::Partial { variants: 1.., .. } if traffic < Percentage::HUNDRED => {
                format!("otherwise off{served}")
            }
            FlagState::Partial { variants: 1.., .. } => {
                "otherwise the variant that is drawn".to_owned()
            }
            _ => match (definition.rare().value.value(), definition.rare().serve.value()) {
                (Some(_), _) => "otherwise on, with this value".to_owned(),
                (None, Some(variant)) => format!("otherwise `{}`", clean(variant)),
                (None, None) => "otherwise on".to_owned(),
            },
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let state = self.state().map(|state| state.to_string());
        let state = state.unwrap_or_else(|| unreadable::NOT_KNOWN.to_owned());
        let mut rows = vec![words(&["flag", self.flag, &state])];
        for (field, value, source) in self.set(about()) {
            rows.push(words(&["about", field.as_str(), &plain(&value), &source]));
        }
        for held in &self.sources {
            let SourceEntry { source, entry, provenance, problem, .. } = &held.entry;
            let Provenance { author, reason, at, expires_at, .. } =
                &provenance.clone().unwrap_or_default();
            let date = |at: &Option<SystemTime>| at.map(time::rfc3339).unwrap_or_default();
            rows.push(words(&[
                "source",
                source.name,
                &plain(&json!(entry)),
                author.as_deref().unwrap_or_default(),
                &date(at),
                &date(expires_at),
                reason.as_deref().unwrap_or_default(),
                problem.as_deref().unwrap_or_default(),
            ]));
        }
        let is_known = self.state().is_some();
        for (field, value, source) in self.set(Field::steps()).into_iter().filter(|_| is_known) {
            rows.push(words(&["decides", field.as_str(), &plain(&value), &source]));
        }
        rows
    }

    fn json(&self) -> Value {
        // Without the state, the settings are not known either: the unreadable value counts as off here.
        let state = self.state();
        let decides = self.set(Field::steps()).into_iter().map(|(field, value, source)| {
            json!({ "field": field.as_str(), "value": value, "source": source })
        });
        json!({
            "flag": self.flag,
            "state": state.map(FlagState::as_str),
            "summary": state.map(|state| state.to_string()),
            "definition": state.map(|_| self.definition()),
            "sources": self.sources.iter().map(SourceRow::json).collect::<Vec<_>>(),
            "decides": state.map(|_| decides.collect::<Vec<_>>()),
        })
    }
}

/// Returns the entry of a source, without the settings that are for people alone.
pub(super) fn short(entry: &Entry) -> String {
    let Entry::Definition(definition) = entry else { return entry.to_string() };
    let mut deciding = to_json(definition);
    deciding.retain(|name, _| about().all(|field| field.as_str() != name));
    match deciding.is_empty() {
        true => "nothing that decides".to_owned(),
        false => settings(&deciding),
    }
}

/// Formats metadata: `issue = PAY-412, tier = 1`.
pub(super) fn facts_of(facts: &Metadata) -> String {
    let facts = facts.iter().map(|(name, value)| format!("{} = {value}", clean(name)));
    facts.collect::<Vec<_>>().join(", ")
}

/// Returns a setting for people: a date at the start of a day is only that day.
fn day(text: &str) -> String {
    text.strip_suffix("T00:00:00Z").unwrap_or(text).to_owned()
}

/// Formats indented columns.
fn table(rows: impl Iterator<Item = Vec<String>>) -> String {
    table::aligned(&rows.collect::<Vec<_>>(), "  ", table::room())
}
