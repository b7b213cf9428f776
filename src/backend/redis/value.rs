//! One override as it is stored.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{layout::Layout, log::stamp};
use crate::{
    backend::{Operation, Provenance, Write, write::NO_FIELDS},
    definition::{UnknownKeys, from_json_object, merge_json, to_json},
    model::{Definition, Entry, Field, Percentage},
};

/// Larger values are no overrides.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// The member that says who made the override, why, and until when.
const OVERRIDE: &str = "override";
/// The member that answers for everybody. Beside settings it is `false`, which switches them off and keeps
/// them.
const FORCE: &str = "force";

/// The member of that which says until when.
const END: &str = "expires_at";

/// One override.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Override {
    pub(super) entry: Entry,
    pub(super) provenance: Option<Provenance>,
}

impl Override {
    pub(super) fn end(&self) -> Option<SystemTime> {
        self.provenance.as_ref()?.expires_at
    }

    pub(super) fn has_ended(&self, now: SystemTime) -> bool {
        self.end().is_some_and(|end| end <= now)
    }
}

/// What a stored value means, or what is wrong with it. `None` says nothing about the flag.
pub(super) fn decode(name: &[u8], raw: &[u8], layout: &Layout) -> Result<Option<Override>, String> {
    let name = str::from_utf8(name).map_err(|_| "the name is not UTF-8")?;
    if raw.len() > MAX_BYTES {
        return Err(too_large(raw.len()));
    }
    let text = str::from_utf8(raw).map_err(|_| "the value is not UTF-8")?;
    match layout {
        Layout::Hash(_) if !text.trim_start().starts_with('{') => {
            Ok(Some(Override { entry: Entry::from_text(text), provenance: None }))
        }
        Layout::Hash(_) => decode_object(name, object(text)?).map(Some),
        Layout::Keys(_) => match parse(text)? {
            Value::Null => Ok(None),
            Value::Object(object) if object.is_empty() => Ok(None),
            Value::Object(object) => decode_whole(name, object).map(Some),
            _ => Err("the value is no JSON object".to_owned()),
        },
    }
}

/// The problem with a value of so many bytes.
pub(super) fn too_large(bytes: usize) -> String {
    format!("the value has {bytes} bytes, and {MAX_BYTES} is the most")
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the value is not JSON: {error}"))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match parse(text)? {
        Value::Object(object) => Ok(object),
        _ => Err("the value is no JSON object".to_owned()),
    }
}

/// A field of the hash: a partial definition, or an answer for everybody.
fn decode_object(name: &str, mut object: Map<String, Value>) -> Result<Override, String> {
    let provenance = object.remove(OVERRIDE).map(|by| provenance(&by)).transpose()?;
    let entry = match object.remove(FORCE) {
        None => read(name, &object, UnknownKeys::Reject)?.into(),
        Some(Value::Bool(false)) if !object.is_empty() => {
            read(name, &object, UnknownKeys::Reject)?.enabled(false).into()
        }
        Some(_) if !object.is_empty() => {
            return Err("only `\"force\": false` can stand beside settings".to_owned());
        }
        Some(Value::Bool(on)) => Entry::Forced(on),
        Some(Value::String(text)) => Entry::from_text(&text),
        Some(other) => {
            return Err(format!(
                "`force` is `true`, `false` or the name of a variant, not `{other}`"
            ));
        }
    };
    Ok(Override { entry, provenance })
}

/// The value of a key of its own: a whole definition, with members that are not for us.
fn decode_whole(name: &str, mut object: Map<String, Value>) -> Result<Override, String> {
    let provenance = object.remove(OVERRIDE).map(|by| provenance(&by)).transpose()?;
    let mut definition = read(name, &object, UnknownKeys::Ignore)?;
    // Settings that such a value always has, and that are missing, have their defaults. They do not
    // fall through to lower sources.
    for &field in Field::ALL.iter().filter(|field| field.roles().is_whole) {
        if !definition.has(field) {
            definition.remove(field);
        }
    }
    Ok(Override { entry: definition.into(), provenance })
}

fn read(
    name: &str,
    object: &Map<String, Value>,
    unknown: UnknownKeys,
) -> Result<Definition, String> {
    from_json_object(name, object, unknown).map_err(|error| error.to_string())
}

fn provenance(value: &Value) -> Result<Provenance, String> {
    let object = value.as_object().ok_or("`override` is no JSON object")?;
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`override.{name}` is `{other}`, not a string")),
    };
    let time = |name: &str| {
        let parse = |text: String| {
            let wrong = || {
                format!("`override.{name}` is `{text}`, not a time such as `2026-11-21T09:00:00Z`")
            };
            text.parse::<Timestamp>().map(SystemTime::from).map_err(|_| wrong())
        };
        text(name)?.map(parse).transpose()
    };
    Ok(Provenance {
        author: text("by")?,
        reason: text("reason")?,
        at: time("at")?,
        expires_at: time(END)?,
    })
}

/// What is stored after a change: `None` if nothing is.
pub(super) fn encode(
    name: &str,
    current: Option<&[u8]>,
    write: &Write,
    now: SystemTime,
    layout: &Layout,
) -> Result<Option<String>, String> {
    let unsigned = write.plain || (write.author.is_none() && write.reason.is_none());
    let plain = unsigned && write.expires_at.is_none();
    let settings = match layout {
        Layout::Hash(_) => settings(name, current, now, layout),
        Layout::Keys(_) => None,
    };
    let mut object = match (&write.operation, layout) {
        (Operation::Clear, _) => return Ok(None),
        (Operation::Disable, Layout::Hash(_))
            if write.expires_at.is_none() && settings.is_some() =>
        {
            let mut object = settings.unwrap_or_default();
            object.insert(FORCE.to_owned(), Value::Bool(false));
            object
        }
        (Operation::Enable, Layout::Hash(_))
            if write.expires_at.is_none()
                && settings.as_ref().is_some_and(|settings| settings.contains_key(FORCE)) =>
        {
            let mut object = settings.unwrap_or_default();
            object.remove(FORCE);
            object
        }
        (Operation::Enable, Layout::Hash(_)) if plain => return Ok(Some("1".to_owned())),
        (Operation::Disable, Layout::Hash(_)) if plain => return Ok(Some("0".to_owned())),
        (Operation::Enable, Layout::Hash(_)) => forced(true),
        (Operation::Disable, Layout::Hash(_)) => forced(false),
        (operation, layout) => {
            let mut object = base(name, current, now, layout)?;
            let patch = match operation {
                // Readers in other languages know no `force`.
                Operation::Enable => {
                    &Definition::new().enabled(true).percentage(Percentage::HUNDRED)
                }
                Operation::Disable => &Definition::new().enabled(false),
                Operation::Set(patch) => patch,
                Operation::Clear => return Ok(None),
            };
            // A patch that names `enabled` decides in place of what switches the settings off.
            let force = object.remove(FORCE).filter(|_| !patch.has(Field::Enabled));
            merge_json(name, &mut object, patch).map_err(|error| error.to_string())?;
            object.extend(force.map(|force| (FORCE.to_owned(), force)));
            if !write.inherited.is_empty() {
                take_out(name, current, &mut object, &write.inherited, now, layout)?;
                if object.keys().all(|member| member == OVERRIDE) {
                    return Ok(None);
                }
            }
            object
        }
    };
    if write.expires_at.is_some_and(|end| stamp(end).is_none()) {
        return Err("the end of the override is in no calendar".to_owned());
    }
    // What a patch does not name stays, the end too.
    let end = object.remove(OVERRIDE).and_then(|mut before| Some(before.get_mut(END)?.take()));
    if !plain || matches!(layout, Layout::Hash(_)) {
        let mut by = by(write, now);
        if let Some(end) = end {
            by.entry(END).or_insert(end);
        }
        object.insert(OVERRIDE.to_owned(), by.into());
    }
    let text = Value::Object(object).to_string();
    // What cannot be read must not be written.
    decode(name.as_bytes(), text.as_bytes(), layout)?;
    Ok(Some(text))
}

/// Takes settings out of what is stored, so that the sources below say them again.
fn take_out(
    name: &str,
    current: Option<&[u8]>,
    object: &mut Map<String, Value>,
    fields: &[Field],
    now: SystemTime,
    layout: &Layout,
) -> Result<(), String> {
    let stored = current.and_then(|raw| decode(name.as_bytes(), raw, layout).ok().flatten());
    let in_force = stored.filter(|stored| !stored.has_ended(now));
    if in_force.is_some_and(|stored| matches!(stored.entry, Entry::Forced(_) | Entry::Text(_))) {
        return Err(NO_FIELDS.to_owned());
    }
    for field in fields {
        if matches!(layout, Layout::Keys(_)) && field.roles().is_whole {
            return Err(format!(
                "a key of its own has a whole definition, where `{field}` has its default if it is \
                 not named: set it instead"
            ));
        }
        object.remove(field.as_str());
    }
    Ok(())
}

/// The stored object, if it has settings and is in force. Anything else has nothing that a plain value
/// would lose.
fn settings(
    name: &str,
    current: Option<&[u8]>,
    now: SystemTime,
    layout: &Layout,
) -> Option<Map<String, Value>> {
    let raw = current?;
    let stored = decode(name.as_bytes(), raw, layout).ok().flatten()?;
    let is_kept = matches!(stored.entry, Entry::Definition(_)) && !stored.has_ended(now);
    let settings = is_kept.then(|| object(&String::from_utf8_lossy(raw)).ok())?;
    settings.filter(|object| object.keys().any(|member| member != OVERRIDE && member != FORCE))
}

fn forced(on: bool) -> Map<String, Value> {
    Map::from_iter([(FORCE.to_owned(), Value::Bool(on))])
}

/// What a patch is applied to.
fn base(
    name: &str,
    current: Option<&[u8]>,
    now: SystemTime,
    layout: &Layout,
) -> Result<Map<String, Value>, String> {
    let Some(raw) = current else { return Ok(Map::new()) };
    let decoded = decode(name.as_bytes(), raw, layout).map_err(|problem| {
        format!("what is stored now cannot be read ({problem}); clear it, then set it anew")
    })?;
    match decoded {
        None => Ok(Map::new()),
        Some(decoded) if decoded.has_ended(now) => Ok(Map::new()),
        // As it is stored, so that members which are not for us survive.
        Some(Override { entry: Entry::Definition(_), .. }) => object(&String::from_utf8_lossy(raw)),
        Some(Override { entry: entry @ Entry::Text(_), .. }) if entry.forces() == Some(false) => {
            Err(format!(
                "{entry} is stored now, which forces a variant or off; clear it, then set it anew"
            ))
        }
        Some(Override { entry, provenance }) => {
            let mut settings = to_json(&entry.patch(None));
            if provenance.is_some() {
                settings.extend(object(&String::from_utf8_lossy(raw))?.remove_entry(OVERRIDE));
            }
            Ok(settings)
        }
    }
}

fn by(write: &Write, now: SystemTime) -> Map<String, Value> {
    let members = [
        ("by", write.author.clone()),
        ("reason", write.reason.clone()),
        ("at", stamp(now)),
        (END, write.expires_at.and_then(stamp)),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name, json!(value?))));
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}
