//! Instants, durations and counts.

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

/// Returns an instant as people read it: RFC 3339 in UTC, to the second.
///
/// An instant before the year 0 or after the year 9999 becomes the nearest one within, since RFC 3339 has no other
/// years.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use flagstaff::text;
///
/// let instant = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_500);
///
/// assert_eq!(text::instant(instant), "1970-01-02T00:00:00Z");
/// ```
#[must_use]
pub fn instant(instant: SystemTime) -> String {
    nearest(instant).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns an instant as programs read it: RFC 3339 in UTC, with all its digits. Clamped as
/// [`instant`].
pub(crate) fn exact_instant(instant: SystemTime) -> String {
    nearest(instant).to_string()
}

/// Returns true if an instant is within the years 0 to 9999, so that its text is the instant itself.
#[cfg(feature = "redis")]
pub(crate) fn is_in_calendar(instant: SystemTime) -> bool {
    Timestamp::try_from(instant).is_ok_and(|instant| instant >= FIRST)
}

/// The start of the year 0.
const FIRST: Timestamp = Timestamp::constant(-62_167_219_200, 0);

fn nearest(instant: SystemTime) -> Timestamp {
    let nearest = Timestamp::try_from(instant).unwrap_or(match instant < SystemTime::UNIX_EPOCH {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    });
    nearest.max(FIRST)
}

/// Returns a duration exactly, as flag files write it: `1h 30m`.
///
/// A duration beyond the calendar becomes the longest one that is not.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use flagstaff::text;
///
/// assert_eq!(text::duration(Duration::from_secs(5_400)), "1h 30m");
/// assert_eq!(text::duration(Duration::from_millis(50)), "50ms");
/// ```
#[must_use]
pub fn duration(duration: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// Returns a duration rounded to its two largest units: `1d 2h`. A part of a second counts as one.
///
/// For remaining times and distances, where the rest does not matter. [`duration`] is exact.
pub(crate) fn rounded_duration(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];

    let mut rest = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let first = UNITS.iter().position(|(seconds, _)| rest >= *seconds).unwrap_or(UNITS.len() - 1);
    let mut parts = Vec::new();
    for (seconds, unit) in UNITS.iter().skip(first).take(2) {
        let number = rest / seconds;
        rest %= seconds;
        if number > 0 || (parts.is_empty() && *seconds == 1) {
            parts.push(format!("{number}{unit}"));
        }
    }
    parts.join(" ")
}

/// Returns a number with its noun, which gets an `s` unless the number is 1.
///
/// # Example
///
/// ```
/// use flagstaff::text;
///
/// assert_eq!([0, 1, 2].map(|flags| text::count(flags, "flag")), ["0 flags", "1 flag", "2 flags"]);
/// ```
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn an_instant_beyond_the_calendar_is_the_nearest_one_within() {
        let ages = Duration::from_secs(1 << 50);
        let (early, late) = (SystemTime::UNIX_EPOCH - ages, SystemTime::UNIX_EPOCH + ages);

        assert_eq!([instant(early), exact_instant(early)], ["0000-01-01T00:00:00Z"; 2]);
        assert_eq!(exact_instant(late), Timestamp::MAX.to_string());
        assert!(exact_instant(late).starts_with(instant(late).trim_end_matches('Z')));
    }

    #[test]
    fn a_rounded_duration_has_the_two_largest_units() {
        for (seconds, text) in [
            (0.0, "0s"),
            (0.2, "1s"),
            (59.0, "59s"),
            (60.0, "1m"),
            (3_661.0, "1h 1m"),
            (86_399.5, "1d"),
            (86_400.0, "1d"),
            (97_200.0, "1d 3h"),
            (86_401.0, "1d"),
        ] {
            assert_eq!(rounded_duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn programs_get_all_digits_of_an_instant_and_people_whole_seconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(86_400, 1);

        assert_eq!(exact_instant(time), "1970-01-02T00:00:00.000000001Z");
        assert_eq!(instant(time), "1970-01-02T00:00:00Z");
    }
}
