//! A share of users that grows in stages, as a pure function of the clock.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{Percentage, Setting};

/// The stages of a rollout, and changes made by hand: the setting `rollout` of a flag.
///
/// Like a [`Definition`](crate::Definition) it is whole or partial: a source may set only
/// `paused_at` and leave the stages to the source below. Its progress at an instant follows from
/// its fields and the clock alone, so that all processes agree and no job has to run.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use flagstaff::{definition::{Rollout, Stage}, Percentage};
///
/// let hours = |hours: u64| Duration::from_secs(hours * 3600);
/// let start = SystemTime::UNIX_EPOCH + hours(24);
/// let rollout = Rollout::new([
///     Stage::new(Percentage::whole(1)?).lasting(hours(2)),
///     Stage::new(Percentage::whole(25)?).lasting(hours(12)),
///     Stage::new(Percentage::HUNDRED),
/// ])
/// .start(start);
///
/// let progress = rollout.at(start + hours(3)).expect("it has stages");
///
/// assert_eq!((progress.stage, progress.percentage), (2, Percentage::whole(25)?));
/// assert_eq!(progress.next_boundary(), Some(start + hours(14)));
/// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Rollout {
    /// The start of the first stage. By default it is the `at` of that stage. Without either, the
    /// rollout never starts.
    pub start: Setting<SystemTime>,
    /// The stages in their order. Without any, there is no rollout.
    pub stages: Setting<Vec<Stage>>,
    /// The stage that was set by hand, counted from 1; 0 is before the first.
    pub stage: Setting<u32>,
    /// The start of the stage that was set by hand. The rollout continues from there.
    pub stage_started: Setting<SystemTime>,
    /// The instant at which the rollout was paused.
    pub paused_at: Setting<SystemTime>,
}

/// One step of a [`Rollout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stage {
    /// The share of users that the stage reaches.
    pub percentage: Percentage,
    /// The duration of the stage; `for` in flags.toml.
    pub duration: Option<Duration>,
    /// The start of the stage. The stages of one rollout have either this or a duration.
    pub at: Option<SystemTime>,
    /// True if the next stage follows by itself. Otherwise this stage lasts until it is advanced.
    pub auto: bool,
}

/// The progress of a [`Rollout`] at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The stage, counted from 1; 0 before the first.
    pub stage: u32,
    /// The number of stages.
    pub stages: u32,
    /// The share of users that the stage reaches.
    pub percentage: Percentage,
    /// The status of the rollout.
    pub status: RolloutStatus,
    /// The start of the stage, if it is known.
    pub since: Option<SystemTime>,
    /// The end of the stage: the next stage follows by itself, or the rollout can be advanced to
    /// it. `None` while the rollout is paused, or if there is no such time.
    pub due: Option<SystemTime>,
}

/// The status of a [`Rollout`] at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RolloutStatus {
    /// The rollout has not been started, starts later, or was rolled back to its beginning.
    NotStarted,
    /// The next stage follows by itself.
    Running,
    /// The rollout stays in its stage until it is advanced.
    Waiting,
    /// The rollout stands still until it is resumed.
    Paused,
    /// The rollout is in its last stage.
    Complete,
}

impl RolloutStatus {
    /// Returns the words for people, such as `not started`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for RolloutStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Stage {
    /// Creates a stage without an end, which leads to the next by itself.
    #[must_use]
    pub const fn new(percentage: Percentage) -> Self {
        Self { percentage, duration: None, at: None, auto: true }
    }

    /// Sets the duration of the stage.
    #[must_use]
    pub const fn lasting(self, duration: Duration) -> Self {
        Self { duration: Some(duration), ..self }
    }

    /// Sets the start of the stage.
    #[must_use]
    pub const fn at(self, instant: SystemTime) -> Self {
        Self { at: Some(instant), ..self }
    }

    /// Makes the stage last until it is advanced. Its duration is the shortest time then.
    #[must_use]
    pub const fn manual(self) -> Self {
        Self { auto: false, ..self }
    }
}

impl Rollout {
    /// Creates a rollout with these stages that has not been started.
    #[must_use]
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        Self { stages: Setting::Set(stages.into_iter().collect()), ..Self::default() }
    }

    /// Sets the start of the first stage.
    #[must_use]
    pub fn start(self, at: SystemTime) -> Self {
        Self { start: Setting::Set(at), ..self }
    }

    /// Applies `patch` on top of this rollout, member by member (RFC 7396). The stages are one
    /// list, which is replaced whole.
    pub fn merge(&mut self, patch: &Self) {
        self.start.replace(&patch.start);
        self.stages.replace(&patch.stages);
        self.stage.replace(&patch.stage);
        self.stage_started.replace(&patch.stage_started);
        self.paused_at.replace(&patch.paused_at);
    }

    /// Returns the stages; none if no source sets any.
    pub(crate) fn steps(&self) -> &[Stage] {
        self.stages.value().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the progress at the instant `now`; `None` if there are no stages.
    #[must_use]
    pub fn at(&self, now: SystemTime) -> Option<Progress> {
        let steps = self.steps();
        let stages = u32::try_from(steps.len()).ok().filter(|&stages| stages > 0)?;
        let paused = self.paused_at.value();
        // While the rollout is paused, its time stands still at one instant, which is the same in
        // all processes.
        let now = paused.copied().unwrap_or(now);
        let (mut stage, mut since) = match (self.stage.value(), self.begins()) {
            (Some(&stage), _) => (stage.min(stages), self.stage_started.value().copied()),
            (None, Some(start)) if start <= now => (1, Some(start)),
            (None, _) => (0, None),
        };
        let mut due = match stage {
            0 => self.begins().filter(|_| self.stage.value().is_none()),
            _ => self.end(stage, since),
        };
        while let Some(over) = due.filter(|&over| over <= now && self.follows(stage)) {
            (stage, since) = (stage + 1, Some(over));
            due = self.end(stage, since);
        }
        let status = match stage {
            _ if paused.is_some() => RolloutStatus::Paused,
            0 => RolloutStatus::NotStarted,
            last if last == stages => RolloutStatus::Complete,
            auto if self.follows(auto) && due.is_some() => RolloutStatus::Running,
            _ => RolloutStatus::Waiting,
        };
        Some(Progress {
            stage,
            stages,
            percentage: self.step(stage).map_or(Percentage::ZERO, |step| step.percentage),
            status,
            since,
            due: due.filter(|_| paused.is_none()),
        })
    }

    /// Returns the instant at which the first stage begins by itself.
    pub(crate) fn begins(&self) -> Option<SystemTime> {
        self.start.value().copied().or_else(|| self.steps().first()?.at)
    }

    /// Returns the time that is left of the stage from `now` on; `None` if the stage can be left.
    pub(crate) fn remaining(&self, progress: &Progress, now: SystemTime) -> Option<Duration> {
        let now = self.paused_at.value().copied().unwrap_or(now);
        let remaining = self.end(progress.stage, progress.since)?.duration_since(now).ok()?;
        (!remaining.is_zero()).then_some(remaining)
    }

    fn step(&self, stage: u32) -> Option<&Stage> {
        self.steps().get(usize::try_from(stage).ok()?.checked_sub(1)?)
    }

    /// Returns true if another stage follows by itself.
    fn follows(&self, stage: u32) -> bool {
        self.step(stage).is_some_and(|step| step.auto) && self.step(stage + 1).is_some()
    }

    /// Returns the end of a stage that began at `since`. Of dates only the time between them
    /// counts, so that they move along when the rollout is paused, or started at another time.
    fn end(&self, stage: u32, since: Option<SystemTime>) -> Option<SystemTime> {
        let (step, next) = (self.step(stage)?, self.step(stage + 1)?);
        let until_next = || Some(next.at?.duration_since(step.at?).unwrap_or_default());
        since?.checked_add(step.duration.or_else(until_next)?)
    }
}

impl Progress {
    /// Returns the instant at which the rollout changes by itself.
    #[must_use]
    pub fn next_boundary(&self) -> Option<SystemTime> {
        match self.status {
            RolloutStatus::NotStarted | RolloutStatus::Running => self.due,
            _ => None,
        }
    }
}

/// Writes the progress like `25%, stage 2 of 3, running`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, stages, percentage, status, .. } = self;
        write!(f, "{percentage}, stage {stage} of {stages}, {status}")
    }
}
