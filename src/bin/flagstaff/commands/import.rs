use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use flagstaff::{
    Flags, Redis,
    cli::ExitCode,
    definition::{
        edit::{Document, EditError, TextFile, TextFileError},
        to_json,
    },
    source::Status,
};
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    file,
    guard::{self, GuardArgs, Target},
    import::{Imported, Note, article, listed, stored, waffle, whose},
    reading,
    session::Session,
    style,
    text::{clean, count},
};

/// Import the flags of another system into flags.toml
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the flags, and writes them with --write. A flag that is in flags.toml
already is unchanged. Differences from the other system go to stderr. A flag is
never on for more users than before: a flag with settings that have no
equivalent here is left out. Exits with 1 if a flag was left out.

Systems:
  waffle   django-waffle: flags, switches and samples of a fixture, in JSON,
           JSON lines or YAML. Custom models are read too.

  tempest  tempest-fastapi-sdk: the hash in Redis, or the output of `list`.

  json     A JSON object per flag, in Redis keys such as ff:new_search. The file
           is one JSON object by key, or lines of a key and its value. A
           prefix other than ff needs --key-prefix.

Examples:
  manage.py dumpdata waffle --natural-primary --natural-foreign > waffle.json
  flagstaff import waffle waffle.json
  flagstaff import waffle waffle.json --write
  flagstaff import tempest --redis redis://localhost
  for key in $(redis-cli --scan --pattern 'ff:*'); do
    echo \"$key $(redis-cli --raw get $key)\"
  done | flagstaff import json -")]
pub(crate) struct Import {
    /// System to import from
    system: System,
    /// Export of that system [default for tempest: the store of --redis]
    #[arg(value_name = "FILE|-", required_if_eq_any([("system", "waffle"), ("system", "json")]))]
    source: Option<PathBuf>,
    /// Write the flags into flags.toml
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    guard: GuardArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum System {
    Waffle,
    Tempest,
    Json,
}

impl System {
    /// Returns the name of the system as `whose` returns it.
    const fn package(self) -> &'static str {
        match self {
            Self::Waffle => "django-waffle",
            Self::Tempest => "tempest-fastapi-sdk",
            Self::Json => "JSON keys",
        }
    }
}

/// Returns the text of a file or of stdin, with a byte order mark or without: PowerShell writes UTF-16.
fn text(path: &Path) -> Result<String, Failure> {
    if path == "-" {
        return reading::read(path);
    }
    let unreadable = match TextFile::read(path) {
        Ok(file) => return Ok(file.text().to_owned()),
        Err(TextFileError::Read { source, .. }) => source,
        Err(error) => return Err(error.into()),
    };
    if unreadable.kind() != io::ErrorKind::InvalidData {
        return Err(reading::unreadable(path, &unreadable));
    }
    // The file was read, and is not UTF-8.
    let bytes = fs::read(path).map_err(|error| reading::unreadable(path, &error))?;
    let units = |of: fn([u8; 2]) -> u16| {
        let pairs = bytes.chunks_exact(2).skip(1);
        pairs.map(|pair| of([pair[0], pair[1]])).collect::<Vec<_>>()
    };
    let decoded = match bytes.get(..2) {
        Some([0xff, 0xfe]) => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        Some([0xfe, 0xff]) => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        _ => None,
    };
    decoded.ok_or_else(|| {
        Failure::usage(format!("cannot read `{}`: it is neither UTF-8 nor UTF-16", path.display()))
    })
}

/// Returns the error for a file of another system.
fn other(system: &'static str, asked: System) -> Failure {
    let failure = Failure::usage(format!(
        "this is a file of {system}, and `import {}` reads those of {}",
        asked.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default(),
        asked.package(),
    ));
    match [System::Waffle, System::Tempest].into_iter().find(|it| it.package() == system) {
        Some(System::Waffle) => failure.hint("`flagstaff import waffle` reads it"),
        Some(_) => failure.hint("`flagstaff import tempest` reads it"),
        None => failure
            .hint("there is no importer for it yet; `flagstaff import --help` lists the systems"),
    }
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut imported = self.imported(session).await?;
        let path = session.place.path().unwrap_or_else(|| PathBuf::from("flags.toml"));
        let file = if path.exists() { Some(TextFile::read(&path)?) } else { None };
        if self.write && file.is_none() {
            file::refuse_what_is_there(&path)?;
        }
        let mut document = match &file {
            Some(file) => file::document(session, file)?,
            None => Document::parse(path.to_string_lossy(), "[flags]\n")
                .map_err(|error| file::refused(session, &error))?,
        };
        let added = add(&mut imported, &mut document);
        let printed = match file {
            Some(_) => style::diff(&document.diff().to_string()),
            None => document.text().to_owned(),
        };
        self.print(&imported, &added, printed, session)?;
        if !self.write {
            session.output.note("nothing was written: `--write` writes the flags");
        } else if document.is_changed() {
            let word = guard::word(&added);
            let leave =
                guard::ask(&session.place, Target::File(&path), self.guard.wish(&word), &[])?;
            match file {
                Some(file) => file::replace(session, &leave, &file, document.text())?,
                None => file::create(session, &leave, &path, document.text())?,
            }
            let many = count(added.len(), "flag");
            session.output.note(format!("wrote {many} into `{}`", path.display()));
        }
        Ok(if imported.left_out == 0 { ExitCode::Done } else { ExitCode::No })
    }

    async fn imported(&self, session: &Session) -> Result<Imported, Failure> {
        let text = |path: &Path| {
            let text = text(path)?;
            match whose(&text) {
                Some(system) if system != self.system.package() => Err(other(system, self.system)),
                _ => Ok(text),
            }
        };
        match (self.system, &self.source) {
            (System::Waffle, Some(path)) => waffle(&text(path)?),
            (System::Json, Some(path)) => article(&text(path)?, session.place.key_prefix()),
            (System::Tempest, Some(path)) => Ok(listed(&text(path)?)),
            (System::Tempest, None) => hash(session.place.needed_redis()?).await,
            (_, None) => Err(Failure::usage("name the file that has the flags, or `-` for stdin")),
        }
    }

    fn print(
        &self,
        imported: &Imported,
        added: &[String],
        printed: String,
        session: &Session,
    ) -> Result<(), Failure> {
        let flag = |key: &String| {
            let (_, definition) = imported.flags.iter().find(|(known, _)| known == key)?;
            Some((key.clone(), to_json(definition).into()))
        };
        let flags: Map<String, Value> = added.iter().filter_map(flag).collect();
        let notes: Vec<_> = imported.notes.iter().map(note_json).collect();
        let json = json!({
            "flags": flags,
            "notes": notes,
            "leftOut": imported.left_out,
            "written": self.write,
        });
        session.output.thing(json, || printed)?;
        if !session.output.is_json() {
            imported.notes.iter().for_each(|note| session.output.warning(note_text(note)));
        }
        Ok(())
    }
}

/// Adds the flags that are not there yet; the keys of those that it added.
fn add(imported: &mut Imported, document: &mut Document) -> Vec<String> {
    let mut added = Vec::new();
    for (key, definition) in std::mem::take(&mut imported.flags) {
        match document.add(&key, &definition) {
            Ok(()) => added.push(key.clone()),
            Err(EditError::Exists { .. }) => imported.leave_out(&key, "flags.toml has it already"),
            Err(error) => imported.leave_out(&key, &because(&error)),
        }
        imported.flags.push((key, definition));
    }
    added
}

/// Returns the mistake in a flag, in one line.
fn because(error: &EditError) -> String {
    match error {
        EditError::Invalid { diagnostics, .. } => {
            let problems = diagnostics.iter().map(|problem| problem.message.clone());
            problems.collect::<Vec<_>>().join("; ")
        }
        error => error.to_string(),
    }
}

/// Returns the fields of the hash that Python services share.
async fn hash(redis: Redis) -> Result<Imported, Failure> {
    let flags = Flags::builder().source(redis.unannounced()).require_ready().start().await?;
    let is_read = |flag: &str| flags.sources_of(flag).iter().all(|held| held.problem.is_none());
    let entries = flags.drift().into_iter().filter(|drift| is_read(&drift.key));
    let mut imported =
        stored(entries.map(|drift| (drift.key, drift.entry, drift.provenance.is_some())));
    let failing =
        flags.health().sources.into_iter().filter(|source| source.status == Status::Error);
    for error in failing.filter_map(|source| source.last_error) {
        imported.leave_out_unread(&error);
    }
    Ok(imported)
}

fn note_text(note: &Note) -> String {
    match &note.flag {
        Some(flag) => format!("`{}`: {}", clean(flag), clean(&note.text)),
        None => clean(&note.text).into_owned(),
    }
}

fn note_json(note: &Note) -> Value {
    json!({ "flag": note.flag, "note": note.text })
}
