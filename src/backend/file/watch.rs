//! Turns a path into a sequence of observations of its settled content.
//!
//! An event is only a hint that something may have happened. The whole file is then read once no
//! program writes to it any more, and compared with the last content. A poll finds changes without
//! events: on network and overlay file systems, and when the system is out of watches.

use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{
    select,
    sync::watch::Receiver,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep_until},
};

use super::{
    arm::{Arms, Pulse},
    read::{Attempt, Content, Glance, read},
};
use crate::foreign::{trace, warn};

/// The number of equal reads in a row after which suspicious bytes are believed.
const BELIEVED: u32 = 4;

/// A watch of one path. Dropping it ends its task and its thread.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    max_len: u64,
    timing: Timing,
    pulse: Receiver<Pulse>,
    /// `None` during a `Step::Survey`, while the blocking pool has the arms.
    arms: Option<Arms>,
    step: Step,
    /// The time of the next poll.
    tick: Instant,
    /// The time at which the file is read, even if `stat` shows no change.
    reread: Instant,
    /// The time at which the file is read even while it is being written. The first event after a read sets this time.
    due: Option<Instant>,
    /// The observation that was returned last.
    known: Option<Known>,
    /// The result of `stat` when the file was read last.
    glance: Option<Glance>,
    /// True if the next poll has to read, not only call `stat`.
    doubt: bool,
    /// True if the poll saw a change that no event announced, so the watches are not reliable.
    unannounced: bool,
    /// The count of writes that have been waited for long enough.
    waived: u64,
    /// The bytes that are not believed yet, and the number of times that they were read in a row.
    suspicious: Option<(Vec<u8>, u32)>,
    polling: bool,
    detached: bool,
    #[cfg(test)]
    reads: u64,
}

/// The times that a watch waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The time without an event before the file is read.
    pub(crate) quiet: Duration,
    /// The time after which the file is read at the latest, however many events come and although a
    /// writer has it open.
    pub(crate) ceiling: Duration,
    /// The time between two polls, which call `stat`.
    pub(crate) poll: Duration,
    /// The time between two reads without any sign of a change: a second write through one memory
    /// mapping leaves none.
    pub(crate) reread: Duration,
}

/// The state of the file at the path.
#[derive(Debug)]
pub(crate) enum Observation {
    Content(Vec<u8>),
    Missing,
    Unreadable(io::Error),
    /// The poll has confirmed the last observation. At most once in each `Timing::poll`.
    Unchanged,
}

/// The part of an observation that the next one is compared with.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Content(Vec<u8>),
    Missing,
    Unreadable(io::ErrorKind, Option<i32>),
}

/// The position within `next`. It is in the watch, not in the future, so dropping the future loses
/// nothing.
#[derive(Debug)]
enum Step {
    Idle,
    Settle(Settle),
    /// The blocking pool has the arms, and returns them.
    Survey(JoinHandle<(Arms, Report)>),
    Start(Task),
}

#[derive(Debug)]
struct Settle {
    quiet_until: Instant,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    /// Compare `stat` with the last one.
    Look,
    /// Arm, then read.
    Read,
}

#[derive(Debug)]
struct Report {
    glance: Glance,
    attempt: Option<Attempt>,
    polling: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(50),
            ceiling: Duration::from_secs(1),
            poll: Duration::from_secs(1),
            reread: Duration::from_secs(60),
        }
    }
}

impl Watch {
    /// Follows `path`, whether or not the file exists, as long as it has at most `max_len` bytes.
    /// The file is polled if the system reports no events.
    pub(crate) fn new(path: PathBuf, max_len: u64, timing: Timing) -> Self {
        let (arms, pulse) = Arms::new(path.clone());
        Self {
            path,
            max_len,
            timing,
            pulse,
            arms: Some(arms),
            step: Step::Start(Task::Read),
            tick: Instant::now() + timing.poll,
            reread: Instant::now() + timing.reread,
            due: None,
            known: None,
            glance: None,
            doubt: false,
            unannounced: false,
            waived: 0,
            suspicious: None,
            polling: false,
            detached: false,
            #[cfg(test)]
            reads: 0,
        }
    }

    /// Returns `true` if limits of the system leave only the poll.
    pub(crate) fn is_polling(&self) -> bool {
        self.polling
    }

    /// Returns `true` if the file is in no directory any more: a bind mount of a single file that
    /// was replaced on the host. The new file cannot be seen until the container is restarted.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    /// Returns the next settled observation that differs from the last one, or the confirmation of
    /// a poll that nothing has changed. The first call returns the current state at once.
    ///
    /// Cancel safe: after a dropped call, the next one continues. Needs a tokio runtime with its
    /// timer enabled.
    pub(crate) async fn next(&mut self) -> Observation {
        loop {
            match &mut self.step {
                Step::Idle => select! {
                    biased;
                    Ok(()) = self.pulse.changed() => self.settle(),
                    () = sleep_until(self.tick.min(self.reread)) => {
                        let is_due = self.reread <= Instant::now();
                        self.step = Step::Start(if is_due { Task::Read } else { Task::Look });
                    }
                },
                Step::Settle(settle) => {
                    settle.wait(&mut self.pulse, self.timing, self.waived).await;
                    self.step = Step::Start(Task::Read);
                }
                Step::Start(task) => {
                    let task = *task;
                    self.step = Step::Survey(self.start(task));
                }
                Step::Survey(survey) => {
                    let done = survey.await;
                    self.step = Step::Idle;
                    let observation = match done {
                        Ok((arms, report)) => {
                            self.arms = Some(arms);
                            self.take_in(report)
                        }
                        Err(error) => self.start_over(error.into()),
                    };
                    if let Some(observation) = observation {
                        return observation;
                    }
                }
            }
        }
    }

    /// Starts to wait for writers, until the time at which the file is due.
    fn settle(&mut self) {
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + self.timing.ceiling);
        self.step = Step::Settle(Settle { quiet_until: now + self.timing.quiet, due });
    }

    fn start(&mut self, task: Task) -> JoinHandle<(Arms, Report)> {
        let mut arms = self.arms.take().unwrap_or_else(|| self.new_arms());
        let moves = self.pulse.borrow().moves;
        if std::mem::take(&mut self.unannounced) {
            arms.distrust();
        }
        #[cfg(test)]
        if matches!(task, Task::Read) {
            self.reads += 1;
        }
        let max_len = self.max_len;
        // Run on the blocking pool: a disk can be slow, and arming waits for notify's thread.
        spawn_blocking(move || {
            let (attempt, glance) = match task {
                Task::Look => {
                    if arms.is_lacking() {
                        arms.arm(moves);
                    }
                    (None, Glance::at(arms.path()))
                }
                Task::Read => {
                    arms.arm(moves);
                    let (attempt, glance) = read(arms.path(), max_len);
                    // A writer may have begun before the read, with its event still on the way.
                    arms.catch_up();
                    (Some(attempt), glance)
                }
            };
            let report = Report { glance, attempt, polling: arms.is_polling() };
            (arms, report)
        })
    }

    fn new_arms(&mut self) -> Arms {
        let (arms, pulse) = Arms::new(self.path.clone());
        self.pulse = pulse;
        self.waived = 0;
        arms
    }

    /// Starts again after a survey that panicked, or during the shutdown of the runtime.
    fn start_over(&mut self, error: io::Error) -> Option<Observation> {
        self.doubt = true;
        let now = Instant::now();
        // Wait before the next one, or a survey that always panics would use a whole processor.
        (self.tick, self.reread) = (now + self.timing.poll, now + self.timing.reread);
        self.differs(Content::Unreadable(error))
    }

    fn take_in(&mut self, report: Report) -> Option<Observation> {
        self.polling = report.polling;
        if !std::mem::replace(&mut self.detached, report.glance.is_detached()) && self.detached {
            warn!(
                path = %self.path.display(),
                "the flag file was replaced outside of this bind mount, changes cannot be seen until a restart"
            );
        }

        let content = match report.attempt {
            None if !self.doubt && self.glance.as_ref() == Some(&report.glance) => {
                return self.confirm();
            }
            None => {
                self.unannounced = self.glance.as_ref() != Some(&report.glance);
                self.settle();
                return None;
            }
            // A program that creates or truncates a file is about to write to it, and `open` alone
            // causes no event of a write.
            Some(Attempt::Stable(Content::Bytes(bytes))) if bytes.is_empty() => {
                self.believe(bytes)?
            }
            Some(Attempt::Unstable(bytes)) => self.believe(bytes)?,
            Some(Attempt::Stable(content)) => content,
        };
        self.suspicious = None;
        // A writer began between the end of the quiet time and the read.
        let pulse = *self.pulse.borrow();
        if pulse.is_writing(self.waived) {
            if self.due.is_none_or(|due| Instant::now() < due) {
                self.settle();
                return None;
            }
            self.waived = pulse.writes;
        }
        self.due = None;
        self.reread = Instant::now() + self.timing.reread;
        self.doubt = !matches!(content, Content::Bytes(_) | Content::Missing)
            || report.glance.is_young(SystemTime::now());
        self.glance = Some(report.glance);
        self.differs(content).or_else(|| self.confirm())
    }

    /// Returns suspicious bytes once they have been read unchanged several times: some file systems
    /// report wrong sizes and inodes, and some files are empty.
    fn believe(&mut self, bytes: Vec<u8>) -> Option<Content> {
        let times = match &self.suspicious {
            Some((before, times)) if *before == bytes => times + 1,
            _ => 1,
        };
        if times >= BELIEVED {
            return Some(Content::Bytes(bytes));
        }
        self.suspicious = Some((bytes, times));
        // Equal reads in a row prove nothing unless time passes between them.
        self.due = None;
        self.settle();
        None
    }

    fn differs(&mut self, content: Content) -> Option<Observation> {
        let known = Known::from(&content);
        if self.known.as_ref() == Some(&known) {
            return None;
        }
        trace!(path = %self.path.display(), "flag file observed");
        self.known = Some(known);
        self.tick = Instant::now() + self.timing.poll;
        Some(match content {
            Content::Bytes(bytes) => Observation::Content(bytes),
            Content::Missing => Observation::Missing,
            Content::Unreadable(error) => Observation::Unreadable(error),
        })
    }

    fn confirm(&mut self) -> Option<Observation> {
        let now = Instant::now();
        if now < self.tick {
            return None;
        }
        self.tick = now + self.timing.poll;
        Some(Observation::Unchanged)
    }
}

impl Settle {
    /// Waits until no writer is left and no event has come for a while, or until the file is due.
    async fn wait(&mut self, pulse: &mut Receiver<Pulse>, timing: Timing, waived: u64) {
        loop {
            let is_writing = pulse.borrow_and_update().is_writing(waived);
            let wake = if is_writing { self.due } else { self.quiet_until.min(self.due) };
            // Check before waiting: a stream of events that never ends would be waited for for
            // ever.
            if wake <= Instant::now() {
                return;
            }
            select! {
                Ok(()) = pulse.changed() => self.quiet_until = Instant::now() + timing.quiet,
                () = sleep_until(wake) => {}
            }
        }
    }
}

impl From<&Content> for Known {
    fn from(content: &Content) -> Self {
        match content {
            Content::Bytes(bytes) => Self::Content(bytes.clone()),
            Content::Missing => Self::Missing,
            Content::Unreadable(error) => Self::Unreadable(error.kind(), error.raw_os_error()),
        }
    }
}

// The scripts are written for GNU tools.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
