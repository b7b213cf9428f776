//! A value of the log that is stored again.

use std::time::SystemTime;

use flagstaff::{
    definition::Entry,
    source::{BackendError, RedisHandle},
};

use super::Rehearsal;

/// The meaning of a value of the log; empty if there was none, or if it has ended by itself.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    entry: Option<Entry>,
    /// The instant at which it ends by itself.
    pub(crate) end: Option<SystemTime>,
}

impl Logged {
    pub(crate) fn read(
        redis: &RedisHandle,
        flag: &str,
        stored: Option<&str>,
    ) -> Result<Self, BackendError> {
        let Some(stored) = stored else { return Ok(Self::default()) };
        let Some((entry, by)) = redis.decode(flag, stored)? else { return Ok(Self::default()) };
        let end = by.and_then(|by| by.expires_at);
        match end.is_none_or(|end| end > SystemTime::now()) {
            true => Ok(Self { entry: Some(entry), end }),
            false => Ok(Self::default()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entry.is_none()
    }

    /// Stores it in a rehearsal.
    pub(crate) fn put(&self, rehearsal: &Rehearsal) {
        rehearsal.put(self.entry.clone());
    }
}
