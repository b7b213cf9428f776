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
    guard::{self, Leave, Target, Wish},
    place, places,
    session::Session,
    text::{self, clean, count},
};

/// Returns the text of the flag file, to be changed.
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
    let document = match session.place.is_over_another(file.path()) {
        true => Document::parse_partial(name, file.text()),
        false => Document::parse(name, file.text()),
    };
    document.map_err(|error| refused(session, &error))
}

/// The flag files of the place, the weakest first, which are edited together.
pub(crate) struct Files(pub(crate) Vec<Opened>);

/// A flag file that is edited.
pub(crate) struct Opened {
    pub(crate) file: TextFile,
    pub(crate) document: Document,
    /// The flags before the edit.
    pub(crate) original: FlagsFile,
}

impl Files {
    /// Reads all flag files of the place.
    pub(crate) fn read(session: &Session) -> Result<Self, Failure> {
        let place = &session.place;
        let paths = match place.paths() {
            paths if paths.is_empty() => vec![place.needed_path()?],
            paths => paths,
        };
        let opened = paths.into_iter().map(|path| {
            let file = TextFile::read(&path)?;
            let document = whole(session, &file)?;
            let original = document.file().clone();
            Ok(Opened { file, document, original })
        });
        opened.collect::<Result<_, Failure>>().map(Self)
    }

    /// Returns the path of the strongest file, beside which code is searched.
    pub(crate) fn strongest(&self) -> &Path {
        self.0.last().map_or(Path::new(""), |opened| opened.file.path())
    }

    /// Returns true if a path leads to one of the files.
    pub(crate) fn have(&self, path: &Path) -> bool {
        let paths: Vec<_> = self.0.iter().map(|it| it.file.path().to_owned()).collect();
        place::has(&paths, path)
    }

    /// Refuses a change without a reason where one of the files needs one.
    pub(crate) fn refuse_without_reason(
        &self,
        session: &Session,
        wish: Wish<'_>,
    ) -> Result<(), Failure> {
        self.0.iter().try_for_each(|Opened { file, .. }| {
            guard::refuse_without_reason(&session.place, Target::File(file.path()), wish)
        })
    }

    /// Refuses an edit after which tests fail, as [`refuse_failing_tests`] does.
    pub(crate) fn refuse_failing_tests(
        &self,
        session: &Session,
        edited: &[&str],
    ) -> Result<(), Failure> {
        self.changed().try_for_each(|Opened { document, original, .. }| {
            refuse_failing_tests(session, original, document, edited)
        })
    }

    /// Returns the diff of the edit in all files.
    pub(crate) fn diff(&self) -> String {
        self.changed().map(|opened| opened.document.diff().to_string()).collect()
    }

    /// Asks for permission to write the files, and also the store if `with_store` is true.
    pub(crate) fn ask(
        &self,
        session: &Session,
        with_store: bool,
        wish: Wish<'_>,
        questions: &[String],
    ) -> Result<Vec<Leave>, Failure> {
        let targets = self.changed().enumerate().map(|(index, Opened { file, .. })| {
            let (target, questions) = match (index, with_store) {
                (0, true) => (Target::Both(file.path()), questions),
                (0, false) => (Target::File(file.path()), questions),
                (_, _) => (Target::File(file.path()), &[][..]),
            };
            guard::ask(&session.place, target, wish, questions)
        });
        targets.collect()
    }

    /// Writes the files that are changed. If one cannot be written, the error names those that are written already.
    pub(crate) fn write(&self, session: &Session, leaves: &[Leave]) -> Result<(), Failure> {
        let mut written = Vec::new();
        for (Opened { file, document, .. }, leave) in self.changed().zip(leaves) {
            let path = format!("`{}`", clean(&file.path().display().to_string()));
            if let Err(failure) = replace(session, leave, file, document.text()) {
                return Err(match written.is_empty() {
                    true => failure,
                    false => failure.hint(format!("{} is changed already", written.join(" and "))),
                });
            }
            written.push(path);
        }
        Ok(())
    }

    fn changed(&self) -> impl Iterator<Item = &Opened> {
        self.0.iter().filter(|opened| opened.document.is_changed())
    }
}

impl Opened {
    /// Returns true if the file has a flag in `[flags]` or an environment, even with a mistake.
    pub(crate) fn names(&self, flag: &str) -> bool {
        place::names(&self.original, flag)
    }
}

/// Prints the mistakes of the file, before or after an edit.
pub(crate) fn refused(session: &Session, error: &EditError) -> Failure {
    let code = match error {
        EditError::Unusable(_) | EditError::UnknownFlag { .. } => ExitCode::Usage,
        _ => ExitCode::Refused,
    };
    let message = error.to_string();
    match error {
        EditError::Unusable(diagnostics)
        | EditError::Rejected { diagnostics, .. }
        | EditError::Invalid { diagnostics, .. } => {
            session.output.report(diagnostics);
        }
        _ => {}
    }
    let failure = Failure::new(code, message);
    match (error, session.place.environment_name()) {
        (EditError::Unwritable { flag }, Ok(Some(environment))) => failure.hint(format!(
            "`true` in an environment lifts settings of `[flags]` that a table there cannot remove, such as `requires` \
             or `active`: write a table `[environments.{}.{}]` with its own values for these",
            text::word(&environment),
            text::word(flag),
        )),
        _ => failure,
    }
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
        "{} of the file would fail then, and services would keep their definitions",
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
    note_written(session, leave, "wrote", file.path());
    Ok(())
}

/// Refuses a path at which no new file can be created.
pub(crate) fn refuse_what_is_there(path: &Path) -> Result<(), Failure> {
    // A dangling symbolic link counts as existing.
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

/// Creates a file of the place, and prints a line about it.
pub(crate) fn create(
    session: &Session,
    leave: &Leave,
    path: &Path,
    text: &str,
) -> Result<(), Failure> {
    TextFile::create(path, text)?;
    note_written(session, leave, "created", path);
    Ok(())
}

fn note_written(session: &Session, leave: &Leave, verb: &str, path: &Path) {
    let Session { place, output } = session;
    let reason = leave.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    output.aside(format!("{verb} {}{}", place.with_file(path), reason.unwrap_or_default()));
}

impl From<TextFileError> for Failure {
    fn from(error: TextFileError) -> Self {
        match &error {
            TextFileError::Changed { .. } => Self::of(ExitCode::Changed, &error)
                .hint("nothing was written; run it again to use the file as it is now"),
            TextFileError::Read { .. } => Self::of(ExitCode::Usage, &error),
            _ => Self::of(ExitCode::Refused, &error),
        }
    }
}
