//! Steering staged rollouts by hand.

use std::{
    future::IntoFuture,
    time::{Duration, SystemTime, SystemTimeError},
};

use super::{Flags, Outcome, WriteError};
use crate::{
    backend::{BoxFuture, Expected, Operation, Write},
    model::{Definition, Entry, FlagKey, Progress, Rollout, RolloutStatus, Setting},
    text::line,
};

/// The rollout of one flag, to be steered. Made by [`Flags::rollout`].
///
/// Each step is one write to the first writable source, on the condition that nobody changed the
/// flag there in the meantime: of two processes that advance at once, one has a
/// [`Conflict`](WriteError::Conflict).
#[derive(Debug, Clone)]
#[must_use = "nothing is changed until a step is awaited"]
pub struct RolloutControl<'a> {
    flags: &'a Flags,
    key: String,
}

/// What can be done to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Advance,
    Pause,
    Resume,
    RollBack,
    RollBackCompletely,
    Off,
}

impl<'a> RolloutControl<'a> {
    pub(super) fn new(flags: &'a Flags, key: &impl FlagKey) -> Self {
        Self { flags, key: key.as_str().to_owned() }
    }

    /// Begins the first stage now, also when it was to begin later. A rollout that is under way
    /// begins anew only if [forced](PendingStep::forced).
    pub fn start(&self) -> PendingStep<'a> {
        self.step(Step::Start)
    }

    /// Goes on to the next stage. A stage whose time is not over, or that is paused, is left only if
    /// [forced](PendingStep::forced).
    pub fn advance(&self) -> PendingStep<'a> {
        self.step(Step::Advance)
    }

    /// Holds it where it is.
    pub fn pause(&self) -> PendingStep<'a> {
        self.step(Step::Pause)
    }

    /// Lets a paused rollout go on. Everything that is still to come is later by as long as it was
    /// paused.
    pub fn resume(&self) -> PendingStep<'a> {
        self.step(Step::Resume)
    }

    /// Goes back to the stage before and holds it there; before the first, it is off for all whom
    /// no list and no rule lets in.
    pub fn roll_back(&self) -> PendingStep<'a> {
        self.step(Step::RollBack)
    }

    /// Goes back to where it was before the first stage, and stays there until it is started again.
    pub fn roll_back_completely(&self) -> PendingStep<'a> {
        self.step(Step::RollBackCompletely)
    }

    /// Switches the flag off for everybody, allowed users too, and pauses the rollout. It needs no
    /// rollout, and no state that fits: it is for emergencies.
    ///
    /// Starting and resuming switch the flag on again.
    pub fn off(&self) -> PendingStep<'a> {
        self.step(Step::Off)
    }

    fn step(&self, step: Step) -> PendingStep<'a> {
        let (flags, key) = (self.flags, self.key.clone());
        PendingStep { flags, key, step, forced: false, author: None, reason: None, expected: None }
    }
}

/// A step of a rollout that is made when it is awaited. Made by [`RolloutControl`].
#[derive(Debug)]
#[must_use = "nothing is changed until it is awaited"]
pub struct PendingStep<'a> {
    flags: &'a Flags,
    key: String,
    step: Step,
    forced: bool,
    author: Option<String>,
    reason: Option<String>,
    expected: Option<u64>,
}

impl<'a> PendingStep<'a> {
    /// Who does it. It is kept in the source's log and shown beside the override.
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { author: Some(author.into()), ..self }
    }

    /// Why. It is kept in the source's log and shown beside the override.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Makes the step only if the flag was changed last by the write with this revision.
    pub fn if_revision(self, revision: u64) -> Self {
        Self { expected: Some(revision), ..self }
    }

    /// Advances before the stage's time is over or while it is paused, and starts anew what is under way.
    pub fn forced(self) -> Self {
        Self { forced: true, ..self }
    }

    async fn make(self) -> Result<Outcome, RolloutError> {
        let Self { flags, key, step, forced, author, reason, expected } = self;
        let (source, backend) = flags.writable()?;
        let entry = backend.read(&key).await;
        let entry = entry.map_err(|error| WriteError::Failed { name: source.name, error })?;
        let (below, merged) = flags.with_entry(&key, entry.as_ref());
        let patch = match step {
            Step::Off => off(&merged, flags.now()),
            _ => {
                let rollout = merged.rare().rollout.value();
                let patch = next(rollout, step, forced, flags.now());
                let patch = patch.map_err(|why| RolloutError::refused(&key, why))?;
                on_again(&below, entry.as_ref(), step).rollout(patch)
            }
        };
        let mut write = Write::new(Operation::Set(patch));
        (write.author, write.reason) = (author, reason);
        write.expected = match expected {
            Some(revision) => Some(Expected::Revision(revision)),
            None if step == Step::Off => None,
            None => Some(Expected::Entry(entry)),
        };
        let before = flags.entry(&key);
        let written = backend.write(&key, write).await;
        let written = written.map_err(|refusal| WriteError::of(source, refusal))?;
        Ok(flags.outcome(&key, before.as_ref(), written))
    }
}

impl<'a> IntoFuture for PendingStep<'a> {
    type Output = Result<Outcome, RolloutError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// Off, and time stands still, so that it does not come back in a later stage.
fn off(merged: &Definition, now: SystemTime) -> Definition {
    let off = Definition::new().enabled(false);
    let progress = merged.rare().rollout.value().and_then(|rollout| rollout.at(now));
    match progress.map(|progress| progress.status) {
        Some(RolloutStatus::NotStarted | RolloutStatus::Running | RolloutStatus::Waiting) => {
            off.rollout(Rollout { paused_at: Setting::Set(now), ..Rollout::default() })
        }
        _ => off,
    }
}

/// Undoes what [`off`] did in the same source, unless the flag is off below it too.
fn on_again(below: &Definition, entry: Option<&Entry>, step: Step) -> Definition {
    let is_off = |definition: &Definition| definition.enabled.value() == Some(&false);
    let switched_off = matches!(entry, Some(Entry::Definition(definition)) if is_off(definition));
    match step {
        Step::Start | Step::Resume if switched_off && !is_off(below) => {
            Definition::new().enabled(true)
        }
        _ => Definition::new(),
    }
}

/// What a step changes about a rollout, as a patch.
fn next(
    rollout: Option<&Rollout>,
    step: Step,
    forced: bool,
    now: SystemTime,
) -> Result<Rollout, Why> {
    let Some((rollout, progress)) = rollout.and_then(|rollout| Some((rollout, rollout.at(now)?)))
    else {
        return Err(Why::NoRollout);
    };
    let Progress { stage, stages, status, .. } = progress;
    let unstarted = stage == 0 && progress.due.is_none();
    match step {
        Step::Start if stage > 0 && !forced => Err(Why::Refused(progress, "is under way already")),
        Step::Start => Ok(Rollout { start: Setting::Set(now), ..reset(rollout) }),

        Step::Advance if stage == 0 => Err(Why::Refused(progress, "has not been started")),
        Step::Advance if stage == stages => Err(Why::Refused(progress, "is in its last stage")),
        Step::Advance if status == RolloutStatus::Paused && !forced => {
            Err(Why::Refused(progress, "is paused, so resume it first or force it"))
        }
        Step::Advance => match rollout.remaining(&progress, now) {
            Some(remaining) if !forced => Err(Why::TooEarly(progress, remaining)),
            _ => Ok(put(stage + 1, now, rollout)),
        },

        Step::Pause if status == RolloutStatus::Paused => {
            Err(Why::Refused(progress, "is paused already"))
        }
        Step::Pause if stage == stages => Err(Why::Refused(progress, "is in its last stage")),
        Step::Pause if unstarted => Err(Why::Refused(progress, "has not been started")),
        Step::Pause => Ok(Rollout { paused_at: Setting::Set(now), ..Rollout::default() }),

        Step::Resume => match rollout.paused_at.value() {
            None => Err(Why::Refused(progress, "is not paused")),
            Some(&paused) => Ok(resume(rollout, &progress, now.duration_since(paused))),
        },

        Step::RollBack | Step::RollBackCompletely
            if unstarted && status != RolloutStatus::Paused =>
        {
            Err(Why::Refused(progress, "has not been started"))
        }
        Step::RollBack if stage > 1 => {
            Ok(Rollout { paused_at: Setting::Set(now), ..put(stage - 1, now, rollout) })
        }
        Step::RollBack | Step::RollBackCompletely | Step::Off => Ok(put(0, now, rollout)),
    }
}

/// Puts it in a stage that begins now.
fn put(stage: u32, now: SystemTime, rollout: &Rollout) -> Rollout {
    Rollout { stage: Setting::Set(stage), stage_started: Setting::Set(now), ..reset(rollout) }
}

/// Takes away what somebody put it in, where there is something.
fn reset(rollout: &Rollout) -> Rollout {
    fn remove<T>(setting: &Setting<T>) -> Setting<T> {
        setting.value().map_or(Setting::Inherit, |_| Setting::Remove)
    }
    Rollout {
        stage: remove(&rollout.stage),
        stage_started: remove(&rollout.stage_started),
        paused_at: remove(&rollout.paused_at),
        ..Rollout::default()
    }
}

/// Everything that is to come is later by the length of the pause.
fn resume(
    rollout: &Rollout,
    progress: &Progress,
    pause: Result<Duration, SystemTimeError>,
) -> Rollout {
    // Another process paused it, and its clock is ahead.
    let pause = pause.unwrap_or_default();
    let mut patch = Rollout { paused_at: Setting::Remove, ..Rollout::default() };
    let later =
        |instant: SystemTime| instant.checked_add(pause).map_or(Setting::Inherit, Setting::Set);
    match (progress.stage, rollout.stage.value(), rollout.begins()) {
        (0, None, Some(begins)) => patch.start = later(begins),
        (0, _, _) => {}
        (stage, _, _) => {
            patch.stage = Setting::Set(stage);
            patch.stage_started = progress.since.map_or(Setting::Inherit, later);
        }
    }
    patch
}

/// Why a step is not made.
#[derive(Clone, Copy)]
enum Why {
    NoRollout,
    Refused(Progress, &'static str),
    TooEarly(Progress, Duration),
}

/// A step of a rollout was not made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// No source gives the flag stages, or a forced value took them away.
    #[error("flag `{}` has no rollout", line(key))]
    NoRollout {
        /// The flag key.
        key: String,
    },
    /// The step does not fit where the rollout stands.
    #[error("the rollout of flag `{}` {problem}: it is at {progress}", line(key))]
    Refused {
        /// The flag key.
        key: String,
        /// Where it stands.
        progress: Progress,
        /// Why not.
        problem: &'static str,
    },
    /// The stage's time is not over.
    #[error(
        "stage {} of the rollout of flag `{}` lasts {} s more: wait, or force it",
        .progress.stage, line(key), .remaining.as_secs_f64().ceil()
    )]
    TooEarly {
        /// The flag key.
        key: String,
        /// Where it stands.
        progress: Progress,
        /// How long its stage lasts from now on.
        remaining: Duration,
    },
    /// The source did not take the change; a [`Conflict`](WriteError::Conflict) if somebody else was
    /// quicker.
    #[error(transparent)]
    Write(#[from] WriteError),
}

crate::error::debug_is_message!(RolloutError);

impl RolloutError {
    fn refused(key: &str, why: Why) -> Self {
        let key = key.to_owned();
        match why {
            Why::NoRollout => Self::NoRollout { key },
            Why::Refused(progress, problem) => Self::Refused { key, progress, problem },
            Why::TooEarly(progress, remaining) => Self::TooEarly { key, progress, remaining },
        }
    }
}
