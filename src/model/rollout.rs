//! A share of users that grows in stages, as a pure function of the clock.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{Percentage, Setting};

/// The stages of a rollout, and where it was put by hand: the setting `rollout` of a flag.
///
/// Like a [`Definition`](crate::Definition) it is whole or partial: a source may set only `paused_at`
/// and leave the stages to the source below. Where it stands at an instant follows from its fields
/// and the clock alone, so that all processes agree and no job has to run.
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
    /// When the first stage begins. Without it, that is when its first stage says, or never.
    pub start: Setting<SystemTime>,
    /// The stages in their order. Without any, there is no rollout.
    pub stages: Setting<Vec<Stage>>,
    /// The stage that somebody put it in, counted from 1; 0 is before the first.
    pub stage: Setting<u32>,
    /// When that stage began. It runs on from there.
    pub stage_started: Setting<SystemTime>,
    /// Since when it stands still.
    pub paused_at: Setting<SystemTime>,
}

/// One step of a [`Rollout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stage {
    /// The share of users that it reaches.
    pub percentage: Percentage,
    /// How long it lasts; `for` in flags.toml.
    pub duration: Option<Duration>,
    /// When it begins. The stages of one rollout say either this or how long they last.
    pub at: Option<SystemTime>,
    /// Whether the next stage follows by itself. If not, this one lasts until it is advanced.
    pub auto: bool,
}

/// Where a [`Rollout`] stands at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The stage, counted from 1; 0 before the first.
    pub stage: u32,
    /// How many stages there are.
    pub stages: u32,
    /// The share of users that it reaches.
    pub percentage: Percentage,
    /// What it does.
    pub status: RolloutStatus,
    /// When the stage began, if that is known.
    pub since: Option<SystemTime>,
    /// When the stage's time is over: when the next one follows by itself, or can be advanced to.
    /// `None` while it is paused, or if there is no such time.
    pub due: Option<SystemTime>,
}

/// What a [`Rollout`] does at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RolloutStatus {
    /// It has not been started, starts later, or was rolled back to its beginning.
    NotStarted,
    /// The next stage follows by itself.
    Running,
    /// It stays where it is until it is advanced.
    Waiting,
    /// It stands still until it is resumed.
    Paused,
    /// It is in its last stage.
    Complete,
}

impl RolloutStatus {
    /// The word that people read, such as `not started`.
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
    /// A stage that has no end and leads to the next by itself.
    #[must_use]
    pub const fn new(percentage: Percentage) -> Self {
        Self { percentage, duration: None, at: None, auto: true }
    }

    /// How long it lasts.
    #[must_use]
    pub const fn lasting(self, duration: Duration) -> Self {
        Self { duration: Some(duration), ..self }
    }

    /// When it begins.
    #[must_use]
    pub const fn at(self, instant: SystemTime) -> Self {
        Self { at: Some(instant), ..self }
    }

    /// Makes it last until it is advanced. How long it lasts is the shortest time then.
    #[must_use]
    pub const fn manual(self) -> Self {
        Self { auto: false, ..self }
    }
}

impl Rollout {
    /// A rollout with these stages that has not been started.
    #[must_use]
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        Self { stages: Setting::Set(stages.into_iter().collect()), ..Self::default() }
    }

    /// When the first stage begins.
    #[must_use]
    pub fn start(self, at: SystemTime) -> Self {
        Self { start: Setting::Set(at), ..self }
    }

    /// Applies `patch` on top of this, member by member (RFC 7396). The stages are one list, which
    /// is replaced whole.
    pub fn merge(&mut self, patch: &Self) {
        self.start.replace(&patch.start);
        self.stages.replace(&patch.stages);
        self.stage.replace(&patch.stage);
        self.stage_started.replace(&patch.stage_started);
        self.paused_at.replace(&patch.paused_at);
    }

    /// The stages; none if no source says any.
    pub(crate) fn steps(&self) -> &[Stage] {
        self.stages.value().map(Vec::as_slice).unwrap_or_default()
    }

    /// Where it stands at the instant `now`; `None` if it has no stages.
    #[must_use]
    pub fn at(&self, now: SystemTime) -> Option<Progress> {
        let steps = self.steps();
        let stages = u32::try_from(steps.len()).ok().filter(|&stages| stages > 0)?;
        let paused = self.paused_at.value();
        // While it stands still, so does its time, at the same instant for everybody.
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

    /// When the first stage begins by itself.
    pub(crate) fn begins(&self) -> Option<SystemTime> {
        self.start.value().copied().or_else(|| self.steps().first()?.at)
    }

    /// How long the stage lasts from `now` on; `None` if it can be left.
    pub(crate) fn remaining(&self, progress: &Progress, now: SystemTime) -> Option<Duration> {
        let now = self.paused_at.value().copied().unwrap_or(now);
        let remaining = self.end(progress.stage, progress.since)?.duration_since(now).ok()?;
        (!remaining.is_zero()).then_some(remaining)
    }

    fn step(&self, stage: u32) -> Option<&Stage> {
        self.steps().get(usize::try_from(stage).ok()?.checked_sub(1)?)
    }

    /// Whether another stage follows by itself.
    fn follows(&self, stage: u32) -> bool {
        self.step(stage).is_some_and(|step| step.auto) && self.step(stage + 1).is_some()
    }

    /// When the time of a stage that began at `since` is over. Dates count by the time between
    /// them, so that they move along when the rollout is started at another time or paused.
    fn end(&self, stage: u32, since: Option<SystemTime>) -> Option<SystemTime> {
        let (step, next) = (self.step(stage)?, self.step(stage + 1)?);
        let until_next = || Some(next.at?.duration_since(step.at?).unwrap_or_default());
        since?.checked_add(step.duration.or_else(until_next)?)
    }
}

impl Progress {
    /// When it changes by itself.
    #[must_use]
    pub fn next_boundary(&self) -> Option<SystemTime> {
        match self.status {
            RolloutStatus::NotStarted | RolloutStatus::Running => self.due,
            _ => None,
        }
    }
}

/// `25%, stage 2 of 3, running`
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, stages, percentage, status, .. } = self;
        write!(f, "{percentage}, stage {stage} of {stages}, {status}")
    }
}
