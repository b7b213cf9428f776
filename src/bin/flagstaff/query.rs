//! The query language of `flagstaff list`: terms that all have to hold.

use std::time::{Duration, SystemTime};

use flagstaff::{Definition, answer::FlagState, definition::Field, source::SourceKind};

use crate::{glob::Pattern, time};

/// A condition on a flag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    /// A part of the name.
    Name(String),
    /// A glob of the whole name.
    Glob(Pattern),
    /// Nothing stands for a flag without an owner.
    Owner(String),
    Tag(String),
    State(State),
    /// The kind of the strongest source that has an entry.
    Source(String),
    Date {
        field: Field,
        before: bool,
        limit: SystemTime,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    On,
    Off,
    Partial,
}

/// What a term can ask about a flag.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) definition: &'a Definition,
    pub(crate) state: FlagState,
    /// The kind of the strongest source.
    pub(crate) source: Option<SourceKind>,
}

impl Term {
    /// `now` is what `expires<14d` counts from.
    pub(crate) fn parse(text: &str, now: SystemTime) -> Result<Self, String> {
        let Some(at) = text.find([':', '<', '>', '=']) else {
            return Self::name(text);
        };
        let (field, value) = (&text[..at], &text[at + 1..]);
        if &text[at..=at] == "=" {
            return Err(format!("write `{field}:{value}` instead of `{text}`"));
        }
        if &text[at..=at] != ":" {
            let dates = || Field::ALL.iter().copied().filter(|field| field.is_date());
            let Some(field) = dates().find(|date| date.as_str() == field) else {
                let dates: Vec<_> = dates().map(|date| format!("`{date}`")).collect();
                return Err(format!("`{field}` is no date: {} are", dates.join(" and ")));
            };
            let before = &text[at..=at] == "<";
            return Self::date(field, before, value, now);
        }
        match field {
            "owner" => Ok(Self::Owner(value.to_owned())),
            "tag" => Ok(Self::Tag(value.to_owned())),
            "source" => Ok(Self::Source(value.to_owned())),
            "name" => Self::name(value),
            "state" => match value {
                "on" => Ok(Self::State(State::On)),
                "off" => Ok(Self::State(State::Off)),
                "partial" => Ok(Self::State(State::Partial)),
                _ => Err(format!("no state is called `{value}`: on, off and partial are")),
            },
            _ => Err(format!(
                "unknown word `{field}`: there are `owner:`, `tag:`, `state:`, `source:`, `name:`, `expires<` and \
                 `created<`"
            )),
        }
    }

    fn name(text: &str) -> Result<Self, String> {
        match Pattern::parse(text) {
            Some(pattern) => pattern.map(Self::Glob),
            None => Ok(Self::Name(text.to_owned())),
        }
    }

    /// Ahead of now for what is still to come, and back from now for what was.
    fn date(field: Field, before: bool, value: &str, now: SystemTime) -> Result<Self, String> {
        let Ok(long) = time::duration(value) else {
            return Ok(Self::Date { field, before, limit: time::instant(value)? });
        };
        Ok(match field {
            Field::Expires => Self::Date { field, before, limit: add(now, long) },
            // Younger than a week is after the instant a week ago.
            _ => {
                let limit = now.checked_sub(long).unwrap_or(SystemTime::UNIX_EPOCH);
                Self::Date { field, before: !before, limit }
            }
        })
    }

    pub(crate) fn holds(&self, flag: &Subject<'_>) -> bool {
        let definition = flag.definition;
        match self {
            Self::Name(part) => flag.name.contains(part),
            Self::Glob(pattern) => pattern.matches(flag.name),
            Self::Owner(owner) => {
                definition.owner.value().map(String::as_str).unwrap_or_default() == owner
            }
            Self::Tag(tag) => definition.tags.value().is_some_and(|tags| tags.contains(tag)),
            Self::Source(kind) => flag.source.is_some_and(|source| source.as_str() == kind),
            Self::State(state) => match flag.state {
                FlagState::On => *state == State::On,
                FlagState::Partial { .. } => *state == State::Partial,
                _ => *state == State::Off,
            },
            Self::Date { field, before, limit } => {
                let date = definition.date(*field);
                date.is_some_and(|date| if *before { date < *limit } else { date > *limit })
            }
        }
    }
}

fn add(now: SystemTime, long: Duration) -> SystemTime {
    now.checked_add(long).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use flagstaff::Percentage;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn holds(query: &str, definition: &Definition) -> bool {
        let now = SystemTime::UNIX_EPOCH + 1_000 * DAY;
        let flag = Subject {
            name: "new_checkout",
            definition,
            state: FlagState::at(definition, now),
            source: Some(SourceKind::File),
        };
        query.split(' ').all(|term| Term::parse(term, now).unwrap().holds(&flag))
    }

    #[test]
    fn all_terms_have_to_hold() {
        let flag = Definition::new()
            .owner("payments")
            .tags(["x", "y"])
            .percentage(Percentage::whole(10).unwrap());

        assert!(holds("owner:payments tag:x state:partial source:file new* check name:new", &flag));
        for other in [
            "owner:search",
            "owner:",
            "tag:z",
            "state:on",
            "state:off",
            "source:redis",
            "old*",
            "chk",
        ] {
            assert!(!holds(other, &flag), "{other}");
        }
        assert!(holds("owner: state:on", &Definition::new()));
    }

    #[test]
    fn dates_count_ahead_for_ends_and_back_for_beginnings() {
        let at = |days: u32| SystemTime::UNIX_EPOCH + days * DAY;
        let flag = Definition::new().created(at(990)).expires(at(1_010));

        assert!(holds("expires<14d expires>7d expires>1972-01-01 created<14d created>7d", &flag));
        for other in ["expires<7d", "expires>14d", "created<7d", "created>14d"] {
            assert!(!holds(other, &flag), "{other}");
        }
        assert!(!holds("expires<14d", &Definition::new()));
    }

    #[test]
    fn what_no_query_says_is_refused() {
        let parse = |text| Term::parse(text, SystemTime::UNIX_EPOCH);

        for wrong in ["ower:x", "owner=x", "state:maybe", "owner<3", "expires<soon"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
