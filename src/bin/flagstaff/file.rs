//! Changes of flags.toml.

use flagstaff::{
    cli::ExitCode,
    definition::edit::{Document, EditError, TextFile, TextFileError},
};

use crate::{failure::Failure, session::Session};

/// The text of the flag file, to be changed.
pub(crate) fn document(session: &Session, file: &TextFile) -> Result<Document, Failure> {
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
            session.output.note(diagnostics.report().to_string().trim_end());
        }
        _ => {}
    }
    Failure::new(code, message)
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
