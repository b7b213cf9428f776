//! Changes of the flag file instead of the store.

use std::{path::Path, time::SystemTime};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage,
    answer::FlagState,
    cli::ExitCode,
    definition::{
        Entry, FlagsFile,
        edit::{Document, EditError, TextFile},
    },
    source::{FlagsBuilder, SourceEntry, SourceKind},
    write::{NoEffect, NoEffectKind},
};

use super::{
    act::Change,
    args::{ChangeArgs, OverrideArgs, TargetArgs},
    ask,
    effect::Effect,
    entries::growing,
    reach,
    rehearsal::Rehearsal,
    report::report_file,
    side::Side,
};
use crate::{
    assignment::Assignments,
    difference::{Difference, differences},
    failure::Failure,
    file,
    guard::{self, Target},
    name,
    output::Output,
    parts, paste,
    place::Declared,
    session::Session,
    style,
    text::{self, clean, count, verb},
};

/// Changes flags in the file, all or none.
pub(super) async fn change(
    session: &Session,
    names: &[String],
    change: &Change,
    args: &ChangeArgs,
    of: &OverrideArgs,
) -> Result<ExitCode, Failure> {
    let kind = match change {
        Change::Unset => Edit::Removal,
        _ if of.new => Edit::New,
        _ => Edit::KnownUnlessNew,
    };
    let mut hints = Vec::new();
    let done = edit(session, names, args, &of.target, kind, |document, name| {
        let (was, text) = (side(document, &[], name).state, document.text().to_owned());
        let edited = match change {
            Change::Enable | Change::Disable if !document.file().flags().contains_key(name) => {
                let on = matches!(change, Change::Enable);
                document.add(name, &Definition::new().enabled(on))
            }
            Change::Enable => document.enable(name),
            Change::Disable => document.disable(name),
            Change::Unset | Change::Finish => document.remove(name),
            Change::Set(assignments) => set(document, name, assignments)?,
        };
        let is_patched_there = matches!(change, Change::Unset)
            && document.file().environment().is_none()
            && matches!(edited, Err(EditError::Invalid { .. }));
        refused(session, edited).map_err(|failure| match is_patched_there {
            true => failure.hint(format!(
                "{} removes it from all environments, too",
                paste::command("delete", &text::word(name))
            )),
            false => failure,
        })?;
        let after = side(document, &[], name);
        let state = after.state;
        // The warning about a change without effect has a hint of its own.
        let has_hint = (was, state) == (FlagState::Off, FlagState::Off) && document.text() != text;
        if matches!(change, Change::Enable) && state != FlagState::On && !has_hint {
            let (word, flag) = (text::word(name), clean(name));
            let remedy = widened(name, &after).unwrap_or_else(|| {
                let set = paste::command("set --source file", &format!("{word} FIELD-"));
                format!("{set} removes one")
            });
            hints.push(format!(
                "`{flag}` is {state} then, since its other settings still apply; {remedy}"
            ));
        }
        Ok(())
    })
    .await?;
    hints.into_iter().for_each(|hint| session.output.hint(hint));
    Ok(done)
}

/// Changes settings of a flag. Lists that add up grow from the entry of the environment alone.
fn set(
    document: &mut Document,
    name: &str,
    assignments: &Assignments,
) -> Result<Result<(), EditError>, Failure> {
    let assignments = assignments.in_a_file();
    let Some(there) = document.file().flags().get(name).cloned() else {
        return Ok(document.add(name, &assignments.patch(name, None)?));
    };
    let Some(environment) = document.file().environment() else {
        return Ok(document.set(name, &assignments.patch(name, Some(&there))?));
    };
    let own = document.file().entry(environment, name).and_then(Entry::as_definition);
    if let Some(setting) = assignments.taken_from_below(own, &there) {
        return Ok(Err(EditError::InFlags { flag: name.to_owned(), setting }));
    }
    let patch = assignments.patch(name, Some(&growing(&there, own)))?;
    Ok(document.set(name, &patch))
}

/// An edit of the flag file, by its treatment of a flag that the file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Refuses the flag.
    Known,
    /// Refuses the flag, unless `--new` is given.
    KnownUnlessNew,
    /// Adds the flag.
    New,
    /// Removes flags. The edit reports a flag that the file does not have.
    Removal,
}

/// Edits flags in the file. Comments and layout stay.
pub(crate) async fn edit(
    session: &Session,
    names: &[String],
    args: &ChangeArgs,
    target: &TargetArgs,
    kind: Edit,
    mut edit: impl FnMut(&mut Document, &str) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    refuse_what_a_file_has_not(session, args, target)?;
    let Session { place, output } = session;
    let word = guard::word(names);
    let path = match kind {
        Edit::New => place.needed_path()?,
        _ => place.path_to_edit(names)?,
    };
    if !args.dry_run {
        guard::refuse_without_reason(place, Target::File(&path), args.wish(&word))?;
    }
    let file = TextFile::read(&path)?;
    let mut document = file::document(session, &file)?;
    let original = document.file().clone();
    let below = place.files_below(file.path())?;
    name::refuse_settings_but(names, |name| document.file().flags().contains_key(name))?;
    let declared = declared(&original, &file::whole(session, &file)?, &below).await?;
    if matches!(kind, Edit::Known | Edit::KnownUnlessNew) {
        names.iter().try_for_each(|name| refuse_unknown(&original, &declared, name, kind))?;
    }

    let mut effects = Vec::new();
    for name in names {
        let (before, text) = (side(&document, &below, name), document.text().to_owned());
        edit(&mut document, name)?;
        effects.push(Effect {
            flag: name.clone(),
            before,
            after: side(&document, &below, name),
            replaces: None,
            ending: None,
            below: None,
            was_plain: false,
            is_json: false,
            was_unreadable: false,
            writes: document.text() != text,
            no_effect: None,
        });
    }
    if document.is_changed() {
        output.aside(format!("in {}", place.with_file(file.path())));
    }
    match document.is_changed() {
        true => output.preview(&style::diff(&document.diff().to_string())),
        false => output.aside(format!("{} has this already", place.with_file(file.path()))),
    }
    for effect in effects.iter_mut().filter(|effect| effect.writes) {
        let after = entry(document.file(), &effect.flag);
        let no_effect = declared.without_effect(&*effect.flag, after.as_ref());
        effect.no_effect = no_effect.map(|it| in_a_file(it, effect));
    }
    let others = reach::others(&declared.snapshot(), &effects);
    for other in &others {
        output.preview(&other.text());
    }
    for effect in &effects {
        effect.ends_a_rollout().into_iter().for_each(|warning| output.warning(warning));
        effect.warn_of_no_effect(output);
    }
    let edited: Vec<_> = names.iter().map(String::as_str).collect();
    file::refuse_failing_tests(session, &original, &document, &edited)?;
    warn_of_what_decides(session, &document, file.path(), &effects).await;
    let written = effects.iter().filter(|effect| effect.writes);
    warn_of_environments(output, document.file(), written.map(|effect| &*effect.flag));
    if args.dry_run {
        output.aside("nothing was changed: this is a dry run");
    } else if document.is_changed() {
        let first = (kind == Edit::Removal && names.len() > 1)
            .then(|| format!("remove {} from the file?", count(names.len(), "flag")));
        let questions = ask::questions(first, &effects.iter().collect::<Vec<_>>(), &others);
        let leave = guard::ask(place, Target::File(&path), args.wish(&word), &questions)?;
        file::replace(session, &leave, &file, document.text())?;
    }
    report_file(session, &effects, args.dry_run)?;
    Ok(ExitCode::Done)
}

/// Warns of environments with entries of their own, in which the flags have another state than in `[flags]`. A switch
/// in `[flags]` has no effect there.
pub(crate) fn warn_of_environments<'f>(
    output: &Output,
    file: &FlagsFile,
    flags: impl Iterator<Item = &'f str>,
) {
    if file.environment().is_some() {
        return;
    }
    let now = SystemTime::now();
    let state = |file: &FlagsFile, flag: &str| Some(FlagState::at(file.flags().get(flag)?, now));
    for flag in flags {
        for environment in file.environments() {
            if file.entry(environment, flag).is_none() {
                continue;
            }
            let there = file.clone().in_environment(environment).ok();
            let there = there.and_then(|there| state(&there, flag));
            if let Some(there) = there.filter(|there| Some(there) != state(file, flag).as_ref()) {
                let (flag, environment) = (clean(flag), clean(environment));
                output.warning(format!(
                    "`{flag}` is {there} in environment `{environment}`, whose own entry decides there: `--environment` selects it"
                ));
            }
        }
    }
}

/// Returns the flags of a file and those below it, which can be changed without harm. The entries of the environment
/// that is changed are a source over `[flags]`.
async fn declared(
    file: &FlagsFile,
    outside: &Document,
    below: &[Declared],
) -> Result<Flags, Failure> {
    let memory = |memory: Memory, (name, entry): (&str, Entry)| memory.with(name, entry);
    let flags = |file: &FlagsFile| {
        let flags = file.flags().iter().map(|(name, flag)| (name, Entry::from(flag.clone())));
        flags.fold(Memory::new(), memory)
    };
    let builder = match file.environment() {
        None => Flags::builder().source(flags(file)),
        Some(name) => {
            let own =
                file.flags().keys().filter_map(|key| Some((key, file.entry(name, key)?.clone())));
            Flags::builder().source(own.fold(Memory::new(), memory)).source(flags(outside.file()))
        }
    };
    let below = below.iter().rev().map(|file| flags(&file.parsed));
    Ok(below.fold(builder, FlagsBuilder::source).start().await?)
}

/// Returns the entry that the part of the file that is changed has for a flag.
fn entry(file: &FlagsFile, name: &str) -> Option<Entry> {
    match file.environment() {
        Some(environment) => file.entry(environment, name).cloned(),
        None => file.flags().get(name).cloned().map(Entry::Definition),
    }
}

/// Removes the source from the reason why a change has no effect, since that source is the edited file.
fn in_a_file(mut no_effect: NoEffect, effect: &Effect) -> NoEffect {
    (no_effect.source, no_effect.place) = (None, None);
    if no_effect.kind == NoEffectKind::NoUsers
        && let Some(widened) = widened(&effect.flag, &effect.after)
    {
        no_effect.help = Some(widened);
    }
    no_effect
}

/// Returns the hint for a flag that its percentage keeps off.
fn widened(flag: &str, after: &Side) -> Option<String> {
    let percentage = after.merged.as_ref()?.percentage.value().copied();
    (percentage == Some(Percentage::ZERO) && after.rollout.is_none()).then(|| {
        let set = format!("{} percentage=100 --source file", text::word(flag));
        format!("{} lets all users in", paste::command("set", &set))
    })
}

/// Warns of flags whose declaration in the file is overridden by stronger sources. If those cannot be read, the file is
/// changed all the same.
async fn warn_of_what_decides(
    session: &Session,
    document: &Document,
    path: &Path,
    effects: &[Effect],
) {
    let Session { place, output } = session;
    let warnings = async {
        let over = place.flags_over_one_file(path, output).await?;
        let Some(over) = over else { return Ok(Vec::new()) };
        let mut warnings = Vec::new();
        for effect in effects {
            warnings.extend(what_decides(&over, document, effect).await?);
        }
        Ok::<_, Failure>(warnings)
    };
    match warnings.await {
        Ok(warnings) => warnings.into_iter().for_each(|warning| output.warning(warning)),
        Err(Failure::ClosedPipe) => {}
        Err(failure) => {
            let why = failure.text();
            output.warning(format!("it is unknown whether an override decides: {why}"));
        }
    }
}

/// Returns the warning that another source decides about the flag, if one does after the change.
async fn what_decides(
    over: &Flags,
    document: &Document,
    effect: &Effect,
) -> Result<Option<String>, Failure> {
    let sources = over.sources_of(&effect.flag);
    let who = |held: &SourceEntry| match held.source.kind {
        SourceKind::Redis => "the override in Redis".to_owned(),
        SourceKind::File => {
            let place = held.place.as_deref().map_or("a stronger file".into(), clean);
            format!("`{place}`")
        }
        _ => "the environment".to_owned(),
    };
    let who: Vec<_> = sources.iter().map(who).collect();
    if who.is_empty() {
        return Ok(None);
    }
    let who = format!("{} {}", who.join(" and "), verb(who.len(), "decides", "decide"));
    let declared = document.file().flags().get(&*effect.flag).cloned().map(Entry::Definition);
    let entries = sources.iter().map(|held| (held.source.kind, held.entry.clone()));
    let entries: Vec<_> = entries.chain(declared.map(|entry| (SourceKind::File, entry))).collect();
    let in_force = Rehearsal::merged(&effect.flag, &entries);

    let changed = differences(&effect.before.definition, &effect.after.definition);
    let hidden = differences(&effect.after.definition, &in_force.definition);
    let hides = |change: &Difference| hidden.iter().any(|hidden| hidden.path == change.path);
    let decides = in_force.state != effect.after.state || changed.iter().any(hides);
    Ok(decides.then(|| {
        let (flag, state) = (clean(&effect.flag), in_force.state);
        format!("{who} about `{flag}`, not the file: the flag is {state}")
    }))
}

/// Refuses to add a flag, unless the file has the flag, even with a mistake.
fn refuse_unknown(
    file: &FlagsFile,
    declared: &Flags,
    name: &str,
    kind: Edit,
) -> Result<(), Failure> {
    if file.flags().contains_key(name) || file.rejected().contains(name) {
        return Ok(());
    }
    let hint = match declared.explain(name, &Context::anonymous()).similar {
        Some(similar) => format!("a flag with a similar name exists: `{}`", clean(&similar)),
        None => format!("{} lists the flags", paste::command("list", "")),
    };
    Err(Failure::refused(format!("the file has no flag `{}`", clean(name))).hint(match kind {
        Edit::KnownUnlessNew => format!("{hint}; `--new` creates a flag"),
        _ => hint,
    }))
}

/// Returns a flag as a file and those below it make it.
fn side(document: &Document, below: &[Declared], name: &str) -> Side {
    let files = below.iter().map(|file| &file.parsed).chain([document.file()]);
    parts::merged(files, name).as_ref().into()
}

fn refused(session: &Session, changed: Result<(), EditError>) -> Result<(), Failure> {
    changed.map_err(|error| file::refused(session, &error))
}

fn refuse_what_a_file_has_not(
    session: &Session,
    args: &ChangeArgs,
    target: &TargetArgs,
) -> Result<(), Failure> {
    let path = session.place.path();
    let takes_reason = path.is_some_and(|path| Target::File(&path).requires_reason(&session.place));
    let given = [
        ("--if-rev", target.if_rev.is_some()),
        ("--wait", args.wait.is_some()),
        // A place that needs a reason prints it for the commit message.
        ("--reason", args.reason.is_some() && !takes_reason),
        ("--by", args.by.is_some()),
    ];
    if args.plain {
        return Err(Failure::usage("a file does not support `--plain`")
            .hint("only values in the store are plain, for readers in other languages"));
    }
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::usage(format!("a file does not support `{option}`"))
            .hint("the author, the time and the reason of a change are in the version control of the file")),
        None => Ok(()),
    }
}
