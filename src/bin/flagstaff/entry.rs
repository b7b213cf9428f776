//! Entries of sources as text.

use serde_json::{Map, Value};

use crate::text::clean;

/// Settings as `flagstaff set` takes them: `percentage=25 owner=web`.
pub(crate) fn settings(settings: &Map<String, Value>) -> String {
    let settings = settings
        .iter()
        .map(|(name, value)| format!("{}={}", clean(name), plain(value).replace(", ", ",")));
    settings.collect::<Vec<_>>().join(" ")
}

/// A value for people: texts without quotes, lists with commas, everything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text).into_owned(),
        Value::Array(list) if list.iter().all(|value| !value.is_object()) => {
            list.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        other => clean(&other.to_string()).into_owned(),
    }
}
