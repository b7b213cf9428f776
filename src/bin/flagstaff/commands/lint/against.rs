use std::{
    path::{Path, PathBuf},
    process::{Command, Output as Ran},
    str::FromStr,
};

use crate::{failure::Failure, output::Output, place::read};

/// Where the text before an edit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Against {
    /// In this revision of the file's git repository.
    Git(String),
    File(PathBuf),
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("git:") {
            Some("") => Err("expected a revision behind `git:`, such as `git:HEAD`".to_owned()),
            Some(revision) => Ok(Self::Git(revision.to_owned())),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl Against {
    /// The text before; `None` if there was no such file then.
    pub(super) fn text(&self, path: &Path, output: &Output) -> Result<Option<String>, Failure> {
        match self {
            Self::File(before) => read(before).map(Some),
            Self::Git(revision) => {
                let before = show(path, revision)?;
                if before.is_none() {
                    output.note(format!("`{}` is not in `{revision}`", path.display()));
                }
                Ok(before)
            }
        }
    }
}

fn show(path: &Path, revision: &str) -> Result<Option<String>, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|_| path != "-");
    let Some(name) = name else {
        return Err(Failure::usage("git knows nothing of stdin").hint("name a file"));
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let commit = format!("{revision}^{{commit}}");
    let known = git(directory, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?;
    if !known.status.success() {
        let said = String::from_utf8_lossy(&known.stderr);
        let why = said.trim().strip_prefix("fatal: ").unwrap_or(said.trim());
        return Err(match why {
            "" => Failure::usage(format!("git knows no revision `{revision}`")),
            why => Failure::usage(format!("git cannot show `{revision}`: {why}")),
        });
    }
    let commit = String::from_utf8_lossy(&known.stdout).trim().to_owned();
    let shown = git(directory, &["show", &format!("{commit}:./{name}")])?;
    if !shown.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8(shown.stdout);
    text.map(Some).map_err(|_| Failure::usage(format!("`{name}` in `{revision}` is not UTF-8")))
}

fn git(directory: &Path, arguments: &[&str]) -> Result<Ran, Failure> {
    let ran = Command::new("git").arg("-C").arg(directory).args(arguments).output();
    ran.map_err(|error| Failure::usage(format!("cannot run git: {error}")))
}
