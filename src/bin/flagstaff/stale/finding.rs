//! The reasons why a flag can be removed.

use std::time::{Duration, SystemTime};

use flagstaff::{Definition, answer::FlagState};

/// The answer of a flag that is the same for all users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fixed {
    On,
    Off,
    /// On, with this variant.
    Variant(String),
}

/// The start of a state, with the origin of the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) at: SystemTime,
    pub(crate) source: Source,
}

/// The origin of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The commits of the flag file.
    Git,
    /// The stages of a rollout.
    Rollout,
    /// An override.
    Override,
    /// The date in the definition of the flag: the state cannot have begun earlier.
    Created,
    /// The end in the definition of the flag.
    Expires,
    /// The reports of instances on the flags that they evaluate.
    Instances,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Rollout => "rollout",
            Self::Override => "override",
            Self::Created => "created",
            Self::Expires => "expires",
            Self::Instances => "instances",
        }
    }
}

/// A reason why a flag can be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) since: Option<Since>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Expired,
    /// No instance evaluates it.
    Unevaluated,
    /// On for all users.
    On,
    /// Off for all users.
    Off,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unevaluated => "unevaluated",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl Fixed {
    /// Returns the answer of a definition at the instant `at`, if it is the same for all users.
    pub(crate) fn of(definition: &Definition, at: SystemTime) -> Option<Self> {
        match FlagState::at(definition, at) {
            FlagState::Off => Some(Self::Off),
            FlagState::On => {
                match definition.rare().variants.value().filter(|variants| !variants.is_empty()) {
                    None => Some(Self::On),
                    Some(variants) => {
                        let whole = |(_, variant): &(&str, &flagstaff::definition::Variant)| {
                            variant
                                .weight
                                .value()
                                .is_some_and(|weight| weight.ten_thousandths() > 0)
                        };
                        let mut drawn = variants.iter().filter(whole);
                        let all = definition
                            .rare()
                            .traffic
                            .value()
                            .is_none_or(|it| it.ten_thousandths() == 1_000_000);
                        match (drawn.next(), drawn.next()) {
                            (Some((only, _)), None) if all => Some(Self::Variant(only.to_owned())),
                            _ => None,
                        }
                    }
                }
            }
            _ => None,
        }
    }

    /// Returns the branch of the code to keep: for on, for off, or for a variant.
    pub(crate) fn keep(&self) -> &str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Variant(name) => name,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        *self != Self::Off
    }

    fn kind(&self) -> Kind {
        if self.is_on() { Kind::On } else { Kind::Off }
    }
}

impl Finding {
    /// Returns all reasons why a flag can be removed; none for a permanent flag. `fixed` is its answer for all users,
    /// and the start of that answer, without which it does not count. `evaluated` is the time when instances last evaluated the flag, or first had it.
    /// `unchanged` is the minimum age of both.
    pub(crate) fn all(
        definition: &Definition,
        fixed: Option<(&Fixed, Option<Since>)>,
        evaluated: Option<SystemTime>,
        now: SystemTime,
        unchanged: Duration,
    ) -> Vec<Self> {
        let mut findings = Vec::new();
        if definition.is_permanent() {
            return findings;
        }
        if let Some(at) = definition.expiry().filter(|expiry| *expiry <= now) {
            let since = Some(Since { at, source: Source::Expires });
            findings.push(Self { kind: Kind::Expired, since });
        }
        let is_new = |at: SystemTime| now.duration_since(at).unwrap_or_default() < unchanged;
        // Instances may not have the flag yet.
        if let Some(at) = evaluated.max(evaluated.and(definition.created.value().copied()))
            && !is_new(at)
        {
            let since = Some(Since { at, source: Source::Instances });
            findings.push(Self { kind: Kind::Unevaluated, since });
        }
        if let Some((fixed, since)) = fixed
            && since.is_some_and(|since| !is_new(since.at))
        {
            findings.push(Self { kind: fixed.kind(), since });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use flagstaff::{Percentage, definition::Variant};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + days * DAY
    }

    fn since(days: u32) -> Option<Since> {
        Some(Since { at: at(days), source: Source::Git })
    }

    #[test]
    fn a_flag_with_one_answer_for_all_users_is_stale() {
        let of = |definition| Fixed::of(&definition, at(1));
        let all = Definition::new;

        assert_eq!(of(all()), Some(Fixed::On));
        assert_eq!(of(all().enabled(false)), Some(Fixed::Off));
        assert_eq!(of(all().percentage(Percentage::ZERO)), Some(Fixed::Off));
        assert_eq!(of(all().denied_users(["eve"])), None);
        let won = [("old", Variant::from(0)), ("new", Variant::from(1))];
        assert_eq!(of(all().variants(won.clone())), Some(Fixed::Variant("new".to_owned())));
        let traffic = Percentage::whole(50).unwrap();
        assert_eq!(of(all().variants(won).traffic(traffic)), None);
        assert_eq!(of(all().variants([("a", 1), ("b", 1)])), None);
    }

    #[test]
    fn a_flag_can_have_two_findings() {
        let flag = Definition::new().expires(at(50));
        let kinds = |now, since| -> Vec<_> {
            let findings = Finding::all(&flag, Some((&Fixed::Off, since)), None, at(now), 30 * DAY);
            findings.iter().map(|finding| finding.kind).collect()
        };

        assert_eq!(kinds(49, since(40)), []);
        assert_eq!(kinds(50, since(40)), [Kind::Expired]);
        assert_eq!(kinds(70, since(40)), [Kind::Expired, Kind::Off]);
        // The time since which it is off is unknown.
        assert_eq!(kinds(49, None), []);
    }

    #[test]
    fn a_permanent_flag_has_no_finding() {
        let flag = Definition::new().expires(at(50)).created(at(1)).permanent(true);

        let findings = Finding::all(&flag, Some((&Fixed::On, None)), Some(at(1)), at(99), 30 * DAY);

        assert_eq!(findings, []);
        let kinds = |flag: Definition| Finding::all(&flag, None, None, at(99), 30 * DAY).len();
        assert_eq!(kinds(flag.permanent(false)), 1);
    }

    #[test]
    fn a_flag_that_no_instance_evaluates_is_stale() {
        let flag = Definition::new().created(at(20));
        let kinds = |now, evaluated| -> Vec<_> {
            let findings = Finding::all(&flag, None, evaluated, at(now), 30 * DAY);
            findings.iter().map(|finding| (finding.kind, finding.since.unwrap().at)).collect()
        };

        assert_eq!(kinds(100, None), []);
        assert_eq!(kinds(49, Some(at(10))), []);
        assert_eq!(kinds(50, Some(at(10))), [(Kind::Unevaluated, at(20))]);
        assert_eq!(kinds(100, Some(at(70))), [(Kind::Unevaluated, at(70))]);
        assert_eq!(kinds(99, Some(at(70))), []);
    }
}
