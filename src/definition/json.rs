//! One flag as a JSON object.

use std::{collections::HashSet, ops::Range, slice};

use serde_json::{Map, Value as Json};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    flag::{self, FORMS},
    severity::Severity,
};
use crate::{
    error::debug_is_message,
    model::{Definition, FlagKey},
};

/// The most levels that a value may have, which is also the limit of `serde_json`.
const LIMIT: usize = 128;

/// The treatment of members of an object that are not settings of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// They are errors, as in flags.toml: a misspelled setting would silently do nothing.
    Reject,
    /// They are ignored, because they belong to another program.
    Ignore,
}

/// Reads the definition of `flag` from the text of a JSON object.
///
/// The members are the settings of flags.toml, each with its own rules. As in a JSON merge patch
/// (RFC 7396), a member that is `null` removes the setting of lower sources ([`Setting::Remove`]).
/// A missing member inherits it. Both also apply to the parts of `rollout`, `active` and
/// `variants`. Dates are strings, as in RFC 3339. Conditions cannot name the segments of a
/// flags.toml. If members have the same name, the last one counts.
///
/// Errors name the flag `flag`; it has no other effect.
///
/// # Errors
///
/// Returns all problems at once, if the text is not a JSON object or a setting has an error. Mistakes that
/// are warnings in flags.toml are not reported.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::{from_json, Setting}, Percentage};
///
/// let definition = from_json("checkout", r#"{"percentage": 0.1, "denied_users": null}"#)?;
///
/// assert_eq!(definition.percentage, Setting::Set("0.1".parse()?));
/// assert_eq!(definition.denied_users, Setting::Remove);
/// assert_eq!(definition.owner, Setting::Inherit);
///
/// let error = from_json("checkout", r#"{"enabeld": true, "percentage": true}"#).unwrap_err();
/// assert_eq!(error.problems(), [
///     "unknown key `enabeld` in flag `checkout`: not a flag setting \
///      (a setting with a similar name exists: `enabled`)",
///     "wrong type for `percentage` in flag `checkout`: \
///      expected a number from 0 to 100 or a string such as `\"25%\"`, found a boolean",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Setting::Remove`]: crate::definition::Setting::Remove
pub fn from_json(flag: impl FlagKey, text: impl AsRef<[u8]>) -> Result<Definition, InvalidJson> {
    let object = serde_json::from_slice(text.as_ref())?;
    from_json_object(flag, &object, UnknownKeys::Reject)
}

/// Reads the definition of `flag` from a JSON object, as [`from_json`] does from the text of one.
///
/// # Errors
///
/// Returns all problems at once, if a setting has an error, or if there are unknown keys and `unknown`
/// rejects them.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{UnknownKeys, from_json_object};
/// use serde_json::json;
///
/// let value = json!({"enabled": true, "rollout_started": 1795228969.5});
/// let object = value.as_object().expect("an object");
///
/// let definition = from_json_object("ro", object, UnknownKeys::Ignore)?;
///
/// assert_eq!(definition.enabled.value(), Some(&true));
/// assert!(from_json_object("ro", object, UnknownKeys::Reject).is_err());
/// # Ok::<(), flagstaff::definition::InvalidJson>(())
/// ```
pub fn from_json_object(
    flag: impl FlagKey,
    object: &Map<String, Json>,
    unknown: UnknownKeys,
) -> Result<Definition, InvalidJson> {
    decode(flag.as_str(), object, unknown)
}

fn decode(
    flag: &str,
    object: &Map<String, Json>,
    unknown: UnknownKeys,
) -> Result<Definition, InvalidJson> {
    let mut decoder = Decoder::json();
    let mut places = Places(0);
    let mut removed = Vec::new();
    let mut table = DeTable::new();
    let numbers: Vec<_> = object.values().map(number_strings).collect();
    for ((name, json), numbers) in object.iter().zip(&numbers) {
        let place = places.next();
        let Some(form) = flag::form(name) else {
            if unknown == UnknownKeys::Reject {
                let anything = Spanned::new(place.clone(), DeValue::Boolean(false));
                table.insert(Spanned::new(place, name.into()), anything);
            }
            continue;
        };
        if json.is_null() {
            removed.push(form.field);
            continue;
        }
        let mut tree = Tree {
            places: &mut places,
            numbers: numbers.iter(),
            null_levels: form.nulls,
            nulls: &mut decoder.nulls,
        };
        match tree.value(json, 0) {
            Ok(value) => drop(table.insert(Spanned::new(place, name.into()), value)),
            Err(label) => {
                let message = format!("wrong type for `{name}` in flag `{flag}`");
                let problem = Diagnostic::new(Code::InvalidType, place, message).label(label);
                decoder.report_with(problem, None, flag);
            }
        }
    }

    let key = Spanned::new(0..0, flag.into());
    let value = Spanned::new(0..0, DeValue::Table(table));
    match flag::decode(&key, &value, &mut decoder) {
        Some(definition) if decoder.errors == 0 => {
            let mut definition = Definition::clone(&definition);
            for field in removed {
                definition.remove(field);
            }
            Ok(definition)
        }
        _ => Err(InvalidJson::new(decoder.problems)),
    }
}

/// Writes a definition as a JSON object, which [`from_json_object`] reads back as the same
/// definition.
///
/// The members come in the order of [`Field::ALL`](crate::definition::Field::ALL), without those
/// that are left to lower sources. Dates are RFC 3339 strings in UTC; a date outside the range of
/// RFC 3339 becomes the nearest one in that range. Segments are written out. A definition that
/// flags.toml rejects, such as a flag that expires before it was created, is written but not read
/// back.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::{to_json, Setting}, Definition, Percentage};
/// use serde_json::json;
///
/// let mut definition = Definition::new().percentage(Percentage::whole(10)?).owner("payments");
/// definition.denied_users = Setting::Remove;
///
/// let object = serde_json::Value::Object(to_json(&definition));
///
/// assert_eq!(object.to_string(), r#"{"owner":"payments","denied_users":null,"percentage":10}"#);
/// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
/// ```
#[must_use]
pub fn to_json(definition: &Definition) -> Map<String, Json> {
    let member = |form: &flag::Form| Some((form.field.to_string(), (form.encode)(definition)?));
    FORMS.iter().filter_map(member).collect()
}

/// Changes a JSON object as [`Definition::merge`] changes a definition. Members that keep their
/// meaning stay as they are written, and so do those that are not settings.
///
/// # Errors
///
/// Returns an error if a setting in the object has an error. The object stays as it was.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::{merge_json, Setting}, Definition};
/// use serde_json::json;
///
/// let mut stored = json!({"note": "mine", "percentage": 10.0, "variants": {"a": 1}});
/// let mut patch = Definition::new().variants([("b", 2)]);
/// patch.owner = Setting::Remove;
///
/// merge_json("checkout", stored.as_object_mut().expect("an object"), &patch)?;
///
/// assert_eq!(stored, json!({
///     "note": "mine", "percentage": 10.0, "variants": {"a": 1, "b": 2}, "owner": null,
/// }));
/// # Ok::<(), flagstaff::definition::InvalidJson>(())
/// ```
pub fn merge_json(
    flag: impl FlagKey,
    object: &mut Map<String, Json>,
    patch: &Definition,
) -> Result<(), InvalidJson> {
    let before = from_json_object(flag, object, UnknownKeys::Ignore)?;
    let mut merged = before.clone();
    merged.merge(patch);
    for form in FORMS {
        let (was, value) = ((form.encode)(&before), (form.encode)(&merged));
        if was == value {
            continue;
        }
        match value {
            Some(value) => drop(object.insert(form.field.to_string(), value)),
            // A percentage removes the rollout.
            None => drop(object.remove(form.field.as_str())),
        }
    }
    Ok(())
}

/// Error for a JSON text that is not the definition of a flag.
///
/// `Display` prints all problems in one line.
///
/// # Example
///
/// ```
/// use flagstaff::definition::from_json;
///
/// let error = from_json("checkout", "[1]").unwrap_err();
///
/// assert!(error.to_string().starts_with("not a JSON object: "));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct InvalidJson {
    problems: Vec<String>,
}

debug_is_message!(InvalidJson);

impl InvalidJson {
    /// Returns all problems, in the order of the text: at least one sentence.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.retain(|problem| problem.severity == Severity::Error);
        problems.sort_by_key(|problem| problem.span.start);
        Self { problems: problems.iter().map(sentence).collect() }
    }
}

/// Converts the error of input that is not JSON, or not an object.
impl From<serde_json::Error> for InvalidJson {
    fn from(error: serde_json::Error) -> Self {
        Self { problems: vec![format!("not a JSON object: {error}")] }
    }
}

/// Returns a problem without its lines of text.
fn sentence(problem: &Diagnostic) -> String {
    let Diagnostic { message, label, help, .. } = problem;
    match help {
        Some(help) => format!("{message}: {label} ({help})"),
        None => format!("{message}: {label}"),
    }
}

/// Places that grow in document order, because decoders sort by the places of keys.
struct Places(usize);

impl Places {
    fn next(&mut self) -> Range<usize> {
        let start = self.0;
        self.0 += 1;
        start..self.0
    }
}

/// A conversion of one setting into the value that `toml` would have read.
struct Tree<'p, 'j> {
    places: &'p mut Places,
    /// The strings of [`number_strings`] that are not used yet.
    numbers: slice::Iter<'j, String>,
    /// The number of levels at which `null` has a meaning.
    null_levels: usize,
    nulls: &'p mut HashSet<usize>,
}

impl<'j> Tree<'_, 'j> {
    fn value(&mut self, json: &'j Json, level: usize) -> Result<Value<'j>, &'static str> {
        if level > LIMIT {
            return Err("nested too deeply");
        }
        let place = self.places.next();
        let value = match json {
            Json::Null if level <= self.null_levels => {
                self.nulls.insert(place.start);
                DeValue::Boolean(false)
            }
            // Without this error, a condition would be wider than intended.
            Json::Null => return Err("`null` is not allowed within this setting"),
            Json::Bool(on) => DeValue::Boolean(*on),
            Json::String(text) => DeValue::String(text.into()),
            Json::Number(_) => {
                let number = self.numbers.next().and_then(|text| DeValue::parse(text).ok());
                number.ok_or("a number that cannot be read")?.into_inner()
            }
            Json::Array(array) => {
                let values = array.iter().map(|value| self.value(value, level + 1));
                DeValue::Array(values.collect::<Result<_, _>>()?)
            }
            Json::Object(object) => {
                let mut table = DeTable::new();
                for (name, value) in object {
                    let key = Spanned::new(self.places.next(), name.into());
                    table.insert(key, self.value(value, level + 1)?);
                }
                DeValue::Table(table)
            }
        };
        Ok(Spanned::new(place, value))
    }
}

/// Returns all numbers in a value as strings, in its order: `toml` makes numbers from borrowed
/// strings only.
fn number_strings(json: &Json) -> Vec<String> {
    fn walk(json: &Json, level: usize, strings: &mut Vec<String>) {
        match json {
            Json::Number(number) => strings.push(number.to_string()),
            Json::Array(array) if level < LIMIT => {
                array.iter().for_each(|value| walk(value, level + 1, strings));
            }
            Json::Object(object) if level < LIMIT => {
                object.values().for_each(|value| walk(value, level + 1, strings));
            }
            _ => {}
        }
    }
    let mut strings = Vec::new();
    walk(json, 0, &mut strings);
    strings
}
