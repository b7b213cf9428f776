//! Files and stdin, as commands read them.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flagstaff::definition::{
    Diagnostics,
    edit::{TextFile, TextFileError},
};

use crate::{failure::Failure, output::Output, shown::shown_path};

/// Prints the mistakes for which a file cannot be used. For programs, the error has the mistakes instead.
pub(crate) fn mistakes(name: &str, diagnostics: &Diagnostics, output: &Output) -> Failure {
    let failure = Failure::usage(format!("`{name}` cannot be used"));
    if output.is_json() {
        return failure.cause(diagnostics.summary());
    }
    output.report(diagnostics);
    failure
}

/// Returns the nearest file of a name, from a directory upwards.
pub(crate) fn nearest(here: &Path, name: &str) -> Option<PathBuf> {
    let path =
        here.ancestors().map(|directory| directory.join(name)).find(|path| path.is_file())?;
    // Shown to people, and short where it can be.
    Some(path.strip_prefix(here).map(Path::to_owned).unwrap_or(path))
}

/// The limit of stdin, which may never end. Files have the same limit.
const MAX_LEN: u64 = 16 << 20;

/// Returns the text of a file, or of stdin for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    if path != "-" {
        return match TextFile::read(path) {
            Ok(file) => Ok(file.text().to_owned()),
            Err(TextFileError::Read { source, .. }) => Err(unreadable(path, &source)),
            Err(error) => Err(error.into()),
        };
    }
    let mut text = String::new();
    match io::stdin().take(MAX_LEN + 1).read_to_string(&mut text) {
        Ok(len) if len as u64 > MAX_LEN => {
            Err(Failure::usage("cannot read stdin: larger than 16 MiB"))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Opens a file that is read line by line, so that it may be of any size.
pub(crate) fn open(path: &Path) -> Result<fs::File, Failure> {
    let unreadable = |error| unreadable(path, &error);
    // Opening a FIFO waits for its writer, and a device need not have lines.
    if !path.metadata().map_err(unreadable)?.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(unreadable(error));
    }
    fs::File::open(path).map_err(unreadable)
}

/// Returns the failure for a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::usage(format!("cannot read `{}`: {error}", shown_path(path)));
    match error.kind() {
        // A pipe or a device, whose content cannot be read twice.
        io::ErrorKind::InvalidInput => failure.hint("`-` reads stdin, which may be a pipe"),
        _ => failure,
    }
}
