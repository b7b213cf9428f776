//! Values of attributes.

use std::{borrow::Cow, collections::BTreeMap, time::SystemTime};

use crate::text::exact_instant;

/// A value of an attribute or a variant: the types of JSON without null, and integers apart from
/// floats.
///
/// A value borrows strings where possible. Strings, numbers, booleans and lists become values with
/// `into()`, and so do these types, which JSON lacks:
///
/// | type | value |
/// |---|---|
/// | `u64`, `usize`, `isize` | an integer, or the string of its digits where an `i64` is too small |
/// | `SystemTime` | its RFC 3339 string in UTC, which the operators `before` and `after` compare |
/// | `uuid::Uuid` (feature `uuid`) | its lower-case, hyphenated string |
///
/// The conversions cannot fail: a time outside of the years 0 to 9999 becomes the nearest time
/// within them.
///
/// # Example
///
/// ```
/// use flagstaff::answer::Value;
///
/// assert_eq!(Value::from("pro"), Value::String("pro".into()));
/// assert_eq!(Value::from(42), Value::Integer(42));
/// assert_eq!(Value::from(vec!["a", "b"]), ["a", "b"].into_iter().collect());
///
/// let company: Value<'_> = [("plan", Value::from("pro")), ("seats", Value::from(12))]
///     .into_iter()
///     .collect();
/// assert!(matches!(company, Value::Table(_)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number that may have a fraction.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// Several values in an order.
    List(Vec<Value<'a>>),
    /// Several values, each with a name.
    Table(BTreeMap<Cow<'a, str>, Value<'a>>),
}

/// The largest number up to which every whole number is exact in 64-bit floating point: 2^53.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl Value<'_> {
    /// Returns true if no string in the value takes more than `bytes`.
    #[cfg(feature = "http")]
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        match self {
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => true,
            Self::String(text) => text.len() <= bytes,
            Self::List(values) => values.iter().all(|value| value.fits(bytes)),
            Self::Table(values) => {
                values.iter().all(|(name, value)| name.len() <= bytes && value.fits(bytes))
            }
        }
    }

    /// Returns a whole number, written with or without decimals: JSON does not distinguish `3.0`
    /// from `3`.
    #[inline]
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Float(number) if number.fract() == 0.0 && number.abs() <= MOST_EXACT => {
                Some(*number as i64)
            }
            _ => None,
        }
    }

    /// Converts into a value that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::List(list) => Value::List(list.into_iter().map(Value::into_owned).collect()),
            Self::Table(table) => {
                let own = |(name, value): (Cow<'_, str>, Value<'_>)| {
                    (Cow::Owned(name.into_owned()), value.into_owned())
                };
                Value::Table(table.into_iter().map(own).collect())
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident,)+) => {
        $(
            impl From<$type> for Value<'_> {
                #[inline]
                fn from(value: $type) -> Self {
                    Self::$variant(value.into())
                }
            }
        )+
    };
}

from! {
    bool => Bool,
    i8 => Integer,
    i16 => Integer,
    i32 => Integer,
    i64 => Integer,
    u8 => Integer,
    u16 => Integer,
    u32 => Integer,
    f32 => Float,
    f64 => Float,
    String => String,
}

macro_rules! from_wide {
    ($($type:ty)+) => {
        $(
            impl From<$type> for Value<'_> {
                // A float would round, so that two ids became one. The digits are also what an
                // integer is drawn by, so that large ids have buckets like small ones.
                #[inline]
                fn from(value: $type) -> Self {
                    match i64::try_from(value) {
                        Ok(value) => Self::Integer(value),
                        Err(_) => Self::String(Cow::Owned(value.to_string())),
                    }
                }
            }
        )+
    };
}

from_wide!(isize u64 usize);

impl From<SystemTime> for Value<'_> {
    fn from(time: SystemTime) -> Self {
        Self::String(Cow::Owned(exact_instant(time)))
    }
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for Value<'_> {
    fn from(id: uuid::Uuid) -> Self {
        Self::String(Cow::Owned(id.to_string()))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    #[inline]
    fn from(text: &'a String) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    #[inline]
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl<'a, T: Into<Value<'a>>> From<Vec<T>> for Value<'a> {
    fn from(list: Vec<T>) -> Self {
        list.into_iter().collect()
    }
}

impl<'a, T: Into<Value<'a>>, const N: usize> From<[T; N]> for Value<'a> {
    fn from(list: [T; N]) -> Self {
        list.into_iter().collect()
    }
}

/// Collects into a list.
impl<'a, T: Into<Value<'a>>> FromIterator<T> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// Collects into a table.
impl<'a, K: Into<Cow<'a, str>>> FromIterator<(K, Value<'a>)> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = (K, Value<'a>)>>(table: I) -> Self {
        Self::Table(table.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

/// A conversion into the value of an attribute, which [`Context::attribute`] takes. It exists for
/// every type that is `Into<`[`Value`]`>`, and for `Option`s of these types.
///
/// The conversion cannot fail.
///
/// [`Context::attribute`]: crate::Context::attribute
///
/// # Example
///
/// A type of your own becomes an attribute:
///
/// ```
/// use flagstaff::{Context, answer::Value};
///
/// enum Plan {
///     Free,
///     Pro,
/// }
///
/// impl From<Plan> for Value<'_> {
///     fn from(plan: Plan) -> Self {
///         Self::from(match plan {
///             Plan::Free => "free",
///             Plan::Pro => "pro",
///         })
///     }
/// }
///
/// let context = Context::user("ana").attribute("plan", Plan::Pro).attribute("old", None::<Plan>);
///
/// assert_eq!(context, Context::user("ana").attribute("plan", "pro"));
/// # let _ = Plan::Free;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of an attribute",
    note = "strings, numbers, booleans, `SystemTime`, lists and `Option`s of them are values; so is `uuid::Uuid`, with the feature `uuid`",
    note = "implement `From` of your type for `flagstaff::answer::Value`, or convert it to one of these"
)]
pub trait IntoAttribute<'a> {
    /// Converts `self` into a value; `None` is an absent attribute.
    fn into_attribute(self) -> Option<Value<'a>>;
}

impl<'a, T: Into<Value<'a>>> IntoAttribute<'a> for T {
    #[inline]
    fn into_attribute(self) -> Option<Value<'a>> {
        Some(self.into())
    }
}

impl<'a, T: Into<Value<'a>>> IntoAttribute<'a> for Option<T> {
    #[inline]
    fn into_attribute(self) -> Option<Value<'a>> {
        self.map(Into::into)
    }
}

/// Returns a table of values of all types.
#[cfg(test)]
pub(super) fn sample() -> Value<'static> {
    let values = [
        ("plan", Value::from("pro")),
        ("seats", Value::from(12)),
        ("share", Value::from(0.5)),
        ("paid", Value::from(true)),
        ("tags", Value::from(["a", "b"])),
    ];
    values.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_integer_that_is_too_large_is_its_digits() {
        assert_eq!(Value::from(i64::MAX.unsigned_abs()), Value::Integer(i64::MAX));
        assert_eq!(Value::from(u64::MAX), Value::from("18446744073709551615"));
        assert_eq!(Value::from(12_usize), Value::Integer(12));
        assert_eq!(Value::from(-12_isize), Value::Integer(-12));
    }

    #[test]
    fn a_time_is_its_instant_in_utc_to_the_nanosecond() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(86_400, 1);

        assert_eq!(Value::from(time), Value::from("1970-01-02T00:00:00.000000001Z"));
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_its_string() {
        assert_eq!(
            Value::from(uuid::Uuid::nil()),
            Value::from("00000000-0000-0000-0000-000000000000")
        );
    }

    #[test]
    fn an_owned_value_is_the_same_value() {
        let borrowed = sample();

        assert_eq!(borrowed.clone().into_owned(), borrowed);
    }
}
