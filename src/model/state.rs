//! A summary of a flag, for people.

use std::{fmt, time::SystemTime};

use super::{Definition, Effect, Field, Moment, Percentage, Variant, Weight};
use crate::text::count;

/// A summary of a flag for all users together, as events and logs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FlagState {
    /// No source has the flag.
    #[default]
    Unknown,
    /// The flag is off for all users.
    Off,
    /// The flag is on for all users.
    On,
    /// The flag depends on the evaluation context.
    Partial {
        /// The share of users that no list names.
        percentage: Percentage,
        /// The number of users and groups that are allowed.
        allowed: usize,
        /// The number of users and groups that are denied.
        denied: usize,
        /// The number of rules.
        rules: usize,
        /// The number of flags that it requires.
        required: usize,
        /// The number of variants that are drawn; 0 if nothing is drawn.
        variants: usize,
    },
}

impl FlagState {
    /// Returns the state, at the instant `now`, of a definition that is merged from all sources.
    #[must_use]
    pub fn at(definition: &Definition, now: SystemTime) -> Self {
        Self::of(definition, Moment::of(definition, now).as_ref())
    }

    /// Returns the word for the state: `unknown`, `off`, `on` or `partial`.
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
        let drawn = Drawn::of(definition);
        let percentage = match drawn {
            Drawn::Off => Percentage::ZERO,
            Drawn::On | Drawn::Several(_) => Moment::percentage(moment, definition),
        };
        let variants = match drawn {
            Drawn::Several(variants) if percentage > Percentage::ZERO => variants,
            _ => 0,
        };
        let count = |effect| {
            let lists = Field::ALL.iter().filter(|field| field.effect() == effect);
            lists.map(|&field| definition.entries(field)).sum()
        };
        let (mut allowed, denied): (usize, usize) = (count(Effect::Allows), count(Effect::Denies));
        let rules = definition.entries(Field::Rules);
        let required = definition.entries(Field::Requires);
        // An allow-list has no effect if all users get the flag anyway.
        if percentage == Percentage::HUNDRED && rules == 0 {
            allowed = 0;
        }
        let others = denied + required + variants;
        match (definition.enabled.value(), rules, percentage, allowed, others) {
            (Some(false), ..) | (_, 0, Percentage::ZERO, 0, _) => Self::Off,
            (_, 0, Percentage::HUNDRED, _, 0) => Self::On,
            _ => Self::Partial { percentage, allowed, denied, rules, required, variants },
        }
    }
}

/// The effect of weights and traffic on the users for whom the steps before turn the flag on.
#[derive(Debug, Clone, Copy)]
enum Drawn {
    On,
    Off,
    /// One of so many variants is drawn, or the traffic leaves a part of the users out.
    Several(usize),
}

impl Drawn {
    fn of(definition: &Definition) -> Self {
        if definition.spares_draws().is_some() {
            return Self::On;
        }
        if definition.rare().serve.value().is_some() {
            return Self::Off;
        }
        let Some(variants) = definition.rare().variants.value().filter(|it| !it.is_empty()) else {
            return Self::On;
        };
        let traffic = definition.rare().traffic.value().copied().unwrap_or_default();
        let weighs =
            |variant: &Variant| variant.weight.value().is_some_and(|&it| it > Weight::ZERO);
        let weighed = variants.iter().filter(|(_, variant)| weighs(variant));
        let weighed: Vec<_> = weighed.map(|(name, _)| name).collect();
        match *weighed {
            _ if traffic == Percentage::ZERO => Self::Off,
            _ if weighed.iter().all(|name| variants.counts_as_off(name)) => Self::Off,
            [_] if traffic == Percentage::HUNDRED => Self::On,
            _ => Self::Several(weighed.len()),
        }
    }
}

/// Writes the state like `off`, `on`, `unknown`, `25%`, `25%, 3 allowed`,
/// `100%, 1 denied, 2 rules`, `100%, 1 required` or `100%, 3 variants`.
impl fmt::Display for FlagState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.pad("unknown"),
            Self::Off => f.pad("off"),
            Self::On => f.pad("on"),
            Self::Partial { percentage, allowed, denied, rules, required, variants } => {
                write!(f, "{percentage}")?;
                if *allowed > 0 {
                    write!(f, ", {allowed} allowed")?;
                }
                if *denied > 0 {
                    write!(f, ", {denied} denied")?;
                }
                if *rules > 0 {
                    write!(f, ", {}", count(*rules, "rule"))?;
                }
                if *required > 0 {
                    write!(f, ", {required} required")?;
                }
                match *variants {
                    0 => Ok(()),
                    variants => write!(f, ", {}", count(variants, "variant")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_draws_variants_is_not_plainly_on() {
        let state =
            |definition: &Definition| FlagState::at(definition, SystemTime::UNIX_EPOCH).to_string();
        let of = |variants: &[(&str, u32)]| {
            Definition::new().variants(variants.iter().copied().collect::<super::super::Variants>())
        };
        let half = Percentage::whole(50).unwrap();

        assert_eq!(state(&of(&[("a", 1), ("b", 1), ("c", 1)])), "100%, 3 variants");
        assert_eq!(state(&of(&[("on", 1), ("off", 9)])), "100%, 2 variants");
        assert_eq!(state(&of(&[("a", 1), ("b", 0)])), "on");
        assert_eq!(state(&of(&[("on", 0), ("off", 1)])), "off");
        assert_eq!(state(&of(&[("a", 0), ("b", 0)])), "off");
        assert_eq!(state(&of(&[("a", 1)]).traffic(half)), "100%, 1 variant");
        assert_eq!(state(&of(&[("off", 1)]).allowed_users(["ana"])), "0%, 1 allowed");
    }
}
