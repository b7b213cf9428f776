//! The problems of sources, with the kind that metrics and health show.

use std::sync::Arc;

use crate::{
    backend::{self, BackendError},
    flags::SourceError,
    model::OtherType,
    text::line,
};

/// An error of a source, and its kind.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) kind: &'static str,
    pub(super) error: SourceError,
}

impl Problem {
    /// Returns the problem of an error, whose kind is `otherwise` if it has none of its own.
    pub(super) fn new(error: BackendError, otherwise: &'static str) -> Self {
        let kind = backend::kind_of(&*error).unwrap_or(otherwise);
        Self { kind, error: SourceError::new(error) }
    }
}

/// A definition that is rejected because its values have another type than those of weaker sources.
#[derive(thiserror::Error)]
#[error("flag `{}` has values of another type{}: {other}", line(flag), at(place.as_deref()))]
pub(super) struct MistypedValue {
    pub(super) flag: Arc<str>,
    pub(super) place: Option<String>,
    pub(super) other: OtherType,
}

crate::error::debug_is_message!(MistypedValue);

fn at(place: Option<&str>) -> String {
    place.map(|place| format!(" at {}", line(place))).unwrap_or_default()
}
