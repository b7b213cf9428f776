//! The places in code that name a flag, for commands that change or remove the name.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::Args;
use flagstaff::{
    Context, Definition, Flags,
    definition::{Entry, Referrer, references},
    source::SourceKind,
    write::{Operation, Write},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    file::Files,
    output::Row,
    place,
    revision::git,
    stale::{Place, Search},
    text::clean,
};

/// The options for the code that is searched.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Code")]
pub(crate) struct ReferenceArgs {
    /// Search code below PATH [default: the repository of the flag file]
    #[arg(long, value_name = "PATH", conflicts_with = "no_refs")]
    refs: Option<PathBuf>,
    /// Search no code
    #[arg(long)]
    no_refs: bool,
}

impl ReferenceArgs {
    /// Returns the line for people if no place was found.
    pub(crate) const fn none(&self) -> &'static str {
        if self.no_refs { "(code was not searched)" } else { "(no code names it)" }
    }

    /// Returns the places that name a flag, in the order of their files. The flag files are not among them.
    pub(crate) fn search(&self, files: &Files, flag: &str) -> Result<Vec<Place>, Failure> {
        if self.no_refs {
            return Ok(Vec::new());
        }
        let file = files.strongest();
        let root = self.refs.clone().unwrap_or_else(|| repository(file));
        let mut found = Search::new(vec![flag.to_owned()])?.walk(&root, Some(file))?;
        found.mentions.retain(|mention| !files.have(&mention.place.path));
        let here = env::current_dir().ok();
        let shown =
            |place: Place| match here.as_ref().and_then(|it| place.path.strip_prefix(it).ok()) {
                Some(path) => Place { path: path.to_owned(), ..place },
                None => place,
            };
        Ok(found.mentions.into_iter().map(|mention| shown(mention.place)).collect())
    }
}

/// Returns the repository that has the flag file, or else the directory of the file.
fn repository(file: &Path) -> PathBuf {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let top = git(directory, &["rev-parse", "--show-toplevel"]).ok();
    let top = top.and_then(|top| String::from_utf8(top).ok());
    top.map_or_else(|| directory.to_owned(), |top| PathBuf::from(top.trim_end_matches('\n')))
}

/// Returns the row of a place: `src/a.rs:3:5`, and the line of code.
pub(crate) fn row(place: &Place) -> Row {
    Row { cells: vec![at(place), place.text.trim().to_owned()], json: json(place) }
}

pub(crate) fn json(place: &Place) -> Value {
    json!({
        "path": place.path.display().to_string(),
        "line": place.line,
        "column": place.column,
        "code": place.text.trim(),
    })
}

fn at(place: &Place) -> String {
    format!("{}:{}:{}", place.path.display(), place.line, place.column)
}

/// Returns true if a flag with this definition depends on another one.
pub(crate) fn names(definition: &Definition, flag: &str) -> bool {
    definition.needs().iter().any(|needed| needed.flag == flag)
}

/// The places of a flag file that name a flag, for people.
pub(crate) fn in_file(path: &Path, text: &str, flag: &str) -> Vec<String> {
    let path = path.display().to_string();
    let found = references(text, flag).into_iter().map(|reference| {
        let by = match &reference.by {
            Referrer::Requires(name)
            | Referrer::Rule { flag: name, .. }
            | Referrer::Misplaced(name) => format!(" (flag `{}`)", clean(name)),
            Referrer::Segment(name) => format!(" (segment `{}`)", clean(name)),
            _ => String::new(),
        };
        format!("{}:{}{by}", clean(&path), reference.location)
    });
    found.collect()
}

/// The entries of sources over the files that name a flag, for people.
pub(crate) async fn in_overrides(
    place: &place::Place,
    flags: &Flags,
    flag: &str,
) -> Result<Vec<String>, Failure> {
    let redis = place.redis()?.map(|redis| redis.handle());
    let mut found = Vec::new();
    for (name, _) in flags.all(&Context::anonymous()) {
        for said in flags.sources_of(&name) {
            if said.source.kind == SourceKind::File {
                continue;
            }
            let mut names_it = matches!(&said.entry, Entry::Definition(it) if names(it, flag));
            let is_switched = said.provenance.is_some_and(|by| by.forced_until.is_some());
            if let Some(redis) = redis.as_ref().filter(|_| is_switched && !names_it) {
                // The entry is that of the switch, and the settings come back at its end.
                let stored = redis.rehearse(&name, &Write::new(Operation::Clear)).await?.before;
                let written = json!(flag).to_string();
                names_it = stored.is_some_and(|stored| stored.contains(&written));
            }
            if names_it {
                let (name, source) = (clean(&name), said.source.name);
                found.push(format!("the override of `{name}` in source `{source}`"));
            }
        }
    }
    Ok(found)
}
