//! The exit codes of the command `flagstaff`, which scripts can rely on.

/// The exit code of the command `flagstaff`.
///
/// The numbers never change their meaning, so that scripts and other programs can rely on them.
///
/// The spelling `flagstaff flags …` keeps the codes of the Python command `tempest flags`: a store that
/// cannot be reached is [`Usage`](Self::Usage) there, and [`Unreachable`](Self::Unreachable) everywhere else.
///
/// # Example
///
/// ```
/// use flagstaff::cli::ExitCode;
///
/// /// Describes the result of `flagstaff is-on`.
/// fn describe(code: i32) -> &'static str {
///     match ExitCode::from_number(code) {
///         Some(ExitCode::Done) => "it is on",
///         Some(ExitCode::No) => "it is off",
///         Some(other) => other.description(),
///         None => "it was killed",
///     }
/// }
///
/// assert_eq!(describe(1), "it is off");
/// assert_eq!(ExitCode::Unreachable.number(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitCode {
    /// The command is done, the answer is yes, or a check found nothing.
    Done,
    /// The answer is no, or a check found something.
    No,
    /// The command line is wrong, or the input cannot be read.
    Usage,
    /// The store cannot be reached.
    Unreachable,
    /// The change was refused: by the store, by a rule, or by the user at a prompt.
    Refused,
    /// The flag was changed since the command read it. Nothing was changed.
    Changed,
}

impl ExitCode {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::No, Self::Usage, Self::Unreachable, Self::Refused, Self::Changed];

    /// Returns the number that the process ends with.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::Changed => 5,
        }
    }

    /// Returns the code with this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| i32::from(code.number()) == number)
    }

    /// Returns the word for the code in JSON, such as `unreachable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::No => "no",
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Changed => "changed",
        }
    }

    /// Returns the meaning of the code, in a few words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Done => "done, yes, or nothing found",
            Self::No => "no, or something found",
            Self::Usage => "usage error or unreadable input",
            Self::Unreachable => "the store cannot be reached",
            Self::Refused => "refused",
            Self::Changed => "changed by another user in the meantime",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}
