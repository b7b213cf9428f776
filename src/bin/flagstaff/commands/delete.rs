use std::collections::BTreeSet;

use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::{Entry, FlagsFile, Referrer, edit::TextFile, references as references_in},
    source::SourceKind,
};
use serde_json::json;

use crate::{
    change::BothArgs,
    completion,
    failure::Failure,
    file::{self, Files},
    name,
    output::{Listing, Row},
    paste,
    place::Place,
    references::{self, ReferenceArgs},
    revision,
    session::Session,
    stale, style,
    text::{self, clean, count},
};

/// Delete a flag that is not used any more
#[derive(Debug, Args)]
#[command(after_help = "\
Removes the flag from flags.toml with its comments and its tests, and from each
environment. Refuses (4) while the flag is needed, and lists the reasons. These
are code that names the flag, flags that require it, flags and segments with a
condition on it, and an override.

With --force the flag and its override are deleted anyway. Flags that require it
are listed: they are off then, unless another source has it. Comments and
documents that name the flag are listed, but do not prevent the deletion.

Examples:
  flagstaff delete new_checkout --dry-run
  flagstaff delete new_checkout
  flagstaff delete new_checkout --with-override -m 'done since May'
  flagstaff delete new_checkout --force")]
pub(crate) struct Delete {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    name: String,
    /// Delete a flag that is still needed, and its override
    #[arg(long)]
    force: bool,
    /// Delete its override, too
    #[arg(long)]
    with_override: bool,
    #[command(flatten)]
    references: ReferenceArgs,
    #[command(flatten)]
    change: BothArgs,
}

/// The reasons to keep a flag.
struct Needs {
    /// Flags of the file and of the sources over it.
    flags: Vec<String>,
    /// Segments of the file, whether a flag uses them or not.
    segments: BTreeSet<String>,
    places: Vec<stale::Place>,
    is_overridden: bool,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        self.refuse_one_environment(place)?;
        let mut files = Files::read(session)?;
        let wish = self.change.wish(&self.name);
        if !self.change.dry_run {
            files.refuse_without_reason(session, wish)?;
        }
        if !files.0.iter().any(|opened| opened.names(&self.name)) {
            let failure = Failure::usage(format!("the file has no flag `{}`", clean(&self.name)));
            return Err(failure.hint(format!(
                "{} removes an override",
                paste::command("unset", &text::word(&self.name))
            )));
        }
        let over = place.flags_over_the_file(output).await?;
        let places = self.references.search(&files, &self.name)?;
        let needs = Needs {
            flags: needing(&files, over.as_ref(), &self.name),
            segments: segments(&files, &self.name),
            places,
            is_overridden: over.as_ref().is_some_and(|over| is_overridden(over, &self.name)),
        };
        self.refuse_needed(session, &needs)?;

        for opened in files.0.iter_mut().filter(|opened| opened.names(&self.name)) {
            let deleted = opened.document.delete(&self.name);
            deleted.map_err(|error| file::refused(session, &error))?;
        }
        files.refuse_failing_tests(session, &[])?;
        output.preview(&style::diff(&files.diff()));
        let name = clean(&self.name);
        for flag in &needs.flags {
            let flag = clean(flag);
            output.warning(format!("`{flag}` needs `{name}`, which the file will not have"));
        }
        for segment in &needs.segments {
            let segment = clean(segment);
            output.warning(format!(
                "segment `{segment}` names `{name}`, which the file will not have"
            ));
        }
        if needs.is_overridden {
            output.aside(format!("the override of `{}` is deleted, too", clean(&self.name)));
        }
        let mut revision = None;
        if self.change.dry_run {
            output.aside("nothing was changed: this is a dry run");
        } else {
            let questions = [format!("delete `{}`?", clean(&self.name))];
            let leaves = files.ask(session, needs.is_overridden, wish, &questions)?;
            let way_back: Vec<_> =
                files.0.iter().map(|it| way_back(&it.file, &self.name)).collect();
            // The file goes first, since the store takes effect at once and the file when it is deployed.
            // Until then, instances have the flag, and an override may keep it off. If the file could
            // not be written, its removal would let users in. An override without a declaration goes on
            // deciding, and the failure names the command that removes it.
            files.write(session, &leaves)?;
            let changed = files.0.iter().zip(way_back).filter(|(it, _)| it.document.is_changed());
            changed.for_each(|(_, way_back)| output.hint(way_back));
            if let Some(over) = over.filter(|_| needs.is_overridden) {
                let reason = leaves.into_iter().find_map(|leave| leave.reason);
                revision = self.take_override(session, reason, &over).await?;
            }
        }
        let about = json!({
            "flag": self.name,
            "diff": files.diff(),
            "override": needs.is_overridden.then_some("removed"),
            "revision": revision,
            "dryRun": self.change.dry_run,
        });
        let rows = needs.places.iter().map(references::row).collect();
        let columns = &["PLACE", "CODE"];
        let empty = self.references.none();
        output.listing_about(about, Listing { name: "references", columns, rows, empty })?;
        Ok(ExitCode::Done)
    }

    /// Refuses `--environment`, since the flag is deleted from all environments.
    fn refuse_one_environment(&self, place: &Place) -> Result<(), Failure> {
        let [environment] = &*place.environment else { return Ok(()) };
        Err(Failure::usage(
            "`delete` removes a flag from the whole file, and `--environment` names a part of it",
        )
        .hint(format!(
            "{} removes the entry of `{}`; without `--environment`, the whole flag is deleted",
            paste::command("unset --source file", &text::word(&self.name)),
            clean(environment),
        )))
    }

    /// Refuses to delete a flag that is needed, and lists the places that need it.
    fn refuse_needed(&self, session: &Session, needs: &Needs) -> Result<(), Failure> {
        let code: Vec<_> = needs.places.iter().filter(|place| place.is_code()).collect();
        let (mut by, mut rows, mut hints) = (Vec::new(), Vec::new(), Vec::new());
        if !needs.flags.is_empty() && !self.force {
            by.push(count(needs.flags.len(), "flag"));
            rows.extend(
                needs.flags.iter().map(|flag| needed_by(&self.name, "flag", flag, "", None)),
            );
        }
        if !needs.segments.is_empty() && !self.force {
            by.push(count(needs.segments.len(), "segment"));
            let segments = needs.segments.iter();
            rows.extend(segments.map(|name| needed_by(&self.name, "segment", name, "", None)));
        }
        if !code.is_empty() && !self.force {
            by.push(format!("{} in code", count(code.len(), "place")));
            rows.extend(code.iter().map(|place| {
                let Row { cells, json } = references::row(place);
                needed_by(&self.name, "code", &cells[0], &cells[1], Some(&json))
            }));
        }
        if needs.is_overridden && !self.force && !self.with_override {
            by.push("an override".to_owned());
            rows.push(needed_by(&self.name, "override", "", "", None));
            hints.push("`--with-override` deletes the override, too");
        }
        if by.is_empty() {
            return Ok(());
        }
        session.output.listing(Listing {
            name: "neededBy",
            columns: &["FLAG", "NEEDED BY", "PLACE", "CODE"],
            rows,
            empty: "",
        })?;
        Err(Failure::refused(format!(
            "`{}` is needed by {}",
            clean(&self.name),
            by.join(if by.len() == 2 { " and " } else { ", " }),
        ))
        .hint(match by.len() == hints.len() {
            true => hints.join("; "),
            false => [&["`--force` deletes it anyway"], &*hints].concat().join("; "),
        }))
    }

    /// Removes the override, after the file was written.
    async fn take_override(
        &self,
        session: &Session,
        reason: Option<String>,
        over: &Flags,
    ) -> Result<Option<u64>, Failure> {
        let mut clear = over.clear(&self.name);
        if let Some(author) = self.change.author() {
            clear = clear.author(author);
        }
        if let Some(reason) = reason {
            clear = clear.reason(reason);
        }
        let cleared = clear.await.map_err(|error| {
            Failure::from(error).hint(format!(
                "the flag is deleted from the file; {} removes the override",
                paste::command("unset", &text::word(&self.name))
            ))
        })?;
        if let Some(revision) = cleared.revision {
            let undo = paste::line("undo", &revision.to_string());
            session.output.aside(format!("revision {revision}; restore the override with: {undo}"));
        }
        Ok(cleared.revision)
    }
}

/// Returns the flags that need a flag, by the files or by their overrides.
fn needing(files: &Files, over: Option<&Flags>, flag: &str) -> Vec<String> {
    let needing = files.0.iter().flat_map(|opened| opened.document.needing(flag));
    let mut needing: Vec<_> = needing.collect::<BTreeSet<_>>().into_iter().collect();
    for over in over.into_iter() {
        for (name, _) in over.all(&flagstaff::Context::anonymous()) {
            let has_one = over.sources_of(&name).into_iter().any(|held| match &held.entry {
                Entry::Definition(definition) => references::names(definition, flag),
                _ => false,
            });
            if has_one && name != flag && !needing.contains(&name) {
                needing.push(name);
            }
        }
    }
    needing
}

/// Returns the segments of the files with a condition on a flag.
fn segments(files: &Files, flag: &str) -> BTreeSet<String> {
    let found = files.0.iter().flat_map(|opened| references_in(opened.document.text(), flag));
    let segments = found.filter_map(|reference| match reference.by {
        Referrer::Segment(name) => Some(name),
        _ => None,
    });
    segments.collect()
}

fn is_overridden(over: &Flags, flag: &str) -> bool {
    over.sources_of(flag).iter().any(|held| held.source.kind == SourceKind::Redis)
}

fn needed_by(
    flag: &str,
    by: &str,
    place: &str,
    code: &str,
    reference: Option<&serde_json::Value>,
) -> Row {
    Row {
        cells: [flag, by, place, code].map(str::to_owned).to_vec(),
        json: json!({
            "flag": flag,
            "neededBy": by,
            "name": matches!(by, "flag" | "segment").then_some(place),
            "reference": reference,
        }),
    }
}

/// Returns a hint about how to restore the flag.
fn way_back(file: &TextFile, flag: &str) -> String {
    let path = file.path();
    let word = text::words([&*path.to_string_lossy()]);
    match revision::text_at("HEAD", path) {
        Ok(committed) if committed == file.text() => format!("restore with: git restore {word}"),
        Ok(committed) if FlagsFile::parse("HEAD", &committed).flags().contains_key(flag) => {
            format!("the last commit has it: git diff {word}")
        }
        _ => "no commit has it, so only the diff above is left of it".to_owned(),
    }
}
