//! Percentages as exact integers.

use std::{fmt, str::FromStr};

use super::decimal::{self, InvalidDecimal};

/// A share of users, from 0 to 100 percent with at most four decimals.
///
/// The share is kept as a whole number of ten-thousandths of a percent. So every process and every
/// language computes the same threshold from it. Parsing fails for a number outside of 0 to 100,
/// and for more than four decimals.
///
/// # Example
///
/// ```
/// use flagstaff::Percentage;
///
/// let half: Percentage = "0.5".parse()?;
///
/// assert_eq!(half.to_string(), "0.5%");
/// assert_eq!(half.ten_thousandths(), 5_000);
/// assert!("0.00001".parse::<Percentage>().is_err());
/// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u32);

impl Percentage {
    /// No users: 0 percent.
    pub const ZERO: Self = Self(0);
    /// All users: 100 percent.
    pub const HUNDRED: Self = Self(1_000_000);

    /// Creates a percentage from a whole number of percent, 0 to 100.
    ///
    /// # Errors
    ///
    /// Returns an error if the number is above 100.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Percentage, definition::InvalidPercentage};
    ///
    /// assert_eq!(Percentage::whole(25)?.to_string(), "25%");
    /// assert_eq!(Percentage::whole(101), Err(InvalidPercentage::OutOfRange));
    /// # Ok::<(), InvalidPercentage>(())
    /// ```
    pub fn whole(percent: u32) -> Result<Self, InvalidPercentage> {
        match percent {
            0..=100 => Ok(Self(percent * 10_000)),
            _ => Err(InvalidPercentage::OutOfRange),
        }
    }

    /// Creates a percentage from ten-thousandths of a percent. More than 1,000,000 become
    /// 1,000,000.
    pub(crate) fn from_ten_thousandths(share: u32) -> Self {
        Self(share.min(Self::HUNDRED.0))
    }

    /// Returns the share in ten-thousandths of a percent: 0 to 1,000,000.
    #[must_use]
    pub const fn ten_thousandths(self) -> u32 {
        self.0
    }
}

impl Default for Percentage {
    /// Returns 100 percent, which a missing percentage means in every format.
    fn default() -> Self {
        Self::HUNDRED
    }
}

/// Reads `10`, `10%`, `0.5` or `0.5%`.
impl FromStr for Percentage {
    type Err = InvalidPercentage;

    fn from_str(text: &str) -> Result<Self, InvalidPercentage> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        match decimal::ten_thousandths(number)? {
            share @ 0..=1_000_000 => Ok(Self(share as u32)),
            _ => Err(InvalidPercentage::OutOfRange),
        }
    }
}

/// Converts the shortest decimal string of the number, so that `0.1` is exactly a tenth of a percent.
impl TryFrom<f64> for Percentage {
    type Error = InvalidPercentage;

    fn try_from(number: f64) -> Result<Self, InvalidPercentage> {
        if !number.is_finite() {
            return Err(InvalidPercentage::NotANumber);
        }
        if !(0.0..=100.0).contains(&number) {
            return Err(InvalidPercentage::OutOfRange);
        }
        number.to_string().parse()
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal::text(self.0.into()))
    }
}

impl fmt::Debug for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Errors of parsing a [`Percentage`].
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPercentage {
    /// The string is not a plain decimal number.
    #[error("a percentage is a plain decimal number such as `25` or `0.5`")]
    NotANumber,
    /// The number is below 0 or above 100.
    #[error("a percentage lies between 0 and 100")]
    OutOfRange,
    /// The number has more decimals than the bucketing algorithm distinguishes.
    #[error("a percentage has at most four decimals")]
    TooManyDecimals,
}

crate::error::debug_is_message!(InvalidPercentage);

impl From<InvalidDecimal> for InvalidPercentage {
    fn from(invalid: InvalidDecimal) -> Self {
        match invalid {
            InvalidDecimal::NotANumber => Self::NotANumber,
            InvalidDecimal::OutOfRange => Self::OutOfRange,
            InvalidDecimal::TooManyDecimals => Self::TooManyDecimals,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_exactly() {
        let read = |text: &str| text.parse::<Percentage>().map(Percentage::ten_thousandths);

        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("25%"), Ok(250_000));
        assert_eq!(read("33.3333"), Ok(333_333));
        assert_eq!(read("0.0001 %"), Ok(1));
        assert_eq!(read("100.0000"), Ok(1_000_000));
        assert_eq!(read("-0"), Ok(0));
        assert_eq!(read("100.0001"), Err(InvalidPercentage::OutOfRange));
        assert_eq!(read("-1"), Err(InvalidPercentage::OutOfRange));
        assert_eq!(read("99999999999"), Err(InvalidPercentage::OutOfRange));
        assert_eq!(read("1.23456"), Err(InvalidPercentage::TooManyDecimals));
        assert_eq!(read("1.5000000"), Ok(15_000));
        for text in ["", "%", ".", "1.", ".5", "1e2", "NaN", "½", "1,5", "+1"] {
            assert_eq!(read(text), Err(InvalidPercentage::NotANumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(share in 0_u32..=1_000_000) {
            let percentage = Percentage(share);

            prop_assert_eq!(percentage.to_string().parse(), Ok(percentage));
            prop_assert_eq!(Percentage::try_from(f64::from(share) / 10_000.0), Ok(percentage));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Percentage>();
        }
    }
}
