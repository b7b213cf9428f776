use std::time::SystemTime;

use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::{Entry, edit::TextFile},
    source::{Instance, RedisHandle},
};
use serde_json::json;

use crate::{
    change::{ChangeArgs, finish, store, store_now, warn_of_environments},
    completion,
    failure::Failure,
    file,
    guard::{self, Target},
    name, paste,
    session::Session,
    style,
    text::{clean, count, verb, words},
    time, unreadable,
};

/// Write overrides into flags.toml, and remove them later
#[derive(Debug, Args)]
#[command(after_help = "\
Promoting takes two steps, so that no service loses the override before it has
the file:
  1. `promote` writes the file and keeps the override. It refuses (4) if a test
     of the file fails with the override.
  2. When the file is deployed, `promote --finish FLAG` removes the override,
     after a confirmation at a terminal. Without --now, it refuses (4) while the
     file does not have the override, or an instance announces another
     definition of the flag. In a pipe it does not ask: `--dry-run` shows what
     changes, also in environments whose own entries decide then.

Without names, step 1 promotes all overrides except those that end by
themselves, since entries of the file have no end.

Examples:
  flagstaff promote --dry-run
  flagstaff promote new_checkout
  flagstaff promote --finish new_checkout -m 'in the file since release 7'")]
pub(crate) struct Promote {
    /// Flags [default: all with an override that has no end]
    #[arg(value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    /// Remove the overrides that are in the file of every instance
    #[arg(long, requires = "flags")]
    finish: bool,
    /// Finish even if the file or an instance has another definition
    #[arg(long, requires = "finish")]
    now: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// An override that goes into the file.
struct Override {
    flag: String,
    entry: Entry,
    /// The end of the override, if it has one.
    end: Option<SystemTime>,
}

impl Promote {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.finish {
            return self.finish(session).await;
        }
        let Session { place, output } = session;
        let redis = place.needed_redis()?.handle();
        let path = place.needed_path()?;
        if !self.change.dry_run {
            guard::refuse_without_reason(place, Target::File(&path), self.change.wish(""))?;
        }
        let file = TextFile::read(&path)?;
        let mut document = file::document(session, &file)?;
        let original = document.file().clone();
        let flags = place.flags(output).await?;
        let overrides = self.overrides(session, &flags)?;
        let names = overrides.iter().map(|each| each.flag.clone());
        if let Some(code) = unreadable::report(&flags, names, output) {
            return Ok(code);
        }

        let mut said_already = Vec::new();
        for Override { flag, entry, .. } in &overrides {
            let before = document.text().to_owned();
            let promoted = document.promote(flag, entry);
            promoted.map_err(|error| file::refused(session, &error))?;
            if document.text() == before {
                said_already.push(clean(flag));
            }
        }
        output.aside(format!("at {}", place.with_store(&redis)));
        let promoted: Vec<_> = overrides.iter().map(|each| each.flag.as_str()).collect();
        file::refuse_failing_tests(session, &original, &document, &promoted)?;
        let diff = document.diff().to_string();
        let is_dry_run = self.change.dry_run;
        let json = json!({ "promoted": promoted, "diff": diff, "dryRun": is_dry_run });
        output.thing(json, || style::diff(&diff))?;
        if promoted.is_empty() {
            output.note("no overrides to write into the file");
        }
        for flag in said_already {
            let path = file.path().display();
            output.note(format!("`{path}` has this already for `{flag}`"));
        }
        warn_of_environments(output, document.file(), promoted.iter().copied());
        let ending = Self::warn_of_ends(session, &overrides);
        if is_dry_run {
            output.note("nothing was changed: this is a dry run");
            return Ok(ExitCode::Done);
        }
        if document.is_changed() {
            let question = format!("let {} stay like that permanently?", ending.join(", "));
            let questions: &[_] = if ending.is_empty() { &[] } else { &[question] };
            let word = guard::word(&promoted);
            let leave = guard::ask(place, Target::File(&path), self.change.wish(&word), questions)?;
            file::replace(session, &leave, &file, document.text())?;
        }
        if !promoted.is_empty() {
            output.hint(format!(
                "the {} until the file is deployed; then {}",
                verb(promoted.len(), "override stays", "overrides stay"),
                paste::command("promote --finish", &words(promoted.iter().map(|flag| &**flag))),
            ));
        }
        Ok(ExitCode::Done)
    }

    /// Removes overrides that are in the file of all instances.
    async fn finish(self, session: &Session) -> Result<ExitCode, Failure> {
        let redis = session.place.redis_to_change()?;
        session.place.needed_path()?;
        let flags = session.place.flags(&session.output).await?;
        let overrides = self.overrides(session, &flags)?;
        for flag in &self.flags {
            unreadable::refuse(&flags, flag)?;
        }
        if !self.now {
            refuse_unpromoted(session, &overrides)?;
            refuse_other_definitions(session, &redis, &flags, &self.flags).await?;
        }
        drop(flags);
        finish(session, &redis, &self.flags, &self.change).await
    }

    /// Returns the overrides of the flags that the arguments name.
    fn overrides(&self, session: &Session, flags: &Flags) -> Result<Vec<Override>, Failure> {
        let (drift, now) = (flags.drift(), store_now(flags));
        let store = flags.writable_source();
        let override_of = |flag: &str| {
            let sources = flags.sources_of(flag);
            sources.into_iter().find(|held| Some(held.source) == store)
        };
        let mut overrides = Vec::new();
        for flag in &self.flags {
            let Some(held) = override_of(flag) else {
                return Err(Failure::refused(format!("`{}` is not overridden", clean(flag))).hint(
                    format!(
                        "{} shows the entry of each source",
                        paste::command("show", &words([&**flag]))
                    ),
                ));
            };
            let end = held.provenance.and_then(|by| by.changes_at(now));
            overrides.push(Override { flag: flag.clone(), entry: held.entry, end });
        }
        if !self.flags.is_empty() {
            return Ok(overrides);
        }
        for drift in drift {
            if drift.provenance.is_some_and(|by| by.changes_at(now).is_some()) {
                let flag = clean(&drift.key);
                session.output.note(format!("left out `{flag}`, whose override ends by itself"));
                continue;
            }
            overrides.push(Override { flag: drift.key, entry: drift.entry, end: None });
        }
        Ok(overrides)
    }

    /// Warns of overrides with an end, since settings of the file have no end. Returns their flags.
    fn warn_of_ends(session: &Session, overrides: &[Override]) -> Vec<String> {
        let mut ending = Vec::new();
        for Override { flag, end, .. } in overrides {
            let Some(end) = end.map(time::rfc3339) else { continue };
            let flag = clean(flag);
            session.output.warning(format!(
                "the override of `{flag}` ends at {end}, and an entry in the file has no end"
            ));
            ending.push(format!("`{flag}`"));
        }
        ending
    }
}

/// Refuses to remove overrides that differ from the file: promoting an override again must change nothing.
fn refuse_unpromoted(session: &Session, overrides: &[Override]) -> Result<(), Failure> {
    let file = TextFile::read(&session.place.needed_path()?)?;
    let mut document = file::document(session, &file)?;
    for Override { flag, entry, .. } in overrides {
        let before = document.text().to_owned();
        if document.promote(flag, entry).is_ok() && document.text() == before {
            continue;
        }
        let (path, name) = (file.path().display(), clean(flag));
        return Err(Failure::refused(format!("`{path}` does not have the override of `{name}`"))
            .hint(format!(
                "{} writes it there; `--now` removes the override anyway",
                paste::command("promote", &words([&**flag]))
            )));
    }
    Ok(())
}

/// Refuses to remove overrides while the removal would change a flag in an instance.
async fn refuse_other_definitions(
    session: &Session,
    redis: &RedisHandle,
    flags: &Flags,
    names: &[String],
) -> Result<(), Failure> {
    let fleet = redis.fleet().await?;
    let file = session.place.file()?;
    // In another environment, an instance that has the file announces another definition.
    let has_file =
        |instance: &Instance| file.as_ref().is_some_and(|file| instance.runs(file.text.as_bytes()));
    if fleet.counted().next().is_none() {
        session.output.warning(format!(
            "no instance follows {}, so it is unknown whether services have the file",
            store(redis)
        ));
    }
    let drift = flags.drift();
    for name in names {
        let declared = drift.iter().find(|drift| drift.key == *name);
        let declared = declared.and_then(|drift| drift.declared.as_ref());
        let has_it = |it: &Instance| has_file(it) || it.declares(name, declared) == Some(true);
        let others = fleet.counted().filter(|it| !has_it(it));
        let others: Vec<_> = others.map(|it| clean(&it.name)).collect();
        if others.is_empty() {
            continue;
        }
        return Err(Failure::refused(format!(
            "{} of {} {} another definition of `{}` without the override: {}",
            count(others.len(), "instance"),
            store(redis),
            verb(others.len(), "announces", "announce"),
            clean(name),
            others.join(", "),
        ))
        .hint(format!(
            "deploy the file first; `--now` removes the override anyway, and \
             {} removes an instance that is gone from the list",
            paste::command("instances --forget NAME", ""),
        )));
    }
    Ok(())
}
