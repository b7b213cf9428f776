//! Files at a revision of git.

use std::{path::Path, process::Command};

use crate::failure::Failure;

/// Returns the text of `path` at a revision, such as `main` or `HEAD~3`.
pub(crate) fn text_at(revision: &str, path: &Path) -> Result<String, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let object = format!("{revision}:./{name}");
    let text = git(path.parent().unwrap_or(Path::new("")), &["show", "--end-of-options", &object])?;
    String::from_utf8(text)
        .map_err(|_| Failure::usage(format!("`{}` at `{revision}` is not UTF-8", path.display())))
}

/// Runs git in a directory, and returns what it prints.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let output = Command::new("git")
        .arg("-C")
        .arg(here)
        .args(arguments)
        .output()
        .map_err(|error| Failure::usage(format!("cannot run git: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let problem = String::from_utf8_lossy(&output.stderr);
    Err(Failure::usage(format!("git: {}", problem.trim().trim_start_matches("fatal: "))))
}
