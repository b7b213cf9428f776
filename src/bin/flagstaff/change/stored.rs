//! Values of the store, as they are stored.

use std::time::SystemTime;

use flagstaff::{
    definition::Entry,
    source::{BackendError, RedisHandle, WritableBackend},
};

use super::rehearsal::Rehearsal;

/// The meaning of a stored value; empty if nothing is stored, or if the value has ended.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    entry: Option<Entry>,
    /// The end of the entry.
    pub(crate) end: Option<SystemTime>,
    /// The entry after that end.
    next: Option<Entry>,
}

impl Stored {
    pub(crate) fn read(
        redis: &RedisHandle,
        flag: &str,
        stored: Option<&str>,
    ) -> Result<Self, BackendError> {
        let Some(stored) = stored else { return Ok(Self::default()) };
        // The clock of this machine may be another than that of the store, which ends overrides.
        let now = redis.now();
        let entry = redis.decode_at(flag, stored, now)?;
        let by = redis.decode(flag, stored)?.and_then(|(_, by)| by);
        let end = by.and_then(|by| by.changes_at(now)).filter(|_| entry.is_some());
        let next = end.map(|end| redis.decode_at(flag, stored, end)).transpose()?.flatten();
        Ok(Self { entry, end, next })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entry.is_none()
    }

    /// Stores the entry in a rehearsal.
    pub(crate) fn put(&self, rehearsal: &Rehearsal) {
        rehearsal.put(self.entry.clone(), self.next.clone());
    }
}
