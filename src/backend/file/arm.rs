//! Keeps file events armed for one path, and reduces them to the counters that the watcher needs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use notify::{
    ErrorKind, Event, EventHandler, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::watch;

use super::chain::{Chain, Names, Point, Role};
use crate::foreign::{self, debug, info, warn};

/// True if the system reports that a writer has closed a file, as inotify does. On other systems no
/// such event comes, so the watcher must not wait for one.
const REPORTS_CLOSE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// True if every entry of a watched directory is reported by its own name, as inotify does. Other
/// systems may report the name in another case, or only the directory.
const REPORTS_NAMES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The number of passes for a path that leads elsewhere after each pass. Later changes are left to
/// the next event.
const MAX_PASSES: usize = 5;

/// The sum of all events so far: a level, not a queue, so a million events take no more memory than
/// one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// The number of writes to the file.
    pub(super) writes: u64,
    /// The value of `writes` when the file was last closed or replaced.
    pub(super) closed: u64,
    /// The number of times that an entry was created, removed or renamed. Watches may be gone after
    /// each.
    pub(super) moves: u64,
}

/// The watches of one path.
///
/// All methods block, so they belong on the blocking pool.
#[derive(Debug)]
pub(super) struct Arms {
    path: PathBuf,
    ear: Ear,
    watcher: Option<RecommendedWatcher>,
    points: Vec<Point>,
    /// The value of `Pulse::moves` when the points were last armed.
    moves: u64,
    health: Health,
    warned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Armed,
    /// Watches may be missing.
    Behind,
    /// The system refused a watch.
    Refused,
}

/// The part of the watcher that runs on the event thread. It must neither block nor panic, since a
/// panic would end that thread.
#[derive(Clone, Debug)]
struct Ear(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pulse: watch::Sender<Pulse>,
    names: RwLock<Names>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Written,
    Closed,
    Moved,
    Touched,
}

impl Pulse {
    /// Returns `true` if a writer has the file open and has written to it, unless those writes are
    /// `waived`.
    pub(super) fn is_writing(self, waived: u64) -> bool {
        REPORTS_CLOSE && self.writes > self.closed.max(waived)
    }
}

impl Arms {
    pub(super) fn new(path: PathBuf) -> (Self, watch::Receiver<Pulse>) {
        let (pulse, receiver) = watch::channel(Pulse::default());
        let ear = Ear(Arc::new(Shared { pulse, names: RwLock::default() }));
        let arms = Self {
            path,
            ear,
            watcher: None,
            points: Vec::new(),
            moves: 0,
            health: Health::Behind,
            warned: false,
        };
        (arms, receiver)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `true` if limits of the system leave only the poll.
    pub(super) fn is_polling(&self) -> bool {
        self.health == Health::Refused
    }

    /// Returns `true` if `arm` has to repair watches although no event came.
    pub(super) fn is_lacking(&self) -> bool {
        self.health != Health::Armed || self.is_deaf()
    }

    /// Makes the next `arm` set every watch again.
    pub(super) fn distrust(&mut self) {
        if self.health == Health::Armed {
            self.health = Health::Behind;
        }
    }

    /// Watches what the path leads to now. Changes after this call are reported, so read the file
    /// after it, never before.
    pub(super) fn arm(&mut self, moves: u64) {
        if self.is_deaf() {
            self.hang_up();
        }
        // notify drops the watch of an entry that was moved or deleted, even if the entry is back
        // by now.
        if self.moves != moves {
            self.distrust();
        }
        self.moves = moves;

        let mut chain = Chain::resolve(&self.path);
        for _ in 0..MAX_PASSES {
            if chain.points == self.points && self.health == Health::Armed {
                return;
            }
            self.ear.listen_for(chain.names);
            let refused = self.apply(chain.points);
            self.note(refused);
            // The path may have changed its target between resolving and watching.
            chain = Chain::resolve(&self.path);
            if chain.points == self.points {
                return;
            }
        }
        self.health = Health::Behind;
    }

    /// Returns when every event that happened before the call has been received.
    pub(super) fn catch_up(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        // `configure` changes nothing, but the event thread answers it. The first answer may come
        // while that thread still holds events; the second cannot.
        for _ in 0..2 {
            let _ = guarded(|| watcher.configure(notify::Config::default()));
        }
    }

    /// Makes `points` the watched ones. Returns the error of a watch that was refused.
    fn apply(&mut self, points: Vec<Point>) -> Option<notify::Error> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => match guarded(|| {
                RecommendedWatcher::new(self.ear.clone(), notify::Config::default())
            }) {
                Ok(watcher) => none.insert(watcher),
                Err(error) => {
                    self.points = points;
                    return Some(error);
                }
            },
        };

        let mut refused = None;
        // Unwatch first: otherwise an inode that is now reached by another path would lose its new
        // watch together with the old one.
        for gone in self.points.iter().filter(|point| !points.contains(point)) {
            let _ = guarded(|| watcher.unwatch(&gone.path));
        }
        for point in &points {
            if self.health == Health::Armed && self.points.contains(point) {
                continue;
            }
            match guarded(|| watcher.watch(&point.path, RecursiveMode::NonRecursive)) {
                Ok(()) => {}
                // The entry has gone since, which the next pass finds.
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error)
                    if point.role == Role::Outer
                        && !matches!(error.kind, ErrorKind::MaxFilesWatch) =>
                {
                    debug!(path = %point.path.display(), %error, "outer directory not watched");
                }
                Err(error) => refused = Some(error),
            }
        }
        self.points = points;
        refused
    }

    fn note(&mut self, refused: Option<notify::Error>) {
        let was = self.health;
        let Some(error) = refused else {
            self.health = Health::Armed;
            if was == Health::Refused {
                info!(path = %self.path.display(), "file events are back");
            }
            return;
        };
        self.health = Health::Refused;
        if was != Health::Refused && !self.warned {
            self.warned = true;
            warn!(path = %self.path.display(), %error, "no file events, polling for changes");
        }
    }

    // notify's thread holds the other reference. That thread ends without an error if it cannot be
    // started or if its poll fails.
    fn is_deaf(&self) -> bool {
        self.watcher.is_some() && Arc::strong_count(&self.ear.0) == 1
    }

    fn hang_up(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            let _ = foreign::call(|| drop(watcher));
        }
        self.points.clear();
        self.health = Health::Behind;
    }
}

impl Drop for Arms {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Ear {
    fn listen_for(&self, names: Names) {
        *self.0.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    fn is_concerned(&self, event: &Event, meaning: Meaning) -> bool {
        let names = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        !REPORTS_NAMES
            || event.paths.is_empty()
            || event.paths.iter().any(|path| match meaning {
                Meaning::Written | Meaning::Closed => names.are_of_file(path),
                Meaning::Moved | Meaning::Touched => names.concern(path),
            })
    }
}

impl EventHandler for Ear {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        let meaning = match &event {
            Ok(event) => meaning(event).filter(|&meaning| self.is_concerned(event, meaning)),
            // An unknown error may mean that events were lost.
            Err(_) => Some(Meaning::Moved),
        };
        let Some(meaning) = meaning else { return };
        self.0.pulse.send_modify(|pulse| match meaning {
            Meaning::Written => pulse.writes += 1,
            Meaning::Closed => pulse.closed = pulse.writes,
            Meaning::Moved => {
                pulse.closed = pulse.writes;
                pulse.moves += 1;
            }
            Meaning::Touched => {}
        });
    }
}

/// Returns the meaning of an event for the file; `None` if the event comes from reading.
fn meaning(event: &Event) -> Option<Meaning> {
    if event.need_rescan() {
        return Some(Meaning::Moved);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Meaning::Closed),
        // Our own reads cause such events, so reacting to them would read one edit for ever.
        EventKind::Access(
            AccessKind::Open(_) | AccessKind::Read | AccessKind::Close(AccessMode::Read),
        ) => None,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => Some(Meaning::Written),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            Some(Meaning::Moved)
        }
        EventKind::Any | EventKind::Other | EventKind::Access(_) | EventKind::Modify(_) => {
            Some(Meaning::Touched)
        }
    }
}

/// Calls notify, which panics once its thread has ended, also in `drop`.
fn guarded<T>(call: impl FnOnce() -> notify::Result<T>) -> notify::Result<T> {
    foreign::call(call).unwrap_or_else(|| Err(notify::Error::generic("the event thread has ended")))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RemoveKind, RenameMode};

    use super::*;

    fn meant(kind: EventKind) -> Option<Meaning> {
        meaning(&Event::new(kind))
    }

    #[test]
    fn reading_the_file_is_no_change() {
        for access in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Open(AccessMode::Read),
            AccessKind::Read,
            AccessKind::Close(AccessMode::Read),
        ] {
            assert_eq!(meant(EventKind::Access(access)), None, "{access:?}");
        }
    }

    #[test]
    fn every_other_event_is_a_change() {
        let rescan = Event::new(EventKind::Other).set_flag(Flag::Rescan);

        assert_eq!(
            meant(EventKind::Access(AccessKind::Close(AccessMode::Write))),
            Some(Meaning::Closed)
        );
        assert_eq!(
            meant(EventKind::Modify(ModifyKind::Data(DataChange::Any))),
            Some(Meaning::Written)
        );
        assert_eq!(
            meant(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any))),
            Some(Meaning::Touched)
        );
        assert_eq!(
            meant(EventKind::Modify(ModifyKind::Name(RenameMode::To))),
            Some(Meaning::Moved)
        );
        assert_eq!(meant(EventKind::Create(CreateKind::File)), Some(Meaning::Moved));
        assert_eq!(meant(EventKind::Remove(RemoveKind::File)), Some(Meaning::Moved));
        assert_eq!(meant(EventKind::Other), Some(Meaning::Touched));
        assert_eq!(meaning(&rescan), Some(Meaning::Moved));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_writer_is_writing_until_it_closes_or_is_replaced() {
        let (arms, pulse) = Arms::new(PathBuf::from("/x/flags.toml"));
        let mut ear = arms.ear.clone();
        let mut hear = |kind: EventKind| {
            ear.handle_event(Ok(Event::new(kind)));
            pulse.borrow().is_writing(0)
        };
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));

        assert!(hear(write));
        assert!(hear(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any))));
        assert!(!hear(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(hear(write));
        assert!(!hear(EventKind::Modify(ModifyKind::Name(RenameMode::To))));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn events_of_other_files_in_the_directory_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let (mut arms, mut pulse) = Arms::new(dir.path().join("flags.toml"));
        arms.arm(0);
        pulse.mark_unchanged();
        let write = Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Any)));

        arms.ear.handle_event(Ok(write.clone().add_path(dir.path().join("app.log"))));
        let neighbour = pulse.has_changed().unwrap();
        arms.ear.handle_event(Ok(write.add_path(dir.path().join("flags.toml"))));

        assert!(!neighbour);
        assert!(pulse.has_changed().unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_writer_of_something_else_of_a_name_on_the_way_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("app")).unwrap();
        std::fs::write(root.join("app/flags.toml"), "").unwrap();
        let (mut arms, pulse) = Arms::new(root.join("app/flags.toml"));
        arms.arm(0);
        let mut hear = |path: &str| {
            let write = Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Any)));
            arms.ear.handle_event(Ok(write.add_path(root.join(path))));
            pulse.borrow().is_writing(0)
        };

        assert!(!hear("app/app"));
        assert!(!hear("flags.toml"));
        assert!(hear("app/flags.toml"));
    }

    #[test]
    fn an_event_thread_that_has_ended_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("flags.toml");
        let (mut arms, mut pulse) = Arms::new(file.clone());
        let (alive, ended) = std::sync::mpsc::channel::<()>();
        let handler = move |_| {
            let _ = &alive;
            panic!("part of the test");
        };
        let mut watcher = RecommendedWatcher::new(handler, notify::Config::default()).unwrap();
        watcher.watch(dir.path(), RecursiveMode::NonRecursive).unwrap();
        std::fs::write(&file, "").unwrap();
        ended.recv().unwrap_err();
        arms.watcher = Some(watcher);
        assert!(arms.is_lacking());

        arms.arm(0);
        std::fs::write(&file, "changed").unwrap();

        assert!(!arms.is_lacking() && !arms.is_polling());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(pulse.changed()).unwrap();
    }
}
