//! Plain decimal numbers as exact integers.

/// Errors of parsing a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidDecimal {
    NotANumber,
    OutOfRange,
    TooManyDecimals,
}

/// Parses a number such as `25` or `-0.5` into ten-thousandths.
pub(super) fn ten_thousandths(number: &str) -> Result<i64, InvalidDecimal> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let (negative, whole) = match whole.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, whole),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return Err(InvalidDecimal::NotANumber);
    }
    if decimals.trim_end_matches('0').len() > 4 {
        return Err(InvalidDecimal::TooManyDecimals);
    }
    let whole: i64 = whole.parse().map_err(|_| InvalidDecimal::OutOfRange)?;
    let decimals = decimals.bytes().chain(std::iter::repeat(b'0')).take(4);
    let decimals = decimals.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let number = whole.checked_mul(10_000).and_then(|whole| whole.checked_add(decimals));
    let number = number.ok_or(InvalidDecimal::OutOfRange)?;
    Ok(if negative { -number } else { number })
}

/// Returns the shortest decimal string of a number of ten-thousandths.
pub(super) fn text(ten_thousandths: u64) -> String {
    let (whole, decimals) = (ten_thousandths / 10_000, ten_thousandths % 10_000);
    if decimals == 0 {
        return whole.to_string();
    }
    let decimals = format!("{decimals:04}");
    format!("{whole}.{}", decimals.trim_end_matches('0'))
}
