//! The value of a flag that serves one value to all users.

use std::{borrow::Cow, collections::BTreeMap};

use super::Value;
use crate::error::debug_is_message;

/// The one value that a flag serves while it is on: a string, a number, a list or a table.
///
/// A boolean is rejected, since a flag of booleans is on or off by itself. Any other [`Value`]
/// becomes a constant with `into()`.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, answer::Value, definition::Constant};
///
/// let limit = Definition::new().value(50);
/// let regions = Definition::new().value(["eu", "us"]);
///
/// assert_eq!(limit.rare().value.value().map(Constant::as_value), Some(&Value::Integer(50)));
/// assert_ne!(limit, regions);
/// assert!(Constant::try_from(Value::Bool(true)).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Constant(Value<'static>);

/// The error of making a [`Constant`] of a boolean.
///
/// # Example
///
/// ```
/// use flagstaff::{answer::Value, definition::Constant};
///
/// let error = Constant::try_from(Value::from(true)).unwrap_err();
///
/// assert_eq!(error.to_string(), "the value of a flag cannot be a boolean");
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of a flag cannot be a boolean")]
#[non_exhaustive]
pub struct BooleanConstant;

debug_is_message!(BooleanConstant);

impl Constant {
    /// Returns the value.
    #[must_use]
    pub const fn as_value(&self) -> &Value<'static> {
        &self.0
    }

    /// Converts into the value.
    #[must_use]
    pub fn into_value(self) -> Value<'static> {
        self.0
    }
}

impl TryFrom<Value<'_>> for Constant {
    type Error = BooleanConstant;

    fn try_from(value: Value<'_>) -> Result<Self, BooleanConstant> {
        match value {
            Value::Bool(_) => Err(BooleanConstant),
            value => Ok(Self(value.into_owned())),
        }
    }
}

macro_rules! from {
    ($($type:ty)+) => {
        $(
            impl From<$type> for Constant {
                fn from(value: $type) -> Self {
                    Self(Value::from(value).into_owned())
                }
            }
        )+
    };
}

from!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 String &str Cow<'_, str>);

impl<'a, T: Into<Value<'a>>> From<Vec<T>> for Constant {
    fn from(list: Vec<T>) -> Self {
        Self(Value::from(list).into_owned())
    }
}

impl<'a, T: Into<Value<'a>>, const N: usize> From<[T; N]> for Constant {
    fn from(list: [T; N]) -> Self {
        Self(Value::from(list).into_owned())
    }
}

impl<'a> From<BTreeMap<Cow<'a, str>, Value<'a>>> for Constant {
    fn from(table: BTreeMap<Cow<'a, str>, Value<'a>>) -> Self {
        Self(Value::Table(table).into_owned())
    }
}
