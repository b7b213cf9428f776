//! Instants and durations, as people write and read them.

use std::time::{Duration, SystemTime};

use flagstaff::text::count;
/// An instant as people read it, also in the command's JSON: RFC 3339 in UTC, to the second.
pub(crate) use flagstaff::text::instant as rfc3339;
use jiff::{Span, SpanRelativeTo, Timestamp, civil::Date, tz::TimeZone};

/// Parses an instant: RFC 3339, a day (its start in UTC), `now`, or a distance from now: `+2h`, `-7d`.
pub(crate) fn instant(text: &str) -> Result<SystemTime, String> {
    let now = SystemTime::now();
    if text == "now" {
        return Ok(now);
    }
    let far = || format!("`{text}` is beyond the range of the clock");
    if let Some(later) = text.strip_prefix('+') {
        return now.checked_add(duration(later)?).ok_or_else(far);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return now.checked_sub(duration(ago)?).ok_or_else(far);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return instant.try_into().map_err(|_| far());
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-21".len());
    let day = day.and_then(|day| day.to_zoned_datetime(TimeZone::UTC).ok());
    day.and_then(|day| day.timestamp().try_into().ok()).ok_or_else(|| {
        "expected an instant such as `2026-11-21T09:00:00Z`, a day such as `2026-11-21`, or a time from now such as `+2h`"
            .to_owned()
    })
}

/// Parses a duration: `90s`, `1h`, `1h30m`, `14d`, `2w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration, such as `90s`, `1h` or `14d`".to_owned();
    let far = || "longer than the calendar, which ends in the year 9999".to_owned();
    let span: Span = text.parse().map_err(|_| {
        // With small numbers, this form is a duration.
        let small: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        let small = small.split_inclusive(char::is_alphabetic).map(|unit| format!("1{unit}"));
        match small.collect::<String>().parse::<Span>() {
            Ok(_) if text.starts_with(|c: char| c.is_ascii_digit()) => far(),
            _ => expected(),
        }
    })?;
    let days = SpanRelativeTo::days_are_24_hours();
    match span.to_duration(days).map(Duration::try_from) {
        Ok(Ok(long)) => Ok(long),
        Ok(Err(_)) => Err("a duration cannot be negative".to_owned()),
        Err(_) => Err(expected()),
    }
}

/// Parses a duration longer than zero.
pub(crate) fn lasting(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it would end at once".to_owned()),
        lasting => Ok(lasting),
    }
}

/// Returns the instant without fractions of a second, for files that people read.
pub(crate) fn whole_second(instant: SystemTime) -> SystemTime {
    let since = instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Returns the day in UTC if the instant is the start of a day, or else the day with the time.
pub(crate) fn date(instant: SystemTime) -> String {
    let text = rfc3339(instant);
    text.strip_suffix("T00:00:00Z").map(str::to_owned).unwrap_or(text)
}

/// Formats an instant relative to now: `in 14 days`, `3 hours ago`, `now`.
pub(crate) fn relative(instant: SystemTime, now: SystemTime) -> String {
    match instant.duration_since(now) {
        Ok(ahead) if ahead.as_secs() > 0 => format!("in {}", long(ahead)),
        Err(error) if error.duration().as_secs() > 0 => format!("{} ago", long(error.duration())),
        _ => "now".to_owned(),
    }
}

/// Returns the largest unit of a duration: `14 days`.
pub(crate) fn long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    count(usize::try_from(number).unwrap_or(usize::MAX), unit)
}
