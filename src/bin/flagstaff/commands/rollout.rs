use std::{slice, time::SystemTime};

use clap::{Args, Subcommand};
use flagstaff::{
    Flags, Memory, Snapshot,
    answer::{FlagInfo, FlagState},
    cli::ExitCode,
    definition::{Entry, Field, Progress, RolloutStatus},
    source::{self, Offer, SourceEntry, SourceKind},
    write::{Operation, PendingStep, RolloutControl, RolloutError, Write},
};
use serde_json::{Value, json};

use crate::{
    change::{
        Act, ChangeArgs, Edit, NoEnd, Rehearsal, Source, TargetArgs, edit, perform, store_now,
    },
    completion,
    failure::Failure,
    file,
    guard::Leave,
    name, number, paste,
    place::Once,
    session::Session,
    text::{self, clean},
    time, unreadable,
};

/// Start, advance, pause or roll back a staged rollout
#[derive(Debug, Args)]
#[command(after_help = "\
Each step is one conditional write: if two users advance at once, one command
exits with 5. An override that forces the flag, or that has a percentage, hides
the rollout below it; `status` names it.

Examples:
  flagstaff rollout status checkout_v2
  flagstaff rollout advance checkout_v2 --reason 'no errors'
  flagstaff rollout rollback checkout_v2 --reason 'slow answers' --wait 5s")]
pub(crate) struct Rollout {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the first stage now
    #[command(after_help = "\
Examples:
  flagstaff rollout start checkout_v2 -m 'release 7'
  flagstaff rollout start checkout_v2 --force       start again
  flagstaff rollout start checkout_v2 --source file  write it into flags.toml")]
    Start(Forced),
    /// Advance to the next stage
    #[command(after_help = "\
A stage whose time is not over, or that is paused, is left only with --force.

Examples:
  flagstaff rollout advance checkout_v2 -m 'no errors'
  flagstaff rollout advance checkout_v2 --force --if-rev 42
  flagstaff rollout advance checkout_v2 --dry-run")]
    Advance(Forced),
    /// Pause the rollout in its stage
    #[command(after_help = "\
Everything that is to come is later by as long as it is paused.

Examples:
  flagstaff rollout pause checkout_v2 -m 'looking at the errors'
  flagstaff rollout pause checkout_v2 --wait 5s")]
    Pause(Step),
    /// Resume a paused rollout
    #[command(after_help = "\
Examples:
  flagstaff rollout resume checkout_v2 -m 'no errors of ours'")]
    Resume(Step),
    /// Go back one stage and pause there
    #[command(after_help = "\
Examples:
  flagstaff rollout rollback checkout_v2 -m 'slow answers' --wait 5s
  flagstaff rollout rollback checkout_v2 --completely")]
    Rollback(Rollback),
    /// Switch the flag off for all users, and pause the rollout
    #[command(after_help = "\
Allowed users are out too. `rollout start` and `rollout resume` switch the flag
on again: resume goes on where it was.

Examples:
  flagstaff rollout stop checkout_v2 -m 'incident 42' --wait 5s
  flagstaff rollout resume checkout_v2 -m 'solved'")]
    Stop(Step),
    /// Show the progress of the rollout
    #[command(after_help = "\
A pipe gets one line: the flag, the status, the stage, of how many stages, the
percentage, since when, and when the next stage is due. Then come the source
that hides the rollout, if one does, and the end of that. A stored value that
cannot be read is an error (2).

Examples:
  flagstaff rollout status checkout_v2
  flagstaff rollout status checkout_v2 -o json")]
    Status(Status),
}

#[derive(Debug, Args)]
struct Step {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    no_end: NoEnd,
}

#[derive(Debug, Args)]
struct Forced {
    #[command(flatten)]
    step: Step,
    /// Leave a stage early or while paused, or restart a rollout that is under way
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Rollback {
    #[command(flatten)]
    step: Step,
    /// Go back to before the first stage
    #[arg(long)]
    completely: bool,
}

#[derive(Debug, Args)]
struct Status {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
}

impl Rollout {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self.verb {
            Verb::Start(Forced { step, force }) => {
                step.make(session, force, |rollout| rollout.start()).await
            }
            Verb::Advance(Forced { step, force }) => {
                step.make(session, force, |rollout| rollout.advance()).await
            }
            Verb::Pause(step) => step.make(session, false, |rollout| rollout.pause()).await,
            Verb::Resume(step) => step.make(session, false, |rollout| rollout.resume()).await,
            Verb::Rollback(Rollback { step, completely: true }) => {
                step.make(session, false, |rollout| rollout.roll_back_completely()).await
            }
            Verb::Rollback(Rollback { step, completely: false }) => {
                step.make(session, false, |rollout| rollout.roll_back()).await
            }
            Verb::Stop(step) => step.make(session, false, |rollout| rollout.off()).await,
            Verb::Status(Status { flag }) => status(session, &flag).await,
        }
    }
}

/// A step of a rollout.
struct Stepping<'a> {
    session: &'a Session,
    args: &'a ChangeArgs,
    if_rev: Option<u64>,
    force: bool,
    step: fn(RolloutControl<'_>) -> PendingStep<'_>,
}

impl Step {
    async fn make(
        self,
        session: &Session,
        force: bool,
        step: fn(RolloutControl<'_>) -> PendingStep<'_>,
    ) -> Result<ExitCode, Failure> {
        let Self { flag, change, target, no_end } = &self;
        no_end.check(
            "at the end of an override, the rollout is back in the state of the file",
            "its stages have durations of their own",
        )?;
        let act = Stepping { session, args: change, if_rev: target.if_rev, force, step };
        match target.source {
            Source::Redis => {
                let redis = session.place.redis_to_change()?;
                perform(session, &redis, slice::from_ref(flag), &act, change, target.if_rev).await
            }
            Source::File => act.make_in_the_file(flag, target).await,
        }
    }
}

impl Stepping<'_> {
    async fn step(
        &self,
        flags: &Flags,
        flag: &str,
        if_rev: Option<u64>,
        reason: Option<&str>,
    ) -> Result<Option<u64>, Failure> {
        let mut step = (self.step)(flags.rollout(flag));
        if self.force {
            step = step.forced();
        }
        if let Some(author) = self.args.author() {
            step = step.author(author);
        }
        if let Some(reason) = reason {
            step = step.reason(reason);
        }
        if let Some(revision) = if_rev {
            step = step.if_revision(revision);
        }
        match step.await {
            Ok(written) => Ok(written.revision),
            Err(error) => Err(self.refused(flags, flag, error)),
        }
    }

    /// Returns the failure of a refused step, with a hint about what to do instead.
    fn refused(&self, flags: &Flags, flag: &str, error: RolloutError) -> Failure {
        let (word, name) = (text::word(flag), clean(flag));
        let hint = match &error {
            RolloutError::NoRollout { .. } => match self.session.place.mistake(flag) {
                Some(mistake) => Some(format!("`{name}` has a mistake in the file: {mistake}")),
                None => hiding(&flags.sources_of(flag)).map(|(source, _)| {
                    let Hiding { entry, .. } = Hiding::of(source, store_now(flags));
                    format!(
                        "an override has {entry}, which hides the rollout: {}",
                        paste::command("rollout status", &word)
                    )
                }),
            },
            RolloutError::Refused { progress, .. } if progress.status == RolloutStatus::Paused => {
                Some(format!("{} resumes it", paste::command("rollout resume", &word)))
            }
            RolloutError::TooEarly { .. } => Some("`--force` leaves the stage now".to_owned()),
            _ => None,
        };
        let failure = Failure::from(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// Writes the state of the rollout after the step into the file.
    async fn make_in_the_file(
        &self,
        flag: &String,
        target: &TargetArgs,
    ) -> Result<ExitCode, Failure> {
        let file = self.session.place.needed_file()?;
        let declared = file.parsed.flags().get(&**flag).cloned().map(Entry::Definition);
        let offer: Offer = declared.map(|entry| (flag.as_str(), entry)).into_iter().collect();
        let now = time::whole_second(SystemTime::now());
        let flags =
            Flags::builder().source(Memory::new()).source(Once::new(SourceKind::File, offer));
        let flags = flags.clock(move || now).start().await?;
        self.step(&flags, flag, None, None).await?;
        let step = flags.sources_of(flag).swap_remove(0).entry;

        edit(
            self.session,
            slice::from_ref(flag),
            self.args,
            target,
            Edit::Known,
            |document, name| {
                let promoted = document.promote(name, &step);
                promoted.map_err(|error| file::refused(self.session, &error))
            },
        )
        .await
    }
}

impl Act for Stepping<'_> {
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure> {
        // A source in memory has other revisions than the store, so none is compared.
        let reason = self.args.reason.as_deref();
        self.step(&rehearsal.flags, &rehearsal.name, None, reason).await.map(drop)
    }

    /// Makes the step, if the entry is still the one from which the step was computed.
    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        name: &str,
        _: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure> {
        self.step(flags, name, self.if_rev, leave.reason.as_deref()).await
    }

    /// Returns the end unchanged: a step is a patch, and the rest of the override stays.
    fn end(&self, now: Option<SystemTime>) -> Option<SystemTime> {
        now
    }
}

/// The entry of a source for a flag and its author, as users read them.
struct Hiding {
    source: source::Source,
    entry: String,
    who: Vec<String>,
    /// The instant at which the entry changes by itself.
    until: Option<SystemTime>,
}

impl Hiding {
    /// Describes an entry. `now` is the time of the clock by which the entry ends.
    fn of(held: &SourceEntry, now: SystemTime) -> Self {
        let entry = match &held.entry {
            Entry::Definition(definition) if definition.enabled.value() == Some(&false) => {
                "enabled=false".to_owned()
            }
            Entry::Definition(definition) => match definition.percentage.value() {
                Some(percentage) => format!("{percentage}"),
                None => clean(&held.entry.to_string()).into_owned(),
            },
            entry => clean(&entry.to_string()).into_owned(),
        };
        let by = held.provenance.as_ref();
        let who = who(by.and_then(|by| by.author.as_ref()), by.and_then(|by| by.reason.as_ref()));
        let until = by.and_then(|by| by.changes_at(now));
        Self { source: held.source, entry, who, until }
    }

    /// Adds the author and the reason from the log, where the entry is a plain on or off without them.
    async fn signed(self, flags: &Flags, flag: &str) -> Result<Self, Failure> {
        if !self.who.is_empty() || self.source.kind != SourceKind::Redis {
            return Ok(self);
        }
        let latest = flags.history_of(flag, 1).await?.into_iter().next();
        let who = latest.map(|latest| who(latest.author.as_ref(), latest.reason.as_ref()));
        Ok(Self { who: who.unwrap_or_default(), ..self })
    }
}

fn who(author: Option<&String>, reason: Option<&String>) -> Vec<String> {
    let author = author.map(|author| format!("by {}", clean(author)));
    author.into_iter().chain(reason.map(|reason| clean(reason).into_owned())).collect()
}

/// Returns the strongest source that hides the rollout of weaker sources, and those weaker sources.
fn hiding(sources: &[SourceEntry]) -> Option<(&SourceEntry, &[SourceEntry])> {
    let has_stages = |source: &SourceEntry| match &source.entry {
        Entry::Definition(definition) => definition
            .rare()
            .rollout
            .value()
            .is_some_and(|rollout| rollout.stages.value().is_some()),
        _ => false,
    };
    let hides = |source: &SourceEntry| match &source.entry {
        Entry::Definition(definition) => {
            definition.rare().rollout.value().is_none()
                && (definition.has(Field::Percentage) || definition.has(Field::Rollout))
        }
        _ => true,
    };
    let lowest = sources.iter().rposition(has_stages)?;
    let hidden_by = sources[..=lowest].iter().position(hides)?;
    Some((&sources[hidden_by], &sources[hidden_by + 1..]))
}

async fn status(session: &Session, flag: &str) -> Result<ExitCode, Failure> {
    let flags = session.place.flags(&session.output).await?;
    unreadable::refuse(&flags, flag)?;
    let snapshot = flags.snapshot();
    let (sources, info) = (flags.sources_of(flag), snapshot.info(flag));
    let now = store_now(&flags);
    let state = info.map_or(FlagState::Unknown, |info| info.state());
    let (progress, hidden_by) = match (info.and_then(|info| info.rollout()), hiding(&sources)) {
        (Some(progress), _) => (Some(progress), switched_off(info, &sources, now)),
        (None, Some((source, below))) => (hidden(flag, below), Some(Hiding::of(source, now))),
        (None, None) => (None, None),
    };
    let hidden_by = match hidden_by {
        Some(held) => Some(held.signed(&flags, flag).await?),
        None => None,
    };
    let Some(progress) = progress else {
        return Err(without_rollout(session, &flags, flag));
    };
    if session.output.is_terse() {
        let row = row(flag, &progress, hidden_by.as_ref());
        return session.output.rows(&[row]).map(|()| ExitCode::Done);
    }
    session.output.thing(json(flag, &progress, hidden_by.as_ref()), || {
        // Stages begin by the clock of the service, and overrides end by that of the store.
        let (now, store_now) = (SystemTime::now(), now);
        let mut text = format!("{} {}\n", clean(flag), shown(&progress, now));
        if let Some(since) = progress.since {
            text += &format!("  since {}, {}\n", time::rfc3339(since), time::relative(since, now));
        }
        if let Some(due) = progress.due {
            text += &format!("  due {}, {}\n", time::rfc3339(due), time::relative(due, now));
        }
        if let Some(Hiding { source, entry, who, until }) = &hidden_by {
            let who = who.iter().map(|who| format!(", {who}")).collect::<String>();
            let until = until.map(|until| {
                format!(", until {}, {}", time::rfc3339(until), time::relative(until, store_now))
            });
            let until = until.unwrap_or_default();
            text +=
                &format!("  not in force: {source} has {entry}{who}{until}; the flag is {state}\n");
        }
        text
    })?;
    if hidden_by.is_some_and(|held| held.source.kind == SourceKind::Redis) {
        let is_off = info.is_some_and(|info| info.rollout().is_some());
        session.output.hint(way_back(session, flag, &sources, &progress, is_off).await?);
    }
    Ok(ExitCode::Done)
}

/// Returns the hint for a rollout that the store hides, or whose flag it switches off.
async fn way_back(
    session: &Session,
    flag: &str,
    sources: &[SourceEntry],
    progress: &Progress,
    is_off: bool,
) -> Result<String, Failure> {
    let stored = sources.iter().find(|held| held.source.kind == SourceKind::Redis);
    let has_settings = stored.is_some_and(|held| matches!(held.entry, Entry::Definition(_)));
    let word = text::word(flag);
    if !is_off || !has_settings {
        return Ok(format!("{} lets the rollout decide", paste::command("unset", &word)));
    }
    if progress.status == RolloutStatus::Paused {
        return Ok(format!(
            "{} switches it on and continues from there",
            paste::command("rollout resume", &word)
        ));
    }
    // It is on for all users after that, unless it is switched off beside its settings.
    let redis = session.place.needed_redis()?.handle();
    let enabled = redis.rehearse(flag, &Write::new(Operation::Enable)).await?.entry;
    Ok(match enabled {
        Some(Entry::Definition(_)) => {
            let enable = paste::command("enable", &word);
            format!("{enable} switches it on again, at this stage")
        }
        _ => {
            let set = paste::command("set", &format!("{word} enabled-"));
            format!("{set} switches it on again, at this stage")
        }
    })
}

/// Returns the progress for people. A stage that is left by hand waits only once it is due.
pub(super) fn shown(progress: &Progress, now: SystemTime) -> String {
    let is_due = progress.due.is_none_or(|due| due <= now);
    if progress.status != RolloutStatus::Waiting || is_due {
        return progress.to_string();
    }
    let Progress { stage, stages, percentage, .. } = progress;
    format!("{percentage}, stage {stage} of {stages}, running, then by hand")
}

/// Returns the stage and the number of stages, with the start and the end of the stage; empty if there is none.
fn row(flag: &str, progress: &Progress, hidden_by: Option<&Hiding>) -> Vec<String> {
    let Progress { status, stage, stages, percentage, since, due, .. } = progress;
    let date = |at: &Option<SystemTime>| at.map(time::rfc3339).unwrap_or_default();
    vec![
        flag.to_owned(),
        status.to_string(),
        stage.to_string(),
        stages.to_string(),
        percentage.to_string(),
        date(since),
        date(due),
        hidden_by.map(|held| held.source.to_string()).unwrap_or_default(),
        date(&hidden_by.and_then(|held| held.until)),
    ]
}

/// Returns the source that switches the flag off, in whatever stage its rollout is.
fn switched_off(
    info: Option<FlagInfo<'_>>,
    sources: &[SourceEntry],
    now: SystemTime,
) -> Option<Hiding> {
    let info = info.filter(|info| info.definition().enabled.value() == Some(&false))?;
    let source = info.source_of(Field::Enabled)?;
    sources.iter().find(|held| held.source == source).map(|held| Hiding::of(held, now))
}

/// Returns the progress of a rollout by the entries of these sources alone.
fn hidden(flag: &str, sources: &[SourceEntry]) -> Option<Progress> {
    let offer = |held: &SourceEntry| Offer::from_iter([(flag, held.entry.clone())]);
    let sources = sources.iter().map(|held| (held.source.kind, offer(held)));
    let snapshot = Snapshot::merge(sources, SystemTime::now());
    snapshot.info(flag).and_then(|info| info.rollout())
}

fn without_rollout(session: &Session, flags: &Flags, flag: &str) -> Failure {
    let name = clean(flag);
    if let Some(mistake) = session.place.mistake(flag) {
        return Failure::refused(format!("`{name}` has a mistake in the file: {mistake}"));
    }
    match flags.snapshot().info(flag) {
        Some(_) => Failure::refused(format!("flag `{name}` has no rollout"))
            .hint("`rollout.stages` gives a flag a rollout"),
        None => Failure::refused(format!("no source has a flag `{name}`"))
            .hint(format!("{} lists the flags", paste::command("list", ""))),
    }
}

fn json(flag: &str, progress: &Progress, hidden_by: Option<&Hiding>) -> Value {
    json!({
        "flag": flag,
        "status": progress.status.as_str(),
        "stage": progress.stage,
        "stages": progress.stages,
        "percentage": number::percent(progress.percentage),
        "since": progress.since.map(time::rfc3339),
        "due": progress.due.map(time::rfc3339),
        "hiddenBy": hidden_by.map(|hiding| json!({
            "source": hiding.source, "entry": hiding.entry, "until": hiding.until.map(time::rfc3339),
        })),
    })
}
