//! Serialization of entries and drift, which contains definitions in JSON.

use serde::{Serialize, Serializer};

use super::{Drift, SourceEntry};
use crate::{backend::Provenance, serialize::object, text::instant};

/// Serializes the members of the provenance beside its own. They are null if the provenance is
/// unknown.
impl Serialize for SourceEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { source, entry, place, provenance, problem, warning } = self;
        let unknown = Provenance::default();
        let Provenance { author, reason, at, expires_at, forced_until } =
            provenance.as_ref().unwrap_or(&unknown);
        object!(serializer, "SourceEntry", {
            "source": source,
            "entry": entry,
            "place": place,
            "by": author,
            "reason": reason,
            "at": at.map(instant),
            "expiresAt": expires_at.map(instant),
            "forcedUntil": forced_until.map(instant),
            "problem": problem,
            "warning": warning,
        })
    }
}

/// Serializes the members of the provenance beside its own. They are null if the provenance is
/// unknown.
impl Serialize for Drift {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { key, entry, provenance, declared, place, overridden, fields } = self;
        let unknown = Provenance::default();
        let Provenance { author, reason, at, expires_at, forced_until } =
            provenance.as_ref().unwrap_or(&unknown);
        object!(serializer, "Drift", {
            "flag": key,
            "entry": entry,
            "by": author,
            "reason": reason,
            "at": at.map(instant),
            "expiresAt": expires_at.map(instant),
            "forcedUntil": forced_until.map(instant),
            "declared": declared,
            "place": place,
            "overridden": overridden,
            "fields": fields,
        })
    }
}
