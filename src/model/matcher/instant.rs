//! Instants.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{number::Number, scalar::Scalar};

/// A point in time.
///
/// It is written as an RFC 3339 time with an offset from UTC, as a date, or as a number of seconds
/// since 1970. A date is the start of that day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Timestamp);

impl Instant {
    /// Returns the instant that a value stands for, if it stands for one.
    pub(crate) fn of(value: Scalar<'_>) -> Option<Self> {
        let timestamp = match value {
            Scalar::Bool(_) => None,
            Scalar::Number(Number::Integer(seconds)) => Timestamp::from_second(seconds).ok(),
            Scalar::Number(Number::Float(seconds)) => {
                let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
                Timestamp::from_duration(since).ok()
            }
            Scalar::Text(text) if text.len() == "2026-11-01".len() => start_of_day(text),
            Scalar::Text(text) => text.parse().ok(),
        };
        timestamp.map(Self)
    }
}

fn start_of_day(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_instants() {
        let text = |text| Instant::of(Scalar::Text(text));
        let number = |number| Instant::of(Scalar::Number(number));

        assert_eq!(text("1970-01-02"), number(Number::Integer(86_400)));
        assert_eq!(text("1970-01-01T02:00:00+02:00"), number(Number::Integer(0)));
        assert_eq!(text("1969-12-31T23:59:58.5Z"), number(Number::Float(-1.5)));
        assert!(text("2026-11-01T00:00:00Z") < text("2026-11-01T00:00:00.000000001Z"));
        for unfit in ["", "soon", "2026-13-01", "2026-11-01T09:00:00", "09:00:00Z", "1970-1-1"] {
            assert_eq!(text(unfit), None, "{unfit}");
        }
        assert_eq!(number(Number::Integer(i64::MAX)), None);
        assert_eq!(number(Number::Float(f64::NAN)), None);
        assert_eq!(Instant::of(Scalar::Bool(true)), None);
    }
}
