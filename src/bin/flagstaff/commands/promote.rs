use std::{env, time::SystemTime};

use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::{Entry, edit::TextFile},
    source::{RedisError, RedisHandle, WritableBackend},
    write::{Expected, Operation, Refusal, Write},
};
use serde_json::json;

use crate::{
    change::ask, completion, failure::Failure, file, name, session::Session, text::clean, time,
};

/// Write overrides into flags.toml, and take them out of the store
#[derive(Debug, Args)]
#[command(after_help = "\
The file is written first. Then each override is taken away, unless it says
something else meanwhile. A service that reads an older file goes by that until
it gets the new one: with --keep the overrides stay, for `flagstaff unset` to
take away when the file is deployed.

Without names it is about all overrides but those that end by themselves. What
is in the file has no end.

Examples:
  flagstaff promote --dry-run
  flagstaff promote new_checkout -m 'it stays at 50%'
  flagstaff promote new_checkout --keep")]
pub(crate) struct Promote {
    /// Flags [default: all that are overridden for good]
    #[arg(value_parser = name::flag, add = completion::flags())]
    flags: Vec<String>,
    /// Leave the overrides in the store
    #[arg(long)]
    keep: bool,
    /// Only print what it would change in the file
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Why
    #[arg(long, short = 'm', value_name = "TEXT")]
    reason: Option<String>,
    /// Who [default: FLAGSTAFF_AUTHOR, else USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// An override that goes into the file.
struct Override {
    flag: String,
    entry: Entry,
    /// When it would end by itself.
    end: Option<SystemTime>,
}

impl Promote {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        let redis = place.needed_redis()?.handle();
        let file = TextFile::read(place.needed_path()?)?;
        let mut document = file::document(session, &file)?;
        let flags = place.flags(output).await?;
        let overrides = self.overrides(session, &flags)?;

        let mut said_already = Vec::new();
        for Override { flag, entry, .. } in &overrides {
            let before = document.text().to_owned();
            let promoted = document.promote(flag, entry);
            promoted.map_err(|error| file::refused(session, error))?;
            if document.text() == before {
                said_already.push(clean(flag));
            }
        }
        let promoted: Vec<_> = overrides.iter().map(|each| each.flag.as_str()).collect();
        let diff = document.diff().to_string();
        let json = json!({ "promoted": promoted, "diff": diff, "dryRun": self.dry_run });
        output.thing(json, || diff)?;
        if promoted.is_empty() {
            output.note("no overrides to write into the file");
        }
        let override_then = if self.keep { "stays" } else { "is taken away" };
        for flag in said_already {
            let path = file.path().display();
            output.note(format!(
                "`{path}` says so already of `{flag}`, whose override {override_then}"
            ));
        }
        let ending = Self::tell_ends(session, &overrides);
        if self.dry_run {
            output.note("nothing was changed: this is a dry run");
            return Ok(ExitCode::Done);
        }
        if !ending.is_empty() {
            let question = format!("let {} stay like that for good?", ending.join(", "));
            ask(&question, self.yes)?;
        }
        if document.is_changed() {
            file.replace(document.text())?;
        }
        if self.keep {
            return Ok(ExitCode::Done);
        }
        self.clear(session, &redis, &file, &overrides).await
    }

    /// What the store says about the flags that are meant.
    fn overrides(&self, session: &Session, flags: &Flags) -> Result<Vec<Override>, Failure> {
        let drift = flags.drift();
        let store = flags.writable_source();
        let said = |flag: &str| {
            let sources = flags.sources_of(flag);
            sources.into_iter().find(|said| Some(said.source) == store)
        };
        let mut overrides = Vec::new();
        for flag in &self.flags {
            let Some(said) = said(flag) else {
                return Err(Failure::refused(format!("`{}` is not overridden", clean(flag)))
                    .hint("`flagstaff show` says what each source says"));
            };
            let end = said.provenance.and_then(|by| by.expires_at);
            overrides.push(Override { flag: flag.clone(), entry: said.entry, end });
        }
        if !self.flags.is_empty() {
            return Ok(overrides);
        }
        for drift in drift {
            if drift.provenance.is_some_and(|by| by.expires_at.is_some()) {
                let flag = clean(&drift.key);
                session.output.note(format!("left out `{flag}`, whose override ends by itself"));
                continue;
            }
            overrides.push(Override { flag: drift.key, entry: drift.entry, end: None });
        }
        Ok(overrides)
    }

    /// Warns of overrides that would end by themselves, which nothing in the file does. Returns their
    /// flags.
    fn tell_ends(session: &Session, overrides: &[Override]) -> Vec<String> {
        let mut ending = Vec::new();
        for Override { flag, end, .. } in overrides {
            let Some(end) = end.map(time::rfc3339) else { continue };
            let flag = clean(flag);
            session.output.warning(format!(
                "the override of `{flag}` ends at {end}, and what is in the file stays"
            ));
            ending.push(format!("`{flag}`"));
        }
        ending
    }

    /// Takes away what is in the file now, unless it says something else meanwhile.
    async fn clear(
        &self,
        session: &Session,
        redis: &RedisHandle,
        file: &TextFile,
        overrides: &[Override],
    ) -> Result<ExitCode, Failure> {
        let mut worst = ExitCode::Done;
        for Override { flag, entry, .. } in overrides {
            let mut write =
                Write::new(Operation::Clear).expect(Expected::Entry(Some(entry.clone())));
            write.author = author(self.by.as_ref());
            write.reason = self.reason.clone().or_else(|| Some("promoted".to_owned()));
            let Err(refusal) = redis.write(flag, write).await else { continue };
            let (flag, path) = (clean(flag), file.path().display().to_string());
            let failure = match &refusal {
                Refusal::Conflict(conflict) => {
                    Failure::of(ExitCode::Changed, conflict).hint(format!(
                        "`{path}` has what `{flag}` was before: promote it again, or take the \
                         override away with `flagstaff unset {flag}`"
                    ))
                }
                refusal => failed(refusal).hint(format!(
                    "`{path}` is written, and the override of `{flag}` still says the same: \
                     `flagstaff unset {flag}` takes it away"
                )),
            };
            worst = session.output.failure(&failure);
        }
        Ok(worst)
    }
}

fn author(by: Option<&String>) -> Option<String> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    by.cloned().or_else(|| variable("FLAGSTAFF_AUTHOR")).or_else(|| variable("USER"))
}

fn failed(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Failed(error) | Refusal::Unconfirmed(error) => match error.downcast_ref() {
            Some(error) => <Failure as From<&RedisError>>::from(error),
            None => Failure::of(ExitCode::Unreachable, refusal),
        },
        refusal => Failure::of(ExitCode::Refused, refusal),
    }
}
