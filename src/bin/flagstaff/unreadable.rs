//! Stored values that cannot be read, and the answers that are not known because of them.

use std::collections::{BTreeMap, BTreeSet};

use flagstaff::{Context, Flags, Snapshot, answer::FlagState, cli::ExitCode, source::SourceEntry};

use crate::{
    failure::Failure,
    output::{MOST, Output},
    paste,
    text::{self, clean},
};

/// The state of a flag whose stored value cannot be read. In JSON it is null, beside the problem.
pub(crate) const NOT_KNOWN: &str = "not known";

/// The treatment of an unreadable stored value by services, which depends on what they read before.
const SERVICES: &str = "services keep its last good value, or have the flag off";

/// Returns the state before a change of a stored value that cannot be read.
pub(crate) fn before() -> String {
    format!("{NOT_KNOWN} ({SERVICES})")
}

/// The entry of a source that cannot be read.
pub(crate) const NOT_READABLE: &str = "not readable";

/// Returns the reason why a stored value of a flag cannot be read, if one cannot.
pub(crate) fn problem(flags: &Flags, name: &str) -> Option<String> {
    flags.sources_of(name).into_iter().find_map(|held| held.problem)
}

/// Refuses an answer about a flag whose stored value cannot be read. Services keep its last good meaning, which
/// is not known here.
pub(crate) fn refuse(flags: &Flags, name: &str) -> Result<(), Failure> {
    refuse_for(flags, name, name)
}

/// Refuses an answer of a flag if its stored value cannot be read, or the stored value of a flag that it depends on.
pub(crate) fn refuse_answer(flags: &Flags, name: &str) -> Result<(), Failure> {
    needed(&flags.snapshot(), name).iter().try_for_each(|needed| refuse_for(flags, needed, name))
}

/// Prints an error for each of these flags whose stored value cannot be read. Returns the exit code of a list that
/// may be wrong because of it.
pub(crate) fn report(
    flags: &Flags,
    names: impl IntoIterator<Item = String>,
    output: &Output,
) -> Option<ExitCode> {
    let mut refused = names.into_iter().filter_map(|name| refuse(flags, &name).err());
    let code = refused.by_ref().take(MOST).map(|failure| output.failure(&failure)).last();
    match refused.count() {
        0 => {}
        more => output.warning(format!("{more} more stored values cannot be read")),
    }
    code
}

/// Prints an error for each flag whose stored value cannot be read.
pub(crate) fn report_all(flags: &Flags, output: &Output) -> Option<ExitCode> {
    let (snapshot, anonymous) = (flags.snapshot(), Context::anonymous());
    let names: Vec<_> = snapshot.all(&anonymous).map(|(name, _)| name.to_owned()).collect();
    report(flags, names, output)
}

/// Returns the flags whose answers are not known, each with the reason.
pub(crate) fn answers(flags: &Flags) -> BTreeMap<String, Failure> {
    let (snapshot, anonymous) = (flags.snapshot(), Context::anonymous());
    let names = snapshot.all(&anonymous).map(|(name, _)| name);
    names.filter_map(|name| Some((name.to_owned(), refuse_answer(flags, name).err()?))).collect()
}

/// Returns a flag and all flags that decide about it.
pub(crate) fn needed(snapshot: &Snapshot, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        let info = snapshot.info(&name);
        // A flag that is switched off stays off, whatever flags it needs.
        if let Some(info) = info.filter(|info| info.state() != FlagState::Off) {
            let needs = info.definition().needs().into_iter().map(|needed| needed.flag.clone());
            open.extend(needs.filter(|needed| !found.contains(needed)));
        }
        found.insert(name);
    }
    found
}

fn refuse_for(flags: &Flags, name: &str, asked: &str) -> Result<(), Failure> {
    let unreadable = flags.sources_of(name).into_iter().find(|held| held.problem.is_some());
    let Some(SourceEntry { source, problem, .. }) = unreadable else { return Ok(()) };
    let word = text::word(name);
    let (flag, asked, problem) = (clean(name), clean(asked), problem.unwrap_or_default());
    let whose = match flag == asked {
        true => format!("`{flag}`"),
        false => format!("`{flag}`, which `{asked}` needs,"),
    };
    Err(Failure::usage(format!(
        "the value in `{source}` of {whose} cannot be read, so the answer is unknown"
    ))
    .cause(problem)
    .hint(format!("{SERVICES}; {} removes the value", paste::command("unset", &word),)))
}
