//! Words of the model as values that serialize.

use serde::{Serialize, Serializer};

use super::{Field, FlagState};
use crate::serialize::object;

/// Serializes as the name of the setting.
impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes as the word and the few words: `{"state": "partial", "summary": "25%, 3 allowed"}`.
impl Serialize for FlagState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (state, summary) = (self.as_str(), format_args!("{self}"));
        object!(serializer, "FlagState", { "state": state, "summary": summary })
    }
}
