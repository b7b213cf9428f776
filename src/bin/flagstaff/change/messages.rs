//! Messages around a change of the store, and changes that are refused.

use flagstaff::{Context, Flags, source::RedisHandle};

use super::{
    act::{Act, Unknown},
    args::ChangeArgs,
    effect::Effect,
};
use crate::{failure::Failure, output::Output, paste, place::Place, session::Session, text::clean};

/// Refuses to change a flag that no source and no instance has, unless it is meant to be new. If neither the file nor
/// the usage of flags can be read, warns instead.
pub(super) async fn refuse_unknown(
    session: &Session,
    redis: &RedisHandle,
    flags: &Flags,
    names: &[String],
    act: &impl Act,
) -> Result<(), Failure> {
    let Session { place, output } = session;
    let snapshot = flags.snapshot();
    let is_known = |name: &str| snapshot.info(name).is_some() || place.mistake(name).is_some();
    if act.unknown() == Unknown::Accept || names.iter().all(|name| is_known(name)) {
        return Ok(());
    }
    let used = redis.usage().await.unwrap_or_default();
    let has_file = place.file().ok().flatten().is_some_and(|file| file.parsed.is_usable());
    for name in names.iter().filter(|name| !is_known(name) && !used.contains_key(*name)) {
        let similar = snapshot.explain(name, &Context::anonymous()).similar;
        let hint = similar
            .as_ref()
            .map(|similar| format!("a flag with a similar name exists: `{}`", clean(similar)));
        let message = format!("no source and no instance has a flag `{}`", clean(name));
        if !has_file && used.is_empty() {
            output.warning(message);
            if let Some(hint) = hint {
                output.hint(hint);
            }
            continue;
        }
        let hint =
            hint.unwrap_or_else(|| format!("{} lists the flags", paste::command("list", "")));
        return Err(Failure::refused(message).hint(match act.unknown() {
            Unknown::RefuseUnlessNew => format!("{hint}; `--new` creates a flag"),
            _ => hint,
        }));
    }
    Ok(())
}

/// Warns of changes that replace a plain value with JSON, and refuses JSON with `--plain`.
pub(super) fn check_plain(
    session: &Session,
    args: &ChangeArgs,
    effects: &[Effect],
) -> Result<(), Failure> {
    // With a key per flag, every value is JSON.
    let is_hash = !session.place.has_key_per_flag();
    let to_json = |effect: &&Effect| effect.writes && effect.is_json && is_hash;
    for effect in effects.iter().filter(to_json) {
        let flag = clean(&effect.flag);
        if args.plain {
            return Err(Failure::refused(format!(
                "this stores JSON for `{flag}`, which readers in other languages read as off"
            ))
            .hint("only `enable` and `disable` without `--for` store a plain value"));
        }
        if effect.was_plain {
            session.output.warning(format!(
                "`{flag}` has a plain value now and JSON then, which readers in other languages, such as the Python package, read as off; `--plain` refuses that"
            ));
        }
    }
    Ok(())
}

/// Returns the revision of a change that was made, and how to take it back.
pub(super) fn way_back(
    place: &Place,
    redis: &RedisHandle,
    flag: &str,
    flags: usize,
    revision: u64,
) -> String {
    let (at, undo) = (place.with_store(redis), paste::line("undo", &revision.to_string()));
    let back = format!("revision {revision} at {at}; undo with: {undo}");
    match flags {
        1 => back,
        _ => format!("{}: {back}", clean(flag)),
    }
}

/// Prints the flags that were changed before one failed.
pub(super) fn report_partial(output: &Output, made: &[(Effect, Option<u64>)], left: &[Effect]) {
    let changed: Vec<_> =
        made.iter().filter(|(effect, _)| effect.writes).map(|(effect, _)| effect).collect();
    if changed.is_empty() {
        return;
    }
    let names = |effects: &mut dyn Iterator<Item = &Effect>| {
        effects.map(|effect| format!("`{}`", clean(&effect.flag))).collect::<Vec<_>>().join(", ")
    };
    output.warning(format!(
        "{} changed before this failed; {} not",
        names(&mut changed.into_iter()),
        names(&mut left.iter()),
    ));
}
