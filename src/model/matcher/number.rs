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
    /// The order of two numbers; not-a-number has none.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => compare(a, b),
            (Self::Float(a), Self::Integer(b)) => compare(b, a).map(Ordering::reverse),
        }
    }

    /// The same number in the one form that equal numbers share, or `None` for not-a-number.
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

/// A float loses nothing when it is compared with an integer, nor the other way round.
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
    /// The bits of a float that is no `i64`.
    Float(u64),
}

/// Numbers on one side of a number.
#[derive(Debug)]
pub(crate) struct Bound {
    side: Ordering,
    inclusive: bool,
    bound: Number,
}

impl Bound {
    /// The numbers that `gt`, `ge`, `lt` or `le` admit.
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
