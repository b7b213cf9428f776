//! What sources say, as values and as text.

use flagstaff::definition::{Entry, to_json};
use serde_json::{Map, Value};

use crate::text::clean;

/// What a source says, as JSON: true or false, a text, or an object of settings.
pub(crate) fn stored(entry: &Entry) -> Value {
    match entry {
        Entry::Forced(on) => (*on).into(),
        Entry::Text(text) => (&**text).into(),
        Entry::Definition(definition) => Value::Object(to_json(definition)),
        other => other.to_string().into(),
    }
}

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
