//! `Serialize` for definitions and entries.

use serde::{Serialize, Serializer};

use super::to_json;
use crate::model::{Definition, Entry};

/// Serializes as the object of [`to_json`].
impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_json(self).serialize(serializer)
    }
}

/// Serializes as true or false, as a string, or as an object of settings.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Forced(on) => serializer.serialize_bool(*on),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Definition(definition) => definition.serialize(serializer),
        }
    }
}
