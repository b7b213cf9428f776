//! The clock of the server, by which overrides end.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::beside::Asked;

/// The largest difference that is not reported. Synchronised clocks differ by less than a second.
const TOLERATED: Duration = Duration::from_secs(5);

/// The clock of the server, as far as it is known, so that an override ends in all instances at
/// once.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    offset: Offset,
    was_told: bool,
}

/// The difference between the clock of the server and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offset {
    /// The server's clock is ahead: ours is slow.
    Ahead(Duration),
    /// The server's clock is behind: ours is fast.
    Behind(Duration),
}

impl Default for Offset {
    fn default() -> Self {
        Self::Ahead(Duration::ZERO)
    }
}

impl Offset {
    fn between(ours: SystemTime, servers: SystemTime) -> Self {
        match servers.duration_since(ours) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        }
    }

    fn apply(self, ours: SystemTime) -> SystemTime {
        let servers = match self {
            Self::Ahead(ahead) => ours.checked_add(ahead),
            Self::Behind(behind) => ours.checked_sub(behind),
        };
        servers.unwrap_or(ours)
    }

    fn is_tolerated(self) -> bool {
        let (Self::Ahead(distance) | Self::Behind(distance)) = self;
        distance < TOLERATED
    }
}

impl ServerClock {
    /// Returns the time of the server, or that of this machine while the server's is unknown.
    pub(super) fn now(&self) -> SystemTime {
        let State { offset, .. } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offset.apply(SystemTime::now())
    }

    /// Updates the offset from an answer. Returns `true` if the offset has changed, and the offset
    /// if it has to be reported.
    pub(super) fn note(&self, asked: Asked) -> (bool, Option<Offset>) {
        let Asked { before, server, after } = asked;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The answer took a moment to arrive, so any offset within that moment is possible.
        let fits = state.offset.apply(before) <= server && server <= state.offset.apply(after);
        if !fits {
            let on_its_way = after.duration_since(before).unwrap_or_default();
            state.offset = Offset::between(before + on_its_way / 2, server);
        }
        let is_news = !state.offset.is_tolerated() && !state.was_told;
        state.was_told = !state.offset.is_tolerated();
        (!fits, is_news.then_some(state.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn asked(before: SystemTime, server: SystemTime, on_its_way: Duration) -> Asked {
        Asked { before, server, after: before + on_its_way }
    }

    #[test]
    fn a_clock_that_is_fast_is_reported_once() {
        let (clock, ours) = (ServerClock::default(), SystemTime::now());
        let fast = asked(ours, ours - HOUR, Duration::ZERO);

        assert_eq!(clock.note(fast), (true, Some(Offset::Behind(HOUR))));
        assert_eq!(clock.note(fast), (false, None));
        assert!(clock.now() < SystemTime::now() - HOUR / 2);

        assert_eq!(clock.note(asked(ours, ours, Duration::ZERO)), (true, None));
        assert_eq!(clock.note(fast), (true, Some(Offset::Behind(HOUR))));
    }

    #[test]
    fn an_answer_that_was_on_its_way_for_long_moves_no_clock() {
        let (clock, ours) = (ServerClock::default(), SystemTime::now());
        let late = asked(ours, ours + Duration::from_secs(9), Duration::from_secs(10));

        assert_eq!(clock.note(late), (false, None));
    }
}
