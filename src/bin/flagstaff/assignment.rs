//! Assignments: `field=value`, `list+=x`, `list-=x`, and `field-`, as kubectl removes labels.

use flagstaff::{
    Definition,
    definition::{Field, FlagsFile, InvalidJson, Setting, UnknownKeys, from_json_object, to_json},
    text::Untrusted,
};
use serde_json::{Map, Value};

use crate::{failure::Failure, name, served, text::clean};

/// The assignments of a command, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignments {
    list: Vec<Assignment>,
    /// Set for a file, in which an unchanged list is not written.
    is_of_file: bool,
}

/// One setting and its change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// The setting, and the members below it: `variants.control`.
    path: Vec<String>,
    kind: Kind,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Replace,
    Add,
    Remove,
    /// Removes the setting, so that the sources below decide it.
    TakeOut,
}

/// Reads one argument.
pub(crate) fn parse(text: &str) -> Result<Assignment, String> {
    let expected = || "expected `field=value`, `list+=value`, `list-=value` or `field-`".to_owned();
    let Some((name, value)) = text.split_once('=') else {
        let name = text.strip_suffix('-').ok_or_else(expected)?;
        if name::field(name).is_none() {
            return Err(format!("`{name}` is not a setting of a flag that can be removed"));
        }
        let path = vec![name.to_owned()];
        return Ok(Assignment { path, kind: Kind::TakeOut, value: String::new() });
    };
    let (name, kind) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
        (Some(name), _) => (name, Kind::Add),
        (_, Some(name)) => (name, Kind::Remove),
        _ => (name, Kind::Replace),
    };
    let path: Vec<_> = name.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(expected());
    }
    // `null` would remove the value, and the flag would be one of booleans.
    if *path == [Field::Value.as_str()] && value.trim() == "null" {
        return Err(
            "a value cannot be null: `value-` removes it, and `value='\"null\"'` is a string"
                .to_owned(),
        );
    }
    Ok(Assignment { path, kind, value: value.to_owned() })
}

impl Assignments {
    pub(crate) fn new(list: Vec<Assignment>) -> Self {
        Self { list, is_of_file: false }
    }

    /// Returns `true` if the result depends on the value before: `+=` and `-=`.
    pub(crate) fn depend_on_what_is_there(&self) -> bool {
        self.list.iter().any(|assignment| matches!(assignment.kind, Kind::Add | Kind::Remove))
    }

    /// Returns true if these set or remove `enabled`, which replaces a switch that has an end.
    pub(crate) fn name_enabled(&self) -> bool {
        let mut first = self.list.iter().filter_map(|assignment| assignment.path.first());
        first.any(|name| name::field(name) == Some(Field::Enabled))
    }

    /// Returns the settings that are removed, so that the sources below decide them.
    pub(crate) fn taken_out(&self) -> Vec<Field> {
        let taken_out = self.list.iter().filter(|assignment| assignment.kind == Kind::TakeOut);
        taken_out.filter_map(|assignment| name::field(assignment.path.first()?)).collect()
    }

    /// Returns these assignments for the flag file. No source is below the file, so `field-` removes the
    /// setting.
    pub(crate) fn in_a_file(&self) -> Self {
        let list = self.list.iter().cloned().map(|assignment| match assignment.kind {
            Kind::TakeOut => {
                Assignment { kind: Kind::Replace, value: "null".to_owned(), ..assignment }
            }
            _ => assignment,
        });
        Self { list: list.collect(), is_of_file: true }
    }

    /// Returns the first list from which entries are removed that only the sources below have, by their
    /// definition `below` has it. Lists that add up cannot shrink from above.
    pub(crate) fn taken_from_below(
        &self,
        own: Option<&Definition>,
        below: &Definition,
    ) -> Option<Field> {
        let list = |definition: &Definition, field: Field| {
            let mut settings = to_json(definition);
            settings.remove(field.as_str()).unwrap_or(Value::Null)
        };
        let removes = self.list.iter().filter(|assignment| assignment.kind == Kind::Remove);
        let fields = removes.filter_map(|assignment| {
            let field = name::field(assignment.path.first()?).filter(|field| field.adds_up())?;
            Some((field, members(field.as_str(), &assignment.value)?))
        });
        let mut fields = fields.filter(|(field, members)| {
            let own = own.map_or(Value::Null, |own| list(own, *field));
            let below = list(below, *field);
            let has = |list: &Value, member| list.as_array().is_some_and(|it| it.contains(member));
            members.iter().any(|member| has(&below, member) && !has(&own, member))
        });
        fields.next().map(|(field, _)| field)
    }

    /// Returns the patch of a flag whose definition, with all sources merged, is `merged`.
    pub(crate) fn patch(
        &self,
        flag: &str,
        merged: Option<&Definition>,
    ) -> Result<Definition, Failure> {
        let there = merged.map(to_json).unwrap_or_default();
        let mut patch = Map::new();
        for assignment in &self.list {
            let of_it = self.list.iter().filter(|other| other.path[..1] == assignment.path[..1]);
            if assignment.kind == Kind::TakeOut && of_it.count() > 1 {
                let name = assignment.path.join(".");
                return Err(Failure::usage(format!("`{name}` is both removed and set")));
            }
            assignment.apply(flag, &there, &mut patch)?;
        }
        if self.is_of_file {
            let empty = Value::Array(Vec::new());
            let changes = |name: &String| self.list.iter().any(|it| it.changes_list(name));
            patch.retain(|name, value| {
                !changes(name) || *value != *there.get(name).unwrap_or(&empty)
            });
        }
        let patch = from_json_object(flag, &patch, UnknownKeys::Reject);
        let patch = patch.map_err(|error| wrong(&error))?;
        refuse_null(&patch)?;
        served::refuse(flag, &patch, merged)?;
        Ok(patch)
    }
}

/// Refuses a value that is `null`, in any notation. It would remove the value, and the variant would
/// serve its name.
fn refuse_null(patch: &Definition) -> Result<(), Failure> {
    let variants = patch.rare().variants.value();
    let mut variants = variants.into_iter().flat_map(|variants| variants.iter());
    match variants.find(|(_, variant)| variant.value == Setting::Remove) {
        Some((name, _)) => {
            let name = clean(name);
            Err(Failure::usage(format!("the value of variant `{name}` cannot be null")).hint(
                format!(
                    "`variants.{name}=null` removes the variant, and \
                 `variants.{name}.value='\"null\"'` is a string"
                ),
            ))
        }
        None => Ok(()),
    }
}

impl Assignment {
    /// Returns true if entries are added to a list of this name, or removed from it.
    fn changes_list(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Add | Kind::Remove) && self.path == [name]
    }

    fn apply(
        &self,
        flag: &str,
        there: &Map<String, Value>,
        patch: &mut Map<String, Value>,
    ) -> Result<(), Failure> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(()) };
        if self.kind == Kind::TakeOut {
            return Ok(());
        }
        if self.kind == Kind::Replace {
            let value = self.readings(flag, patch)?;
            put(patch, &self.path, value);
            return Ok(());
        }
        if !rest.is_empty() {
            return Err(Failure::usage(format!("`{}` is not a list", self.path.join("."))));
        }
        let list = patch.get(first).or_else(|| there.get(first)).unwrap_or(&Value::Null);
        let mut list = match list {
            Value::Null => Vec::new(),
            Value::Array(list) => list.clone(),
            _ => return Err(Failure::usage(format!("`{first}` is not a list"))),
        };
        let members = members(first, &self.value).ok_or_else(|| {
            Failure::usage(format!("`{}` is not a list of entries of `{first}`", self.value)).hint(
                format!("`{first}+=ana,bob` are two, and `{first}+='[\"Doe, Jane\"]'` is one"),
            )
        })?;
        for member in members {
            list.retain(|other| *other != member);
            if self.kind == Kind::Add {
                list.push(member);
            }
        }
        patch.insert(first.clone(), list.into());
        Ok(())
    }

    /// Returns the value as JSON if the setting takes it, else as TOML, as a string, or as a list
    /// with commas.
    fn readings(&self, flag: &str, patch: &Map<String, Value>) -> Result<Value, Failure> {
        let text = &self.value;
        let name = self.path.join(".");
        let list = || members(&name, text).map(Value::from);
        // A boolean in quotes is probably a mistake, and would be stored without an error.
        if name::field(&name) == Some(Field::Value) && json(text).is_boolean() {
            let tried = Map::from_iter([(name, json(text))]);
            let read = from_json_object(flag, &tried, UnknownKeys::Reject);
            return read.map(|_| json(text)).map_err(|error| wrong(&error));
        }
        // A list or a table is probably not meant as a string, which it would become.
        let is_fact = self.path.len() > 1 && self.path[0] == Field::Metadata.as_str();
        if is_fact && (json(text).is_array() || json(text).is_object() || is_toml(text)) {
            return Err(Failure::usage(format!(
                "`{name}` takes a string, a number or a boolean, not a list or a table"
            ))
            .hint(format!("a string has quotes: {name}='{}'", Value::from(text.as_str()))));
        }
        // A value can be any string, so the form of TOML is tried before the string.
        let is_any = match &*self.path {
            [setting] => setting == Field::Value.as_str(),
            [variants, _, value] => variants == Field::Variants.as_str() && value == "value",
            _ => false,
        };
        let first = match is_any {
            true => serde_json::from_str(text).ok(),
            false => Some(json(text)),
        };
        // Otherwise a list or a table of JSON with a `null` in it would be stored as a string.
        let is_json = is_any && first.as_ref().is_some_and(|it| it.is_array() || it.is_object());
        let string = (!is_json).then(|| Value::from(text.as_str()));
        let readings = [first, toml(&name, text), string, list()];
        let mut first_error = None;
        for value in readings.into_iter().flatten() {
            let mut tried = Map::new();
            // The other members that are set with it, such as those of one variant.
            if let Some(before) = patch.get(&self.path[0]) {
                tried.insert(self.path[0].clone(), before.clone());
            }
            put(&mut tried, &self.path, value.clone());
            match from_json_object(flag, &tried, UnknownKeys::Reject) {
                Ok(_) => return Ok(value),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match first_error {
            Some(error) => Err(wrong(&error)),
            None => Ok(json(text)),
        }
    }
}

/// Sets a member, and the objects on the way to it.
fn put(object: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => drop(object.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let below = object.entry(first).or_insert_with(|| Map::new().into());
            if !below.is_object() {
                *below = Map::new().into();
            }
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// Returns the members of a list: those of a list in JSON or TOML, an object, or strings with
/// commas between them. A string with a comma is quoted, as in JSON.
fn members(name: &str, text: &str) -> Option<Vec<Value>> {
    let texts =
        |members: Vec<Value>| -> Option<Vec<Value>> { members.into_iter().map(member).collect() };
    match text.trim_start().chars().next()? {
        '[' | '{' => {
            let read = serde_json::from_str(text).ok().or_else(|| toml(name, text));
            // A table of TOML is one member. The decoder accepts tables only in lists.
            match read.or_else(|| toml(name, &format!("[{text}]")))? {
                Value::Array(members) => texts(members),
                one => texts(vec![one]),
            }
        }
        '"' => texts(serde_json::from_str(&format!("[{text}]")).ok()?),
        _ => {
            let members = text.split(',').map(str::trim);
            members.map(|member| (!member.is_empty()).then(|| member.into())).collect()
        }
    }
}

/// Returns a member of a list as JSON. Names of users may be numbers.
fn member(value: Value) -> Option<Value> {
    match value {
        Value::Object(_) | Value::String(_) => Some(value),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// Returns a list or a table as flags.toml has it as the value of a setting, or of a part of one.
fn toml(name: &str, text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['[', '{']) {
        return None;
    }
    // A value can be any list or table.
    let any = || read("value", &format!("value = {text}"));
    match name.split_once('.') {
        Some((setting, _)) if setting == Field::Variants.as_str() => any(),
        None if name == Field::Variants.as_str() => {
            // Beside `serve` no variant needs a weight.
            let first = any()?.as_object()?.keys().next()?.clone();
            let serve = Untrusted::new(&first).toml();
            read(name, &format!("{name} = {text}\nserve = {serve}"))
        }
        _ => read(name, &format!("{name} = {text}")),
    }
}

/// Returns true if a string is a list or a table of TOML.
fn is_toml(text: &str) -> bool {
    toml(Field::Value.as_str(), text).is_some()
}

/// Returns a setting, or a part of one, of a flag with these lines.
fn read(name: &str, lines: &str) -> Option<Value> {
    // A flag that the lines name would need itself.
    let flag = (0..).map(|n| format!("flag-{n}")).find(|flag| !lines.contains(flag))?;
    let file = FlagsFile::parse("", &format!("[flags.{flag}]\n{lines}\n"));
    let mut value = Value::Object(to_json(file.flags().get(&flag)?));
    for member in name.split('.') {
        value = value.get_mut(member)?.take();
    }
    Some(value)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn wrong(error: &InvalidJson) -> Failure {
    Failure::usage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(arguments: &[&str], there: &Definition) -> Map<String, Value> {
        let assignments = arguments.iter().map(|argument| parse(argument).unwrap()).collect();
        to_json(&Assignments::new(assignments).patch("a", Some(there)).unwrap())
    }

    #[test]
    fn values_are_read_as_their_setting_takes_them() {
        let patch = patch(
            &[
                "percentage=25",
                "owner=42",
                "tags=a, b",
                "enabled=false",
                "expires=2027-01-01",
                "salt=null",
            ],
            &Definition::new(),
        );

        assert_eq!(
            Value::Object(patch).to_string(),
            r#"{"owner":"42","tags":["a","b"],"expires":"2027-01-01T00:00:00Z","enabled":false,"percentage":25,"salt":null}"#
        );
    }

    #[test]
    fn a_value_cannot_be_null() {
        assert!(parse("value=null").unwrap_err().contains("`value-` removes it"));
        let text = patch(&["value=\"null\""], &Definition::new());
        assert_eq!(Value::Object(text).to_string(), r#"{"value":"null"}"#);

        for argument in [
            "variants.a.value=null",
            r#"variants.a={"weight": 1, "value": null}"#,
            r#"variants={"a": {"value": null}}"#,
            r#"value={"a": null}"#,
            "value=[null]",
            "variants.a.value=[null]",
        ] {
            let assignments = Assignments::new(vec![parse(argument).unwrap()]);
            assert!(assignments.patch("a", None).is_err(), "{argument}");
        }
        let without = patch(&["variants.a=null"], &Definition::new());
        assert_eq!(Value::Object(without).to_string(), r#"{"variants":{"a":null}}"#);
    }

    #[test]
    fn a_fact_cannot_be_a_list() {
        for argument in ["metadata.x=[1]", "metadata.x={\"a\": 1}", "metadata.x={a = 1}"] {
            let assignments = Assignments::new(vec![parse(argument).unwrap()]);
            assert!(assignments.patch("a", None).is_err(), "{argument}");
        }
        for argument in ["metadata.x=[draft] plan", "metadata.x=\"[1]\"", "metadata.x=7"] {
            let assignments = Assignments::new(vec![parse(argument).unwrap()]);
            assert!(assignments.patch("a", None).is_ok(), "{argument}");
        }
    }

    #[test]
    fn lists_grow_and_shrink() {
        let there = Definition::new().allowed_users(["ana", "bob"]);

        let patch = patch(
            &["allowed_users+=7", "allowed_users-=ana", "allowed_users+=bob", "denied_users+=eve"],
            &there,
        );

        assert_eq!(
            Value::Object(patch).to_string(),
            r#"{"denied_users":["eve"],"allowed_users":["7","bob"]}"#
        );
    }

    #[test]
    fn a_list_has_the_entries_of_its_notation() {
        for (argument, users) in [
            ("allowed_users+=ana,bob", &["ana", "bob"][..]),
            ("allowed_users+= ana , bob ", &["ana", "bob"]),
            (r#"allowed_users+=["ana","bob"]"#, &["ana", "bob"]),
            ("allowed_users+=['ana', 'bob',]", &["ana", "bob"]),
            (r#"allowed_users+="Doe, Jane""#, &["Doe, Jane"]),
            (r#"allowed_users+="Doe, Jane","bob""#, &["Doe, Jane", "bob"]),
            (r#"allowed_users+=["Doe, Jane",7]"#, &["Doe, Jane", "7"]),
            ("allowed_users=['ana','bob']", &["ana", "bob"]),
            (r#"allowed_users=["Doe, Jane"]"#, &["Doe, Jane"]),
            ("allowed_users=ana,bob", &["ana", "bob"]),
            ("allowed_users=ana", &["ana"]),
            ("allowed_users=[]", &[]),
        ] {
            let patch = patch(&[argument], &Definition::new());
            assert_eq!(patch["allowed_users"], Value::from(users), "{argument}");
        }
        let off = serde_json::json!([{ "flag": "a", "on": false }]);
        for argument in [
            "requires+={ flag = 'a', on = false }",
            r#"requires+={"flag": "a", "on": false}"#,
            "requires=[{ flag = 'a', on = false }]",
        ] {
            assert_eq!(patch(&[argument], &Definition::new())["requires"], off, "{argument}");
        }
        let there = Definition::new().allowed_users(["a", "b", "c"]);
        assert_eq!(patch(&["allowed_users-=a,c"], &there)["allowed_users"], Value::from(vec!["b"]));
        let rule = patch(&["rules=[{ when = { plan = 'pro' }, serve = false }]"], &there);
        assert_eq!(rule["rules"][0]["when"]["plan"], "pro");
    }

    #[test]
    fn a_setting_that_is_not_a_list_is_refused_and_a_string_may_look_like_a_list() {
        for wrong in [
            "allowed_users+=",
            "allowed_users+=a,,b",
            "allowed_users+=[\"a\"",
            "allowed_users+=\"a",
            "allowed_users+=[[\"a\"]]",
            "allowed_users=[a",
            "allowed_users=a,",
        ] {
            let assignments = Assignments::new(vec![parse(wrong).unwrap()]);
            assert!(assignments.patch("a", None).is_err(), "{wrong}");
        }
        let text = patch(&["description=[draft] a, b", "owner={x"], &Definition::new());
        assert_eq!((&text["description"], &text["owner"]), (&"[draft] a, b".into(), &"{x".into()));
    }

    #[test]
    fn a_setting_is_removed_or_set() {
        let assignments = |arguments: &[&str]| {
            Assignments::new(arguments.iter().map(|argument| parse(argument).unwrap()).collect())
        };

        let mixed = assignments(&["percentage=5", "owner-"]);
        assert_eq!(mixed.taken_out(), [Field::Owner]);
        let patch = |assignments: &Assignments| to_json(&assignments.patch("a", None).unwrap());
        assert_eq!(Value::Object(patch(&mixed)).to_string(), r#"{"percentage":5}"#);
        assert_eq!(patch(&mixed.in_a_file())["owner"], Value::Null);

        assert!(assignments(&["owner-", "owner=web"]).patch("a", None).is_err());
        assert!(parse("colour-").is_err() && parse("variants.a-").is_err() && parse("-").is_err());
    }

    #[test]
    fn members_of_a_table_are_set_one_by_one() {
        let patch = patch(
            &["variants.a=1", "variants.b.weight=2", "variants.b.value=x"],
            &Definition::new(),
        );

        assert_eq!(
            Value::Object(patch).to_string(),
            r#"{"variants":{"a":1,"b":{"weight":2,"value":"x"}}}"#
        );
    }

    #[test]
    fn values_are_read_as_json_and_never_as_booleans() {
        let read = |argument| patch(&[argument], &Definition::new())["value"].clone();

        for (argument, value) in [
            ("value=50", serde_json::json!(50)),
            ("value=0.5", serde_json::json!(0.5)),
            ("value=eu", serde_json::json!("eu")),
            ("value=\"50\"", serde_json::json!("50")),
            ("value=[1, 2]", serde_json::json!([1, 2])),
            ("value={ a = 1 }", serde_json::json!({ "a": 1 })),
        ] {
            assert_eq!(read(argument), value, "{argument}");
        }
        let variants = |argument| patch(&[argument], &Definition::new())["variants"].clone();
        assert_eq!(
            variants("variants={ b = { value = { x = 1 } }, a = { value = {} } }").to_string(),
            r#"{"b":{"value":{"x":1}},"a":{"value":{}}}"#,
        );
        assert_eq!(
            variants("variants.a.value={ x = [1] }"),
            serde_json::json!({ "a": { "value": { "x": [1] } } })
        );
        let boolean = Assignments::new(vec![parse("value=true").unwrap()]);
        assert!(boolean.patch("a", None).is_err());
    }

    #[test]
    fn an_unknown_setting_or_an_invalid_value_is_refused() {
        for wrong in ["colour=red", "percentage=101", "enabled=maybe", "owner+=x.y", "owner.a+=b"] {
            let assignments = Assignments::new(vec![parse(wrong).unwrap()]);
            let there = Definition::new().owner("ana");
            assert!(assignments.patch("a", Some(&there)).is_err(), "{wrong}");
        }
        assert!(parse("percentage").is_err());
        assert!(parse("a..b=1").is_err());
    }
}
