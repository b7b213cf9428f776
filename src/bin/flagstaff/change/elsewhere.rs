//! The effect of a change of the store in each environment of the file. A store serves all environments.

use super::{act::Act, effect::Effect, rehearse::rehearse};
use crate::{failure::Failure, parts, session::Session, style, text::clean, unreadable};

/// The effect of a change in one environment.
pub(super) struct Elsewhere {
    environment: String,
    pub(super) effect: Effect,
}

impl Elsewhere {
    /// Returns a line on the flag in that environment; `None` if its state there stays the same.
    pub(super) fn text(&self) -> Option<String> {
        let Self { environment, effect } = self;
        let [before, after] = [effect.before.state, effect.after.state];
        if before == after && !effect.was_unreadable {
            return None;
        }
        let before = match effect.was_unreadable {
            true => unreadable::NOT_KNOWN.to_owned(),
            false => style::state(before),
        };
        let after = style::state(after);
        Some(format!("  in environment `{}`: {before} -> {after}\n", clean(environment)))
    }
}

/// Rehearses a change in the environments that have entries for the flags, unless one is chosen. They may have other
/// answers than `[flags]`.
pub(super) async fn rehearsed(
    session: &Session,
    names: &[String],
    act: &impl Act,
) -> Result<Vec<Elsewhere>, Failure> {
    let Session { place, output } = session;
    let mut rehearsed = Vec::new();
    if place.environment_name()?.is_some() {
        return Ok(rehearsed);
    }
    // A mistake in the file must not prevent a change of the store.
    let Ok(files) = place.files() else { return Ok(rehearsed) };
    for environment in parts::environments(files.iter().map(|file| &file.parsed)) {
        let has_entry =
            |name: &&String| files.iter().any(|it| it.parsed.entry(environment, &**name).is_some());
        let names: Vec<_> = names.iter().filter(has_entry).cloned().collect();
        if names.is_empty() {
            continue;
        }
        let place = place.in_environment(Some(environment));
        let there = Session { place, output: output.repeated() };
        let flags = there.place.flags_to_change(&names, &there.output).await?;
        for name in &names {
            let effect = rehearse(&there, &flags, name, act).await?;
            rehearsed.push(Elsewhere { environment: environment.to_owned(), effect });
        }
    }
    Ok(rehearsed)
}
