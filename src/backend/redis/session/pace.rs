//! The frequency of reads of a store.

use std::time::Duration;

use crate::backend::redis::layout::Extent;

/// The number of ticks between two reads of a large store.
const LARGE_TICK: u32 = 15;
/// The number of ticks between two reads of a large store if the server does not report changes.
const LARGE_POLL: u32 = 2;
/// The maximum number of ticks between two reads of a store, however large it is.
const LONGEST: u32 = 60;
/// The shortest time between two reads of a large store.
const LARGE_PAUSE: Duration = Duration::from_secs(1);
/// The maximum number of bytes per second that an instance reads of a store that changes or is
/// polled.
const BUSY_RATE: usize = 4 * 1024 * 1024;
/// The maximum number of bytes per second that an instance reads of a store that does not change.
const IDLE_RATE: usize = 1024 * 1024;
/// The bytes that one scan of the keys counts as: the server goes through a thousand keys for it.
const SCAN: usize = 64 * 1024;

/// The frequency of reads of a store, by the cost of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) is_large: bool,
    /// The shortest time between two reads.
    pub(super) pause: Duration,
    /// The number of ticks between two reads while nothing changes.
    pub(super) ticks: u32,
}

impl Pace {
    pub(super) const SMALL: Self = Self { is_large: false, pause: Duration::ZERO, ticks: 1 };

    pub(super) fn of(extent: Extent, tracked: bool) -> Self {
        if !extent.is_large() {
            return Self::SMALL;
        }
        let cost = extent.bytes + extent.scans.saturating_sub(1) * SCAN;
        let seconds = |rate: usize| u32::try_from(cost / rate).unwrap_or(LONGEST).min(LONGEST);
        let pause = LARGE_PAUSE.max(LARGE_PAUSE * seconds(BUSY_RATE));
        let ticks = match tracked {
            true => LARGE_TICK.max(seconds(IDLE_RATE)),
            false => LARGE_POLL.max(seconds(BUSY_RATE)),
        };
        Self { is_large: true, pause, ticks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(flags: usize, bytes: usize, scans: usize) -> Extent {
        Extent { flags, bytes, scans }
    }

    #[test]
    fn the_larger_a_store_is_the_less_often_it_is_read() {
        let mebi = 1024 * 1024;
        let pace = |extent: Extent, tracked| {
            let Pace { pause, ticks, .. } = Pace::of(extent, tracked);
            (pause.as_secs(), ticks)
        };

        assert_eq!(pace(extent(500, 100_000, 0), true), (0, 1));
        assert_eq!(pace(extent(501, 100_000, 0), true), (1, 15));
        assert_eq!(pace(extent(501, 100_000, 0), false), (1, 2));
        // A hundred values of 500 KB.
        assert_eq!(pace(extent(100, 50 * mebi, 0), true), (12, 50));
        assert_eq!(pace(extent(100, 50 * mebi, 0), false), (12, 12));
        // A few keys among a million of others.
        assert_eq!(pace(extent(3, 1_000, 1_000), true), (15, 60));
    }
}
