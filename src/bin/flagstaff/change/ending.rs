//! The end of an override, and the state of the flag after it.

use std::{fmt, time::SystemTime};

use flagstaff::{
    answer::FlagState,
    definition::{Entry, to_json},
    source::SourceKind,
};

use super::{rehearsal::Rehearsal, side::Side};
use crate::{session::Session, text::clean, time};

/// The end of an override after a change.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Ends(Box<End>),
    /// The override has no end, but the one that it replaces had an end.
    Stays {
        instead_of: SystemTime,
    },
}

/// An end.
#[derive(Debug, Clone)]
pub(super) struct End {
    at: SystemTime,
    of: Of,
    /// The flag after the end.
    then: Side,
    /// The sources that decide after the end, and `true` if there are several; `None` if there are none.
    who: Option<(String, bool)>,
}

/// The part of the override that ends.
#[derive(Debug, Clone)]
enum Of {
    Itself,
    /// The override was there before, with the same end.
    Everything,
    /// The change, and these settings that were stored before.
    With(Vec<String>),
    /// The change; the former override is not restored.
    Another,
    /// The switch; settings that are stored beside it apply again.
    Switch,
}

impl Ending {
    /// Returns the end of the entry that the store has after the change. The entry before ended at
    /// `before`, this one ends at `end`.
    pub(super) fn of(
        session: &Session,
        rehearsal: &Rehearsal,
        stores: Option<&Entry>,
        before: Option<SystemTime>,
        end: Option<SystemTime>,
    ) -> Option<Self> {
        let at = match (before, end) {
            (_, Some(at)) => at,
            (Some(before), None) if stores.is_some() => {
                return Some(Self::Stays { instead_of: before });
            }
            _ => return None,
        };
        let of = match rehearsal.before.as_ref().map(|before| &before.entry) {
            _ if rehearsal.comes_back() => Of::Switch,
            None => Of::Itself,
            Some(_) if before == end => Of::Everything,
            Some(held) => match kept(held, stores) {
                kept if kept.is_empty() => Of::Another,
                kept => Of::With(kept),
            },
        };
        let then = rehearsal.then(at);
        let who = who(session, rehearsal);
        Some(Self::Ends(Box::new(End { at, of, then, who })))
    }

    pub(super) fn at(&self) -> Option<SystemTime> {
        match self {
            Self::Ends(end) => Some(end.at),
            Self::Stays { .. } => None,
        }
    }

    /// Returns the flag at the end.
    pub(super) fn then(&self) -> Option<&Side> {
        match self {
            Self::Ends(end) => Some(&end.then),
            Self::Stays { .. } => None,
        }
    }
}

/// Returns the settings that had a value before and still have it.
fn kept(before: &Entry, after: Option<&Entry>) -> Vec<String> {
    let (Entry::Definition(before), Some(Entry::Definition(after))) = (before, after) else {
        return Vec::new();
    };
    let after = to_json(after);
    let settings = to_json(before).into_iter().filter(|(_, value)| !value.is_null());
    let kept = settings.filter(|(name, value)| after.get(name) == Some(value));
    kept.map(|(name, _)| name).collect()
}

/// Returns the sources below the store that decide about the flag.
fn who(session: &Session, rehearsal: &Rehearsal) -> Option<(String, bool)> {
    let names: Vec<_> = rehearsal
        .sources_below()
        .map(|source| match (source, session.place.path()) {
            (SourceKind::File, Some(path)) => path.display().to_string(),
            (SourceKind::Env, _) => "the environment".to_owned(),
            (other, _) => other.to_string(),
        })
        .collect();
    let several = names.len() > 1;
    (!names.is_empty()).then(|| (clean(&names.join(" and ")).into_owned(), several))
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let End { at, of, then, who } = match self {
            Self::Ends(end) => &**end,
            Self::Stays { instead_of } => {
                let end = time::rfc3339(*instead_of);
                return write!(f, "it stays: the former override would have ended at {end}");
            }
        };
        let end = time::rfc3339(*at);
        match of {
            Of::Itself | Of::Another => write!(f, "until {end}; then ")?,
            Of::Switch => {
                let then = then.state;
                return write!(
                    f,
                    "until {end}; then the settings of the override apply again: {then}"
                );
            }
            Of::Everything => write!(f, "ends at {end} with the rest of the override; then ")?,
            Of::With(settings) => {
                write!(f, "until {end}, with the override's {}; then ", settings.join(", "))?;
            }
        }
        let not_before = match of {
            Of::Another => ", not the former override",
            _ => "",
        };
        match (who, then.state) {
            (None, FlagState::Unknown) => write!(f, "no source has the flag"),
            (Some((who, true)), then) => write!(f, "{who} decide{not_before}: {then}"),
            (Some((who, false)), then) => write!(f, "{who} decides{not_before}: {then}"),
            (None, then) => write!(f, "it is {then}"),
        }
    }
}
