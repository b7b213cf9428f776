//! Values of settings, each decoded by its type.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use toml::de::{DeInteger, DeValue};

use super::{
    Value,
    code::Code,
    decoder::{Decoder, Format},
    diagnostic::Diagnostic,
    suggestion::Suggestion,
    written::{source, truth},
};
use crate::model::{BucketBy, InvalidOnStale, InvalidPercentage, OnStale, Percentage, nearest};

/// The flag and the setting that a value is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'f> {
    pub(super) flag: &'f str,
    pub(super) setting: &'f str,
}

impl<'f> Place<'f> {
    /// Returns the place of a member, for a setting that is a table.
    pub(super) fn member(self, name: &'f str) -> Self {
        Self { setting: name, ..self }
    }
}

/// A type that a setting can have.
pub(super) trait Decode: Sized {
    /// The number of levels of its parts that can be `null` in JSON, which removes them (RFC 7396).
    const NULLS: usize = 0;

    /// Decodes a value, or returns `None` after reporting what is wrong with it.
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self>;
}

impl Decode for bool {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        if let DeValue::Boolean(on) = value.get_ref() {
            return Some(*on);
        }
        let meant = match value.get_ref() {
            DeValue::String(text) => truth(text),
            _ => None,
        };
        let help = meant.map(|on| format!("write `{} = {on}`", at.setting));
        wrong_type(decoder, value, at, "`true` or `false`", help)
    }
}

impl Decode for String {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.as_ref().to_owned());
        }
        let help =
            quoted(decoder.text, value).map(|text| format!("write `{} = {text}`", at.setting));
        wrong_type(decoder, value, at, "a string", help)
    }
}

impl Decode for Vec<String> {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            let element = match value.get_ref() {
                DeValue::String(_) => source(decoder.text, value.span()).map(str::to_owned),
                _ => quoted(decoder.text, value),
            };
            let help = element.map(|text| format!("write a list: `{} = [{text}]`", at.setting));
            return wrong_type(decoder, value, at, "a list of strings", help);
        };
        let mut list = Self::with_capacity(array.len());
        for element in array.iter() {
            match element.get_ref() {
                DeValue::String(text) => {
                    if text.is_empty() || text.trim() != text {
                        let problem = blank(element.span(), text, at);
                        decoder.report(problem.suggest(trimmed(
                            element.span(),
                            text,
                            decoder.text,
                        )));
                    }
                    list.push(text.as_ref().to_owned());
                }
                found => {
                    let message =
                        format!("wrong type in list `{}` of flag `{}`", at.setting, at.flag);
                    let problem = Diagnostic::new(Code::InvalidElement, element.span(), message)
                        .label(format!("expected a string, found {}", decoder.kind(found)));
                    let help = quoted(decoder.text, element).map(|text| format!("write `{text}`"));
                    decoder.report_with(problem, help, at.flag);
                }
            }
        }
        (list.len() == array.len()).then_some(list)
    }
}

fn blank(span: Range<usize>, text: &str, at: Place<'_>) -> Diagnostic {
    let (setting, flag) = (at.setting, at.flag);
    let (what, label) = match text.trim() {
        "" => ("an empty name", "matches no user"),
        _ => ("white space around a name", "the white space is part of the name"),
    };
    Diagnostic::new(Code::BlankText, span, format!("{what} in `{setting}` of flag `{flag}`"))
        .label(label)
        .flag(flag)
}

/// Returns a suggestion to remove the white space around a name, if the name is written without
/// escapes.
fn trimmed(span: Range<usize>, name: &str, text: &str) -> Option<Suggestion> {
    let is_plain = text.get(span.clone())? == format!("\"{name}\"");
    let replacement = format!("\"{}\"", name.trim());
    (is_plain && !name.trim().is_empty()).then(|| {
        Suggestion::replace("write the name without white space", span, replacement).unsafely()
    })
}

impl Decode for Percentage {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let read = match value.get_ref() {
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => decimal(number.as_str()),
            DeValue::String(text) => percent_string(text),
            _ => {
                let expected = "a number from 0 to 100 or a string such as `\"25%\"`";
                return wrong_type(decoder, value, at, expected, None);
            }
        };
        match read {
            Ok(percentage) => Some(percentage),
            Err(error) => {
                let message = format!("invalid `{}` in flag `{}`", at.setting, at.flag);
                let problem = Diagnostic::new(Code::InvalidPercentage, value.span(), message)
                    .label(error.to_string());
                let help = match value.get_ref() {
                    DeValue::String(text) => text.parse().ok().map(|percentage: Self| {
                        format!("write `{} = \"{percentage}\"`", at.setting)
                    }),
                    _ => None,
                };
                decoder.report_with(problem, help, at.flag);
                None
            }
        }
    }
}

/// Reads a percentage from a string with a percent sign. A string without one is not accepted,
/// because it could be a number by mistake.
pub(super) fn percent_string(text: &str) -> Result<Percentage, InvalidPercentage> {
    match text.ends_with('%') {
        true => text.parse(),
        false => Err(InvalidPercentage::NotANumber),
    }
}

fn integer(number: &DeInteger<'_>) -> Result<Percentage, InvalidPercentage> {
    let number = i128::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| InvalidPercentage::OutOfRange)?;
    let number = u32::try_from(number).map_err(|_| InvalidPercentage::OutOfRange)?;
    Percentage::whole(number)
}

/// Reads a percentage from the decimals as they are written, because `0.1` is not a binary
/// fraction.
fn decimal(text: &str) -> Result<Percentage, InvalidPercentage> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    match plain.contains(['e', 'E']) {
        true => plain.parse::<f64>().map_err(|_| InvalidPercentage::NotANumber)?.try_into(),
        false if plain.ends_with("inf") => Err(InvalidPercentage::OutOfRange),
        false => plain.parse(),
    }
}

impl Decode for SystemTime {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let span = value.span();
        let date = match value.get_ref() {
            DeValue::Datetime(date) => Some(*date),
            // JSON has no dates.
            DeValue::String(text) if decoder.format == Format::Json => text.parse().ok(),
            _ => None,
        };
        let label = match (date, value.get_ref()) {
            (Some(date), _) => match (date.date, date.time, date.offset) {
                (Some(date), None, None) => {
                    if let Some(time) = instant(&format!("{date}T00:00:00Z")) {
                        return Some(time);
                    }
                    "no such day".to_owned()
                }
                (Some(_), Some(_), Some(_)) => {
                    if let Some(time) = instant(&date.to_string()) {
                        return Some(time);
                    }
                    "no such time".to_owned()
                }
                (Some(_), Some(_), None) => "this time has no offset from UTC".to_owned(),
                (None, Some(_), _) => "expected a date, found a time of day".to_owned(),
                // In TOML, a day that no month has makes the whole text invalid. But the rest of
                // the text is valid, so the problem is reported for this flag alone.
                _ if decoder.text.get(span.clone()).is_some_and(is_complete) => {
                    decoder.take_fault(span.clone()).unwrap_or_else(|| "no such date".to_owned())
                }
                _ => "no such date".to_owned(),
            },
            (None, DeValue::String(_)) if decoder.format == Format::Json => {
                "expected a date, `2026-11-01`, or a time with an offset, `2026-11-01T09:00:00Z`"
                    .to_owned()
            }
            (None, DeValue::String(text)) if instant(text).or_else(|| day(text)).is_some() => {
                "a date is written without quotes".to_owned()
            }
            (None, found) => format!("expected a date, found {}", decoder.kind(found)),
        };
        let message = format!("invalid date `{}` in flag `{}`", at.setting, at.flag);
        let problem = Diagnostic::new(Code::InvalidDate, span, message).label(label);
        let help = right_form(value, at.setting);
        decoder.report_with(problem, Some(help), at.flag);
        None
    }
}

impl Decode for Duration {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::String(text) = value.get_ref() else {
            let expected = "a length of time such as `\"5m\"`";
            return wrong_type(decoder, value, at, expected, None);
        };
        let label = match duration(text).map(Self::try_from) {
            Some(Ok(duration)) => return Some(duration),
            Some(Err(_)) => "a length of time is not negative",
            None => "not a length of time such as `\"5m\"`",
        };
        let message = format!("invalid `{}` in flag `{}`", at.setting, at.flag);
        let problem = Diagnostic::new(Code::InvalidDuration, value.span(), message).label(label);
        let help = format!("write numbers with units: `{} = \"1h 30m\"`", at.setting);
        decoder.report_with(problem, Some(help), at.flag);
        None
    }
}

impl Decode for BucketBy {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        String::decode(value, at, decoder).map(Self::from)
    }
}

impl Decode for OnStale {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let words = Self::ALL.iter().map(|word| word.as_str());
        let DeValue::String(text) = value.get_ref() else {
            let words: Vec<_> = words.map(|word| format!("`\"{word}\"`")).collect();
            let expected = format!("one of {}", words.join(", "));
            return wrong_type(decoder, value, at, &expected, None);
        };
        let invalid = match text.parse() {
            Ok(on_stale) => return Some(on_stale),
            Err(invalid) => invalid,
        };
        let message = format!("invalid `{}` in flag `{}`", at.setting, at.flag);
        let problem = Diagnostic::new(Code::InvalidWord, value.span(), message)
            .label(InvalidOnStale::to_string(&invalid));
        let help = nearest(text, words).map(|word| format!("write `{} = \"{word}\"`", at.setting));
        decoder.report_with(problem, help, at.flag);
        None
    }
}

/// Reads a length of time, with days of 24 hours. Months and years have no fixed length, so they
/// are not accepted.
fn duration(text: &str) -> Option<SignedDuration> {
    let days = SpanRelativeTo::days_are_24_hours();
    // First without days: `Span` has a smaller range, and what `encode` writes must be read again.
    let plain = text.parse().ok();
    plain.or_else(|| text.parse::<Span>().ok()?.to_duration(days).ok())
}

/// Returns a help with the probable meaning in the right form, or else an example.
fn right_form(value: &Value<'_>, setting: &str) -> String {
    match value.get_ref() {
        DeValue::Datetime(date) if date.date.is_some() && date.time.is_some() => {
            format!("write `{setting} = {date}Z` for UTC")
        }
        DeValue::String(text) if day(text).is_some() || instant(text).is_some() => {
            format!("write `{setting} = {text}`")
        }
        _ => format!(
            "write a date, `{setting} = 2026-11-01`, or a time with an offset, \
             `{setting} = 2026-11-01T09:00:00Z`"
        ),
    }
}

/// Returns `true` if the text has the shape of a whole date or time, and not of one that is still
/// being typed.
fn is_complete(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_time = |time: &str| {
        time.get(1..6) == Some("00:00")
            && time
                .chars()
                .all(|c| matches!(c, '0' | 'T' | 't' | ' ' | ':' | '.' | '+' | '-' | 'Z' | 'z'))
    };
    shape.strip_prefix("0000-00-00").is_some_and(|rest| rest.is_empty() || is_time(rest))
}

fn day(text: &str) -> Option<SystemTime> {
    (text.len() == 10).then(|| instant(&format!("{text}T00:00:00Z")))?
}

fn instant(text: &str) -> Option<SystemTime> {
    // `SystemTime` does not have all times on all systems.
    text.parse::<Timestamp>().ok()?.try_into().ok()
}

pub(super) fn wrong_type<T>(
    decoder: &mut Decoder<'_>,
    value: &Value<'_>,
    at: Place<'_>,
    expected: &str,
    help: Option<String>,
) -> Option<T> {
    let message = format!("wrong type for `{}` in flag `{}`", at.setting, at.flag);
    let problem = Diagnostic::new(Code::InvalidType, value.span(), message)
        .label(format!("expected {expected}, found {}", decoder.kind(value.get_ref())));
    decoder.report_with(problem, help, at.flag);
    None
}

/// Returns a number, boolean or date as a string in quotes.
fn quoted(text: &str, value: &Value<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            source(text, value.span()).map(|text| format!("\"{text}\""))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_judged_as_written() {
        let read = |text: &str| decimal(text).map(Percentage::ten_thousandths);

        assert_eq!(read("0.1"), Ok(1_000));
        assert_eq!(read("+33.3333"), Ok(333_333));
        assert_eq!(read("1e1"), Ok(100_000));
        assert_eq!(read("1E-4"), Ok(1));
        assert_eq!(read("1e-5"), Err(InvalidPercentage::TooManyDecimals));
        assert_eq!(read("99.99999"), Err(InvalidPercentage::TooManyDecimals));
        assert_eq!(read("1e3"), Err(InvalidPercentage::OutOfRange));
        for text in ["inf", "+inf", "-inf"] {
            assert_eq!(read(text), Err(InvalidPercentage::OutOfRange), "{text}");
        }
        for text in ["nan", "-nan", ""] {
            assert_eq!(read(text), Err(InvalidPercentage::NotANumber), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_have_days_and_weeks_of_24_hours() {
        let hours = |text: &str| duration(text).map(|length| length.as_secs() / 3_600);

        assert_eq!(hours("90s"), Some(0));
        assert_eq!(hours("1h 30m"), Some(1));
        assert_eq!(hours("2d"), Some(48));
        assert_eq!(hours("1w 2d 3h"), Some(219));
        assert_eq!(hours("PT5H"), Some(5));
        assert_eq!(hours("-1d"), Some(-24));
        for text in ["", "5", "d", "1mo", "1y", "2 monts"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn half_a_date_is_not_complete() {
        for text in ["2026-02-30", "2026-02-30T09:00:00Z", "2026-02-30 09:00", "2026-01-01T25:00Z"]
        {
            assert!(is_complete(text), "{text}");
        }
        for text in
            ["2026-", "2026-1", "2026-13-0", "2026-02-30T", "2026-02-30T09:0", "2026-02-3025%"]
        {
            assert!(!is_complete(text), "{text}");
        }
    }

    #[test]
    fn times_are_instants() {
        let after = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));

        assert_eq!(day("1970-01-02"), after(86_400));
        assert_eq!(instant("1970-01-01T02:00:00+02:00"), after(0));
        assert_eq!(instant("1970-01-01 00:01Z"), after(60));
        assert_eq!(instant("1970-01-01T00:00:60Z"), after(59));
        assert_eq!(
            instant("1969-12-31T23:59:58.5Z"),
            SystemTime::UNIX_EPOCH.checked_sub(Duration::from_millis(1_500))
        );
        assert_eq!(instant("1970-01-01T00:00:00"), None);
        assert_eq!(day("1970-02-30"), None);
    }
}
