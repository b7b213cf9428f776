//! Answers and the reasons for them, in OpenFeature's words.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use super::{Field, UnitName};

/// The value of a flag for one context, and the reason for it.
///
/// An answer is `Copy` if the value is, and making one allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Answer<T> {
    /// The value to act on.
    pub value: T,
    /// The reason, as one of OpenFeature's.
    pub reason: Reason,
    /// The exact reason: the step of the evaluation that decided.
    pub cause: Cause,
    /// The error, if one occurred. The value is still usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// The source that supplied the deciding setting, if any source has the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// The variant that is served, if the flag has variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
}

impl<T> Answer<T> {
    pub(crate) const fn new(value: T, cause: Cause, source: Option<&'static str>) -> Self {
        let (reason, error_code) = (cause.reason(), cause.error_code());
        Self { value, reason, cause, error_code, source, variant: None }
    }

    pub(crate) fn with_variant(mut self, name: &'static str) -> Self {
        self.variant = Some(name);
        self
    }

    /// Converts the value with a function, and keeps everything else.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, Reason};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    ///
    /// let answer = flags.boolean("beta", &Context::anonymous(), false).map(|on| if on { "on" } else { "off" });
    ///
    /// assert_eq!((answer.value, answer.reason), ("on", Reason::Static));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Answer<U> {
        let Self { value: old, reason, cause, error_code, source, variant } = self;
        Answer { value: value(old), reason, cause, error_code, source, variant }
    }

    /// Returns a sentence about [`error_code`](Self::error_code), if there is one.
    #[must_use]
    pub fn error_details(&self) -> Option<Cow<'static, str>> {
        let details = self.error_code?.details();
        Some(match self.cause {
            Cause::UnknownVariant => {
                "the enum lacks the variant that is served, so its default is served".into()
            }
            Cause::NoUnit(unit) => format!(
                "the flag draws by `{unit}`, and the context has no such attribute that can be drawn by"
            )
            .into(),
            _ => details.into(),
        })
    }
}

impl<T> Answer<Option<T>> {
    /// Replaces a missing value with the caller's default.
    #[inline]
    pub(crate) fn unwrap_or(self, default: T) -> Answer<T> {
        self.map(|value| value.unwrap_or(default))
    }
}

/// The step of the evaluation that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// `enabled` is false, or a source forces the flag off.
    Disabled,
    /// The time is outside of the `active` window.
    Inactive,
    /// A flag that is required is not in the required state: on, off, or serving a variant.
    Prerequisite,
    /// The flag depends on itself, over others, or on more than 256 flags.
    InvalidPrerequisites,
    /// The targeting key is among `denied_users`.
    DeniedUser,
    /// A group is among `denied_groups`.
    DeniedGroup,
    /// The targeting key is among `allowed_users`.
    AllowedUser,
    /// A group is among `allowed_groups`.
    AllowedGroup,
    /// The rule with this index, 0 being the first, serves on, off or a variant.
    Rule(u16),
    /// The bucket decides what the rule with this index serves: it is inside or outside the rule's
    /// percentage, or that of a variant.
    RuleSplit(u16),
    /// The bucket is inside or outside the percentage of the flag, or of its rollout's stage.
    Percentage,
    /// There is a percentage between 0 and 100, or there are variants, and the context has no
    /// targeting key to draw a bucket by.
    NoTargetingKey,
    /// Buckets are drawn by this attribute, or by the request, and the context has none.
    NoUnit(UnitName),
    /// The bucket is inside the share of a variant.
    Variant,
    /// The bucket is outside the `traffic`, the share of users who are drawn into variants.
    Traffic,
    /// No setting holds any user back: the flag is on for all users.
    AllUsers,
    /// No user gets the flag: the percentage or the traffic is 0, or no variant that can be served
    /// has a weight.
    NoUsers,
    /// No list, rule or requirement decided, and the percentage of all other users is 0 or 100.
    Unmatched,
    /// A source has been unreachable for too long, and `on_stale` of the flag is `on` or `off`.
    Stale,
    /// A source has been unreachable for too long, and `on_stale` of the flag is `unavailable`.
    Unavailable,
    /// No source has the flag: the caller's default.
    UnknownFlag,
    /// The definition of the flag was rejected, and there is no former one: the caller's default.
    Rejected,
    /// The flag has a value of another type: the caller's default.
    TypeMismatch,
    /// The flag serves a variant that the caller's enum lacks: the default of the enum.
    UnknownVariant,
    /// The call is outside of a request that has flags: the caller's default.
    NoFlags,
    /// An override scoped to the running test.
    Test,
}

/// A draw of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Draw {
    /// A draw by the percentage of the flag, or of its rollout's stage.
    Percentage,
    /// A draw of a variant by the weights of the flag, or of none outside of its `traffic`.
    Variants,
    /// A draw by the percentage of the rule with this index, or by the weights of its variants.
    Rule(u16),
}

// The facts behind a cause are methods here, so that only messages match on causes.
impl Cause {
    /// Returns OpenFeature's reason for this cause.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Disabled | Self::Inactive => Reason::Disabled,
            Self::DeniedUser
            | Self::DeniedGroup
            | Self::AllowedUser
            | Self::AllowedGroup
            | Self::Rule(_)
            | Self::Prerequisite => Reason::TargetingMatch,
            Self::Percentage | Self::RuleSplit(_) | Self::Variant | Self::Traffic => Reason::Split,
            Self::AllUsers | Self::NoUsers | Self::Test => Reason::Static,
            Self::Unmatched => Reason::Default,
            Self::Stale | Self::Unavailable => Reason::Stale,
            Self::NoTargetingKey
            | Self::NoUnit(_)
            | Self::UnknownFlag
            | Self::Rejected
            | Self::InvalidPrerequisites
            | Self::TypeMismatch
            | Self::UnknownVariant
            | Self::NoFlags => Reason::Error,
        }
    }

    /// Returns a word for the cause, such as `denied_user`. It leaves out the index of a rule and
    /// the name of an attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Inactive => "inactive",
            Self::Prerequisite => "prerequisite",
            Self::InvalidPrerequisites => "invalid_prerequisites",
            Self::DeniedUser => "denied_user",
            Self::DeniedGroup => "denied_group",
            Self::AllowedUser => "allowed_user",
            Self::AllowedGroup => "allowed_group",
            Self::Rule(_) => "rule",
            Self::RuleSplit(_) => "rule_split",
            Self::Percentage => "percentage",
            Self::NoTargetingKey => "no_targeting_key",
            Self::NoUnit(_) => "no_unit",
            Self::Variant => "variant",
            Self::Traffic => "traffic",
            Self::AllUsers => "all_users",
            Self::NoUsers => "no_users",
            Self::Unmatched => "unmatched",
            Self::Stale => "stale",
            Self::Unavailable => "unavailable",
            Self::UnknownFlag => "unknown_flag",
            Self::Rejected => "rejected",
            Self::TypeMismatch => "type_mismatch",
            Self::UnknownVariant => "unknown_variant",
            Self::NoFlags => "no_flags",
            Self::Test => "test",
        }
    }

    /// Returns the index of the rule that decided, 0 being the first.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::answer::Cause;
    ///
    /// assert_eq!(Cause::RuleSplit(2).rule(), Some(2));
    /// assert_eq!(Cause::Percentage.rule(), None);
    /// ```
    #[must_use]
    pub const fn rule(self) -> Option<u16> {
        match self {
            Self::Rule(rule) | Self::RuleSplit(rule) => Some(rule),
            _ => None,
        }
    }

    /// Returns the draw that decided, if a bucket was drawn.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::answer::{Cause, Draw};
    ///
    /// assert_eq!(Cause::Traffic.draw(), Some(Draw::Variants));
    /// assert_eq!(Cause::RuleSplit(2).draw(), Some(Draw::Rule(2)));
    /// assert_eq!(Cause::AllowedUser.draw(), None);
    /// ```
    #[must_use]
    pub const fn draw(self) -> Option<Draw> {
        match self {
            Self::Percentage => Some(Draw::Percentage),
            Self::Variant | Self::Traffic => Some(Draw::Variants),
            Self::RuleSplit(rule) => Some(Draw::Rule(rule)),
            _ => None,
        }
    }

    /// Returns the cause for a flag that is off although no step holds users back: the variant that
    /// all users are served counts as off.
    pub(crate) const fn with_no_users_in(self) -> Self {
        match self {
            Self::AllUsers => Self::NoUsers,
            other => other,
        }
    }

    /// Returns the setting that decided, if a single one did.
    pub(crate) const fn setting(self) -> Option<Field> {
        Some(match self {
            Self::Disabled => Field::Enabled,
            Self::Inactive => Field::Active,
            Self::Prerequisite | Self::InvalidPrerequisites => Field::Requires,
            Self::DeniedUser => Field::DeniedUsers,
            Self::DeniedGroup => Field::DeniedGroups,
            Self::AllowedUser => Field::AllowedUsers,
            Self::AllowedGroup => Field::AllowedGroups,
            Self::Rule(_) | Self::RuleSplit(_) => Field::Rules,
            Self::Percentage | Self::NoUsers | Self::Unmatched => Field::Percentage,
            Self::Variant => Field::Variants,
            Self::Traffic => Field::Traffic,
            Self::Stale | Self::Unavailable => Field::OnStale,
            Self::NoTargetingKey
            | Self::NoUnit(_)
            | Self::AllUsers
            | Self::UnknownFlag
            | Self::Rejected
            | Self::TypeMismatch
            | Self::UnknownVariant
            | Self::NoFlags
            | Self::Test => return None,
        })
    }

    pub(crate) const fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::NoTargetingKey | Self::NoUnit(_) => Some(ErrorCode::TargetingKeyMissing),
            Self::UnknownFlag => Some(ErrorCode::FlagNotFound),
            Self::Rejected => Some(ErrorCode::ParseError),
            Self::TypeMismatch | Self::UnknownVariant => Some(ErrorCode::TypeMismatch),
            Self::InvalidPrerequisites => Some(ErrorCode::General),
            Self::NoFlags => Some(ErrorCode::ProviderNotReady),
            _ => None,
        }
    }
}

/// Writes the cause in a few words, such as ``the targeting key is among `denied_users` ``. Rules
/// are counted from 1.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "`enabled` is false",
            Self::Inactive => "the time is outside of its `active` window",
            Self::Prerequisite => "a flag that it requires is not in the required state",
            Self::InvalidPrerequisites => "it depends on itself, over others, or on too many flags",
            Self::DeniedUser => "the targeting key is among `denied_users`",
            Self::DeniedGroup => "a group is among `denied_groups`",
            Self::AllowedUser => "the targeting key is among `allowed_users`",
            Self::AllowedGroup => "a group is among `allowed_groups`",
            Self::Rule(rule) => return write!(f, "rule {} matches", u32::from(*rule) + 1),
            Self::RuleSplit(rule) => {
                return write!(f, "rule {} matches and the bucket decides", u32::from(*rule) + 1);
            }
            Self::Percentage => "the bucket decides by the percentage",
            Self::NoTargetingKey => "there is no user to draw a bucket by",
            Self::NoUnit(unit) => return write!(f, "there is no {unit} to draw a bucket by"),
            Self::Variant => "the bucket is that of the variant",
            Self::Traffic => "the bucket is outside of the `traffic`",
            Self::AllUsers => "nothing holds it back",
            Self::NoUsers => "no user is in",
            Self::Unmatched => "no list and no rule decides",
            Self::Stale => "a source is lost, and `on_stale` decides",
            Self::Unavailable => "a source is lost, and `on_stale` is `unavailable`",
            Self::UnknownFlag => "no source has it",
            Self::Rejected => "its definition was rejected, and there is no former one",
            Self::TypeMismatch => "its value is of another type",
            Self::UnknownVariant => "the enum of the caller lacks the variant that it serves",
            Self::NoFlags => "no flags are in scope",
            Self::Test => "the running test overrides it",
        })
    }
}

/// The reason for the value of a flag: OpenFeature's resolution reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Every context gets this answer.
    Static,
    /// The lists and rules were evaluated, and none of them matched.
    Default,
    /// A list or a rule decided.
    TargetingMatch,
    /// The bucket decided.
    Split,
    /// The flag is switched off, or outside of its active window.
    Disabled,
    /// A source that the flag depends on has been unreachable for longer than its `stale_after`.
    Stale,
    /// An error occurred, such as an unknown flag or a missing targeting key.
    Error,
}

impl Reason {
    /// Returns OpenFeature's spelling, such as `TARGETING_MATCH`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of an evaluation: OpenFeature's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No source has the flag.
    FlagNotFound,
    /// The flag has a percentage or variants, and the context lacks the targeting key or the
    /// attribute that buckets are drawn by.
    TargetingKeyMissing,
    /// The definition of the flag was rejected, and there is no former one.
    ParseError,
    /// The flag has a value of another type than the caller asked for, or serves a variant that the
    /// caller's enum lacks.
    TypeMismatch,
    /// There are no flags here: the call is outside of a request that has them.
    ProviderNotReady,
    /// The prerequisites of the flag cannot be resolved.
    General,
}

impl ErrorCode {
    /// Returns OpenFeature's spelling, such as `FLAG_NOT_FOUND`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::ParseError => "PARSE_ERROR",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::ProviderNotReady => "PROVIDER_NOT_READY",
            Self::General => "GENERAL",
        }
    }

    const fn details(self) -> &'static str {
        match self {
            Self::FlagNotFound => "no source has this flag, so the default is served",
            Self::TargetingKeyMissing => {
                "the flag is for a share of the users and the context names no user"
            }
            Self::ParseError => {
                "the definition of this flag was rejected, so the default is served"
            }
            Self::General => {
                "the flag depends on itself, over others, or on too many flags, so it is off"
            }
            Self::TypeMismatch => {
                "the flag has a value of another type than was asked for, so the default is served"
            }
            Self::ProviderNotReady => {
                "no flags are in scope here: the request did not pass a request layer"
            }
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
