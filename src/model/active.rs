//! When a flag can be on at all.

use std::time::SystemTime;

use super::Setting;

/// A window of time: the setting `active` of a flag. Outside of it the flag is off for everybody.
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
    /// Its first instant. Without it, it has always begun.
    pub from: Setting<SystemTime>,
    /// The first instant that is outside again. Without it, it never ends.
    pub until: Setting<SystemTime>,
}

impl Active {
    /// A window without beginning and end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its first instant.
    #[must_use]
    pub fn from(self, from: SystemTime) -> Self {
        Self { from: Setting::Set(from), ..self }
    }

    /// The first instant that is outside again.
    #[must_use]
    pub fn until(self, until: SystemTime) -> Self {
        Self { until: Setting::Set(until), ..self }
    }

    /// Applies `patch` on top of this, member by member (RFC 7396).
    pub fn merge(&mut self, patch: &Self) {
        self.from.replace(&patch.from);
        self.until.replace(&patch.until);
    }

    /// Whether the instant is inside.
    #[must_use]
    pub fn includes(&self, instant: SystemTime) -> bool {
        self.from.value().is_none_or(|&from| from <= instant)
            && self.until.value().is_none_or(|&until| instant < until)
    }

    /// When it begins or ends next after the instant `now`.
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
