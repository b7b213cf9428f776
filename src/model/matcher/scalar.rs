//! The values that are compared, and the treatment of their case.

use super::number::Number;
use crate::model::Value;

/// The treatment of upper and lower case in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Case {
    /// Upper and lower case differ.
    #[default]
    Exact,
    /// Case is ignored: each letter is compared in lower case.
    Ignored,
}

/// A value of a context that is neither a list nor a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'v> {
    Bool(bool),
    Number(Number),
    Text(&'v str),
}

impl<'v> Scalar<'v> {
    /// Returns the value, unless it is a list or a table.
    #[inline]
    pub(crate) fn of(value: &'v Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Integer(number) => Some(Self::Number(Number::Integer(*number))),
            Value::Float(number) => Some(Self::Number(Number::Float(*number))),
            Value::String(text) => Some(Self::Text(text)),
            Value::List(_) | Value::Table(_) => None,
        }
    }
}
