use std::{collections::BTreeSet, time::SystemTime};

use clap::Args;
use flagstaff::{
    Context, Definition, Flags,
    answer::{FlagState, Value as FlagValue},
    cli::ExitCode,
    definition::{Definitions, Metadata},
    source::{Source, SourceKind},
};
use serde_json::{Map, Value, json};

use super::show;
use crate::{
    failure::Failure,
    glob,
    output::{Listing, Output, Row},
    paste, place,
    query::{Subject, Term},
    reading,
    session::Session,
    similar,
    text::clean,
    time, unreadable,
};

/// List flags with their state and the source that decides
#[derive(Debug, Args)]
#[command(after_help = concat!("\
A flag that its file rejects has the state `rejected`, which no filter finds.
The exit code stays 0 then: use `flagstaff lint` to check a file.

Exits with 2 if a stored value cannot be read: the state of its flag is unknown.

Lists the flags that match all names and all filters.

Filters:
  name=checkout         a part of the name, or a glob

  owner=payments        `owner=` alone is a flag without an owner
  tag=checkout          `tag=` alone is a flag without tags
  source=redis          the strongest source that has the flag

  on, off, partial      the state for all users
  permanent             or permanent=false; client and testable too
  metadata.issue=PAY-*  or metadata.issue, whatever its value;
                        `metadata.issue=` alone is a flag without one

  expires<14d           or a day: expires<2027-01-01; `>` for later
  created>90d           older than that; `<` for younger

`!` before a filter inverts it: '!tag=checkout', '!permanent'. Names and
values may be globs.

", glob::notation!(), "

The state of a flag with a constant is its value. In a table, the next state by
a rollout or an active window is beside it: `off, 10% from 2026-12-01`, or `on,
until 2026-12-24`. Elsewhere it is the column `schedule`.

Columns: flag, state, source, owner, tags, expires, created, permanent, client,
testable, metadata, metadata.NAME, description and schedule. JSON always has all
of them.

With --environments, the column (none) has the flags without an environment.
After it are the environments, in alphabetical order; JSON has them by name.

Examples:
  flagstaff list
  flagstaff list 'checkout_*'
  flagstaff list --filter owner=payments --filter 'expires<14d'
  flagstaff list --filter partial --columns flag,metadata.issue
  flagstaff list --environments      the state in each environment"))]
pub(crate) struct List {
    /// A part of the name, or a glob
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Keep the flags that match; may be repeated
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Show these columns
    #[arg(
        long,
        value_name = "COLUMN,…",
        value_delimiter = ',',
        value_parser = Column::parse,
        conflicts_with = "environments"
    )]
    columns: Vec<Column>,
    /// Show the state of each flag in each environment of the flag file
    #[arg(long, conflicts_with = "environment")]
    environments: bool,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let now = SystemTime::now();
        let filters = self.filter.iter().map(|filter| Term::parse(filter, now));
        let names = self.names.iter().map(|name| Term::name(name));
        let query: Result<Vec<_>, _> = names.chain(filters).collect();
        let query = query.map_err(Failure::usage)?;
        let Session { place, output } = session;
        if self.environments {
            return Self::print_environments(session, &query, now);
        }
        let (flags, code) = place.flags_as_far_as_possible(output).await?;
        Self::print(&flags, &query, &self.columns, &place.all_rejected(), output)?;
        let undeclared = place.undeclared(&flags, output).await;
        let undeclared = undeclared.iter();
        output.warnings(undeclared.map(|(flag, it)| similar::undeclared(flag, it.as_deref())));
        place.warn_of_other_files(output).await;
        Ok(unreadable::report_all(&flags, output).unwrap_or(code))
    }

    /// Prints the flags of the file for which all terms hold in some environment, with their states in all
    /// environments.
    fn print_environments(
        session: &Session,
        query: &[Term],
        now: SystemTime,
    ) -> Result<ExitCode, Failure> {
        let mut files = place::declared(vec![session.place.needed_path()?], None)?;
        let file = files.remove(0);
        let name = file.path.to_string_lossy().into_owned();
        let parsed = file.parsed.tested(&Definitions::new(), now);
        if !parsed.is_usable() {
            return Err(reading::mistakes(&name, parsed.diagnostics(), &session.output));
        }
        let mut columns = vec!["FLAG".to_owned(), "(none)".to_owned()];
        columns.extend(parsed.environments().map(|name| clean(name).into_owned()));
        let there = parsed.environments().map(|name| parsed.clone().in_environment(name));
        let mut places = vec![parsed.clone()];
        places.extend(there.flatten());
        let names: BTreeSet<_> = places
            .iter()
            .flat_map(|file| file.flags().keys().chain(file.rejected().iter()))
            .collect();

        let mut rows = Vec::new();
        for name in names {
            let states = places.iter().map(|file| match file.flags().get(name) {
                Some(flag) => State::Of(FlagState::at(flag, now), flag),
                None if file.rejected().contains(name) => State::Rejected,
                None => State::Unknown,
            });
            let states: Vec<_> = states.collect();
            let holds = |state: &State<'_>| match *state {
                State::Of(state, definition) => {
                    let source = Some(SourceKind::File);
                    let subject = Subject { name, definition, state, source };
                    query.iter().all(|term| term.holds(&subject))
                }
                _ => query.is_empty(),
            };
            if !states.iter().any(holds) {
                continue;
            }
            let environments = places
                .iter()
                .zip(&states)
                .filter_map(|(file, state)| Some((file.environment()?.to_owned(), state.json())));
            rows.push(Row {
                json: json!({
                    "flag": name,
                    "flags": states[0].json(),
                    "environments": environments.collect::<Map<_, _>>(),
                }),
                cells: [name.to_owned()]
                    .into_iter()
                    .chain(states.iter().map(State::text))
                    .collect(),
            });
        }
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        session.output.listing(Listing {
            name: "flags",
            columns: &columns,
            rows,
            empty: "(no flags)",
        })?;
        if parsed.diagnostics().has_errors() {
            let (name, lint) = (clean(&name), paste::command("lint", ""));
            session.output.warning(format!("`{name}` has errors: {lint} shows them"));
        }
        Ok(ExitCode::Done)
    }

    /// Prints the flags for which all terms hold. Of `rejected`, it prints those that no source has.
    pub(super) fn print(
        flags: &Flags,
        query: &[Term],
        columns: &[Column],
        rejected: &BTreeSet<String>,
        output: &Output,
    ) -> Result<(), Failure> {
        let columns = if columns.is_empty() { &Column::USUAL } else { columns };
        let snapshot = flags.snapshot();
        let with_schedule = output.is_for_people() && !columns.contains(&Column::Schedule);
        let now = SystemTime::now();
        let mut rows = Vec::new();
        let anonymous = Context::anonymous();
        let known = snapshot.all(&anonymous).map(|(name, _)| name);
        let names: BTreeSet<_> = known.chain(rejected.iter().map(String::as_str)).collect();
        for name in names {
            let Some(info) = snapshot.info(name).filter(|_| !flags.sources_of(name).is_empty())
            else {
                if rejected.contains(name) && query.iter().all(|term| term.holds_by_name(name)) {
                    rows.push(rejected_row(name, columns));
                }
                continue;
            };
            let sources = flags.sources_of(name);
            let source = sources.first().map(|held| held.source);
            let problem = sources.into_iter().find_map(|held| held.problem);
            let definition = info.definition();
            let subject = Subject {
                name,
                definition,
                state: info.state(),
                source: source.map(|source| source.kind),
            };
            if !query.iter().all(|term| term.holds(&subject)) {
                continue;
            }
            let state = problem.is_none().then(|| info.state());
            let schedule = schedule(definition, now).filter(|_| state.is_some());
            let listed = Listed {
                name,
                definition,
                state,
                source,
                schedule: schedule.as_deref(),
                with_schedule,
            };
            let mut json = json!({
                "flag": name,
                "state": state.map(FlagState::as_str),
                "summary": state.map(|state| summary(state, definition)),
                "source": source,
                "owner": definition.owner.value(),
                "tags": definition.tags.value().cloned().unwrap_or_default(),
                "expires": definition.expires.value().copied().map(time::date),
                "permanent": definition.is_permanent(),
                "client": definition.is_client(),
                "testable": definition.is_testable(),
                "metadata": definition.rare().metadata.value(),
                "schedule": schedule,
                "definition": Value::Object(flagstaff::definition::to_json(definition)),
            });
            if let Some(problem) = problem {
                json["problem"] = problem.into();
            }
            let cells = columns.iter().map(|column| column.text(&listed)).collect();
            rows.push(Row { cells, json });
        }
        let headings: Vec<_> = columns.iter().map(Column::heading).collect();
        let columns: Vec<_> = headings.iter().map(String::as_str).collect();
        output.listing(Listing { name: "flags", columns: &columns, rows, empty: "(no flags)" })
    }
}

/// Returns the row of a flag that its file rejects.
fn rejected_row(name: &str, columns: &[Column]) -> Row {
    let cell = |column: &Column| match column {
        Column::Flag => name,
        Column::State => "rejected",
        Column::Source => "file",
        _ => "",
    };
    Row {
        cells: columns.iter().map(|column| cell(column).to_owned()).collect(),
        json: json!({ "flag": name, "state": "rejected", "summary": "rejected" }),
    }
}

/// Returns the next state by a rollout or an active window: `10% from 2026-12-01`, or `until 2026-12-24` if it is off then.
fn schedule(definition: &Definition, now: SystemTime) -> Option<String> {
    let rare = definition.rare();
    let window = rare.active.value().and_then(|window| window.next_boundary(now));
    let progress = rare.rollout.value().and_then(|rollout| rollout.at(now));
    let stage = progress.and_then(|progress| progress.next_boundary());
    let at = window.into_iter().chain(stage).min()?;
    let next = FlagState::at(definition, at);
    // Something else may hold the flag back, such as its kill switch.
    (next != FlagState::at(definition, now)).then(|| match next {
        FlagState::Off => format!("until {}", time::date(at)),
        next => format!("{next} from {}", time::date(at)),
    })
}

/// Returns the state of a flag, with the value of one that serves a constant.
fn summary(state: FlagState, definition: &Definition) -> String {
    let constant = definition.rare().value.value().map(|constant| beginning(constant.as_value()));
    match (state, constant) {
        (FlagState::On, Some(value)) => value,
        (FlagState::Partial { .. }, Some(value)) => format!("{state}: {value}"),
        _ => state.to_string(),
    }
}

/// Returns a value as JSON, cut where it is too long for a column.
fn beginning(value: &FlagValue<'_>) -> String {
    const MOST: usize = 40;

    let text = json!(value).to_string();
    match text.char_indices().nth(MOST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A column of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Flag,
    State,
    Source,
    Owner,
    Tags,
    Expires,
    Created,
    Permanent,
    Client,
    Testable,
    /// All facts.
    Metadata,
    /// The value of one fact.
    Fact(String),
    Description,
    /// The next change by a rollout or an active window.
    Schedule,
}

/// A flag of the list.
struct Listed<'a> {
    name: &'a str,
    definition: &'a Definition,
    /// `None` if a stored value cannot be read.
    state: Option<FlagState>,
    source: Option<Source>,
    schedule: Option<&'a str>,
    /// True if the schedule is beside the state.
    with_schedule: bool,
}

impl Column {
    const USUAL: [Self; 6] =
        [Self::Flag, Self::State, Self::Source, Self::Owner, Self::Tags, Self::Expires];

    /// The columns by name, in the order of the help.
    const NAMES: [(&'static str, Self); 13] = [
        ("flag", Self::Flag),
        ("state", Self::State),
        ("source", Self::Source),
        ("owner", Self::Owner),
        ("tags", Self::Tags),
        ("expires", Self::Expires),
        ("created", Self::Created),
        ("permanent", Self::Permanent),
        ("client", Self::Client),
        ("testable", Self::Testable),
        ("metadata", Self::Metadata),
        ("description", Self::Description),
        ("schedule", Self::Schedule),
    ];

    fn parse(name: &str) -> Result<Self, String> {
        if let Some(fact) = name.strip_prefix("metadata.").filter(|fact| !fact.is_empty()) {
            return Ok(Self::Fact(fact.to_owned()));
        }
        let column = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        column.map(|(_, column)| column).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| format!("`{name}`"));
            format!("the columns are {} and `metadata.NAME`", names.join(", "))
        })
    }

    fn heading(&self) -> String {
        if let Self::Fact(fact) = self {
            return clean(&fact.to_uppercase()).into_owned();
        }
        let known = Self::NAMES.into_iter().find(|(_, column)| column == self);
        known.map(|(name, _)| name.to_uppercase()).unwrap_or_default()
    }

    fn text(&self, flag: &Listed<'_>) -> String {
        let definition = flag.definition;
        let mark = |is_set: bool, word: &str| if is_set { word.to_owned() } else { String::new() };
        let date = |date: Option<&SystemTime>| date.copied().map(time::date).unwrap_or_default();
        let facts = definition.rare().metadata.value();
        match self {
            Self::Flag => flag.name.to_owned(),
            Self::State => flag.state.map_or_else(
                || unreadable::NOT_KNOWN.to_owned(),
                |state| match flag.schedule.filter(|_| flag.with_schedule) {
                    Some(schedule) => format!("{}, {schedule}", summary(state, definition)),
                    None => summary(state, definition),
                },
            ),
            Self::Schedule => flag.schedule.unwrap_or_default().to_owned(),
            Self::Source => flag.source.map(|source| source.to_string()).unwrap_or_default(),
            Self::Owner => definition.owner.value().cloned().unwrap_or_default(),
            Self::Tags => definition.tags.value().map(|tags| tags.join(",")).unwrap_or_default(),
            Self::Expires if definition.is_permanent() => "permanent".to_owned(),
            Self::Expires => date(definition.expires.value()),
            Self::Created => date(definition.created.value()),
            Self::Permanent => mark(definition.is_permanent(), "permanent"),
            Self::Client => mark(definition.is_client(), "client"),
            Self::Testable => mark(definition.is_testable(), "testable"),
            Self::Metadata => facts.map(show::facts_of).unwrap_or_default(),
            Self::Fact(name) => {
                let fact = facts.and_then(|facts| Metadata::get(facts, name));
                fact.map(ToString::to_string).unwrap_or_default()
            }
            Self::Description => definition.description.value().cloned().unwrap_or_default(),
        }
    }
}

/// A flag in one environment, or in `[flags]` alone.
enum State<'f> {
    Of(FlagState, &'f Definition),
    Rejected,
    Unknown,
}

impl State<'_> {
    fn text(&self) -> String {
        match self {
            Self::Of(state, definition) => summary(*state, definition),
            Self::Rejected => "rejected".to_owned(),
            Self::Unknown => String::new(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Of(state, definition) => {
                json!({ "state": state.as_str(), "summary": summary(*state, definition) })
            }
            Self::Rejected => json!({ "state": "rejected", "summary": "rejected" }),
            Self::Unknown => Value::Null,
        }
    }
}
