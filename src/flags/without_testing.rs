//! A stand-in for `testing` without the feature: nothing is ever overridden or recorded.

use super::{RequestFlags, snapshot::Strictness};
use crate::eval::{Evaluation, Variants};

/// Overrides of no flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScopedOverrides;

impl ScopedOverrides {
    pub(crate) const NONE: Self = Self;

    #[inline]
    pub(crate) fn current() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn within(self, _outer: Self) -> Self {
        self
    }

    #[inline]
    pub(crate) fn are_in_force(&self) -> bool {
        true
    }
}

/// A record of nothing.
#[derive(Debug, Clone)]
pub(crate) struct Evaluated;

impl Evaluated {
    pub(super) fn of(_strictness: Strictness) -> Self {
        Self
    }
}

#[inline]
pub(crate) fn overridden<'a>(
    _name: &str,
    _evaluated: &Evaluated,
    _declared: Option<&'a Variants>,
) -> Option<Evaluation<'a>> {
    None
}

#[inline]
pub(crate) fn without_flags(_overrides: &ScopedOverrides) -> Option<RequestFlags> {
    None
}
