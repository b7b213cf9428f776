//! The failures of commands, and the exit codes that they end with.

use std::{error::Error, io, slice};

use flagstaff::{
    StartError, WriteError,
    cli::ExitCode,
    source::{BackendError, InvalidRedis, RedisError, RedisErrorKind, SourceError},
    write::{Refusal, RolloutError},
};

use crate::{paste, shown::shown_keys};

/// An error with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of the output closed the pipe, which is not an error.
    ClosedPipe,
    Report(Report),
}

/// An error for users: what is wrong, the causes, and what to do about it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) code: ExitCode,
    /// The kind of the failure, whatever code a command ends with.
    pub(crate) kind: ExitCode,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// The kind of failure in Redis, if it is one.
    redis: Option<RedisErrorKind>,
}

impl Failure {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Report(Report {
            code,
            kind: code,
            message,
            causes: Vec::new(),
            hint: None,
            redis: None,
        })
    }

    /// Returns the failure of a wrong call, or of unreadable input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Refused, message)
    }

    /// Returns the failure of an error, with all its causes.
    pub(crate) fn of(code: ExitCode, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, shown_keys(&error.to_string())).because(error)
    }

    /// Adds the causes of an error, without the error itself.
    fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        if let Self::Report(report) = &mut self {
            let mut cause = error.source();
            while let Some(error) = cause {
                report.causes.push(shown_keys(&error.to_string()));
                cause = error.source();
            }
        }
        self
    }

    /// Adds the name of the environment variable that holds the wrong value.
    pub(crate) fn named_by(mut self, name: &str) -> Self {
        if let Self::Report(report) = &mut self {
            report.message = format!("environment variable `{name}`: {}", report.message);
        }
        self
    }

    /// Adds a cause.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        if let Self::Report(report) = &mut self {
            report.causes.push(cause.into());
        }
        self
    }

    /// Adds a hint about what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Report(report) = &mut self {
            report.hint = Some(hint.into());
        }
        self
    }

    /// Returns the kind of failure in Redis, if it is one.
    pub(crate) fn redis(&self) -> Option<RedisErrorKind> {
        match self {
            Self::Report(report) => report.redis,
            Self::ClosedPipe => None,
        }
    }

    /// Returns the message without its causes.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Report(report) => &report.message,
            Self::ClosedPipe => "",
        }
    }

    /// Returns the message with its causes.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Report(Report { message, causes, .. }) => {
                [slice::from_ref(message), causes].concat().join(": ")
            }
            Self::ClosedPipe => String::new(),
        }
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Report(Report { code: ExitCode::Unreachable, .. }))
    }

    /// Changes the exit code to that of the Python command, which `flagstaff flags` keeps: 2 for a store
    /// that cannot be reached.
    pub(crate) fn like_python(mut self) -> Self {
        if let Self::Report(report) = &mut self
            && report.code == ExitCode::Unreachable
        {
            report.code = ExitCode::Usage;
        }
        self
    }
}

/// Returns the failure of a store that cannot be reached, or that refuses.
fn code_of(error: &RedisError) -> ExitCode {
    match error.kind() {
        RedisErrorKind::Permission
        | RedisErrorKind::ReadOnly
        | RedisErrorKind::Refused
        | RedisErrorKind::LogFull => ExitCode::Refused,
        RedisErrorKind::WrongType
        | RedisErrorKind::TooManyFields
        | RedisErrorKind::TooLarge
        | RedisErrorKind::BadValue => ExitCode::Usage,
        _ => ExitCode::Unreachable,
    }
}

impl From<&RedisError> for Failure {
    fn from(error: &RedisError) -> Self {
        let mut failure = Self::of(code_of(error), error);
        if let Self::Report(report) = &mut failure {
            report.redis = Some(error.kind());
        }
        failure
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::from(&error)
    }
}

impl From<InvalidRedis> for Failure {
    fn from(error: InvalidRedis) -> Self {
        Self::of(ExitCode::Usage, &error)
    }
}

/// Converts the error of a source of any kind. Only Redis is beyond this machine.
fn from_source(error: &(dyn Error + 'static), otherwise: ExitCode) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The error of a backend is wrapped in the error of the library.
        let reported = error.downcast_ref::<SourceError>().and_then(SourceError::downcast_ref);
        if let Some(error) = error.downcast_ref::<RedisError>().or(reported) {
            return error.into();
        }
        cause = error.source();
    }
    Failure::of(otherwise, error)
}

/// Returns the failure of a change that is stored and not in force. It has the code of its cause. The message of the
/// cause alone would read as if nothing had been changed.
fn stored(error: &(dyn Error + 'static), cause: &BackendError) -> Failure {
    let mut failure = Failure::of(ExitCode::Unreachable, error);
    if let (Failure::Report(report), Failure::Report(of_cause)) =
        (&mut failure, from_source(&**cause, ExitCode::Unreachable))
    {
        (report.code, report.kind, report.redis) = (of_cause.code, of_cause.kind, of_cause.redis);
    }
    failure.hint(format!(
        "the change stays; {} lists it, and {} undoes it",
        paste::command("history", ""),
        paste::command("undo", "REVISION"),
    ))
}

fn look_first() -> String {
    format!("look at the flag before you repeat it: {}", paste::command("show", "FLAG"))
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        from_source(&error, ExitCode::Unreachable)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match &error {
            WriteError::Conflict { .. } => Self::of(ExitCode::Changed, &error),
            WriteError::Unconfirmed { .. } => {
                Self::of(ExitCode::Unreachable, &error).hint(look_first())
            }
            WriteError::NotInForce { error: cause, .. } => stored(&error, cause),
            _ => from_source(&error, ExitCode::Refused),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        match &error {
            Refusal::Conflict(_) => Self::of(ExitCode::Changed, &error),
            Refusal::Unconfirmed(_) => Self::of(ExitCode::Unreachable, &error).hint(look_first()),
            Refusal::NotInForce { error: cause, .. } => stored(&error, cause),
            _ => from_source(&error, ExitCode::Refused),
        }
    }
}

impl From<RolloutError> for Failure {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Write(error) => error.into(),
            error => Self::of(ExitCode::Refused, &error),
        }
    }
}

/// Of stdout, or of what the system refuses.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::of(ExitCode::Usage, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use flagstaff::write::Written;

    use super::*;

    #[test]
    fn a_change_that_is_stored_and_not_in_force_does_not_read_as_if_nothing_was_changed() {
        let refusal = Refusal::NotInForce {
            written: Written::revision(7),
            error: "the connection was lost".into(),
        };

        let Failure::Report(report) = Failure::from(refusal) else {
            unreachable!("a refusal has a message")
        };

        assert_eq!(report.code, ExitCode::Unreachable);
        assert_eq!(report.message, "the change is stored, but it is not in force here");
        assert_eq!(report.causes, ["the connection was lost"]);
        assert!(report.hint.is_some_and(|hint| hint.contains("the change stays")));
    }
}
