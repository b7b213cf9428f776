//! The check that no answer changes: flags are evaluated for made-up users before and after a rename.

use std::time::SystemTime;

use flagstaff::{
    Definition, Flags, Snapshot,
    definition::{Entry, FlagsFile},
    source::{Offer, SourceKind},
};
use serde_json::Value;

use crate::{
    failure::Failure,
    file::Files,
    parts::Parts,
    paste,
    plan::{MadeUp, Progress},
    text::{clean, words},
};

/// The number of made-up users, and the maximum number of compared answers. In a file with thousands of flags, fewer
/// users are enough.
const USERS: u64 = 10_000;
const ANSWERS: u64 = 4_000_000;
const FEWEST: u64 = 500;

/// Entries of the sources over the file, by flag.
type Overrides = Vec<(String, Entry)>;

/// Refuses a rename if a made-up user would get another answer, from any flag in any environment, with the overrides or
/// without. Returns the number of users.
pub(super) fn refuse_if_any_moves(
    [old, new]: [&str; 2],
    flags: &Flags,
    files: &Files,
) -> Result<u64, Failure> {
    let overrides = overrides(flags);
    let renamed = |name: &str| if name == old { new } else { name }.to_owned();
    let renamed_overrides: Overrides =
        overrides.iter().map(|(name, entry)| (renamed(name), entry.clone())).collect();
    let none = Overrides::new();
    let mut users = 0;
    let before = Parts::of(files.0.iter().map(|opened| &opened.original));
    let after = Parts::of(files.0.iter().map(|opened| opened.document.file()));
    for (before, after) in before.iter().zip(after.iter()) {
        for (over_before, over_after) in [(&none, &none), (&overrides, &renamed_overrides)] {
            let before = merge(&before.files, over_before);
            let after = merge(&after.files, over_after);
            users = compare(old, &before, &after, &renamed)?;
        }
    }
    Ok(users)
}

/// Returns the overrides of all flags in the store. Environment variables are not renamed, so they are left out.
fn overrides(flags: &Flags) -> Overrides {
    let mut overrides = Overrides::new();
    for (name, _) in flags.all(&flagstaff::Context::anonymous()) {
        let held = flags.sources_of(&name).into_iter();
        let held = held.filter(|held| held.source.kind == SourceKind::Redis);
        overrides.extend(held.map(|held| (name.clone(), held.entry)));
    }
    overrides
}

fn merge(files: &[FlagsFile], overrides: &Overrides) -> Snapshot {
    let over = (SourceKind::Redis, overrides.iter().cloned().collect());
    let files = files.iter().rev().map(|file| (SourceKind::File, Offer::from(file.flags())));
    Snapshot::merge([over].into_iter().chain(files), SystemTime::now())
}

fn compare(
    old: &str,
    before: &Snapshot,
    after: &Snapshot,
    renamed: &impl Fn(&str) -> String,
) -> Result<u64, Failure> {
    let anonymous = flagstaff::Context::anonymous();
    let names: Vec<_> = before.all(&anonymous).map(|(name, _)| (name, renamed(name))).collect();
    let definitions: Vec<(&str, Definition)> = names
        .iter()
        .filter_map(|(name, _)| Some((*name, before.info(*name)?.definition().clone())))
        .collect();
    let made_up = MadeUp::of(definitions.iter().map(|(name, definition)| (*name, definition)));
    let users = (ANSWERS / names.len().max(1) as u64).clamp(FEWEST, USERS);
    let mut progress = Progress::new();
    for number in 1..=users {
        progress.show(format_args!("{number} of {users} users"));
        let user = made_up.user(number);
        for (name, name_after) in &names {
            let was = before.value(*name, &user, Value::Null);
            let is = after.value(name_after, &user, Value::Null);
            let on = [before.is_enabled(*name, &user), after.is_enabled(name_after, &user)];
            if (was.value, was.variant, on[0]) != (is.value, is.variant, on[1]) {
                return Err(Failure::refused(format!(
                    "`{}` would have another answer for some users, {} among them",
                    clean(name),
                    user.targeting_key().map(clean).unwrap_or_default(),
                ))
                .hint(format!(
                    "nothing was changed; {} keeps the users of an override",
                    paste::command("set", &words([&**name, &format!("salt={old}")])),
                )));
            }
        }
    }
    Ok(users)
}
