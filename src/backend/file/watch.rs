//! Turns a path into a sequence of observations of its settled content.
//!
//! An event is only a hint that something may have happened. The file is then read whole, once nobody writes to it any
//! more, and compared with what was read before. Beneath that, a poll sees what no event tells: network and overlay
//! file systems, and systems that are out of watches.

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

/// As many equal reads in a row are believed, however suspicious each of them is.
const BELIEVED: u32 = 4;

/// Follows one path. Dropping it ends everything.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    max_len: u64,
    timing: Timing,
    pulse: Receiver<Pulse>,
    /// Away on the blocking pool during a `Step::Survey`.
    arms: Option<Arms>,
    step: Step,
    /// When the poll is due.
    tick: Instant,
    /// The time at which the file is read, even if `stat` shows no change.
    reread: Instant,
    /// The time at which the file is read although it is being written. The first event after a reading sets it.
    due: Option<Instant>,
    /// What was returned last.
    known: Option<Known>,
    /// What `stat` said when it was read.
    glance: Option<Glance>,
    /// The next poll has to read, not only look.
    doubt: bool,
    /// The poll saw a change that no event announced: the watches are not to be relied on.
    unannounced: bool,
    /// Writes that have been waited for long enough.
    waived: u64,
    /// Bytes that are not believed yet, and how often they were read in a row.
    suspicious: Option<(Vec<u8>, u32)>,
    polling: bool,
    detached: bool,
    #[cfg(test)]
    reads: u64,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Without an event before the file is read.
    pub(crate) quiet: Duration,
    /// In which it is read at the latest, however many events there are, and although a writer has it open.
    pub(crate) ceiling: Duration,
    /// Between two polls, which look at `stat`.
    pub(crate) poll: Duration,
    /// Between two readings without any sign of a change: a second write through one memory mapping leaves none.
    pub(crate) reread: Duration,
}

/// What the path led to.
#[derive(Debug)]
pub(crate) enum Observation {
    Content(Vec<u8>),
    Missing,
    Unreadable(io::Error),
    /// The poll has confirmed the last observation. At most once in each `Timing::poll`.
    Unchanged,
}

/// What remains of an observation, to compare the next one with.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Content(Vec<u8>),
    Missing,
    Unreadable(io::ErrorKind, Option<i32>),
}

/// Where `next` is. It lives in the watch, not in the future, so that a dropped future loses nothing.
#[derive(Debug)]
enum Step {
    Idle,
    Settle(Settle),
    /// The blocking pool has the arms, and hands them back.
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
    /// Follows `path`, whether or not it exists, as long as it has at most `max_len` bytes. Where events are not
    /// to be had, it is polled.
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

    /// Whether limits of the system leave only the poll.
    pub(crate) fn is_polling(&self) -> bool {
        self.polling
    }

    /// Whether the file is in no directory any more: a bind mount of a single file that was replaced on the host. The
    /// new file cannot be seen until the container is restarted.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    /// The next settled observation that differs from the last one returned, or the poll's word that nothing has
    /// changed. The first call returns the current state at once.
    ///
    /// Cancel safe: a call after a dropped one goes on where that was. Needs a tokio runtime with its timer on.
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

    /// Waits for writers from now on, until the time at which the file is due.
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
        // A disk can be slow, and arming asks notify's thread.
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
                    // A writer may have begun before the read and not be known yet.
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

    /// The survey panicked, or the runtime is shutting down.
    fn start_over(&mut self, error: io::Error) -> Option<Observation> {
        self.doubt = true;
        let now = Instant::now();
        // Not at once, or a survey that always panics would take a whole processor.
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
            // Who creates or truncates a file is about to write to it, and `open` alone is no event of a write.
            Some(Attempt::Stable(Content::Bytes(bytes))) if bytes.is_empty() => {
                self.believe(bytes)?
            }
            Some(Attempt::Unstable(bytes)) => self.believe(bytes)?,
            Some(Attempt::Stable(content)) => content,
        };
        self.suspicious = None;
        // Somebody began to write between the end of the quiet time and the read.
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

    /// Suspicious bytes are read again, until they have been the same for a while: some file systems report sizes and
    /// inodes that do not hold, and some files are empty.
    fn believe(&mut self, bytes: Vec<u8>) -> Option<Content> {
        let times = match &self.suspicious {
            Some((before, times)) if *before == bytes => times + 1,
            _ => 1,
        };
        if times >= BELIEVED {
            return Some(Content::Bytes(bytes));
        }
        self.suspicious = Some((bytes, times));
        // Equal reads in a row mean nothing unless time passes between them.
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
    /// Waits until no writer is left and it has been quiet for a while, or the file is due.
    async fn wait(&mut self, pulse: &mut Receiver<Pulse>, timing: Timing, waived: u64) {
        loop {
            let is_writing = pulse.borrow_and_update().is_writing(waived);
            let wake = if is_writing { self.due } else { self.quiet_until.min(self.due) };
            // Before waiting, as events that never cease would be waited for ever.
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
