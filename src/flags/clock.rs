//! The clock of the flags, for the date and the time of day.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::foreign::{self, error};

/// The clock of the flags: that of the system, or one that the program has set.
#[derive(Clone, Default)]
pub(super) enum Clock {
    #[default]
    System,
    Given(Arc<Given>),
}

/// A clock that the program has set.
pub(super) struct Given {
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// The last time that the clock returned; `None` before the first.
    // A std mutex: it is held for one line, and only if a test or a preview has set a clock.
    last: Mutex<Option<SystemTime>>,
}

impl Clock {
    pub(super) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self::Given(Arc::new(Given { now: Box::new(now), last: Mutex::default() }))
    }

    pub(super) fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Given(given) => given.now(),
        }
    }
}

impl Given {
    /// Returns the last known time while the clock panics. The time of the system could be far from
    /// it, and begin or end a stage of a rollout.
    fn now(&self) -> SystemTime {
        let now = foreign::attempt(&self.now);
        if let Err(error) = &now {
            error!(%error, "the clock failed, going by the time that it showed last");
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Ok(now) => *last.insert(now),
            Err(_) => *last.get_or_insert_with(SystemTime::now),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_clock_that_panics_stands_still() {
        let reading = AtomicU64::new(0);
        let clock = Clock::new(move || match reading.fetch_add(1, Ordering::Relaxed) {
            1 => panic!("the battery is empty"),
            hours => SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 3_600),
        });

        let hours: Vec<_> = std::iter::repeat_with(|| clock.now())
            .take(3)
            .map(|now| now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 3_600)
            .collect();

        assert_eq!(hours, [0, 0, 2]);
    }
}
