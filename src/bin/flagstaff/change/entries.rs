//! The entries that sources have for a flag, as a change finds them.

use std::time::{Duration, SystemTime};

use flagstaff::{Definition, Flags, cli::ExitCode, definition::Entry, write::Write};

use crate::{
    failure::Failure,
    paste,
    text::{self, clean},
};

/// Returns the time by which the store ends overrides. The clock of this machine may be another.
pub(crate) fn store_now(flags: &Flags) -> SystemTime {
    let ends = Write::from(flags.enable("").expires_in(Duration::ZERO));
    ends.expires_at.unwrap_or_else(SystemTime::now)
}

/// Returns the definition to which `+=` adds list entries. If the store forces the flag off, that is the definition
/// which comes into force once the flag is switched on. Lists that add up over sources start from the store's own
/// entries.
pub(crate) fn grown_from(flags: &Flags, name: &str) -> Option<Definition> {
    let stored = entry_of(flags, name);
    let definition = match &stored {
        Some(Entry::Forced(false)) => {
            let mut definition = Definition::new();
            for source in flags.sources_of(name).iter().skip(1).rev() {
                match &source.entry {
                    Entry::Definition(patch) => definition.overlay(patch),
                    // A forced value removes the lists of the sources below.
                    _ => definition.merge(&Definition::forced(false)),
                }
            }
            definition
        }
        _ => flags.snapshot().info(name)?.definition().clone(),
    };
    Some(growing(&definition, stored.as_ref().and_then(Entry::as_definition)))
}

/// Returns the definition to which `+=` adds list entries: the merged one. Lists that add up over sources start from
/// the entry that is changed.
pub(super) fn growing(merged: &Definition, own: Option<&Definition>) -> Definition {
    let (own, mut definition) = (own.cloned().unwrap_or_default(), merged.clone());
    (definition.denied_users, definition.denied_groups) = (own.denied_users, own.denied_groups);
    definition
}

/// Returns the entry for a flag in the source that is written to.
pub(super) fn entry_of(flags: &Flags, name: &str) -> Option<Entry> {
    let store = flags.writable_source();
    let mut sources = flags.sources_of(name).into_iter();
    sources.find(|held| Some(held.source) == store).map(|held| held.entry)
}

/// Returns the number of the latest change of a flag.
pub(super) async fn latest_revision(flags: &Flags, name: &str) -> Result<Option<u64>, Failure> {
    let latest = flags.history_of(name, 1).await?;
    Ok(latest.first().and_then(|latest| latest.revision))
}

/// Refuses to change a flag if its latest change is not the expected one.
pub(super) async fn check_revision(
    flags: &Flags,
    name: &str,
    expected: u64,
) -> Result<(), Failure> {
    let latest = flags.history_of(name, 1).await?;
    let is = match latest.first().map(|latest| (latest.revision, &latest.author)) {
        Some((Some(revision), _)) if revision == expected => return Ok(()),
        Some((Some(revision), Some(author))) => format!("it is {revision}, by {}", clean(author)),
        Some((Some(revision), None)) => format!("it is {revision}"),
        Some((None, _)) => "a writer that keeps no log changed it since".to_owned(),
        None => "it was never changed".to_owned(),
    };
    let (word, name) = (text::word(name), clean(name));
    Err(Failure::new(
        ExitCode::Changed,
        format!("revision {expected} is not the latest change of `{name}`: {is}"),
    )
    .hint(format!("{} lists its changes", paste::command("history", &word))))
}
