//! The stored form of one override.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{layout::Layout, log::stamp};
use crate::{
    backend::{Operation, Provenance, Write, write::NO_FIELDS},
    definition::{UnknownKeys, from_json_object, merge_json, to_json},
    model::{Definition, Entry, Field, Percentage},
};

/// The size of the largest value that can be an override.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// The member with the author, reason and end of the override.
const OVERRIDE: &str = "override";
/// The member with a forced value for all users. Beside settings it is `false`, which switches them
/// off and keeps them.
const FORCE: &str = "force";

/// The member of `override` with its end.
const END: &str = "expires_at";
/// The member of `override` with the end of `force`. The settings beside it count again then.
const FORCE_END: &str = "force_until";
/// The member of `override` with the members that a switch replaced. Only keys of their own have
/// it: they have no `force`, since readers in other languages read them.
const BEFORE: &str = "before";

/// One override.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Override {
    entry: Entry,
    /// The entry once `force` has ended.
    then: Option<Entry>,
    pub(super) provenance: Option<Provenance>,
}

impl Override {
    /// Returns the entry at the instant `now`, of an override that has not ended.
    pub(super) fn entry(&self, now: SystemTime) -> &Entry {
        self.then.as_ref().filter(|_| self.force_has_ended(now)).unwrap_or(&self.entry)
    }

    /// Returns the instants at which the override changes by itself.
    pub(super) fn changes(&self) -> impl Iterator<Item = SystemTime> {
        [self.end(), self.force_end()].into_iter().flatten()
    }

    fn force_end(&self) -> Option<SystemTime> {
        self.provenance.as_ref()?.forced_until
    }

    fn force_has_ended(&self, now: SystemTime) -> bool {
        self.force_end().is_some_and(|end| end <= now)
    }

    pub(super) fn end(&self) -> Option<SystemTime> {
        self.provenance.as_ref()?.expires_at
    }

    pub(super) fn has_ended(&self, now: SystemTime) -> bool {
        self.end().is_some_and(|end| end <= now)
    }
}

/// Decodes a stored value, or returns the problem with it. `None` if the value has no entry.
pub(super) fn decode(name: &[u8], raw: &[u8], layout: &Layout) -> Result<Option<Override>, String> {
    let name = str::from_utf8(name).map_err(|_| "the name is not UTF-8")?;
    if raw.len() > MAX_BYTES {
        return Err(too_large(raw.len()));
    }
    let text = str::from_utf8(raw).map_err(|_| "the value is not UTF-8")?;
    match layout {
        Layout::Hash(_) if !text.trim_start().starts_with('{') => {
            Ok(Some(Override { entry: Entry::from_text(text), then: None, provenance: None }))
        }
        Layout::Hash(_) => decode_object(name, object(text)?).map(Some),
        Layout::Keys(_) => match parse(text)? {
            Value::Null => Ok(None),
            Value::Object(object) if object.is_empty() => Ok(None),
            Value::Object(object) => decode_whole(name, object).map(Some),
            _ => Err("the value is not a JSON object".to_owned()),
        },
    }
}

/// Returns the problem of a value with so many bytes.
pub(super) fn too_large(bytes: usize) -> String {
    format!("the value has {bytes} bytes, and {MAX_BYTES} is the most")
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the value is not JSON: {error}"))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match parse(text)? {
        Value::Object(object) => Ok(object),
        _ => Err("the value is not a JSON object".to_owned()),
    }
}

/// Decodes a field of the hash: a partial definition, or a forced value.
fn decode_object(name: &str, mut object: Map<String, Value>) -> Result<Override, String> {
    let provenance = object.remove(OVERRIDE).map(|by| provenance(&by)).transpose()?;
    let until = provenance.as_ref().and_then(|by| by.forced_until);
    let mut then = None;
    let entry = match object.remove(FORCE) {
        None => read(name, &object, UnknownKeys::Reject)?.into(),
        Some(Value::Bool(on)) if !object.is_empty() && (!on || until.is_some()) => {
            let settings = read(name, &object, UnknownKeys::Reject)?;
            then = until.map(|_| settings.clone().into());
            match on {
                false => settings.enabled(false),
                true => forced_on(settings),
            }
            .into()
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
    Ok(Override { entry, then, provenance })
}

/// Decodes the value of a key of its own: a whole definition, with members that other readers use.
fn decode_whole(name: &str, mut object: Map<String, Value>) -> Result<Override, String> {
    let by = object.remove(OVERRIDE);
    let provenance = by.as_ref().map(provenance).transpose()?;
    let entry = whole(name, &object)?.into();
    let before = by.as_ref().and_then(|by| by.get(BEFORE)).and_then(Value::as_object);
    let then = before.map(|before| {
        put_back(&mut object, before);
        whole(name, &object).map(Entry::from)
    });
    Ok(Override { entry, then: then.transpose()?, provenance })
}

fn whole(name: &str, object: &Map<String, Value>) -> Result<Definition, String> {
    let mut definition = read(name, object, UnknownKeys::Ignore)?;
    // Settings that such a value always has get their defaults if they are missing, and not the
    // values of lower sources.
    for &field in Field::ALL.iter().filter(|field| field.roles().is_whole) {
        if !definition.has(field) {
            definition.remove(field);
        }
    }
    Ok(definition)
}

/// Keeps the ends of a stored object in its new `override`, since a patch changes only what it
/// names. Without `force`, the end of `force` is dropped.
fn keep_ends(by: &mut Map<String, Value>, mut stored: Map<String, Value>, is_forced: bool) {
    for member in [END, FORCE_END] {
        if let Some(end) = stored.remove(member).filter(|_| member == END || is_forced) {
            by.entry(member).or_insert(end);
        }
    }
}

/// Takes the replaced members out of the `override` of an object.
fn take_before(object: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    match object.get_mut(OVERRIDE)?.as_object_mut()?.remove(BEFORE)? {
        Value::Object(before) => Some(before),
        _ => None,
    }
}

/// Returns members without those that a patch names.
fn without(mut members: Map<String, Value>, patch: &Definition) -> Map<String, Value> {
    members.retain(|member, _| patch.fields().all(|field| field.as_str() != member));
    members
}

/// Restores replaced members; `null` removes a member.
fn put_back(object: &mut Map<String, Value>, before: &Map<String, Value>) {
    for (member, value) in before {
        match value {
            Value::Null => drop(object.remove(member)),
            value => drop(object.insert(member.clone(), value.clone())),
        }
    }
}

/// Returns settings that are on for all users whom `settings` do not deny.
fn forced_on(mut settings: Definition) -> Definition {
    settings.merge(&Definition::forced(true));
    settings
}

fn read(
    name: &str,
    object: &Map<String, Value>,
    unknown: UnknownKeys,
) -> Result<Definition, String> {
    from_json_object(name, object, unknown).map_err(|error| error.to_string())
}

fn provenance(value: &Value) -> Result<Provenance, String> {
    let object = value.as_object().ok_or("`override` is not a JSON object")?;
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
            text.parse::<Timestamp>().and_then(SystemTime::try_from).map_err(|_| wrong())
        };
        text(name)?.map(parse).transpose()
    };
    Ok(Provenance {
        author: text("by")?,
        reason: text("reason")?,
        at: time("at")?,
        expires_at: time(END)?,
        forced_until: time(FORCE_END)?,
    })
}

/// Returns the stored value after a change; `None` if nothing is stored.
pub(super) fn encode(
    name: &str,
    current: Option<&[u8]>,
    write: &Write,
    now: SystemTime,
    layout: &Layout,
) -> Result<Option<String>, String> {
    let is_hash = matches!(layout, Layout::Hash(_));
    let unsigned = write.plain || (write.author.is_none() && write.reason.is_none());
    let plain = unsigned && write.expires_at.is_none();
    let switches = matches!(write.operation, Operation::Enable | Operation::Disable);
    let settings = settings(name, current, now, layout);
    let comes_back = settings.as_ref().filter(|_| switches).and_then(|it| comes_back(it, write));
    let mut before = None;
    let mut object = match (&write.operation, settings) {
        (Operation::Clear, _) => return Ok(None),
        (Operation::Disable, Some(settings))
            if is_hash && (comes_back.is_some() || write.expires_at.is_none()) =>
        {
            switched(settings, false)
        }
        (Operation::Enable, Some(settings)) if is_hash && comes_back.is_some() => {
            switched(settings, true)
        }
        (Operation::Enable, Some(mut settings))
            if is_hash
                && write.expires_at.is_none()
                && settings.get(FORCE) == Some(&Value::Bool(false)) =>
        {
            settings.remove(FORCE);
            settings
        }
        (Operation::Enable, _) if is_hash && plain => return Ok(Some("1".to_owned())),
        (Operation::Disable, _) if is_hash && plain => return Ok(Some("0".to_owned())),
        (Operation::Enable, _) if is_hash => forced(true),
        (Operation::Disable, _) if is_hash => forced(false),
        (operation, _) => {
            let mut object = base(name, current, now, layout)?;
            let patch = match operation {
                // Readers in other languages do not support `force`.
                Operation::Enable => {
                    &Definition::new().enabled(true).percentage(Percentage::HUNDRED)
                }
                Operation::Disable => &Definition::new().enabled(false),
                Operation::Set(patch) => patch,
                Operation::Clear => return Ok(None),
            };
            before = replaced(&mut object, patch, switches, comes_back.is_some());
            // A patch with `enabled` replaces the switch that turns the settings off.
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
        return Err("the end of the override is not a valid date".to_owned());
    }
    // A switch drops the ends of what it replaces.
    let stored = object.remove(OVERRIDE).filter(|_| !switches);
    let has_end = |by: &Value| by.get(END).is_some() || by.get(FORCE_END).is_some();
    if !plain || is_hash || stored.as_ref().is_some_and(has_end) {
        let is_forced = object.contains_key(FORCE) || before.is_some();
        let mut by = by(write, now);
        if let Some(Value::Object(stored)) = stored {
            keep_ends(&mut by, stored, is_forced);
        }
        if let Some(ComesBack { until }) = comes_back {
            let force_end = by.remove(END);
            by.extend(force_end.map(|end| (FORCE_END.to_owned(), end)));
            by.extend(until.and_then(stamp).map(|end| (END.to_owned(), json!(end))));
        }
        by.extend(before.map(|before| (BEFORE.to_owned(), before.into())));
        // Without settings, nothing can come back, so the end of `force` is that of the override.
        if object.len() == 1 && object.contains_key(FORCE) {
            let force_end = by.remove(FORCE_END);
            by.extend(force_end.map(|end| (END.to_owned(), end)));
        }
        object.insert(OVERRIDE.to_owned(), by.into());
    }
    let text = Value::Object(object).to_string();
    // A value that cannot be read must not be written.
    decode(name.as_bytes(), text.as_bytes(), layout)?;
    Ok(Some(text))
}

/// Settings that count again when a switch ends.
#[derive(Debug, Clone, Copy)]
struct ComesBack {
    /// The end of the settings.
    until: Option<SystemTime>,
}

/// Returns the settings that come back after a switch; `None` if they end before the switch does.
fn comes_back(settings: &Map<String, Value>, write: &Write) -> Option<ComesBack> {
    let (switch_end, until) = (write.expires_at?, end_of(settings));
    until.is_none_or(|until| until > switch_end).then_some(ComesBack { until })
}

fn switched(mut settings: Map<String, Value>, on: bool) -> Map<String, Value> {
    settings.insert(FORCE.to_owned(), Value::Bool(on));
    settings
}

/// Returns the members that come back when a switch of a key of its own ends. Members that an
/// earlier switch replaced are restored if this change decides in its place.
fn replaced(
    object: &mut Map<String, Value>,
    patch: &Definition,
    switches: bool,
    comes_back: bool,
) -> Option<Map<String, Value>> {
    let mut before = take_before(object);
    if let Some(replaced) = before.take_if(|_| switches || patch.has(Field::Enabled)) {
        put_back(object, &replaced);
    }
    if comes_back {
        let member = |field: Field| object.get(field.as_str()).cloned().unwrap_or_default();
        let members = patch.fields().map(|field| (field.as_str().to_owned(), member(field)));
        before = Some(members.collect());
    }
    before.map(|before| if switches { before } else { without(before, patch) })
}

/// Removes settings from a stored value, so that the sources below decide about them again.
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
    if in_force.is_some_and(|stored| matches!(stored.entry(now), Entry::Forced(_) | Entry::Text(_)))
    {
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

/// Returns the stored object, if it has settings and is in force. Only such an object would lose
/// something to a plain value.
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
    let settings = settings.map(|settings| without_ended_force(settings, &stored, now));
    settings.filter(|object| object.keys().any(|member| member != OVERRIDE && member != FORCE))
}

/// Returns the stored object as it counts now, without a `force` that has ended.
fn without_ended_force(
    mut object: Map<String, Value>,
    stored: &Override,
    now: SystemTime,
) -> Map<String, Value> {
    if !stored.force_has_ended(now) {
        return object;
    }
    object.remove(FORCE);
    let Some(Value::Object(mut by)) = object.remove(OVERRIDE) else { return object };
    by.remove(FORCE_END);
    if let Some(Value::Object(before)) = by.remove(BEFORE) {
        put_back(&mut object, &before);
    }
    object.insert(OVERRIDE.to_owned(), by.into());
    object
}

/// Returns the end of a stored object.
fn end_of(object: &Map<String, Value>) -> Option<SystemTime> {
    provenance(object.get(OVERRIDE)?).ok()?.expires_at
}

fn forced(on: bool) -> Map<String, Value> {
    Map::from_iter([(FORCE.to_owned(), Value::Bool(on))])
}

/// Returns the object to which a patch is applied.
fn base(
    name: &str,
    current: Option<&[u8]>,
    now: SystemTime,
    layout: &Layout,
) -> Result<Map<String, Value>, String> {
    let Some(raw) = current else { return Ok(Map::new()) };
    let decoded = decode(name.as_bytes(), raw, layout).map_err(|problem| {
        format!("what is stored now cannot be read ({problem}); clear it, then set it again")
    })?;
    match decoded {
        None => Ok(Map::new()),
        Some(decoded) if decoded.has_ended(now) => Ok(Map::new()),
        // Use the stored object, so that members of other readers are kept.
        Some(stored @ Override { entry: Entry::Definition(_), .. }) => {
            let object = object(&String::from_utf8_lossy(raw))?;
            Ok(without_ended_force(object, &stored, now))
        }
        Some(Override { entry: entry @ Entry::Text(_), .. }) if entry.forces() == Some(false) => {
            Err(format!(
                "{entry} is stored now, which forces a variant or off; clear it, then set it again"
            ))
        }
        Some(Override { entry, provenance, .. }) => {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Returns the instant of all changes, without a fraction, as it is stored.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 500_000 * HOUR
    }

    fn hash() -> Layout {
        Layout::Hash("feature_flags".to_owned())
    }

    fn keys() -> Layout {
        Layout::Keys("ff".to_owned())
    }

    fn percent(percent: u32) -> Definition {
        Definition::new().percentage(Percentage::whole(percent).unwrap())
    }

    /// Makes the changes one after the other, one in each hour. Returns the stored value.
    fn stored(layout: &Layout, first: &str, writes: impl IntoIterator<Item = Write>) -> String {
        let mut stored = first.to_owned();
        for (hours, write) in (0..).zip(writes) {
            let at = now() + hours * HOUR;
            stored = encode("a", Some(stored.as_bytes()), &write, at, layout).unwrap().unwrap();
        }
        stored
    }

    /// Returns the settings of a stored value after so many hours, as JSON; `None` once the value
    /// has ended.
    fn after(layout: &Layout, stored: &str, hours: u32) -> Option<Value> {
        let at = now() + hours * HOUR;
        let decoded = decode(b"a", stored.as_bytes(), layout).unwrap().unwrap();
        if decoded.has_ended(at) {
            return None;
        }
        match decoded.entry(at) {
            Entry::Definition(definition) => Some(to_json(definition).into()),
            other => Some(json!(other.to_string())),
        }
    }

    fn disable(hours: u32) -> Write {
        Write::new(Operation::Disable).expires_at(now() + hours * HOUR).author("ana")
    }

    #[test]
    fn what_is_stored_comes_back_when_a_switch_ends() {
        let rollout = r#"{"rollout":{"stage":2},"denied_users":["eve"]}"#;
        let enable = Write::new(Operation::Enable).expires_at(now() + 2 * HOUR);
        let settings: Value = serde_json::from_str(rollout).unwrap();

        let off = stored(&hash(), rollout, [disable(2)]);
        let on = stored(&hash(), rollout, [enable]);

        assert_eq!(after(&hash(), &off, 1).unwrap()["enabled"], false);
        let while_on = after(&hash(), &on, 1).unwrap();
        assert_eq!((&while_on["enabled"], &while_on["rollout"]), (&json!(true), &Value::Null));
        assert_eq!(while_on["denied_users"], json!(["eve"]));
        for stored in [off, on] {
            assert_eq!(after(&hash(), &stored, 2), Some(settings.clone()), "{stored}");
        }
    }

    #[test]
    fn a_key_of_its_own_comes_back_too() {
        let first = r#"{"enabled":true,"percentage":25,"note":"ours"}"#;
        let enable = Write::new(Operation::Enable).expires_at(now() + 2 * HOUR);
        let settings = json!({ "enabled": true, "percentage": 25 });
        let decided = |stored: &str, hours| {
            let after = after(&keys(), stored, hours).unwrap();
            json!({ "enabled": after["enabled"], "percentage": after["percentage"] })
        };

        for (writes, meanwhile) in [
            (vec![disable(2)], json!({ "enabled": false, "percentage": 25 })),
            (vec![enable.clone()], json!({ "enabled": true, "percentage": 100 })),
            // The second switch replaces the first.
            (vec![enable, disable(2)], json!({ "enabled": false, "percentage": 25 })),
        ] {
            let stored = stored(&keys(), first, writes);
            assert_eq!(decided(&stored, 1), meanwhile, "{stored}");
            assert_eq!(decided(&stored, 2), settings, "{stored}");
            assert!(stored.contains("ours"), "{stored}");
        }
    }

    #[test]
    fn a_change_of_settings_leaves_a_switch_and_its_end_alone() {
        for layout in [hash(), keys()] {
            let set = Write::new(Operation::Set(percent(50)));
            let stored = stored(&layout, r#"{"percentage":25}"#, [disable(3), set]);

            assert_eq!(after(&layout, &stored, 2).unwrap()["enabled"], false, "{stored}");
            let then = after(&layout, &stored, 3).unwrap();
            assert_eq!(
                (&then["percentage"], &then["enabled"]),
                (&json!(50), &Value::Null),
                "{stored}"
            );
        }
    }

    /// A flag that is switched off without an end stays off, whatever ends were stored before.
    #[test]
    fn a_switch_without_an_end_stays() {
        let ends = Write::new(Operation::Set(percent(50))).expires_at(now() + 2 * HOUR);
        for layout in [hash(), keys()] {
            for first in [disable(2), ends.clone()] {
                let off = Write::new(Operation::Disable).author("ana");
                let stored = stored(&layout, r#"{"percentage":25}"#, [first, off]);
                assert_eq!(after(&layout, &stored, 9).unwrap()["enabled"], false, "{stored}");
            }
        }
    }

    #[test]
    fn switching_on_again_goes_on_with_the_settings() {
        let on = Write::new(Operation::Enable);

        let stored = stored(&hash(), r#"{"percentage":25}"#, [disable(2), on]);

        assert_eq!(after(&hash(), &stored, 1), Some(json!({ "percentage": 25 })), "{stored}");
        assert_eq!(after(&hash(), &stored, 9), Some(json!({ "percentage": 25 })), "{stored}");
    }

    #[test]
    fn switching_on_what_is_switched_on_for_a_time_leaves_it_on() {
        let for_a_time = Write::new(Operation::Enable).expires_at(now() + 2 * HOUR);
        for layout in [hash(), keys()] {
            let on = Write::new(Operation::Enable);

            let stored = stored(&layout, r#"{"percentage":25}"#, [for_a_time.clone(), on]);

            let narrowed = after(&layout, &stored, 9).and_then(|it| it.get("percentage").cloned());
            assert_ne!(narrowed, Some(json!(25)), "{stored}");
        }
    }

    #[test]
    fn settings_keep_their_own_end_if_it_comes_later() {
        let set = |hours| Write::new(Operation::Set(percent(25))).expires_at(now() + hours * HOUR);

        let later = stored(&hash(), "{}", [set(5), disable(3)]);
        let sooner = stored(&hash(), "{}", [set(2), disable(3)]);

        assert_eq!(after(&hash(), &later, 4), Some(json!({ "percentage": 25 })), "{later}");
        assert_eq!(after(&hash(), &later, 5), None, "{later}");
        assert_eq!(after(&hash(), &sooner, 2), Some(json!("off")), "{sooner}");
        assert_eq!(after(&hash(), &sooner, 3), None, "{sooner}");
    }

    #[test]
    fn a_switch_that_has_ended_is_gone_from_what_is_stored_next() {
        for layout in [hash(), keys()] {
            let set = || Write::new(Operation::Set(Definition::new().owner("web")));
            let stored = stored(&layout, r#"{"percentage":25}"#, [disable(1), set(), set()]);
            assert!(!stored.contains("force"), "{stored}");
            assert_eq!(after(&layout, &stored, 0).unwrap()["percentage"], 25, "{stored}");
        }
    }

    #[test]
    fn a_switch_still_ends_after_its_settings_are_removed() {
        let take_out =
            Write::new(Operation::Set(Definition::new())).inheriting([Field::Percentage]);

        let stored = stored(&hash(), r#"{"percentage":25}"#, [disable(2), take_out]);

        assert_eq!(after(&hash(), &stored, 1), Some(json!("off")), "{stored}");
        assert_eq!(after(&hash(), &stored, 2), None, "{stored}");
    }
}
