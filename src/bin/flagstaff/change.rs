//! Changes of flags: their effects, the report on them, and the writes.
//!
//! Every change is rehearsed first, on sources in memory with the entries that the real sources
//! have for the flag. So a dry run prints what the real run prints, and a user can be asked before
//! anything is written.

mod args;
mod ask;
mod both;
mod effect;
mod elsewhere;
mod ending;
mod file;
mod reach;
mod rehearsal;
mod stored;
mod told;
mod wait;
mod wider;

use std::{
    cell::OnceCell,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Definition, Flags, Snapshot, WriteError,
    answer::FlagState,
    cli::ExitCode,
    definition::Entry,
    source::{RedisHandle, SourceEntry},
    write::{PendingWrite, Refusal, Write},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

pub(crate) use self::{
    args::{ChangeArgs, NoEnd, OverrideArgs, Source, TargetArgs},
    both::BothArgs,
    file::{edit, tell_of_environments},
    rehearsal::Rehearsal,
    stored::Stored,
    wait::store,
};
use self::{
    effect::{Effect, Side},
    elsewhere::Elsewhere,
    ending::Ending,
    wait::Waited,
};
use crate::{
    assignment::Assignments,
    failure::Failure,
    guard::{self, Leave, Target},
    name,
    output::{Listing, Output, Row},
    paste, places,
    session::Session,
    similar,
    text::{self, clean},
};

/// Something that is done to one flag after the other: first in memory, then in the store.
pub(crate) trait Act {
    /// Refuses what is meant for something else than the name of a flag.
    fn check(&self, _names: &[String], _flags: &Snapshot) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes note of the time by which the store ends overrides.
    fn begin(&self, _now: SystemTime) {}

    /// Does it in memory.
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure>;

    /// Does it. Returns its revision. With `shown`, it does so only if the store still has this entry.
    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        name: &str,
        shown: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure>;

    /// Returns true if the flags have the change once it is made.
    fn is_in_force(&self) -> bool {
        true
    }

    /// Returns true if it decides in place of a switch with an end, which is over then.
    fn ends_a_switch(&self) -> bool {
        false
    }

    /// Returns the end of the override after the change; `now` is its end before.
    fn end(&self, now: Option<SystemTime>) -> Option<SystemTime>;

    /// Returns `true` if the store has to be written to, although its entry stays the same.
    fn writes_the_same(&self, _before: Option<&SourceEntry>) -> bool {
        true
    }

    /// Returns the treatment if no source and no instance has a flag.
    fn unknown(&self) -> Unknown {
        Unknown::Refuse
    }

    /// Returns a further question for the user, to be answered before the change.
    fn question(&self, _flags: usize) -> Option<String> {
        None
    }

    /// Returns `true` if the change forces the flag on or off for all users.
    fn forces(&self) -> bool {
        false
    }
}

/// The treatment of a flag that no source and no instance has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The name is wrong, unless the flag is meant to be new.
    Refuse,
    Warn,
    /// The name is from the log.
    Accept,
}

/// A change of an override.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Enable,
    Disable,
    Set(Assignments),
    Unset,
    /// Unset what was promoted into the file.
    Finish,
}

/// Takes overrides away whose flags the file has by now. It always asks.
pub(crate) async fn finish(
    session: &Session,
    redis: &RedisHandle,
    names: &[String],
    args: &ChangeArgs,
) -> Result<ExitCode, Failure> {
    let act = Override {
        redis,
        change: &Change::Finish,
        args,
        lasting: None,
        end: OnceCell::new(),
        if_rev: None,
    };
    perform(session, redis, names, &act, args, None).await
}

/// A change of an override, and how to make it.
struct Override<'a> {
    redis: &'a RedisHandle,
    change: &'a Change,
    args: &'a ChangeArgs,
    /// The time for which it lasts, if it ends by itself.
    lasting: Option<Duration>,
    /// The end, which is the same in the rehearsal and in the store.
    end: OnceCell<SystemTime>,
    if_rev: Option<u64>,
}

/// The time for which a change that depends on the value before is retried, while others change
/// the flag.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes one change of several flags, one after the other, and reports the result of each.
pub(crate) async fn change(
    session: &Session,
    names: &[String],
    change: &Change,
    args: &ChangeArgs,
    of: &OverrideArgs,
) -> Result<ExitCode, Failure> {
    if of.target.source == Source::File {
        of.refuse_end_in_a_file()?;
        return file::change(session, names, change, args, &of.target).await;
    }
    let if_rev = of.target.if_rev;
    let lasting = of.lasting(SystemTime::now())?;
    let redis = &session.place.redis_to_change()?;
    let act = Override { redis, change, args, lasting, end: OnceCell::new(), if_rev };
    perform(session, redis, names, &act, args, if_rev).await
}

impl Override<'_> {
    /// Returns the change of one flag, worked out from the present entries of the sources.
    fn write<'a>(
        &self,
        flags: &'a Flags,
        name: &'a str,
        reason: Option<&str>,
    ) -> Result<PendingWrite<'a>, Failure> {
        let mut write = match self.change {
            Change::Enable => flags.enable(name).plainly(),
            Change::Disable => flags.disable(name).plainly(),
            Change::Unset | Change::Finish => flags.clear(name),
            Change::Set(assignments) => {
                let patch = assignments.patch(name, grown_from(flags, name).as_ref())?;
                let write = flags.set(name, patch);
                let write = write.inheriting(assignments.taken_out());
                match assignments.depend_on_what_is_there() && self.if_rev.is_none() {
                    true => write.if_entry(said(flags, name)),
                    false => write,
                }
            }
        };
        if let Some(author) = self.args.author() {
            write = write.author(author);
        }
        if let Some(reason) = reason {
            write = write.reason(reason);
        }
        if let Some(end) = self.end.get() {
            write = write.expires_at(*end);
        }
        if let Some(revision) = self.if_rev {
            write = write.if_revision(revision);
        }
        Ok(write)
    }
}

impl Act for Override<'_> {
    fn check(&self, names: &[String], flags: &Snapshot) -> Result<(), Failure> {
        name::refuse_settings(names, flags)
    }

    fn begin(&self, now: SystemTime) {
        if let Some(end) = self.lasting.and_then(|lasting| now.checked_add(lasting)) {
            self.end.get_or_init(|| end);
        }
    }

    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure> {
        let reason = self.args.reason.as_deref();
        let write = self.write(&rehearsal.flags, &rehearsal.name, reason)?.into();
        let after = self.redis.rehearse(&rehearsal.name, &write).await?.after;
        let stored = Stored::read(self.redis, &rehearsal.name, after.as_deref());
        stored.map_err(Refusal::failed)?.put(rehearsal);
        Ok(())
    }

    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        name: &str,
        shown: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut write = self.write(flags, name, leave.reason.as_deref())?;
            if let Some(shown) = shown.clone().filter(|_| self.if_rev.is_none()) {
                write = write.if_entry(shown);
            }
            match write.await {
                Ok(written) => return Ok(written.revision),
                // Another writer was faster: what it depends on is read again, which takes a moment.
                Err(WriteError::Conflict { .. })
                    if self.if_rev.is_none() && shown.is_none() && Instant::now() < deadline =>
                {
                    sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn end(&self, now: Option<SystemTime>) -> Option<SystemTime> {
        match self.change {
            Change::Set(_) => self.end.get().copied().or(now),
            Change::Enable | Change::Disable => self.end.get().copied(),
            Change::Unset | Change::Finish => None,
        }
    }

    fn ends_a_switch(&self) -> bool {
        matches!(&self.change, Change::Set(assignments) if assignments.name_enabled())
    }

    /// A plain value takes the place of one with notes, which readers in other languages cannot read.
    fn writes_the_same(&self, before: Option<&SourceEntry>) -> bool {
        let is_off_with_settings =
            |before: &SourceEntry| matches!(before.entry, Entry::Definition(_));
        let has_notes = |before: &SourceEntry| before.provenance.is_some();
        before.is_some_and(|before| before.problem.is_some() || before.warning.is_some())
            || matches!(self.change, Change::Enable | Change::Disable)
                && before.is_some_and(|before| has_notes(before) && !is_off_with_settings(before))
    }

    fn unknown(&self) -> Unknown {
        match self.change {
            Change::Unset | Change::Finish => Unknown::Warn,
            _ => Unknown::Refuse,
        }
    }

    fn question(&self, flags: usize) -> Option<String> {
        match (self.change, flags) {
            (Change::Finish, 1) => {
                Some("remove the override, so that the file decides?".to_owned())
            }
            (Change::Unset | Change::Finish, 2..) => {
                Some(format!("remove the overrides of {flags} flags?"))
            }
            _ => None,
        }
    }

    fn forces(&self) -> bool {
        matches!(self.change, Change::Enable | Change::Disable)
    }
}

/// Rehearses a change, reports its effects, and makes it.
pub(crate) async fn perform(
    session: &Session,
    redis: &RedisHandle,
    names: &[String],
    act: &impl Act,
    args: &ChangeArgs,
    if_rev: Option<u64>,
) -> Result<ExitCode, Failure> {
    let Session { place, output } = session;
    let word = guard::word(names);
    if !args.dry_run {
        guard::refuse_without_reason(place, Target::Store, args.wish(&word))?;
    }
    let flags = place.flags_to_change(names, output).await?;
    act.check(names, &flags.snapshot())?;
    act.begin(store_now(&flags));
    told::refuse_unknown(session, redis, &flags, names, act, args).await?;

    let mut effects = Vec::new();
    for name in names {
        if let Some(expected) = if_rev {
            check_revision(&flags, name, expected).await?;
        }
        effects.push(rehearse(session, &flags, name, act).await?);
    }
    let others = reach::others(&flags.snapshot(), &effects);
    let elsewhere = elsewhere::rehearsed(session, names, act).await?;
    output.aside(format!("at {}", place.with_store(redis)));
    for effect in &effects {
        output.preview(&effect.text());
        let of_it = elsewhere.iter().filter(|there| there.effect.flag == effect.flag);
        of_it.filter_map(Elsewhere::text).for_each(|line| output.preview(&line));
    }
    for other in &others {
        output.preview(&other.text());
    }
    tell_what_may_surprise(session, &flags, act, &effects);
    told::tell_plain(session, args, &effects)?;
    if args.dry_run {
        output.aside("nothing was changed: this is a dry run");
        tell(session, redis, effects.iter().map(|effect| (effect, None)), None, true)?;
        return Ok(ExitCode::Done);
    }
    let leave = match effects.iter().any(|effect| effect.writes) {
        true => {
            let everywhere = effects.iter().chain(elsewhere.iter().map(|there| &there.effect));
            let everywhere: Vec<_> = everywhere.collect();
            let questions = ask::questions(act.question(effects.len()), &everywhere, &others);
            Some(guard::ask(place, Target::Store, args.wish(&word), &questions)?)
        }
        false => None,
    };
    let was_asked = leave.as_ref().is_some_and(|leave| leave.was_asked);
    if was_asked {
        refuse_what_was_not_shown(session, names, act, &effects, &others).await?;
    }

    let mut made = Vec::new();
    let mut latest = None;
    let mut left = effects.into_iter();
    let mut failed = None;
    for effect in left.by_ref() {
        let name = effect.flag.clone();
        let Some(leave) = leave.as_ref().filter(|_| effect.writes) else {
            // The store has this value already: `--wait` waits for the revision that stored it.
            if args.waits() {
                latest = latest.max(latest_revision(&flags, &name).await?);
            }
            made.push((effect, None));
            continue;
        };
        let shown = (was_asked && !effect.was_unreadable).then(|| effect.replaces.clone());
        match act.make(leave, &flags, &name, shown).await {
            Ok(revision) => {
                let after = match act.is_in_force() {
                    true => Side::of(&flags, &name),
                    false => effect.after.clone(),
                };
                latest = latest.max(revision);
                if let Some(revision) = revision {
                    output.aside(told::way_back(place, redis, &name, names.len(), revision));
                }
                made.push((Effect { after, ..effect }, revision));
            }
            Err(failure) => {
                failed = Some((effect, failure));
                break;
            }
        }
    }
    if let Some((effect, failure)) = failed {
        let unchanged: Vec<_> = [effect].into_iter().chain(left).collect();
        told::tell_partly(output, &made, &unchanged);
        if !made.is_empty() {
            let made = made.iter().map(|(effect, revision)| (effect, *revision));
            tell(session, redis, made, None, false)?;
        }
        return Err(failure);
    }
    let made = || made.iter().map(|(effect, revision)| (effect, *revision));
    if output.is_json() {
        // Programs read one document, with the instances in it.
        let waited = args.finish(redis, latest, output).await;
        tell(session, redis, made(), waited.as_ref().ok().and_then(Option::as_ref), false)?;
        return Ok(waited?.map_or(ExitCode::Done, |waited| waited.code()));
    }
    tell(session, redis, made(), None, false)?;
    let waited = args.finish(redis, latest, output).await?;
    Ok(waited.map_or(ExitCode::Done, |waited| waited.code()))
}

/// Returns the time by which the store ends overrides. The clock of this machine may be another.
pub(crate) fn store_now(flags: &Flags) -> SystemTime {
    let ends = Write::from(flags.enable("").expires_in(Duration::ZERO));
    ends.expires_at.unwrap_or_else(SystemTime::now)
}

/// Refuses to make what was confirmed if it would do something else by now.
async fn refuse_what_was_not_shown(
    session: &Session,
    names: &[String],
    act: &impl Act,
    shown: &[Effect],
    others: &[reach::Other],
) -> Result<(), Failure> {
    // Nothing follows the sources while a question waits for its answer.
    let flags = session.place.flags_to_change(names, &session.output.repeated()).await?;
    let mut now = Vec::new();
    for effect in shown {
        now.push(rehearse(session, &flags, &effect.flag, act).await?);
    }
    let is_same = |(now, shown): (&Effect, &Effect)| {
        (&now.before.definition, &now.after.definition)
            == (&shown.before.definition, &shown.after.definition)
    };
    let others_now = reach::others(&flags.snapshot(), &now);
    match now.iter().zip(shown).all(is_same) && others_now == others {
        true => Ok(()),
        false => Err(Failure::new(
            ExitCode::Changed,
            "the flags were changed while you were asked, so the change would have another effect",
        )
        .hint("nothing was changed; run it again to see its effect now")),
    }
}

/// Returns the effect that the change would have on one flag.
async fn rehearse(
    session: &Session,
    flags: &Flags,
    name: &str,
    act: &impl Act,
) -> Result<Effect, Failure> {
    let rehearsal = Rehearsal::of(flags, name).await?;
    let before = Side::of(&rehearsal.flags, name);
    act.rehearse(&rehearsal).await?;
    let after = Side::of(&rehearsal.flags, name);

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
    let ending = Ending::of(session, &rehearsal, stores.as_ref(), ended, end).await?;
    let below = match act.forces() {
        true => Some(rehearsal.below(now).await?),
        false => None,
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
        was_unreadable: stored.is_some_and(|stored| stored.problem.is_some()),
        writes: !says_the_same || act.writes_the_same(stored),
        no_effect: flags.without_effect(name, stores.as_ref()),
    })
}

/// Returns an entry in one form: an entry that forces the flag becomes the settings that amount to
/// it.
fn meant(entry: &Entry) -> Entry {
    match entry {
        Entry::Forced(on) => Definition::forced(*on).into(),
        Entry::Text(_) if entry.forces() == Some(true) => Definition::forced(true).into(),
        other => other.clone(),
    }
}

/// Prints warnings and hints about effects of a change that users may not expect.
fn tell_what_may_surprise(session: &Session, flags: &Flags, act: &impl Act, effects: &[Effect]) {
    let Session { place, output } = session;
    for effect in effects {
        let flag = clean(&effect.flag);
        if effect.makes_a_flag() {
            match place.mistake(&effect.flag) {
                Some(mistake) => {
                    output.warning(format!("`{flag}` has a mistake in the file: {mistake}"));
                }
                None => {
                    output.warning(format!("no source has `{flag}` so far"));
                    similar::hint(&flags.snapshot(), &effect.flag, output);
                }
            }
        }
        if !act.forces()
            && let Some(warning) = effect.ends_a_rollout()
        {
            output.warning(warning);
        }
        effect.tell_no_effect(output);
        if let Some(warning) = effect.widens_at_its_end() {
            output.warning(warning);
        }
        if act.forces()
            && let Some(way_back) = effect.way_back(place)
        {
            output.hint(way_back);
        }
    }
}

/// The definition that the lists of a patch grow from. That of a flag which the store forces off is in force
/// once it is switched on, over those of the sources below. Lists that add up grow from the store's own.
pub(crate) fn grown_from(flags: &Flags, name: &str) -> Option<Definition> {
    let said = said(flags, name);
    let definition = match &said {
        Some(Entry::Forced(false)) => {
            let mut definition = Definition::new();
            for source in flags.sources_of(name).iter().skip(1).rev() {
                match &source.entry {
                    Entry::Definition(patch) => definition.overlay(patch),
                    // An entry that forces the flag leaves no lists.
                    _ => definition.merge(&Definition::forced(false)),
                }
            }
            definition
        }
        _ => flags.snapshot().info(name)?.definition().clone(),
    };
    Some(growing(&definition, said.as_ref().and_then(Entry::as_definition)))
}

/// Returns the definition that the lists of a patch grow from: the merged one. Lists that add up grow from the entry
/// that is changed.
fn growing(merged: &Definition, own: Option<&Definition>) -> Definition {
    let (own, mut definition) = (own.cloned().unwrap_or_default(), merged.clone());
    (definition.denied_users, definition.denied_groups) = (own.denied_users, own.denied_groups);
    definition
}

/// Returns the entry for a flag in the source that is written to.
fn said(flags: &Flags, name: &str) -> Option<Entry> {
    let store = flags.writable_source();
    let mut sources = flags.sources_of(name).into_iter();
    sources.find(|said| Some(said.source) == store).map(|said| said.entry)
}

async fn latest_revision(flags: &Flags, name: &str) -> Result<Option<u64>, Failure> {
    let latest = flags.history_of(name, 1).await?;
    Ok(latest.first().and_then(|latest| latest.revision))
}

async fn check_revision(flags: &Flags, name: &str, expected: u64) -> Result<(), Failure> {
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

/// Prints the flags as they are then, for programs with the store and what the instances have confirmed.
fn tell<'a>(
    Session { place, output }: &Session,
    redis: &RedisHandle,
    effects: impl Iterator<Item = (&'a Effect, Option<u64>)>,
    waited: Option<&Waited>,
    is_dry_run: bool,
) -> Result<(), Failure> {
    let rows: Vec<_> = effects.map(|(effect, revision)| effect.row(revision, is_dry_run)).collect();
    if output.is_json() {
        let store = json!({ "address": redis.address(), "key": places::shown(redis.key()) });
        let waited = waited.map(Waited::json);
        let rows = rows.into_iter().map(|mut row| {
            row.json["place"] = json!(place.name());
            row.json["store"] = store.clone();
            row.json["wait"] = json!(waited);
            row
        });
        let rows = rows.collect();
        return output.listing(Listing { name: "changes", columns: &[], rows, empty: "" });
    }
    print(output, rows)
}

/// Prints the flags of the file as they are then.
fn tell_of_file(
    Session { place, output }: &Session,
    effects: &[Effect],
    is_dry_run: bool,
) -> Result<(), Failure> {
    let rows = effects.iter().map(|effect| {
        let mut row = effect.row(None, is_dry_run);
        row.json["place"] = json!(place.name());
        row
    });
    let rows: Vec<_> = rows.collect();
    if output.is_json() {
        return output.listing(Listing { name: "changes", columns: &[], rows, empty: "" });
    }
    print(output, rows)
}

fn print(output: &Output, rows: Vec<Row>) -> Result<(), Failure> {
    let lines: String = rows.into_iter().map(|Row { cells, .. }| cells.join(" ") + "\n").collect();
    output.write(&lines)
}

/// A dry run or not, in JSON.
fn mark(mut json: Value, is_dry_run: bool) -> Value {
    json["dryRun"] = json!(is_dry_run);
    json
}

/// Returns `true` if the change switches a flag off for all users.
fn is_switched_off(effect: &Effect) -> bool {
    effect.after.state == FlagState::Off && effect.before.state != FlagState::Off
}
