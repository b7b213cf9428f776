//! The state of a place, as far as it can be read.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Flags,
    cli::ExitCode,
    definition::{Progress, RolloutStatus},
    source::{Fleet, RedisHandle, Status},
    write::{Drift, LogEntry},
};
use serde_json::{Map, Value, json};

use super::part::{Item, Part};
use crate::{
    change::store_now,
    commands::{instances, rollout, show},
    failure::Failure,
    number,
    place::{self, Declared, Place, warning_text},
    places,
    session::Session,
    similar,
    text::count,
    time, unreadable,
};

/// The number of changes that are searched for the author of a plain value, which has none of its own.
const CHANGES: usize = 200;

/// The state of a place.
pub(super) struct Look {
    /// The members of the document in JSON beside the parts.
    pub(super) about: Map<String, Value>,
    pub(super) title: String,
    pub(super) parts: Vec<Part>,
    pub(super) attention: Vec<String>,
    /// The parts that are not known, each with the reason.
    pub(super) unknown: Vec<(String, Failure)>,
}

/// The page while it is built.
struct Making {
    now: SystemTime,
    within: Duration,
    attention: Vec<String>,
    unknown: Vec<(String, Failure)>,
    /// False if there is a flag file that cannot be used.
    is_file_read: bool,
    /// The flags whose names are similar to those of overrides that no file declares.
    similar: HashMap<String, String>,
}

impl Look {
    pub(super) async fn at(
        session: &Session,
        now: SystemTime,
        within: Duration,
    ) -> Result<Self, Failure> {
        let place = &session.place;
        let mut making = Making {
            now,
            within,
            attention: Vec::new(),
            unknown: Vec::new(),
            is_file_read: true,
            similar: HashMap::new(),
        };
        let redis = making.known("store", place.redis()).flatten().map(|redis| redis.handle());
        let files = making.known("file", declared(place));
        making.is_file_read = files.is_some();
        let files = files.unwrap_or_default();

        let mut store_now = now;
        let (flags, has_store) = making.flags(session, redis.is_some(), !files.is_empty()).await;
        let are_sources_read = making.unknown.is_empty();
        let log = match has_store {
            true => {
                let changes = place.changes(None, CHANGES, &session.output.repeated()).await;
                let changes = making.known("log", changes);
                store_now = changes.as_ref().map_or(now, |changes| changes.now);
                changes.map(|log| log.list).unwrap_or_default()
            }
            false => Vec::new(),
        };
        let fleet = match &redis {
            Some(redis) => {
                let fleet = redis.fleet().await.map_err(Failure::from);
                making.known("instances", fleet)
            }
            None => None,
        };
        let names_no_store = redis.is_none() && making.unknown.is_empty();
        let without_store = if names_no_store { "no store is named" } else { "not known" };
        let flags = flags.as_ref();
        if let Some(flags) = flags.filter(|_| has_store && making.is_file_read) {
            let undeclared = place.undeclared(flags, &session.output).await.into_iter();
            making.similar =
                undeclared.filter_map(|(flag, similar)| Some((flag, similar?))).collect();
        }
        let unknown = making.unknown.len();
        let overrides = flags.filter(|_| has_store).map(|flags| making.overrides(flags, &log));
        // Each override that cannot be read is one more unknown part.
        let are_overrides_read = are_sources_read && making.unknown.len() == unknown;
        // Without a source, an empty list may be wrong.
        let known = |items: &Vec<Item>| are_overrides_read || !items.is_empty();
        if let (Some(file), Some(fleet)) = (files.last(), &fleet) {
            making.attention.extend(file.other_files(fleet));
        }
        let parts = vec![
            Part {
                name: "overrides",
                item: "override",
                title: "Overrides".to_owned(),
                items: overrides,
                unknown: without_store,
            },
            Part {
                name: "rollouts",
                item: "rollout",
                title: "Unfinished rollouts".to_owned(),
                items: flags.map(|flags| making.rollouts(flags)).filter(known),
                unknown: "not known",
            },
            Part {
                name: "ends",
                item: "end",
                title: format!("Ended, or ends within {}", time::long(within)),
                items: flags.map(|flags| making.ends(flags, redis.as_ref(), &log)).filter(known),
                unknown: "not known",
            },
            Part {
                name: "instances",
                item: "instance",
                title: "Instances".to_owned(),
                items: fleet.map(|fleet| making.instances(&fleet, &log, store_now)),
                unknown: without_store,
            },
            Part {
                name: "rejected",
                item: "rejected",
                title: "Rejected flags".to_owned(),
                items: making.all_rejected(&files, flags.filter(|_| has_store)),
                unknown: if place.path().is_none() { "there is no flag file" } else { "not known" },
            },
        ];
        if let Some(flags) = flags {
            making.sources(flags);
        }
        let Making { attention, unknown, .. } = making;
        let about = about(place, redis.as_ref());
        Ok(Self { about, title: place.whole(), parts, attention, unknown })
    }
}

/// Returns the flag files, the weakest first, as a service that starts now would load them. A file that cannot be used
/// is an error.
fn declared(place: &Place) -> Result<Vec<Declared>, Failure> {
    let files = place.files()?.into_iter().map(|file| file.at_a_start(None));
    files
        .map(|file| match file.parsed.is_usable() {
            true => Ok(file),
            false => Err(Failure::usage(file.parsed.diagnostics().summary())),
        })
        .collect()
}

fn about(place: &Place, redis: Option<&RedisHandle>) -> Map<String, Value> {
    let store = redis.map(place::store_json);
    let mut about = Map::new();
    about.insert("place".to_owned(), json!(place.name()));
    about.insert("store".to_owned(), json!(store));
    about.insert("file".to_owned(), json!(place.path().as_deref().map(places::shown_path)));
    about
}

impl Making {
    /// Returns the value of a result. For an error, notes the reason and returns `None`.
    fn known<T>(&mut self, what: &str, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.unknown.push((what.to_owned(), failure))).ok()
    }

    /// Returns the flags of all sources that can be read, and `true` if the store is one of them.
    async fn flags(
        &mut self,
        session: &Session,
        has_store: bool,
        has_file: bool,
    ) -> (Option<Flags>, bool) {
        let output = &session.output.repeated();
        let place = match has_file {
            true => session.place.clone(),
            false => session.place.without_file(),
        };
        if has_store {
            match place.flags_in_silence(output, None).await {
                Ok(flags) => return (Some(flags), true),
                Err(failure) => {
                    let what = "overrides, and the rollouts and ends that they change";
                    self.unknown.push((what.to_owned(), failure));
                }
            }
        }
        if !has_file && place.environment().is_none() {
            return (None, false);
        }
        let flags = place.without_store().flags_in_silence(output, None).await;
        (self.known("flags", flags), false)
    }

    fn overrides(&mut self, flags: &Flags, log: &[LogEntry]) -> Vec<Item> {
        let mut latest = HashMap::new();
        for change in log {
            latest.entry(change.key.as_str()).or_insert(change);
        }
        let drift = flags.drift();
        drift.iter().map(|drift| self.one_override(flags, drift, &latest)).collect()
    }

    fn one_override(
        &mut self,
        flags: &Flags,
        drift: &Drift,
        latest: &HashMap<&str, &LogEntry>,
    ) -> Item {
        let snapshot = flags.snapshot();
        let state = snapshot.info(&*drift.key).map(|info| info.state().to_string());
        let problem = unreadable::problem(flags, &drift.key);
        if let Some(problem) = &problem {
            let failure = Failure::new(ExitCode::Usage, problem.clone());
            self.unknown.push((format!("override of {}", drift.key), failure));
            self.attention.push(format!("the override of `{}` cannot be read", drift.key));
        }
        let by = drift.provenance.clone().unwrap_or_default();
        let logged = latest.get(drift.key.as_str()).filter(|_| by.author.is_none());
        let author = by.author.clone().or_else(|| logged?.author.clone());
        let reason = by.reason.clone().or_else(|| logged?.reason.clone());
        let at = by.at.or_else(|| logged?.at);
        let now = store_now(flags);
        let ends = by.changes_at(now);
        let entry = match &problem {
            Some(_) => unreadable::NOT_READABLE.to_owned(),
            None => show::short(&drift.entry),
        };
        // A setting of the file may decide.
        let state = state.filter(|_| problem.is_none() && self.is_file_read);
        let is_undeclared = self.is_file_read.then(|| drift.is_undeclared());
        let similar = self.similar.get(&*drift.key);
        // A flag may exist in the store alone. If a flag of a similar name is declared, that name was probably meant.
        self.attention.extend(similar.map(|it| similar::undeclared(&drift.key, Some(it))));
        let details = [
            author.as_ref().map(|author| format!("by {author}")),
            at.map(|at| time::relative(at, now)),
            ends.map(|end| format!("ends {}", time::relative(end, now))),
            (is_undeclared == Some(true)).then(|| "no file declares it".to_owned()),
        ];
        let mut details = details.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if let Some(reason) = &reason {
            details += &format!(": {reason}");
        }
        let rfc3339 = |at: Option<SystemTime>| at.map(time::rfc3339);
        Item {
            shown: vec![drift.key.clone(), entry.clone(), details],
            cells: vec![
                drift.key.clone(),
                match &problem {
                    Some(_) => unreadable::NOT_KNOWN.to_owned(),
                    None => state.clone().unwrap_or_default(),
                },
                entry,
                author.clone().unwrap_or_default(),
                rfc3339(at).unwrap_or_default(),
                rfc3339(ends).unwrap_or_default(),
                reason.clone().unwrap_or_default(),
            ],
            json: json!({
                "flag": drift.key,
                "state": state,
                "declared": is_undeclared.map(|is| !is),
                "similar": similar,
                "by": author,
                "at": rfc3339(at),
                "ends": rfc3339(ends),
                "reason": reason,
                "problem": problem,
            }),
        }
    }

    fn rollouts(&mut self, flags: &Flags) -> Vec<Item> {
        let mut items = Vec::new();
        each(flags, |name, info| {
            let progress = info.rollout().filter(|it| it.status != RolloutStatus::Complete);
            if let Some(progress) = progress {
                items.push(self.one_rollout(name, &progress));
            }
        });
        items
    }

    fn one_rollout(&mut self, name: &str, progress: &Progress) -> Item {
        let due = progress.due;
        if progress.status == RolloutStatus::Waiting && due.is_some_and(|due| due <= self.now) {
            self.attention.push(format!("the rollout of `{name}` waits to be advanced"));
        }
        let word = match progress.status {
            RolloutStatus::NotStarted => "starts",
            _ => "due",
        };
        let when = due.map(|due| format!("{word} {}", time::relative(due, self.now)));
        let date = due.map(time::rfc3339);
        Item {
            shown: vec![
                name.to_owned(),
                rollout::shown(progress, self.now),
                when.unwrap_or_default(),
            ],
            cells: vec![name.to_owned(), progress.to_string(), date.clone().unwrap_or_default()],
            json: json!({
                "flag": name,
                "status": progress.status.as_str(),
                "stage": progress.stage,
                "stages": progress.stages,
                "percentage": number::percent(progress.percentage),
                "due": date,
            }),
        }
    }

    /// Returns the ends that are near or have passed, by time.
    fn ends(&mut self, flags: &Flags, redis: Option<&RedisHandle>, log: &[LogEntry]) -> Vec<Item> {
        let (store, now) = (flags.writable_source(), store_now(flags));
        let within = self.within;
        let is_soon =
            |at: SystemTime, now: SystemTime| now.checked_add(within).is_none_or(|soon| at <= soon);
        // No source has an override that has ended, but it stays stored until the next writer removes it.
        let ended = redis.map(|redis| ended_overrides(flags, redis, log, now)).unwrap_or_default();
        let ended = ended.into_iter().map(|(at, name)| (at, name, "override", now));
        let mut found: Vec<_> = ended.collect();
        each(flags, |name, info| {
            let sources = flags.sources_of(name);
            let stored = sources.iter().find(|held| Some(held.source) == store);
            let by = stored.and_then(|held| held.provenance.as_ref());
            let active = info.definition().rare().active.value();
            let until = active.and_then(|active| active.until.value().copied());
            let ends = [
                ("switch", by.and_then(|by| by.forced_until)),
                ("override", by.and_then(|by| by.expires_at)),
            ];
            let ends = ends.into_iter().filter_map(|(what, at)| Some((what, at?)));
            // An override disappears at its end, by the clock of the store. A window stays, and keeps the flag off.
            let ends = ends.filter(|(_, at)| *at > now).map(|(what, at)| (what, at, now));
            let ends = ends.chain(until.map(|at| ("active window", at, self.now)));
            let near = ends.filter(|(_, at, now)| is_soon(*at, *now));
            found.extend(near.map(|(what, at, now)| (at, name.to_owned(), what, now)));
            if let Some(at) = info.definition().expiry().filter(|at| is_soon(*at, self.now)) {
                if at <= self.now {
                    self.attention.push(format!("`{name}` has expired"));
                }
                found.push((at, name.to_owned(), "flag", self.now));
            }
        });
        found.sort();
        let item = |(at, name, what, now): (SystemTime, String, &str, SystemTime)| {
            let date = time::rfc3339(at);
            Item {
                shown: vec![name.clone(), what.to_owned(), time::relative(at, now)],
                cells: vec![name.clone(), what.to_owned(), date.clone()],
                json: json!({ "flag": name, "what": what, "at": date }),
            }
        };
        found.into_iter().map(item).collect()
    }

    fn instances(&mut self, fleet: &Fleet, log: &[LogEntry], store_now: SystemTime) -> Vec<Item> {
        let latest = log.iter().find_map(|change| change.revision);
        if fleet.is_split() {
            let files = fleet.files().len();
            self.attention.push(format!("the instances have {files} different flag files"));
        }
        let mut items = Vec::new();
        for instance in &fleet.instances {
            let state = instances::state(instance, latest);
            // A change takes a moment to reach all instances.
            let is_catching_up = state == "behind" && !instances::is_late(instance, log, store_now);
            let state_now = match is_catching_up && instance.has_refused_file {
                true => "refuses",
                false => state,
            };
            if state_now != "ready" && (!is_catching_up || instance.has_refused_file) {
                let what = match state_now {
                    "refuses" => "refuses its flag file".to_owned(),
                    state => format!("is {state}"),
                };
                self.attention.push(format!("instance `{}` {what}", instance.name));
            }
            let age = format!("{} ago", time::long(instance.age));
            items.push(Item {
                shown: vec![instance.name.clone(), state.to_owned(), age],
                cells: vec![
                    instance.name.clone(),
                    state.to_owned(),
                    instance.age.as_secs().to_string(),
                ],
                json: json!({
                    "instance": instance.name,
                    "state": state,
                    "file": instance.file,
                    "age": instance.age.as_secs(),
                }),
            });
        }
        items
    }

    /// Returns the rejected flags of the files and of the store, as far as there are any of these.
    fn all_rejected(&mut self, files: &[Declared], stored: Option<&Flags>) -> Option<Vec<Item>> {
        let of_store = stored.map(of_store).unwrap_or_default();
        match self.is_file_read && !files.is_empty() {
            true => Some([self.rejected(files), of_store].concat()),
            false => (!of_store.is_empty()).then_some(of_store),
        }
    }

    fn rejected(&mut self, files: &[Declared]) -> Vec<Item> {
        let mut items = Vec::new();
        for file in files {
            let parsed = &file.parsed;
            let name = parsed.diagnostics().name();
            let of = match files.len() {
                1 => "the file".to_owned(),
                _ => format!("`{name}`"),
            };
            for flag in parsed.rejected() {
                self.attention.push(format!("`{flag}` of {of} is rejected"));
                let mistake = place::first_mistake(parsed, flag);
                let at = mistake.map(|it| format!("{name}:{}", it.location));
                let what = mistake.map(|it| it.message.as_str());
                items.push(rejected(flag, at.as_deref(), what));
            }
        }
        items
    }

    /// Notes warnings about values, and failures of whole sources.
    fn sources(&mut self, flags: &Flags) {
        let odd = flags.warnings();
        match odd.first() {
            None => {}
            Some(first) if odd.len() == 1 => self.attention.push(warning_text(first)),
            Some(first) => self.attention.push(format!(
                "{} that readers may misunderstand, such as {}",
                count(odd.len(), "value"),
                warning_text(first)
            )),
        }
        for source in flags.health().sources {
            // The source is ready all the same. Rollouts and windows go by the clock of each machine.
            if let Some(error) =
                source.last_error.as_ref().filter(|_| source.last_error_kind == Some("clock"))
            {
                let by = std::error::Error::source(error).map(|by| format!(": {by}"));
                let by = by.unwrap_or_default();
                self.attention.push(format!("source `{}`: {error}{by}", source.name));
            }
            let error = source.last_error.filter(|_| source.status == Status::Error);
            // Values that cannot be read are named one by one.
            if let Some(error) = error.filter(|_| self.unknown.is_empty()) {
                let error = places::shown_keys(&error.to_string());
                self.attention.push(format!("source `{}`: {error}", source.name));
            }
        }
    }
}

/// Returns the overrides that have ended and are still stored, with their ends. The log has what is stored.
fn ended_overrides(
    flags: &Flags,
    redis: &RedisHandle,
    log: &[LogEntry],
    now: SystemTime,
) -> Vec<(SystemTime, String)> {
    let mut latest = HashMap::new();
    for change in log {
        latest.entry(change.key.as_str()).or_insert(change);
    }
    let store = flags.writable_source();
    let ended = latest.into_iter().filter_map(|(flag, change)| {
        let (_, by) = redis.decode(flag, change.after.as_deref()?).ok()??;
        let end = by?.expires_at.filter(|end| *end <= now)?;
        // A writer without a log may have stored something else since.
        let is_stored_anew = flags.sources_of(flag).iter().any(|held| Some(held.source) == store);
        (!is_stored_anew).then(|| (end, flag.to_owned()))
    });
    ended.collect()
}

/// Returns the overrides that cannot be read. Each is named among what needs attention with the overrides.
fn of_store(flags: &Flags) -> Vec<Item> {
    let sources = |key: &str| flags.sources_of(key).into_iter();
    let problem = |key: &str| sources(key).find_map(|it| Some((it.source.name, it.problem?)));
    let drift = flags.drift().into_iter();
    let problems = drift.filter_map(|drift| Some((problem(&drift.key)?, drift.key)));
    problems
        .map(|((source, problem), flag)| rejected(&flag, Some(source), Some(&*problem)))
        .collect()
}

fn rejected(flag: &str, at: Option<&str>, what: Option<&str>) -> Item {
    let cells = [flag, at.unwrap_or_default(), what.unwrap_or_default()].map(str::to_owned);
    Item {
        shown: cells.to_vec(),
        cells: cells.to_vec(),
        json: json!({ "flag": flag, "location": at, "message": what }),
    }
}

fn each(flags: &Flags, mut with: impl FnMut(&str, flagstaff::answer::FlagInfo<'_>)) {
    let (snapshot, anonymous) = (flags.snapshot(), Context::anonymous());
    for (name, _) in snapshot.all(&anonymous) {
        if let Some(info) = snapshot.info(name) {
            with(name, info);
        }
    }
}
