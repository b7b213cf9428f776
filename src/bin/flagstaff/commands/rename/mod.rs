mod same;

use clap::Args;
use flagstaff::{
    Definition, Flags,
    cli::ExitCode,
    definition::{Entry, edit::EditError, references},
    source::{OldOverride, RedisHandle, SourceEntry, SourceKind},
    write::{Operation, Refusal, Write},
};
use serde_json::json;

use crate::{
    change::{BothArgs, store},
    completion,
    failure::Failure,
    file::{self, Files, Opened},
    guard::{self, Target},
    name,
    output::{Listing, Output},
    paste,
    place::{self, Place},
    references::{self, ReferenceArgs},
    session::Session,
    style,
    text::{clean, count, verb, words},
};

/// Rename a flag in the file and the store, without moving users
#[derive(Debug, Args)]
#[command(after_help = "\
Everything in flags.toml that names the flag gets the new name: environments,
tests, `requires` and conditions of other flags. Comments and layout stay. A
flag that draws gets `salt = \"OLD\"`, unless it has a salt. It is evaluated for
made-up users before and after, and nothing is written if an answer changes.

The override in the store is moved in one step, even if it cannot be read. While
instances still use the old name, it stays under both names. Once the new file
is deployed, --finish removes the old one. Code is not changed; the places that
name the flag are listed.

Refuses (4) if there is a flag NEW, if anything names NEW already, or if an
override of another flag names OLD. If the store refuses the change, the file is
not written. `flagstaff undo` moves the override back; git restores the file.

Examples:
  flagstaff rename new_checkout checkout_v2 --dry-run
  flagstaff rename new_checkout checkout_v2 -m 'one name for both teams'
  flagstaff rename --finish new_checkout checkout_v2")]
pub(crate) struct Rename {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    old: String,
    /// New name
    #[arg(value_parser = name::flag)]
    new: String,
    /// Remove the override of the old name, once the file is deployed
    #[arg(long)]
    finish: bool,
    /// Move the override even if instances use the old name
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    references: ReferenceArgs,
    #[command(flatten)]
    change: BothArgs,
}

/// The override of the flag that is renamed.
struct Override {
    redis: RedisHandle,
    old_override: OldOverride,
    /// The instances that evaluate the old name.
    waiting: Vec<String>,
}

impl Rename {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.old == self.new {
            return Err(Failure::usage(format!("`{}` has that name already", clean(&self.old))));
        }
        let Session { place, output } = session;
        let refuse_without_reason = |target| match self.change.dry_run {
            true => Ok(()),
            false => guard::refuse_without_reason(place, target, self.change.wish(&self.old)),
        };
        if self.finish {
            refuse_without_reason(Target::Store)?;
            return self.finish(session).await;
        }
        let mut files = Files::read(session)?;
        let wish = self.change.wish(&self.old);
        if !self.change.dry_run {
            files.refuse_without_reason(session, wish)?;
        }
        self.refuse_renamed(&files)?;
        let flags = place.flags(output).await?;
        let entries = flags.sources_of(&self.old);
        self.edit(session, &mut files, &entries)?;
        self.refuse_taken(&flags)?;
        self.refuse_named_already(place, &files, &flags).await?;
        self.refuse_named_by_overrides(&flags)?;
        self.note_environment(&entries, output);
        files.refuse_failing_tests(session, &[&*self.new])?;
        let users = same::refuse_if_any_moves([&self.old, &self.new], &flags, &files)?;
        let found = self.references.search(&files, &self.old)?;
        let moved = self.override_of(place).await?;

        name::warn_of_convention(&self.new, output);
        output.preview(&style::diff(&files.diff()));
        self.report(session, &found, moved.as_ref(), users);
        let mut revision = None;
        if self.change.dry_run {
            output.aside("nothing was changed: this is a dry run");
        } else {
            let leaves = files.ask(session, moved.is_some(), wish, &[])?;
            let reason = leaves.iter().find_map(|leave| leave.reason.as_deref());
            // In this order, no instance is without the override. The new name has it before the
            // file does, and the old name keeps it until the file is written.
            let copied = match &moved {
                Some(moved) => self.copy(reason, moved).await?,
                None => None,
            };
            let written = files.write(session, &leaves);
            written.map_err(|failure| self.with_copy(failure, copied))?;
            revision = match &moved {
                Some(moved) if moved.old_override == OldOverride::Remove => {
                    self.complete(reason, moved, copied).await?
                }
                _ => copied,
            };
            note_revision(output, revision);
        }
        let about = json!({
            "old": self.old,
            "new": self.new,
            "diff": files.diff(),
            "override": moved.as_ref().map(|moved| match moved.old_override {
                OldOverride::Keep => "copied",
                _ => "moved",
            }),
            "waitingFor": moved.as_ref().map_or(&[][..], |moved| &moved.waiting),
            "revision": revision,
            "comparedUsers": users,
            "dryRun": self.change.dry_run,
        });
        let rows = found.iter().map(references::row).collect();
        let empty = self.references.none();
        let columns = &["PLACE", "CODE"];
        output.listing_about(about, Listing { name: "references", columns, rows, empty })?;
        Ok(ExitCode::Done)
    }

    /// Removes the override of the old name, which services no longer evaluate.
    async fn finish(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        let redis = place.needed_redis()?.handle();
        let files = place.files()?;
        if let Some(file) = files.last() {
            let has = |flag: &str| files.iter().any(|it| place::names(&it.parsed, flag));
            if has(&self.old) || !has(&self.new) {
                return Err(Failure::refused(format!(
                    "`{}` does not have `{}` in the place of `{}`",
                    file.path.display(),
                    clean(&self.new),
                    clean(&self.old),
                ))
                .hint(format!("{} comes first", paste::command("rename", &self.words()))));
            }
        }
        let waiting = waiting(&redis, &self.old).await?;
        if !waiting.is_empty() && !self.now {
            return Err(Failure::refused(format!(
                "{} of {} still {} for `{}`: {}",
                count(waiting.len(), "instance"),
                store(&redis),
                verb(waiting.len(), "asks", "ask"),
                clean(&self.old),
                waiting.join(", "),
            ))
            .hint("deploy the file first; `--now` removes the override anyway"));
        }
        let is_there = is_overridden(&redis, &self.old).await?;
        if !is_there {
            output.note(format!("the store has no override of `{}`", clean(&self.old)));
        }
        let mut revision = None;
        if self.change.dry_run {
            output.aside("nothing was changed: this is a dry run");
        } else if is_there {
            let leave = guard::ask(place, Target::Store, self.change.wish(&self.old), &[])?;
            let reason = leave.reason.as_deref();
            revision = self.write(reason, &redis, OldOverride::Remove).await?;
            note_revision(output, revision);
        }
        let json = json!({
            "old": self.old,
            "new": self.new,
            "override": is_there.then_some("moved"),
            "revision": revision,
            "dryRun": self.change.dry_run,
        });
        let text = match is_there {
            true => format!("{} {}", clean(&self.old), clean(&self.new)),
            false => String::new(),
        };
        output.thing(json, || text)?;
        Ok(ExitCode::Done)
    }

    /// Refuses a flag that the file does not have. If the file has the new name, the flag was renamed before.
    fn refuse_renamed(&self, files: &Files) -> Result<(), Failure> {
        let has = |name: &str| files.0.iter().any(|opened| opened.names(name));
        if has(&self.old) || !has(&self.new) {
            return Ok(());
        }
        let (old, new) = (clean(&self.old), clean(&self.new));
        Err(Failure::usage(format!("the file has no flag `{old}`; it has `{new}`")).hint(format!(
            "{} removes the override of the old name",
            paste::command("rename --finish", &self.words()),
        )))
    }

    /// Refuses a new name if a source has a flag of that name.
    fn refuse_taken(&self, flags: &Flags) -> Result<(), Failure> {
        let sources = flags.sources_of(&self.new);
        let Some(held) = sources.first() else { return Ok(()) };
        let (new, source) = (clean(&self.new), held.source.name);
        Err(Failure::refused(format!("there is a flag `{new}` in source `{source}` already")).hint(
            format!(
                "{} shows the entry of each source",
                paste::command("show", &words([&*self.new]))
            ),
        ))
    }

    /// Refuses a name that a file or an override has already, without a flag of that name. There, a
    /// condition on the flag is never met. The rename would make it count, for users whom no made-up user
    /// resembles, or at a later time.
    async fn refuse_named_already(
        &self,
        place: &Place,
        files: &Files,
        flags: &Flags,
    ) -> Result<(), Failure> {
        let texts = files.0.iter().map(|opened| (opened.file.path(), opened.file.text()));
        let mut places: Vec<_> =
            texts.flat_map(|(path, text)| references::in_file(path, text, &self.new)).collect();
        places.extend(references::in_overrides(place, flags, &self.new).await?);
        if places.is_empty() {
            return Ok(());
        }
        let (old, new) = (clean(&self.old), clean(&self.new));
        Err(Failure::refused(format!(
            "`{new}` is named already, and no flag has that name: {}",
            places.join(", "),
        ))
        .hint(format!(
            "the rename would bring these to life; if they mean `{old}`, name it there first, and they are renamed with it"
        )))
    }

    /// Refuses a rename if an override of another flag names the old name.
    fn refuse_named_by_overrides(&self, flags: &Flags) -> Result<(), Failure> {
        for (name, _) in flags.all(&flagstaff::Context::anonymous()) {
            for held in flags.sources_of(&name) {
                let is_over_file = held.source.kind != SourceKind::File;
                let Entry::Definition(definition) = &held.entry else { continue };
                if name == self.old || !is_over_file || !references::names(definition, &self.old) {
                    continue;
                }
                let (flag, old, source) = (clean(&name), clean(&self.old), held.source.name);
                return Err(Failure::refused(format!(
                    "the override of `{flag}` in source `{source}` names `{old}`"
                ))
                .hint(format!(
                    "{} writes it into the file, where the rename changes it, too",
                    paste::command("promote", &words([&*name])),
                )));
            }
        }
        Ok(())
    }

    /// Warns of environment variables, which are not renamed.
    fn note_environment(&self, entries: &[SourceEntry], output: &Output) {
        if entries.iter().any(|held| held.source.kind == SourceKind::Env) {
            output.warning(format!(
                "an environment variable decides about `{}` and keeps its name: rename it for `{}` where the new file is deployed",
                clean(&self.old),
                clean(&self.new),
            ));
        }
    }

    /// Writes the new name into the files. If the flag draws by the old name, the weakest file that has the flag gets
    /// the salt.
    fn edit(
        &self,
        session: &Session,
        files: &mut Files,
        entries: &[SourceEntry],
    ) -> Result<(), Failure> {
        let refused = |error: EditError| file::refused(session, &error);
        let weakest = files.0.iter().position(|opened| opened.names(&self.old)).unwrap_or_default();
        for (index, opened) in files.0.iter_mut().enumerate() {
            let document = &mut opened.document;
            let names_it = !references(document.text(), &self.old).is_empty();
            if index == weakest {
                document.rename(&self.old, &self.new).map_err(refused)?;
            } else if place::names(&opened.original, &self.old) || names_it {
                document.rename_over(&self.old, &self.new).map_err(refused)?;
            }
        }
        let is_salted = |opened: &Opened| {
            let flag = opened.document.file().flags().get(&*self.new);
            flag.is_some_and(|flag| flag.rare().salt.value().is_some())
        };
        // Stronger sources may draw even if the weakest file does not.
        let weakest_file = entries.iter().rposition(|held| held.source.kind == SourceKind::File);
        let over = entries.iter().take(weakest_file.unwrap_or(entries.len()));
        let mut draws = over.filter(|held| matches!(held.entry, Entry::Definition(_)));
        if draws.next().is_some() && !files.0.iter().any(is_salted) {
            let salt = Definition::new().salt(self.old.clone());
            files.0[weakest].document.set(&self.new, &salt).map_err(refused)?;
        }
        Ok(())
    }

    /// Returns the override that is moved with the flag, if the store has one.
    async fn override_of(&self, place: &Place) -> Result<Option<Override>, Failure> {
        let Some(redis) = place.redis()? else { return Ok(None) };
        let redis = redis.handle();
        if !is_overridden(&redis, &self.old).await? {
            return Ok(None);
        }
        let waiting = waiting(&redis, &self.old).await?;
        let old_override = match waiting.is_empty() || self.now {
            true => OldOverride::Remove,
            false => OldOverride::Keep,
        };
        Ok(Some(Override { redis, old_override, waiting }))
    }

    /// Copies the override to the new name, before the file has that name. A store that refuses leaves
    /// everything as it was.
    async fn copy(&self, reason: Option<&str>, moved: &Override) -> Result<Option<u64>, Failure> {
        self.write(reason, &moved.redis, OldOverride::Keep).await.map_err(|refusal| {
            let is_certain =
                !matches!(refusal, Refusal::Unconfirmed(_) | Refusal::NotInForce { .. });
            match (Failure::from(refusal), is_certain) {
                (failure, true) => {
                    failure.hint("nothing was changed, neither the file nor the store")
                }
                (failure, false) => failure,
            }
        })
    }

    /// Removes the override of the old name, once the file has the new one.
    async fn complete(
        &self,
        reason: Option<&str>,
        moved: &Override,
        copied: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        let remove = copied.map_or(OldOverride::Remove, OldOverride::RemoveAfter);
        self.write(reason, &moved.redis, remove).await.map_err(|refusal| {
            Failure::from(refusal).hint(format!(
                "the file has the new name, and the store has the override under both; {} removes the old one",
                paste::command("rename --finish", &self.words()),
            ))
        })
    }

    async fn write(
        &self,
        reason: Option<&str>,
        redis: &RedisHandle,
        old_override: OldOverride,
    ) -> Result<Option<u64>, Refusal> {
        let author = self.change.author();
        let author = author.as_deref();
        Ok(redis.rename(&self.old, &self.new, old_override, author, reason).await?.revision)
    }

    /// Adds to the failure of a file that the store has the copy already.
    fn with_copy(&self, failure: Failure, copied: Option<u64>) -> Failure {
        let Some(revision) = copied else { return failure };
        failure.hint(format!(
            "the store has the override of `{}` under `{}`, too; remove that with: {}",
            clean(&self.old),
            clean(&self.new),
            paste::line("undo", &revision.to_string()),
        ))
    }

    fn report(
        &self,
        Session { place, output }: &Session,
        found: &[crate::stale::Place],
        moved: Option<&Override>,
        users: u64,
    ) {
        let (old, new) = (clean(&self.old), clean(&self.new));
        output.aside(format!("{} get the same answers", count(users as usize, "made-up user")));
        match moved {
            None => {}
            Some(Override { old_override: OldOverride::Keep, waiting, redis }) => {
                output.aside(format!(
                    "at {}, the override goes to `{new}` and stays with `{old}`, since {} for that: {}",
                    place.with_store(redis),
                    match waiting.len() {
                        1 => "an instance asks".to_owned(),
                        several => format!("{} ask", count(several, "instance")),
                    },
                    waiting.join(", "),
                ));
                output.hint(format!(
                    "once the file is deployed: {}",
                    paste::command("rename --finish", &self.words())
                ));
            }
            Some(Override { redis, .. }) => output.aside(format!(
                "at {}, the override goes from `{old}` to `{new}`",
                place.with_store(redis)
            )),
        }
        if !found.is_empty() {
            output.aside(format!(
                "{} {} `{old}` and {} to be changed with the file:",
                count(found.len(), "place"),
                verb(found.len(), "names", "name"),
                verb(found.len(), "has", "have"),
            ));
        }
    }

    /// Returns both names, quoted for a command that people paste.
    fn words(&self) -> String {
        words([&*self.old, &*self.new])
    }
}

fn note_revision(output: &Output, revision: Option<u64>) {
    if let Some(revision) = revision {
        let undo = paste::line("undo", &revision.to_string());
        output.aside(format!("revision {revision}; restore the override with: {undo}"));
    }
}

/// Returns true if the store has a value for a flag, readable or not.
async fn is_overridden(redis: &RedisHandle, flag: &str) -> Result<bool, Failure> {
    let clear = Write::new(Operation::Clear);
    Ok(redis.rehearse(flag, &clear).await?.before.is_some())
}

/// Returns the instances whose file still has a flag, as far as they announce it.
async fn waiting(redis: &RedisHandle, flag: &str) -> Result<Vec<String>, Failure> {
    let fleet = redis.fleet().await?;
    let has = fleet.counted().filter(|instance| instance.declares(flag, None) == Some(false));
    Ok(has.map(|instance| clean(&instance.name).into_owned()).collect())
}
