//! The effect that a change would have.

use flagstaff::{Definition, Flags, definition::Entry};

use super::{
    act::Act, effect::Effect, ending::Ending, entries::store_now, rehearsal::Rehearsal, side::Side,
};
use crate::{failure::Failure, session::Session};

/// Returns the effect that the change would have on one flag.
pub(super) async fn rehearse(
    session: &Session,
    flags: &Flags,
    name: &str,
    act: &impl Act,
) -> Result<Effect, Failure> {
    let rehearsal = Rehearsal::of(flags, name).await?;
    let before = Side::of(&rehearsal.flags.snapshot(), name);
    act.rehearse(&rehearsal).await?;
    let after = Side::of(&rehearsal.flags.snapshot(), name);

    let (stored, stores) = (rehearsal.before.as_ref(), rehearsal.after());
    let now = store_now(flags);
    let provenance = stored.and_then(|stored| stored.provenance.as_ref());
    let ended = provenance.and_then(|by| by.changes_at(now));
    let enabled = |entry: Option<&Entry>| {
        entry.and_then(|entry| entry.as_definition()?.enabled.value().copied())
    };
    let is_switched = enabled(stored.map(|stored| &stored.entry)) != enabled(stores.as_ref());
    let stays = match act.ends_a_switch() || is_switched {
        true => provenance.and_then(|by| by.expires_at).filter(|&end| end > now),
        false => ended,
    };
    let end = stores.as_ref().and_then(|_| act.end(stays));
    let says_the_same =
        stored.map(|stored| meant(&stored.entry)) == stores.as_ref().map(meant) && end == ended;
    let ending = Ending::of(session, &rehearsal, stores.as_ref(), ended, end);
    let below = match act.forces() {
        true => Some(rehearsal.below(now)),
        false => None,
    };
    let was_unreadable = stored.is_some_and(|stored| stored.problem.is_some());
    // Without the answers before, the change cannot be compared with them.
    let no_effect = match was_unreadable {
        true => None,
        false => flags.without_effect(name, stores.as_ref()),
    };
    Ok(Effect {
        flag: name.to_owned(),
        before,
        after,
        ending,
        below,
        replaces: stored.map(|stored| stored.entry.clone()),
        was_plain: stored.is_some_and(|stored| {
            stored.provenance.is_none()
                && stored.problem.is_none()
                && !matches!(stored.entry, Entry::Definition(_))
        }),
        is_json: end.is_some() || matches!(stores, Some(Entry::Definition(_))),
        was_unreadable,
        writes: !says_the_same || act.writes_the_same(stored),
        no_effect,
    })
}

/// Returns an entry in one form: a forced value becomes the settings with the same effect.
fn meant(entry: &Entry) -> Entry {
    match entry {
        Entry::Forced(on) => Definition::forced(*on).into(),
        Entry::Text(_) if entry.forces() == Some(true) => Definition::forced(true).into(),
        other => other.clone(),
    }
}
