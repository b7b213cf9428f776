//! Control of staged rollouts by hand.

use std::{
    future::IntoFuture,
    time::{Duration, SystemTime, SystemTimeError},
};

use super::{Flags, Outcome, WriteError};
use crate::{
    backend::{BoxFuture, Expected, Operation, Write},
    model::{Definition, Entry, FlagKey, Progress, Rollout, RolloutStatus, Setting},
    text::{line, rounded_duration},
};

/// A handle that controls the rollout of one flag. Made by [`Flags::rollout`].
///
/// Each step is one write to the first writable source, on the condition that the flag was not
/// changed there in the meantime. Of two processes that advance at once, one gets a
/// [`Conflict`](WriteError::Conflict).
#[derive(Debug, Clone)]
#[must_use = "nothing is changed until a step is awaited"]
pub struct RolloutControl<'a> {
    flags: &'a Flags,
    key: String,
}

/// A step of a rollout.
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

    /// Starts the first stage now, also if it would start later. A rollout that is under way is
    /// started again only if [forced](PendingStep::forced), and otherwise the step is
    /// [refused](RolloutError::Refused).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use flagstaff::{Definition, Percentage, definition::{Rollout, Stage}};
    /// # let stages = [10, 50, 100].map(|percent| Percentage::whole(percent).unwrap());
    /// # let rollout = Rollout::new(stages.map(|percentage| Stage::new(percentage).manual()));
    /// # let declared = Memory::new().with("beta", Definition::new().rollout(rollout));
    /// # let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// // Stages of 10, 50 and 100 percent.
    /// flags.rollout("beta").start().author("ana").await?;
    /// assert_eq!(flags.watch("beta").borrow().to_string(), "10%");
    ///
    /// let again = flags.rollout("beta").start().await;
    /// assert!(again.is_err(), "it is under way");
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(&self) -> PendingStep<'a> {
        self.step(Step::Start)
    }

    /// Advances to the next stage. A stage whose time is not over, or that is paused, is left only
    /// if [forced](PendingStep::forced).
    ///
    /// Otherwise the step fails with [`RolloutError::TooEarly`] or, while the rollout is paused, with
    /// [`RolloutError::Refused`]. It is also refused before the first stage and in the last one.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use flagstaff::{Definition, Percentage, definition::{Rollout, Stage}};
    /// # let stages = [10, 50, 100].map(|percent| Percentage::whole(percent).unwrap());
    /// # let rollout = Rollout::new(stages.map(|percentage| Stage::new(percentage).manual()));
    /// # let declared = Memory::new().with("beta", Definition::new().rollout(rollout));
    /// # let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// // Stages of 10, 50 and 100 percent.
    /// assert!(flags.rollout("beta").advance().await.is_err(), "it has not been started");
    ///
    /// flags.rollout("beta").start().await?;
    /// flags.rollout("beta").advance().await?;
    /// assert_eq!(flags.watch("beta").borrow().to_string(), "50%");
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&self) -> PendingStep<'a> {
        self.step(Step::Advance)
    }

    /// Pauses the rollout in its stage.
    ///
    /// The step is [refused](RolloutError::Refused) if the rollout is paused already, has not been
    /// started, or is in its last stage.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, write::RolloutError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use flagstaff::{Definition, Percentage, definition::{Rollout, Stage}};
    /// # let stages = [10, 50, 100].map(|percent| Percentage::whole(percent).unwrap());
    /// # let rollout = Rollout::new(stages.map(|percentage| Stage::new(percentage).manual()));
    /// # let declared = Memory::new().with("beta", Definition::new().rollout(rollout));
    /// # let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// flags.rollout("beta").start().await?;
    ///
    /// flags.rollout("beta").pause().reason("incident 42").await?;
    ///
    /// let advanced = flags.rollout("beta").advance().await;
    /// assert!(matches!(advanced, Err(RolloutError::Refused { .. })), "it is paused");
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause(&self) -> PendingStep<'a> {
        self.step(Step::Pause)
    }

    /// Resumes a paused rollout. All later boundaries move by the length of the pause.
    ///
    /// The step is [refused](RolloutError::Refused) if the rollout is not paused.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use flagstaff::{Definition, Percentage, definition::{Rollout, Stage}};
    /// # let stages = [10, 50, 100].map(|percent| Percentage::whole(percent).unwrap());
    /// # let rollout = Rollout::new(stages.map(|percentage| Stage::new(percentage).manual()));
    /// # let declared = Memory::new().with("beta", Definition::new().rollout(rollout));
    /// # let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// flags.rollout("beta").start().await?;
    /// flags.rollout("beta").pause().await?;
    ///
    /// flags.rollout("beta").resume().await?;
    ///
    /// flags.rollout("beta").advance().await?;
    /// assert_eq!(flags.watch("beta").borrow().to_string(), "50%");
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(&self) -> PendingStep<'a> {
        self.step(Step::Resume)
    }

    /// Goes back to the previous stage and pauses there. Before the first stage, the flag is off
    /// for all users that no list and no rule lets in.
    ///
    /// The step is [refused](RolloutError::Refused) if the rollout has not been started.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, answer::FlagState};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use flagstaff::{Definition, Percentage, definition::{Rollout, Stage}};
    /// # let stages = [10, 50, 100].map(|percent| Percentage::whole(percent).unwrap());
    /// # let rollout = Rollout::new(stages.map(|percentage| Stage::new(percentage).manual()));
    /// # let declared = Memory::new().with("beta", Definition::new().rollout(rollout));
    /// # let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
    /// // Stages of 10, 50 and 100 percent.
    /// flags.rollout("beta").start().await?;
    /// flags.rollout("beta").advance().await?;
    ///
    /// flags.rollout("beta").roll_back().await?;
    /// assert_eq!(flags.watch("beta").borrow().to_string(), "10%");
    ///
    /// flags.rollout("beta").roll_back().await?;
    /// assert_eq!(*flags.watch("beta").borrow(), FlagState::Off);
    /// # Ok(())
    /// # }
    /// ```
    pub fn roll_back(&self) -> PendingStep<'a> {
        self.step(Step::RollBack)
    }

    /// Goes back to before the first stage, until the rollout is started again.
    ///
    /// The step is [refused](RolloutError::Refused) if the rollout has not been started.
    pub fn roll_back_completely(&self) -> PendingStep<'a> {
        self.step(Step::RollBackCompletely)
    }

    /// Switches the flag off for all users, also for allowed users, and pauses the rollout. Meant
    /// for emergencies: it works without a rollout, and in every state of one.
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
    /// Sets the author, which the source keeps in its log and beside the override.
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { author: Some(author.into()), ..self }
    }

    /// Sets the reason, which the source keeps in its log and beside the override.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Makes the step only if the flag was changed last by the write with this revision.
    pub fn if_revision(self, revision: u64) -> Self {
        Self { expected: Some(revision), ..self }
    }

    /// Advances before the stage's time is over or while it is paused, and starts a rollout that is
    /// under way again.
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

/// Returns a patch that switches the flag off and stops the time of its rollout. So the flag does
/// not come back in a later stage.
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

/// Returns a patch that undoes [`off`] in the same source, unless the flag is also off in the
/// sources below.
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

/// Returns the changes of a step, as a patch of the rollout.
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

/// Returns a patch that sets a stage, which begins now.
fn put(stage: u32, now: SystemTime, rollout: &Rollout) -> Rollout {
    Rollout { stage: Setting::Set(stage), stage_started: Setting::Set(now), ..reset(rollout) }
}

/// Returns a patch that removes the changes made by hand, if there are any.
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

/// Returns a patch that moves all later boundaries by the length of the pause.
fn resume(
    rollout: &Rollout,
    progress: &Progress,
    pause: Result<Duration, SystemTimeError>,
) -> Rollout {
    // Another process paused the rollout, and its clock is ahead.
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

/// The reason why a step is not made.
#[derive(Clone, Copy)]
enum Why {
    NoRollout,
    Refused(Progress, &'static str),
    TooEarly(Progress, Duration),
}

/// The error of a step that was not made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// No source defines stages for the flag, or a forced value removed them.
    #[error("flag `{}` has no rollout", line(key))]
    NoRollout {
        /// The flag key.
        key: String,
    },
    /// The step does not fit the progress of the rollout.
    #[error("the rollout of flag `{}` {problem}: it is at {progress}", line(key))]
    Refused {
        /// The flag key.
        key: String,
        /// The progress of the rollout.
        progress: Progress,
        /// The reason.
        problem: &'static str,
    },
    /// The stage's time is not over.
    #[error(
        "stage {} of the rollout of flag `{}` lasts {} more: wait, or force it",
        .progress.stage, line(key), rounded_duration(*.remaining)
    )]
    TooEarly {
        /// The flag key.
        key: String,
        /// The progress of the rollout.
        progress: Progress,
        /// The time until the stage is over.
        remaining: Duration,
    },
    /// The source did not make the change. It is a [`Conflict`](WriteError::Conflict) if the flag
    /// was changed in the meantime.
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
