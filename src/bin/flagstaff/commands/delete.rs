use clap::Args;
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::{
        Entry, FlagsFile,
        edit::{Document, TextFile},
    },
    source::SourceKind,
};
use serde_json::json;

use crate::{
    change::BothArgs,
    completion,
    failure::Failure,
    file,
    guard::{self, Leave, Target},
    name,
    output::{Listing, Row},
    paste, place,
    references::{self, ReferenceArgs},
    revision,
    session::Session,
    stale::Place,
    style,
    text::{self, clean, count},
};

/// Delete a flag that nothing needs any more
#[derive(Debug, Args)]
#[command(after_help = "\
The flag goes out of flags.toml with its comments and its tests, and out of each
environment. Refuses (4) while something needs it, and lists it: code that names
the flag, flags that require it or have a condition on it, and an override.

With --force it is deleted all the same, and the override with it. Flags that
need it are named: they are off then, unless another source has it. Comments and
documents that name it are listed and do not keep it.

Examples:
  flagstaff delete new_checkout --dry-run
  flagstaff delete new_checkout
  flagstaff delete new_checkout --with-override -m 'done since May'
  flagstaff delete new_checkout --force")]
pub(crate) struct Delete {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    name: String,
    /// Delete it although it is needed, and its override with it
    #[arg(long)]
    force: bool,
    /// Take its override away, too
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
    places: Vec<Place>,
    is_overridden: bool,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let Session { place, output } = session;
        let path = place.needed_path()?;
        if !self.change.dry_run {
            let wish = self.change.wish(&self.name);
            guard::refuse_without_reason(place, Target::File(&path), wish)?;
        }
        let file = TextFile::read(&path)?;
        let mut document = file::whole(session, &file)?;
        let original = document.file().clone();
        let is_in = |name: &str| original.entry(name, &*self.name).is_some();
        let environments: Vec<_> =
            original.environments().filter(|name| is_in(name)).map(str::to_owned).collect();
        let is_outside =
            original.flags().contains_key(&*self.name) || original.rejected().contains(&*self.name);
        if !is_outside && environments.is_empty() {
            let failure = Failure::usage(format!("the file has no flag `{}`", clean(&self.name)));
            return Err(failure.hint(format!(
                "{} takes an override away",
                paste::command("unset", &text::word(&self.name))
            )));
        }
        let over = place.flags_over_the_file(output).await?;
        let places = self.references.search(file.path(), &self.name)?;
        let needs = Needs {
            flags: needing(&document, over.as_ref(), &self.name),
            places,
            is_overridden: over.as_ref().is_some_and(|over| is_overridden(over, &self.name)),
        };
        self.refuse_needed(session, &needs)?;

        if is_outside {
            document.remove(&self.name).map_err(|error| file::refused(session, error))?;
        }
        for environment in &environments {
            document = document
                .in_environment(environment)
                .map_err(|error| place::unknown_environment(file.path(), &error))?;
            document.remove(&self.name).map_err(|error| file::refused(session, error))?;
        }
        file::refuse_failing_tests(session, &original, &document, &[])?;
        output.preview(&style::diff(&document.diff().to_string()));
        for flag in &needs.flags {
            let (flag, name) = (clean(flag), clean(&self.name));
            output.warning(format!("`{flag}` needs `{name}`, which the file does not have then"));
        }
        if needs.is_overridden {
            output.aside(format!("the override of `{}` goes with it", clean(&self.name)));
        }
        let mut revision = None;
        if self.change.dry_run {
            output.aside("nothing was changed: this is a dry run");
        } else {
            let questions = [format!("delete `{}`?", clean(&self.name))];
            let target = match needs.is_overridden {
                true => Target::Both(&path),
                false => Target::File(&path),
            };
            let leave = guard::ask(place, target, self.change.wish(&self.name), &questions)?;
            let way_back = way_back(&file, &self.name);
            file::replace(session, &leave, &file, document.text())?;
            output.hint(way_back);
            if let Some(over) = over.filter(|_| needs.is_overridden) {
                revision = self.take_override(session, &leave, &over).await?;
            }
        }
        let about = json!({
            "flag": self.name,
            "diff": document.diff().to_string(),
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

    /// Refuses to delete what is needed, and lists what needs it.
    fn refuse_needed(&self, session: &Session, needs: &Needs) -> Result<(), Failure> {
        let code: Vec<_> = needs.places.iter().filter(|place| place.is_code()).collect();
        let (mut by, mut rows, mut hints) = (Vec::new(), Vec::new(), Vec::new());
        if !needs.flags.is_empty() && !self.force {
            by.push(count(needs.flags.len(), "flag"));
            rows.extend(
                needs.flags.iter().map(|flag| needed_by(&self.name, "flag", flag, "", None)),
            );
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
            hints.push("`--with-override` takes the override away, too");
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
            false => [&["`--force` deletes it all the same"], &*hints].concat().join("; "),
        }))
    }

    /// Takes the override away. The file is written by then.
    async fn take_override(
        &self,
        session: &Session,
        leave: &Leave,
        over: &Flags,
    ) -> Result<Option<u64>, Failure> {
        let mut clear = over.clear(&self.name);
        if let Some(author) = self.change.author() {
            clear = clear.author(author);
        }
        if let Some(reason) = &leave.reason {
            clear = clear.reason(reason);
        }
        let cleared = clear.await.map_err(|error| {
            Failure::from(error).hint(format!(
                "the flag is out of the file; {} takes the override away",
                paste::command("unset", &text::word(&self.name))
            ))
        })?;
        if let Some(revision) = cleared.revision {
            let undo = paste::line("undo", &revision.to_string());
            session.output.aside(format!("revision {revision}; override back with: {undo}"));
        }
        Ok(cleared.revision)
    }
}

/// The flags that need a flag: those of the file, and those whose override asks for it.
fn needing(document: &Document, over: Option<&Flags>, flag: &str) -> Vec<String> {
    let mut needing = document.needing(flag);
    for over in over.into_iter() {
        for (name, _) in over.all(&flagstaff::Context::anonymous()) {
            let says = over.sources_of(&name).into_iter().any(|said| match &said.entry {
                Entry::Definition(definition) => references::names(definition, flag),
                _ => false,
            });
            if says && name != flag && !needing.contains(&name) {
                needing.push(name);
            }
        }
    }
    needing
}

fn is_overridden(over: &Flags, flag: &str) -> bool {
    over.sources_of(flag).iter().any(|said| said.source.kind == SourceKind::Redis)
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
            "name": (by == "flag").then_some(place),
            "reference": reference,
        }),
    }
}

/// The way to have the flag again.
fn way_back(file: &TextFile, flag: &str) -> String {
    let path = file.path();
    let word = text::words([&*path.to_string_lossy()]);
    match revision::text_at("HEAD", path) {
        Ok(committed) if committed == file.text() => format!("back with: git restore {word}"),
        Ok(committed) if FlagsFile::parse("HEAD", &committed).flags().contains_key(flag) => {
            format!("the last commit has it: git diff {word}")
        }
        _ => "no commit has it, so what is above is all that is left of it".to_owned(),
    }
}
