//! The error of an operand that does not fit its operator.

use std::fmt;

use crate::text::line;

/// The error of an operand that does not fit its operator.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct InvalidOperand {
    /// The reason, for people.
    pub message: String,
    /// The index of the element at fault, if the operand is a list.
    pub element: Option<usize>,
    /// The kind of the mistake, by which diagnostics choose their help.
    #[cfg_attr(not(feature = "definition"), allow(dead_code, reason = "for diagnostics"))]
    pub(crate) mistake: Mistake,
}

/// The kind of a mistake in an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The operator takes another kind of value.
    Kind,
    /// The string or number does not have the notation that the operator reads.
    Notation,
    /// Any other mistake.
    Other,
}

crate::error::debug_is_message!(InvalidOperand);

impl InvalidOperand {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message = line(&message.into()).into_owned();
        Self { message, element: None, mistake: Mistake::Other }
    }

    /// Makes the error of a value that is not of the `expected` kind, which has its article.
    pub(crate) fn expected(expected: impl fmt::Display) -> Self {
        Self { mistake: Mistake::Kind, ..Self::new(format!("expected {expected}")) }
    }

    /// Makes the error of a value that is not in the `expected` notation, which has its article.
    pub(crate) fn not(expected: impl fmt::Display) -> Self {
        Self { mistake: Mistake::Notation, ..Self::new(format!("not {expected}")) }
    }

    pub(crate) fn at(self, element: usize) -> Self {
        Self { element: Some(element), ..self }
    }
}
