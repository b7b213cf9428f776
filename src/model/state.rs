//! A flag in a few words, for people.

use std::{fmt, time::SystemTime};

use super::{Definition, Effect, Field, Moment, Percentage};

/// What a flag amounts to before anyone in particular asks: what changes and logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FlagState {
    /// No source knows it.
    #[default]
    Unknown,
    /// Off for everybody.
    Off,
    /// On for everybody.
    On,
    /// It depends on who asks.
    Partial {
        /// The share of users that no list names.
        percentage: Percentage,
        /// How many users and groups are allowed.
        allowed: usize,
        /// How many users and groups are denied.
        denied: usize,
        /// How many rules there are.
        rules: usize,
        /// How many flags it requires.
        required: usize,
    },
}

impl FlagState {
    /// The state, at the instant `now`, of a definition that is merged from all sources.
    #[must_use]
    pub fn at(definition: &Definition, now: SystemTime) -> Self {
        Self::of(definition, Moment::of(definition, now).as_ref())
    }

    /// Returns the word for it: `unknown`, `off`, `on` or `partial`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Off => "off",
            Self::On => "on",
            Self::Partial { .. } => "partial",
        }
    }

    pub(crate) fn of(definition: &Definition, moment: Option<&Moment>) -> Self {
        if moment.is_some_and(|moment| !moment.is_active) {
            return Self::Off;
        }
        let percentage = Moment::percentage(moment, definition);
        let count = |effect| {
            let lists = Field::ALL.iter().filter(|field| field.effect() == effect);
            lists.map(|&field| definition.entries(field)).sum()
        };
        let (mut allowed, denied): (usize, usize) = (count(Effect::Allows), count(Effect::Denies));
        let rules = definition.entries(Field::Rules);
        let required = definition.entries(Field::Requires);
        // Nothing is left from which an allow-list could save anybody.
        if percentage == Percentage::HUNDRED && rules == 0 {
            allowed = 0;
        }
        match (definition.enabled.value(), rules, percentage, allowed, denied + required) {
            (Some(false), ..) | (_, 0, Percentage::ZERO, 0, _) => Self::Off,
            (_, 0, Percentage::HUNDRED, _, 0) => Self::On,
            _ => Self::Partial { percentage, allowed, denied, rules, required },
        }
    }
}

/// `off`, `on`, `unknown`, `25%`, `25%, 3 allowed`, `100%, 1 denied, 2 rules`, `100%, 1 required`.
impl fmt::Display for FlagState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.pad("unknown"),
            Self::Off => f.pad("off"),
            Self::On => f.pad("on"),
            Self::Partial { percentage, allowed, denied, rules, required } => {
                write!(f, "{percentage}")?;
                if *allowed > 0 {
                    write!(f, ", {allowed} allowed")?;
                }
                if *denied > 0 {
                    write!(f, ", {denied} denied")?;
                }
                match rules {
                    0 => {}
                    1 => f.write_str(", 1 rule")?,
                    _ => write!(f, ", {rules} rules")?,
                }
                match required {
                    0 => Ok(()),
                    _ => write!(f, ", {required} required"),
                }
            }
        }
    }
}
