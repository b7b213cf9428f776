//! Changes of flags: their effects, the report on them, and the writes.
//!
//! Every change is rehearsed first, on sources in memory with the entries that the real sources
//! have for the flag. So a dry run prints what the real run prints, and a user can be asked before
//! anything is written.

mod act;
mod args;
mod ask;
mod both;
mod effect;
mod elsewhere;
mod ending;
mod entries;
mod file;
mod messages;
mod needs;
mod reach;
mod rehearsal;
mod rehearse;
mod report;
mod side;
mod stored;
mod wait;
mod wider;

use std::{
    cell::OnceCell,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Flags, Snapshot, WriteError,
    cli::ExitCode,
    definition::Entry,
    source::{RedisHandle, SourceEntry},
    write::{PendingWrite, Refusal},
};
use tokio::time::{Instant, sleep};

pub(crate) use self::{
    act::{Act, Change, Unknown},
    args::{ChangeArgs, NoEnd, OverrideArgs, Source, TargetArgs},
    both::BothArgs,
    entries::{grown_from, store_now},
    file::{Edit, edit, warn_of_environments},
    rehearsal::Rehearsal,
    stored::Stored,
    wait::store,
};
use self::{
    effect::Effect,
    elsewhere::Elsewhere,
    entries::{check_revision, entry_of, latest_revision},
    rehearse::rehearse,
    report::report_stored,
    side::Side,
};
use crate::{
    failure::Failure,
    guard::{self, Leave, Target},
    name,
    session::Session,
    similar,
    text::clean,
};

/// Removes overrides whose flags the file has by now. Always asks.
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
        is_new: false,
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
    /// True if the flag may be new.
    is_new: bool,
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
        return file::change(session, names, change, args, of).await;
    }
    let if_rev = of.target.if_rev;
    let lasting = of.lasting(SystemTime::now())?;
    let redis = &session.place.redis_to_change()?;
    let end = OnceCell::new();
    let act = Override { redis, change, args, lasting, end, if_rev, is_new: of.new };
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
                    true => write.if_entry(entry_of(flags, name)),
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
                // Another writer was faster. The value that the change depends on is read again, which takes a moment.
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

    /// Returns true for a plain on or off that replaces an equal one with an author or a reason, since readers in other
    /// languages cannot read the latter. Also returns true if the stored value cannot be read.
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
            Change::Unset | Change::Finish => Unknown::Refuse,
            _ if self.is_new => Unknown::Accept,
            _ => Unknown::RefuseUnlessNew,
        }
    }

    fn names_others(&self) -> bool {
        matches!(self.change, Change::Set(_))
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
    messages::refuse_unknown(session, redis, &flags, names, act).await?;

    let mut effects = Vec::new();
    for name in names {
        if let Some(expected) = if_rev
            && let Err(failure) = check_revision(&flags, name, expected).await
        {
            let hint = act.after_a_later_change(name).await;
            return Err(hint.into_iter().fold(failure, Failure::hint));
        }
        effects.push(rehearse(session, &flags, name, act).await?);
    }
    if act.names_others() {
        needs::refuse(&flags.snapshot(), &effects)?;
    }
    let others = reach::others(&flags.snapshot(), &effects);
    let elsewhere = elsewhere::rehearsed(session, names, act).await?;
    output.aside(format!("at {}", place.with_store(redis)));
    for effect in &effects {
        let of_it = elsewhere.iter().filter(|there| there.effect.flag == effect.flag);
        let lines: Vec<_> = of_it.filter_map(Elsewhere::text).collect();
        output.preview(&effect.text(lines.len()));
        lines.iter().for_each(|line| output.preview(line));
    }
    for other in &others {
        output.preview(&other.text());
    }
    warn_of_surprises(session, &flags, act, &effects);
    messages::check_plain(session, args, &effects)?;
    if args.dry_run {
        output.aside("nothing was changed: this is a dry run");
        report_stored(session, redis, effects.iter().map(|effect| (effect, None)), None, true)?;
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
                    true => Side::of(&flags.snapshot(), &name),
                    false => effect.after.clone(),
                };
                latest = latest.max(revision);
                if let Some(revision) = revision {
                    output.aside(messages::way_back(place, redis, &name, names.len(), revision));
                    let hint = effect.way_back(place, revision);
                    hint.filter(|_| act.forces()).into_iter().for_each(|hint| output.hint(hint));
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
        messages::report_partial(output, &made, &unchanged);
        if !made.is_empty() {
            let made = made.iter().map(|(effect, revision)| (effect, *revision));
            report_stored(session, redis, made, None, false)?;
        }
        return Err(failure);
    }
    let made = || made.iter().map(|(effect, revision)| (effect, *revision));
    if output.is_json() {
        // Programs read one document, with the instances in it.
        let waited = args.finish(redis, latest, output).await;
        report_stored(
            session,
            redis,
            made(),
            waited.as_ref().ok().and_then(Option::as_ref),
            false,
        )?;
        return Ok(waited?.map_or(ExitCode::Done, |waited| waited.code()));
    }
    report_stored(session, redis, made(), None, false)?;
    let waited = args.finish(redis, latest, output).await?;
    Ok(waited.map_or(ExitCode::Done, |waited| waited.code()))
}

/// Refuses a confirmed change if its effect would differ from the confirmed one by now.
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

/// Prints warnings and hints about effects of a change that users may not expect.
fn warn_of_surprises(session: &Session, flags: &Flags, act: &impl Act, effects: &[Effect]) {
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
        effect.warn_of_no_effect(output);
        if let Some(warning) = effect.widens_at_its_end() {
            output.warning(warning);
        }
    }
}
