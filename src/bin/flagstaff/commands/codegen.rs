use std::{io, path::PathBuf};

use clap::{Args, ValueEnum};
use flagstaff::{
    cli::ExitCode,
    codegen::{self, Generator},
    definition::edit::{Diff, TextFile, TextFileError},
};

use crate::{failure::Failure, place, session::Session, style, text::clean};

/// Make code, or a manifest for other languages, from flags.toml
#[derive(Debug, Args)]
#[command(after_help = "\
rust is a constant for each flag, and an enum for each flag with variants.
With --deprecate-expired, the code depends on the day, and so does --check.

manifest is the flag manifest of the OpenFeature CLI, which makes code for other
languages of it.

Exits with 1 if --check finds that the file would change.

Examples:
  flagstaff codegen rust --out src/flags.rs
  flagstaff codegen rust --out src/flags.rs --check     in CI
  flagstaff codegen manifest > flags.json")]
pub(crate) struct Codegen {
    /// Kind of output
    kind: Kind,
    /// File to write it to
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Only print what would change in that file
    #[arg(long, requires = "out")]
    check: bool,
    /// Mark flags that have expired as deprecated
    #[arg(long)]
    deprecate_expired: bool,
}

/// A kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    // A doc comment here would give each a line of its own in the help.
    Rust,
    Manifest,
}

impl Codegen {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.deprecate_expired && self.kind == Kind::Manifest {
            return Err(Failure::usage("`--deprecate-expired` is an option of `codegen rust`"));
        }
        let path = session.place.needed_path()?;
        let (name, text) = (path.display().to_string(), place::read(&path)?);
        let made = match self.kind {
            Kind::Rust => {
                Generator::new(&path).deprecate_expired(self.deprecate_expired).source(&text)
            }
            Kind::Manifest => codegen::manifest(&name, &text),
        };
        let made = made.map_err(|error| match error {
            codegen::Error::Invalid(diagnostics) => {
                session.output.report(&diagnostics);
                Failure::usage(format!("`{name}` has errors"))
            }
            error => Failure::of(ExitCode::Usage, &error),
        })?;
        let Some(out) = self.out else {
            session.output.write(&made)?;
            return Ok(ExitCode::Done);
        };
        if session.place.has_file(&out) {
            return Err(Failure::refused(format!(
                "`{}` is the flag file, and what is made would replace it",
                clean(&out.display().to_string())
            )));
        }
        let written = match TextFile::read(&out) {
            Ok(file) => Some(file),
            Err(TextFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                None
            }
            Err(error) => return Err(error.into()),
        };
        let text = written.as_ref().map(TextFile::text);
        if text == Some(&made) {
            return Ok(ExitCode::Done);
        }
        if self.check {
            let shown = out.display().to_string();
            let diff = Diff::new(&shown, text.unwrap_or_default(), &made);
            session.output.write(&style::diff(&diff.to_string()))?;
            return Ok(ExitCode::No);
        }
        match written {
            Some(file) => file.replace(&made)?,
            None => TextFile::create(&out, &made)?,
        }
        session.output.note(format!("wrote `{}`", out.display()));
        Ok(ExitCode::Done)
    }
}
