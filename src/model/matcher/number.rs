//! Numbers, compared by their exact values.

use std::cmp::Ordering;

use crate::model::Operator;

/// An integer or a float.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

/// The first float that is greater than every `i64`; its negative is the smallest `i64`.
const END: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// Reads a number as JSON writes it, and also with `+` or zeros in front. A number without a
    /// fraction whose value is an `i64` is exact.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (digits, rest) = split_digits(text.strip_prefix(['+', '-']).unwrap_or(text));
        let (fraction, exponent) = match rest.strip_prefix('.') {
            None => ("0", rest),
            Some(rest) => split_digits(rest),
        };
        let power = match exponent.strip_prefix(['e', 'E']) {
            None => exponent.is_empty(),
            Some(power) => {
                let (digits, rest) = split_digits(power.strip_prefix(['+', '-']).unwrap_or(power));
                !digits.is_empty() && rest.is_empty()
            }
        };
        // `f64` would also parse `inf`, `nan`, `.5` and `5.`.
        if digits.is_empty() || fraction.is_empty() || !power {
            return None;
        }
        match text.parse() {
            Ok(number) => Some(Self::Integer(number)),
            Err(_) => text.parse().ok().filter(|it: &f64| it.is_finite()).map(Self::Float),
        }
    }

    /// Returns the order of two numbers; `None` for not-a-number.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => compare(a, b),
            (Self::Float(a), Self::Integer(b)) => compare(b, a).map(Ordering::reverse),
        }
    }

    /// Returns the number in the one form that equal numbers share, or `None` for not-a-number.
    #[expect(clippy::cast_possible_truncation, reason = "the float is a whole number in range")]
    pub(crate) fn canonical(self) -> Option<Exact> {
        match self {
            Self::Integer(number) => Some(Exact::Integer(number)),
            Self::Float(number) if number.is_nan() => None,
            Self::Float(number) if number.trunc() == number && (-END..END).contains(&number) => {
                Some(Exact::Integer(number as i64))
            }
            Self::Float(number) => Some(Exact::Float(number.to_bits())),
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Compares an integer with a float without rounding either of them.
#[expect(clippy::cast_possible_truncation, reason = "the float is in the range of the integer")]
fn compare(integer: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float >= END {
        return Some(Ordering::Less);
    }
    if float < -END {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let fraction = whole.partial_cmp(&float)?;
    Some(integer.cmp(&(whole as i64)).then(fraction))
}

/// A number as the member of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exact {
    Integer(i64),
    /// The bits of a float that is not an `i64`.
    Float(u64),
}

/// The numbers on one side of a bound.
#[derive(Debug)]
pub(crate) struct Bound {
    side: Ordering,
    inclusive: bool,
    bound: Number,
}

impl Bound {
    /// Creates the bound of the operator `gt`, `ge`, `lt` or `le`.
    pub(super) fn new(operator: Operator, bound: Number) -> Option<Self> {
        let (side, inclusive) = match operator {
            Operator::Gt => (Ordering::Greater, false),
            Operator::Ge => (Ordering::Greater, true),
            Operator::Lt => (Ordering::Less, false),
            Operator::Le => (Ordering::Less, true),
            _ => return None,
        };
        bound.canonical().map(|_| Self { side, inclusive, bound })
    }

    pub(super) fn admits(&self, number: Number) -> Option<bool> {
        let order = number.compare(self.bound)?;
        Some(order == self.side || (self.inclusive && order == Ordering::Equal))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_numbers_are_not_rounded() {
        let order = |a, b| compare(a, b).unwrap();

        assert_eq!(order(i64::MAX, END), Ordering::Less);
        assert_eq!(order(i64::MIN, -END), Ordering::Equal);
        assert_eq!(order((1 << 53) + 1, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(order(-1, -0.5), Ordering::Less);
        assert_eq!(order(0, -0.0), Ordering::Equal);
        assert_eq!(order(0, f64::NEG_INFINITY), Ordering::Greater);
        assert_eq!(compare(0, f64::NAN), None);
    }

    #[test]
    fn numbers_are_read_as_json_writes_them_and_nothing_else_is_a_number() {
        let read = |text: &str| Number::read(text).and_then(Number::canonical);

        for (text, number) in [
            ("12", Exact::Integer(12)),
            ("+012", Exact::Integer(12)),
            ("-0", Exact::Integer(0)),
            ("12.0", Exact::Integer(12)),
            ("1e3", Exact::Integer(1_000)),
            ("12.5", Exact::Float(12.5_f64.to_bits())),
            ("-1.25E-2", Exact::Float((-0.0125_f64).to_bits())),
            ("9223372036854775807", Exact::Integer(i64::MAX)),
            ("9223372036854775808", Exact::Float(END.to_bits())),
        ] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in [
            "", "-", "+", ".5", "5.", "1e", "1e+", "e3", " 1", "1 ", "1,5", "1_000", "0x10", "inf",
            "nan", "NaN", "infinity", "--1", "+-1", "1e999", "\u{663}", "1.2.3",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_compares_like_the_float_that_it_is(a in -(1_i64 << 53)..(1 << 53), b: f64) {
            #[expect(clippy::cast_precision_loss, reason = "these integers are floats")]
            let float = a as f64;

            prop_assert_eq!(compare(a, b), float.partial_cmp(&b));
        }

        #[test]
        fn equal_numbers_have_one_form(a: i64, b: f64) {
            let (integer, float) = (Number::Integer(a), Number::Float(b));

            prop_assert_eq!(
                integer.compare(float) == Some(Ordering::Equal),
                integer.canonical() == float.canonical()
            );
        }
    }
}
