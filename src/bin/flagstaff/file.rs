//! Changes of flags.toml.

use std::{collections::BTreeSet, path::Path, time::SystemTime};

use flagstaff::{
    cli::ExitCode,
    definition::{
        FlagsFile, TestResult,
        edit::{Document, EditError, TextFile, TextFileError},
    },
};

use crate::{
    failure::Failure,
    guard::Leave,
    place, places,
    session::Session,
    text::{clean, count},
};

/// The text of the flag file, to be changed.
pub(crate) fn document(session: &Session, file: &TextFile) -> Result<Document, Failure> {
    let document = whole(session, file)?;
    match session.place.environment_name()? {
        Some(environment) => document
            .in_environment(&environment)
            .map_err(|error| place::unknown_environment(file.path(), &error)),
        None => Ok(document),
    }
}

/// The text of the flag file, to be changed in `[flags]` and in all environments, whichever is chosen.
pub(crate) fn whole(session: &Session, file: &TextFile) -> Result<Document, Failure> {
    let name = file.path().display().to_string();
    Document::parse(name, file.text()).map_err(|error| refused(session, error))
}

/// Shows what is wrong with the file, or would be.
pub(crate) fn refused(session: &Session, error: EditError) -> Failure {
    let code = match &error {
        EditError::Unusable(_) | EditError::UnknownFlag { .. } => ExitCode::Usage,
        _ => ExitCode::Refused,
    };
    let message = error.to_string();
    match error {
        EditError::Unusable(diagnostics)
        | EditError::Rejected { diagnostics, .. }
        | EditError::Invalid { diagnostics, .. } => {
            session.output.report(&diagnostics);
        }
        _ => {}
    }
    Failure::new(code, message)
}

/// Refuses an edit after which tests of the file fail: those of an edited flag, and those that did not
/// fail before. Services keep the former definition of such a flag, so the edit would do nothing.
pub(crate) fn refuse_failing_tests(
    session: &Session,
    before: &FlagsFile,
    document: &Document,
    edited: &[&str],
) -> Result<(), Failure> {
    let now = SystemTime::now();
    let failing = |file: &FlagsFile| -> BTreeSet<(Option<String>, String, usize)> {
        let run = file.test(now);
        let failed = run.results().iter().filter(|result| !result.passed());
        let test = |result: &TestResult| {
            (result.environment.clone(), result.flag.to_string(), result.index)
        };
        failed.map(test).collect()
    };
    let failed_before = failing(before);
    let fails = failing(document.file()).into_iter();
    let is_edited = |environment: &Option<String>, flag: &str| {
        environment.as_deref() == document.file().environment() && edited.contains(&flag)
    };
    let caused =
        fails.filter(|test| is_edited(&test.0, &test.1) || !failed_before.contains(test)).count();
    if caused == 0 {
        return Ok(());
    }
    session.output.report(document.file().test(now).diagnostics());
    Err(Failure::refused(format!(
        "{} of the file would fail then, and services would keep what they have",
        count(caused, "test"),
    ))
    .hint("change the tests first, or with it; nothing was written"))
}

/// Writes a file of the place, and prints a line about it.
pub(crate) fn replace(
    session: &Session,
    leave: &Leave,
    file: &TextFile,
    text: &str,
) -> Result<(), Failure> {
    file.replace(text)?;
    tell_written(session, leave, "wrote", file.path());
    Ok(())
}

/// Refuses a path at which no new file can be made.
pub(crate) fn refuse_what_is_there(path: &Path) -> Result<(), Failure> {
    // A symbolic link that leads nowhere is there, too.
    if path.symlink_metadata().is_ok() {
        return Err(TextFileError::Exists { path: path.to_owned() }.into());
    }
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    match directory.map(Path::metadata) {
        None => Ok(()),
        Some(Ok(found)) if found.is_dir() => Ok(()),
        Some(_) => Err(Failure::refused(format!(
            "cannot write `{}`: its directory is not there",
            clean(&places::shown_path(path))
        ))),
    }
}

/// Makes a file of the place, and prints a line about it.
pub(crate) fn create(
    session: &Session,
    leave: &Leave,
    path: &Path,
    text: &str,
) -> Result<(), Failure> {
    TextFile::create(path, text)?;
    tell_written(session, leave, "made", path);
    Ok(())
}

fn tell_written(session: &Session, leave: &Leave, verb: &str, path: &Path) {
    let Session { place, output } = session;
    let reason = leave.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    output.aside(format!("{verb} {}{}", place.with_file(path), reason.unwrap_or_default()));
}

impl From<TextFileError> for Failure {
    fn from(error: TextFileError) -> Self {
        match &error {
            TextFileError::Changed { .. } => Self::of(ExitCode::Changed, &error)
                .hint("nothing was written; run it again to go by what the file says now"),
            TextFileError::Read { .. } => Self::of(ExitCode::Usage, &error),
            _ => Self::of(ExitCode::Refused, &error),
        }
    }
}
