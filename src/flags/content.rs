//! The content of a flag: on or off, a variant, or a value.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::mismatch::Found;
use crate::{
    eval::{Arm, Evaluation, Served},
    model::{Value, is_exact},
};

/// The content of a flag for one context.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// On or off, for a flag without variants.
    Gate(bool),
    /// No variant, although the flag has variants.
    Nothing,
    /// The value of a flag that has one value for all users.
    Constant(&'a Value<'static>),
    /// A variant: its value, or its name if it has no value.
    Variant(&'a Arm),
}

impl<'a> Content<'a> {
    #[inline(always)]
    pub(super) fn of(evaluation: &Evaluation<'a>, served: Served<'a>) -> Self {
        match served.arm {
            Some(arm) => Self::Variant(arm),
            None if evaluation.has_variants() => {
                evaluation.constant(served.on).map_or(Self::Nothing, Self::Constant)
            }
            None => Self::Gate(served.on),
        }
    }

    #[inline]
    pub(super) fn variant(self) -> Option<&'static str> {
        match self {
            Self::Gate(_) | Self::Nothing | Self::Constant(_) => None,
            Self::Variant(arm) => Some(arm.name),
        }
    }

    #[inline]
    pub(super) fn value(self) -> Option<&'a Value<'static>> {
        match self {
            Self::Gate(_) | Self::Nothing => None,
            Self::Constant(value) => Some(value),
            Self::Variant(arm) => arm.value.as_ref(),
        }
    }

    #[inline]
    pub(super) fn string(self) -> Option<&'a str> {
        match self.value() {
            None => self.variant(),
            Some(Value::String(text)) => Some(text),
            Some(_) => None,
        }
    }

    #[inline]
    pub(super) fn integer(self) -> Option<i64> {
        self.value()?.whole()
    }

    #[inline]
    pub(super) fn float(self) -> Option<f64> {
        match self.value()? {
            Value::Float(number) => Some(*number),
            // JSON has one kind of number. An integer that would be rounded is not a float.
            Value::Integer(number) => exact(*number),
            _ => None,
        }
    }

    pub(super) fn deserialize<T: DeserializeOwned>(self) -> Option<T> {
        let value = match (self, self.value()) {
            (_, Some(value)) => value,
            (Self::Gate(on), None) => &Value::Bool(on),
            (Self::Variant(arm), None) => &Value::from(arm.name),
            (Self::Nothing | Self::Constant(_), None) => return None,
        };
        T::deserialize(value).ok()
    }

    /// Returns the value that is served; `None` where there is none. Allocates nothing.
    pub(super) fn to_value(self) -> Option<Cow<'a, Value<'static>>> {
        match (self, self.value()) {
            (_, Some(value)) => Some(Cow::Borrowed(value)),
            (Self::Gate(on), None) => Some(Cow::Owned(Value::Bool(on))),
            (Self::Variant(arm), None) => Some(Cow::Owned(Value::from(arm.name))),
            (Self::Nothing | Self::Constant(_), None) => None,
        }
    }

    /// Returns the type, for the log.
    pub(super) fn found(self) -> Found<'a> {
        match (self, self.value()) {
            (_, Some(value)) => Found::Value(value),
            (Self::Variant(arm), None) => Found::Variant(arm.name),
            (Self::Gate(_) | Self::Nothing | Self::Constant(_), None) => Found::OnOrOff,
        }
    }
}

/// Returns the float that equals an integer, if there is one.
#[inline]
fn exact(number: i64) -> Option<f64> {
    is_exact(number).then_some(number as f64)
}
