//! The filters of `flagstaff list`: terms that all have to hold.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Definition,
    answer::FlagState,
    definition::{Field, Metadata},
    source::SourceKind,
};

use crate::{glob::Wanted, time};

/// A condition on a flag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    /// A term that must not hold.
    Not(Box<Self>),
    /// A glob of the name, or a part of it.
    Name(Wanted),
    /// The owner. An empty string stands for a flag without an owner.
    Owner(Wanted),
    /// Any of the tags. An empty string stands for a flag without tags.
    Tag(Wanted),
    State(State),
    /// The kind of the strongest source that has an entry.
    Source(Wanted),
    /// A mark that is set, or not.
    Mark(Mark, bool),
    /// A fact by its name, and its value. An empty string stands for a flag without the fact. Without a value, having
    /// the fact is enough.
    Metadata(String, Option<Wanted>),
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

/// A setting that is true or false and that no evaluation looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Permanent,
    Client,
    Testable,
}

/// The terms of one word.
const WORDS: [(&str, Term); 6] = [
    ("on", Term::State(State::On)),
    ("off", Term::State(State::Off)),
    ("partial", Term::State(State::Partial)),
    ("permanent", Term::Mark(Mark::Permanent, true)),
    ("client", Term::Mark(Mark::Client, true)),
    ("testable", Term::Mark(Mark::Testable, true)),
];

/// The properties of a flag that terms compare.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) definition: &'a Definition,
    pub(crate) state: FlagState,
    /// The kind of the strongest source.
    pub(crate) source: Option<SourceKind>,
}

impl Term {
    /// Parses the terms of one word. `now` is the start of relative dates such as `expires<14d`.
    pub(crate) fn parse(text: &str, now: SystemTime) -> Result<Self, String> {
        match text.strip_prefix('!') {
            Some(term) => Ok(Self::Not(Box::new(Self::positive(term, now)?))),
            None => Self::positive(text, now),
        }
    }

    fn positive(text: &str, now: SystemTime) -> Result<Self, String> {
        let Some(at) = text.find([':', '<', '>', '=']) else { return Self::word(text) };
        let (name, value) = (&text[..at], &text[at + 1..]);
        match &text[at..=at] {
            "=" if name.ends_with('!') => {
                Err(format!("write `!{}={value}` instead of `{text}`", name.trim_end_matches('!')))
            }
            "=" => Self::equals(name, value),
            ":" => Err(format!("write `{name}={value}` instead of `{text}`")),
            sign => {
                let dates = || Field::ALL.iter().copied().filter(|field| field.is_date());
                let Some(field) = dates().find(|date| date.as_str() == name) else {
                    let dates: Vec<_> = dates().map(|date| format!("`{date}`")).collect();
                    return Err(format!("`{name}` is not a date: {} are", dates.join(" and ")));
                };
                Self::date(field, sign == "<", value, now)
            }
        }
    }

    /// Reads a name. A filter such as `owner=payments` in its place would find no flag, without an error.
    pub(crate) fn name(text: &str) -> Result<Self, String> {
        match text.contains(['=', '<', '>']) {
            true => Err(format!("`{text}` is a filter and not a name: write `--filter '{text}'`")),
            false => Wanted::parse(text).map(Self::Name),
        }
    }

    fn word(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(METADATA) {
            return Ok(Self::Metadata(name.to_owned(), None));
        }
        let term = WORDS.into_iter().find(|(word, _)| *word == text);
        term.map(|(_, term)| term).ok_or_else(|| {
            let words = WORDS.map(|(word, _)| format!("`{word}`"));
            format!(
                "`{text}` is not a filter: there are {}, and `owner=…` and the like",
                words.join(", ")
            )
        })
    }

    fn equals(name: &str, value: &str) -> Result<Self, String> {
        if let Some(name) = name.strip_prefix(METADATA) {
            return Ok(Self::Metadata(name.to_owned(), Some(Wanted::parse(value)?)));
        }
        if let Ok(Self::Mark(mark, _)) = Self::word(name) {
            return match value.parse() {
                Ok(is_set) => Ok(Self::Mark(mark, is_set)),
                Err(_) => Err(format!("`{name}` is `true` or `false`, not `{value}`")),
            };
        }
        match name {
            "owner" => Wanted::parse(value).map(Self::Owner),
            "tag" => Wanted::parse(value).map(Self::Tag),
            "source" => Wanted::parse(value).map(Self::Source),
            "name" => Self::name(value),
            _ => Err(format!(
                "unknown filter `{name}`: there are `owner=`, `tag=`, `source=`, `name=`, \
                 `metadata.NAME=`, `expires<` and `created<`"
            )),
        }
    }

    /// Parses a date. A duration counts forwards for dates of the future, and backwards for dates of the past.
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

    /// Returns true if the term is about the name alone, and holds for it.
    pub(crate) fn holds_by_name(&self, name: &str) -> bool {
        match self {
            Self::Not(term) => matches!(**term, Self::Name(_)) && !term.holds_by_name(name),
            Self::Name(Wanted::Exactly(part)) => name.contains(part),
            Self::Name(pattern) => pattern.matches(name),
            _ => false,
        }
    }

    pub(crate) fn holds(&self, flag: &Subject<'_>) -> bool {
        let definition = flag.definition;
        match self {
            Self::Not(term) => !term.holds(flag),
            Self::Name(_) => self.holds_by_name(flag.name),
            Self::Owner(owner) => any(owner, definition.owner.value()),
            Self::Tag(tag) => any(tag, definition.tags.value().into_iter().flatten()),
            Self::Source(kind) => flag.source.is_some_and(|source| kind.matches(source.as_str())),
            Self::State(state) => match flag.state {
                FlagState::On => *state == State::On,
                FlagState::Partial { .. } => *state == State::Partial,
                _ => *state == State::Off,
            },
            Self::Mark(mark, is_set) => mark.is_set(definition) == *is_set,
            Self::Metadata(name, value) => {
                let known =
                    definition.rare().metadata.value().and_then(|it| Metadata::get(it, name));
                let known = known.map(ToString::to_string);
                match value {
                    Some(value) => any(value, &known),
                    None => known.is_some(),
                }
            }
            Self::Date { field, before, limit } => {
                let date = definition.date(*field);
                date.is_some_and(|date| if *before { date < *limit } else { date > *limit })
            }
        }
    }
}

/// The beginning of a filter by a fact.
const METADATA: &str = "metadata.";

impl Mark {
    fn is_set(self, definition: &Definition) -> bool {
        match self {
            Self::Permanent => definition.is_permanent(),
            Self::Client => definition.is_client(),
            Self::Testable => definition.is_testable(),
        }
    }
}

fn add(now: SystemTime, long: Duration) -> SystemTime {
    now.checked_add(long).unwrap_or(now)
}

/// Returns true if one of the strings matches. An empty string stands for a flag without any.
fn any<'t>(wanted: &Wanted, texts: impl IntoIterator<Item = &'t String>) -> bool {
    let mut texts = texts.into_iter();
    match wanted {
        Wanted::Exactly(empty) if empty.is_empty() => texts.next().is_none(),
        wanted => texts.any(|text| wanted.matches(text)),
    }
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

        assert!(holds("owner=pay* tag=x partial source=file name=new* name=check", &flag));
        for other in [
            "owner=search",
            "owner=",
            "tag=z",
            "on",
            "off",
            "source=redis",
            "name=old*",
            "name=chk",
        ] {
            assert!(!holds(other, &flag), "{other}");
        }
        assert!(holds("owner= on", &Definition::new()));
    }

    #[test]
    fn flags_are_filtered_by_marks_and_facts() {
        let facts = Metadata::from([("issue", "PAY-412")]).with("tier", 1).with("old", true);
        let flag = Definition::new().permanent(true).client(true).metadata(facts);

        assert!(holds("permanent client=true testable=false", &flag));
        assert!(holds(
            "metadata.issue=PAY-* metadata.tier=1 metadata.old=true metadata.tier",
            &flag
        ));
        for other in [
            "testable",
            "permanent=false",
            "metadata.issue=PAY",
            "metadata.tier=2",
            "metadata.team",
            "metadata.team=*",
        ] {
            assert!(!holds(other, &flag), "{other}");
        }
        assert!(holds("permanent=false client=false", &Definition::new()));
    }

    #[test]
    fn an_empty_value_is_a_flag_without_any() {
        let facts = Metadata::from([("issue", "PAY-412")]);
        let flag = Definition::new().owner("payments").tags(["x"]).metadata(facts);

        assert!(holds("owner=* tag=* metadata.issue=* metadata.team=", &flag));
        assert!(holds("owner= tag= metadata.issue=", &Definition::new()));
        for other in ["owner=", "tag=", "metadata.issue="] {
            assert!(!holds(other, &flag), "{other}");
        }
        for other in ["owner=*", "tag=*", "metadata.issue=*"] {
            assert!(!holds(other, &Definition::new()), "{other}");
        }
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
    fn an_exclamation_mark_inverts_a_filter() {
        let flag = Definition::new().owner("payments").tags(["x", "y"]).permanent(true);

        assert!(holds("!owner=search !tag=z !off !client !metadata.issue !expires<14d", &flag));
        for other in ["!owner=pay*", "!tag=x", "!on", "!permanent", "!name=check", "!owner=*"] {
            assert!(!holds(other, &flag), "{other}");
        }
    }

    #[test]
    fn an_invalid_query_is_refused() {
        let parse = |text| Term::parse(text, SystemTime::UNIX_EPOCH);

        for wrong in [
            "ower=x",
            "owner:x",
            "maybe",
            "owner<3",
            "expires<soon",
            "client=yes",
            "on=true",
            "!maybe",
            "!!on",
            "!",
            "tag=[a",
            "name=[a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("tag!=x"), Err("write `!tag=x` instead of `tag!=x`".to_owned()));
    }
}
