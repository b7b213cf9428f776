//! The weight of a variant.

use std::{fmt, str::FromStr};

use super::decimal::{self, InvalidDecimal};

/// The weight of a variant in the draw, compared with the others of its flag. It is a number from 0
/// to 1,000,000,000 with at most four decimals. Weights need not add up to 100.
///
/// # Example
///
/// ```
/// use flagstaff::definition::Weight;
///
/// let weight: Weight = "33.3".parse()?;
///
/// assert_eq!(weight.ten_thousandths(), 333_000);
/// assert_eq!(weight.to_string(), "33.3");
/// assert!(Weight::from(50) > weight);
/// assert!("-1".parse::<Weight>().is_err());
/// # Ok::<(), flagstaff::definition::InvalidWeight>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u64);

impl Weight {
    /// The weight of a variant that is never drawn.
    pub const ZERO: Self = Self(0);

    const MAX: u64 = 1_000_000_000 * 10_000;

    /// Returns the weight in ten-thousandths.
    #[must_use]
    pub const fn ten_thousandths(self) -> u64 {
        self.0
    }
}

/// Converts a whole number. More than 1,000,000,000 becomes 1,000,000,000.
impl From<u32> for Weight {
    fn from(weight: u32) -> Self {
        Self((u64::from(weight) * 10_000).min(Self::MAX))
    }
}

/// Parses `34` or `33.3`.
impl FromStr for Weight {
    type Err = InvalidWeight;

    fn from_str(text: &str) -> Result<Self, InvalidWeight> {
        let weight = decimal::ten_thousandths(text)?;
        let weight = u64::try_from(weight).ok().filter(|&weight| weight <= Self::MAX);
        weight.map(Self).ok_or(InvalidWeight::OutOfRange)
    }
}

/// Converts through the shortest decimal string of the number, so that `0.1` is exactly a tenth.
impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(number: f64) -> Result<Self, InvalidWeight> {
        match number.is_finite() {
            true => number.to_string().parse(),
            false => Err(InvalidWeight::NotANumber),
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal::text(self.0))
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error of a string or a number that is not a [`Weight`].
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWeight {
    /// The string is not a plain decimal number.
    #[error("a weight is a plain decimal number such as `50` or `33.3`")]
    NotANumber,
    /// The number is below 0 or above 1,000,000,000.
    #[error("a weight lies between 0 and 1,000,000,000")]
    OutOfRange,
    /// The number has more decimals than the bucketing algorithm distinguishes.
    #[error("a weight has at most four decimals")]
    TooManyDecimals,
}

crate::error::debug_is_message!(InvalidWeight);

impl From<InvalidDecimal> for InvalidWeight {
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
        let read = |text: &str| text.parse::<Weight>().map(Weight::ten_thousandths);

        assert_eq!(read("34"), Ok(340_000));
        assert_eq!(read("33.3333"), Ok(333_333));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("1000000000"), Ok(10_000_000_000_000));
        assert_eq!(read("1000000000.0001"), Err(InvalidWeight::OutOfRange));
        assert_eq!(read("99999999999999999999"), Err(InvalidWeight::OutOfRange));
        assert_eq!(read("-0.5"), Err(InvalidWeight::OutOfRange));
        assert_eq!(read("1.00001"), Err(InvalidWeight::TooManyDecimals));
        for text in ["", "1e2", "50%", "+1", "NaN"] {
            assert_eq!(read(text), Err(InvalidWeight::NotANumber), "{text}");
        }
        assert_eq!(Weight::from(u32::MAX), "1000000000".parse().unwrap());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(weight in 0..=Weight::MAX) {
            prop_assert_eq!(Weight(weight).to_string().parse(), Ok(Weight(weight)));
        }

        #[test]
        fn no_number_panics(number in any::<f64>()) {
            let _ = Weight::try_from(number);
        }
    }
}
