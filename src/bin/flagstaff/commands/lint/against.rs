use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    failure::Failure,
    output::Output,
    reading::read,
    revision::{git, text_at},
};

/// The location of the file before an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Against {
    /// A revision of the git repository of the file.
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
    /// Returns the text of the file before the edit; `None` if the file did not exist.
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
    let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|&name| name != "-")
    else {
        return Err(Failure::usage("git has no revisions of stdin").hint("name a file"));
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    // Check for a repository first: a missing repository is another error than a missing revision.
    git(directory, &["rev-parse", "--git-dir"])?;
    let commit = format!("{revision}^{{commit}}");
    let commit = git(directory, &["rev-parse", "--verify", "--end-of-options", &commit])
        .map_err(|_| Failure::usage(format!("git has no revision `{revision}`")))?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let known = git(directory, &["ls-tree", "--name-only", &commit, "--", name])?;
    match known.is_empty() {
        true => Ok(None),
        false => text_at(&commit, path).map(Some),
    }
}
