//! The window of time in which a flag can be on.

use std::time::SystemTime;

use super::Setting;

/// The window of time in which a flag can be on: its setting `active`. Outside of it the flag is
/// off for all users.
///
/// Like a [`Definition`](crate::Definition) it is whole or partial: a source may set only `until`.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use flagstaff::definition::Active;
///
/// let from = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
/// let active = Active::new().from(from);
///
/// assert!(!active.includes(SystemTime::UNIX_EPOCH));
/// assert!(active.includes(from));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Active {
    /// The first instant of the window. Without it, the window has no beginning.
    pub from: Setting<SystemTime>,
    /// The first instant after the window. Without it, the window has no end.
    pub until: Setting<SystemTime>,
}

impl Active {
    /// Creates a window without beginning and end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the first instant of the window.
    #[must_use]
    pub fn from(self, from: SystemTime) -> Self {
        Self { from: Setting::Set(from), ..self }
    }

    /// Sets the first instant after the window.
    #[must_use]
    pub fn until(self, until: SystemTime) -> Self {
        Self { until: Setting::Set(until), ..self }
    }

    /// Applies `patch` on top of this window, member by member (RFC 7396).
    pub fn merge(&mut self, patch: &Self) {
        self.from.replace(&patch.from);
        self.until.replace(&patch.until);
    }

    /// Returns `true` if the instant is inside the window.
    #[must_use]
    pub fn includes(&self, instant: SystemTime) -> bool {
        self.from.value().is_none_or(|&from| from <= instant)
            && self.until.value().is_none_or(|&until| instant < until)
    }

    /// Returns the next instant after `now` at which the window begins or ends.
    #[must_use]
    pub fn next_boundary(&self, now: SystemTime) -> Option<SystemTime> {
        let boundaries = [self.from, self.until];
        boundaries.iter().filter_map(Setting::value).copied().filter(|&at| at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_end_is_outside() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let window = Active::new().from(at(10)).until(at(20));

        let inside = [9, 10, 19, 20].map(|second| window.includes(at(second)));

        assert_eq!(inside, [false, true, true, false]);
        let next = [9, 10, 20].map(|second| window.next_boundary(at(second)));
        assert_eq!(next, [Some(at(10)), Some(at(20)), None]);
    }
}
