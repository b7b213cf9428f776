//! Values of attributes.

use std::{borrow::Cow, collections::BTreeMap};

/// The value of an attribute: what JSON has, with integers and floats told apart.
///
/// It borrows texts where it can. Anything that a service has at hand becomes one with `into()`.
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
    /// A text.
    String(Cow<'a, str>),
    /// Several values in an order.
    List(Vec<Value<'a>>),
    /// Several values, each with a name.
    Table(BTreeMap<Cow<'a, str>, Value<'a>>),
}

impl Value<'_> {
    /// The same value, borrowing nothing.
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

/// A list.
impl<'a, T: Into<Value<'a>>> FromIterator<T> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// A table.
impl<'a, K: Into<Cow<'a, str>>> FromIterator<(K, Value<'a>)> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = (K, Value<'a>)>>(table: I) -> Self {
        Self::Table(table.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_value_is_the_same_value() {
        let borrowed: Value<'_> = [
            ("plan", Value::from("pro")),
            ("seats", Value::from(12)),
            ("share", Value::from(0.5)),
            ("paid", Value::from(true)),
            ("tags", Value::from(["a", "b"])),
        ]
        .into_iter()
        .collect();

        assert_eq!(borrowed.clone().into_owned(), borrowed);
    }
}
