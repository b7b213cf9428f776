use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use clap::Args;
use flagstaff::{
    cli::ExitCode,
    source::{Instance, RedisHandle},
    write::LogEntry,
};
use serde_json::json;

use crate::{
    change::store,
    failure::Failure,
    guard::{self, GuardArgs, Target},
    output::{Listing, Row},
    paste, place,
    session::Session,
    text::{clean, count, verb},
    time,
};

/// List instances that follow the store, with their latest change
#[derive(Debug, Args)]
#[command(after_help = "\
An instance that stops announcing itself is silent: it may be gone, or may serve
its flags without reaching the store. It is listed for 24 hours. A clean
shutdown removes an instance from the list at once. Use --forget for one that is
gone.

Exits with 1 if instances have different flag files, reject their file, are
silent, or still lack a change 15 seconds after it. After a change, one that has
not announced it yet is shown as behind; `--wait` of the change waits for all.

Examples:
  flagstaff instances
  flagstaff instances --forget web-7
  flagstaff instances -o json")]
pub(crate) struct Instances {
    /// Remove an instance from the list
    #[arg(long, value_name = "NAME")]
    forget: Option<String>,
    #[command(flatten)]
    guard: GuardArgs,
}

/// Returns the state of an instance in one word.
pub(super) fn state(instance: &Instance, latest: Option<u64>) -> &'static str {
    match () {
        () if instance.is_silent() => "silent",
        () if instance.revision < latest => "behind",
        () if instance.has_refused_file => "refuses",
        () => "ready",
    }
}

/// The time that an instance has to announce a change: three announcements.
const CATCHING_UP: Duration = Duration::from_secs(15);

/// Returns true if an instance lacks a change that it should have by `now`, the time of the store.
pub(super) fn is_late(instance: &Instance, log: &[LogEntry], now: SystemTime) -> bool {
    let is_late = |at: SystemTime| now.duration_since(at).unwrap_or_default() >= CATCHING_UP;
    let mut missing = log.iter().filter(|change| change.revision > instance.revision);
    missing.any(|change| change.at.is_none_or(is_late))
}

impl Instances {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let redis = session.place.needed_redis()?.handle();
        match &self.forget {
            Some(name) => {
                let (place, wish) = (&session.place, self.guard.wish(name));
                guard::refuse_without_reason(place, Target::Store, wish)?;
                if !redis.fleet().await?.instances.iter().any(|it| it.name == *name) {
                    return Err(not_listed(&redis, name));
                }
                guard::ask(place, Target::Store, wish, &[])?;
                forget(session, &redis, name).await
            }
            None => list(session, &redis).await,
        }
    }
}

fn not_listed(redis: &RedisHandle, name: &str) -> Failure {
    let (name, store) = (clean(name), store(redis));
    Failure::refused(format!("no instance `{name}` of {store} is listed"))
        .hint(format!("{} lists them", paste::command("instances", "")))
}

async fn forget(session: &Session, redis: &RedisHandle, name: &str) -> Result<ExitCode, Failure> {
    if !redis.forget(name).await? {
        return Err(not_listed(redis, name));
    }
    let json = json!({ "forgotten": name });
    session.output.thing(json, || format!("{} is no longer listed", clean(name)))?;
    Ok(ExitCode::Done)
}

async fn list(session: &Session, redis: &RedisHandle) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let fleet = redis.fleet().await?;
    // The instances can be read even if the overrides cannot.
    let (log, now, unknown) = match session.place.changes(None, 50, output).await {
        Ok(log) => (log.list, log.now, None),
        Err(failure) => (Vec::new(), SystemTime::now(), Some(failure)),
    };
    let latest = log.iter().find_map(|change| change.revision);
    let file = session.place.file()?;

    let for_people = output.is_for_people();
    let rows = fleet.instances.iter().map(|instance| {
        let revision = instance.revision.map(|it| it.to_string()).unwrap_or_default();
        let age = match for_people {
            true => format!("{} ago", time::long(instance.age)),
            false => instance.age.as_secs().to_string(),
        };
        let state = state(instance, latest);
        let file = file.as_ref().filter(|_| instance.file.is_some());
        Row {
            cells: vec![
                instance.name.clone(),
                state.to_owned(),
                revision,
                instance.file.clone().unwrap_or_default(),
                age,
            ],
            json: json!({
                "instance": instance.name,
                "state": state,
                "behind": instance.revision < latest,
                "silent": instance.is_silent(),
                "revision": instance.revision,
                "generation": instance.generation,
                "file": instance.file,
                "refusedFile": instance.has_refused_file,
                "runsFileAtHand": file.map(|file| instance.runs(file.text.as_bytes())),
                "age": instance.age.as_secs(),
            }),
        }
    });
    let about = json!({ "store": place::store_json(redis) });
    output.listing_about(
        about,
        Listing {
            name: "instances",
            columns: &["INSTANCE", "STATE", "REVISION", "FILE", "SEEN"],
            rows: rows.collect(),
            empty: "(no instances)",
        },
    )?;
    if fleet.instances.is_empty() {
        output.note(format!("no instance follows {}", store(redis)));
    }
    if fleet.is_split() {
        let files = fleet.files().len();
        output.warning(format!(
            "the instances have {files} different flag files, which is normal during a deployment"
        ));
    }
    let refusing: BTreeSet<_> = fleet
        .counted()
        .filter(|instance| instance.has_refused_file)
        .map(|instance| clean(&instance.name))
        .collect();
    if !refusing.is_empty() {
        let names: Vec<_> = refusing.iter().map(|name| &**name).collect();
        output.warning(format!(
            "{} {} the flag file that is there now, at least in part: {}",
            count(refusing.len(), "instance"),
            verb(refusing.len(), "refuses", "refuse"),
            names.join(", "),
        ));
    }
    session.place.warn_of_other_files(output).await;
    if let Some(failure) = unknown {
        return Err(failure.hint("it is unknown whether they have seen the latest change"));
    }
    let is_well = |instance: &Instance| match state(instance, latest) {
        "behind" => !instance.has_refused_file && !is_late(instance, &log, now),
        state => state == "ready",
    };
    let all_well = !fleet.is_split() && fleet.instances.iter().all(is_well);
    Ok(if all_well { ExitCode::Done } else { ExitCode::No })
}
