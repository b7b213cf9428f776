//! Acts on flags, which are done first in memory and then in the store.

use std::time::SystemTime;

use flagstaff::{Flags, Snapshot, definition::Entry, source::SourceEntry};

use super::rehearsal::Rehearsal;
use crate::{assignment::Assignments, failure::Failure, guard::Leave};

/// An operation on several flags, one after the other. Each is done in memory first, and then in the store.
pub(crate) trait Act {
    /// Refuses arguments that are probably not meant as flag keys.
    fn check(&self, _names: &[String], _flags: &Snapshot) -> Result<(), Failure> {
        Ok(())
    }

    /// Sets the time by which the store ends overrides.
    fn begin(&self, _now: SystemTime) {}

    /// Returns a hint for a flag that was changed after the revision that the change is for.
    async fn after_a_later_change(&self, _name: &str) -> Option<String> {
        None
    }

    /// Makes the change in memory.
    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<(), Failure>;

    /// Makes the change in the store, and returns its revision. With `shown`, only if the store still has this entry.
    async fn make(
        &self,
        leave: &Leave,
        flags: &Flags,
        name: &str,
        shown: Option<Option<Entry>>,
    ) -> Result<Option<u64>, Failure>;

    /// Returns true if the change is in force in the flags once it is made.
    fn is_in_force(&self) -> bool {
        true
    }

    /// Returns true if the change replaces a switch with an end, so that the end is removed.
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

    /// Returns `true` if the change may name other flags in `requires` or in rules. Switches do not, so they go on
    /// working whatever else is wrong.
    fn names_others(&self) -> bool {
        false
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
    /// The name is wrong.
    Refuse,
    /// The name is wrong, unless `--new` is given.
    RefuseUnlessNew,
    /// The name is from the log, or that of a new flag.
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
