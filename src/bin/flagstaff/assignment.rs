//! `field=value`, `list+=x` and `list-=x`.

use flagstaff::{
    Definition,
    definition::{InvalidJson, UnknownKeys, from_json_object, to_json},
};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// What to set, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignments(Vec<Assignment>);

/// One setting and what becomes of it.
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
}

/// Reads one argument.
pub(crate) fn parse(text: &str) -> Result<Assignment, String> {
    let expected = || "expected `field=value`, `list+=value` or `list-=value`".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(expected)?;
    let (name, kind) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
        (Some(name), _) => (name, Kind::Add),
        (_, Some(name)) => (name, Kind::Remove),
        _ => (name, Kind::Replace),
    };
    let path: Vec<_> = name.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(expected());
    }
    Ok(Assignment { path, kind, value: value.to_owned() })
}

impl Assignments {
    pub(crate) fn new(assignments: Vec<Assignment>) -> Self {
        Self(assignments)
    }

    /// Whether what is set depends on what was set before.
    pub(crate) fn depend_on_what_is_there(&self) -> bool {
        self.0.iter().any(|assignment| assignment.kind != Kind::Replace)
    }

    /// The patch of a flag that all layers together say `merged` about.
    pub(crate) fn patch(
        &self,
        flag: &str,
        merged: Option<&Definition>,
    ) -> Result<Definition, Failure> {
        let there = merged.map(to_json).unwrap_or_default();
        let mut patch = Map::new();
        for assignment in &self.0 {
            assignment.apply(flag, &there, &mut patch)?;
        }
        from_json_object(flag, &patch, UnknownKeys::Reject).map_err(|error| wrong(&error))
    }
}

impl Assignment {
    fn apply(
        &self,
        flag: &str,
        there: &Map<String, Value>,
        patch: &mut Map<String, Value>,
    ) -> Result<(), Failure> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(()) };
        if self.kind == Kind::Replace {
            let value = self.readings(flag, patch)?;
            put(patch, &self.path, value);
            return Ok(());
        }
        if !rest.is_empty() {
            return Err(Failure::usage(format!("`{}` is no list", self.path.join("."))));
        }
        let list = patch.get(first).or_else(|| there.get(first)).unwrap_or(&Value::Null);
        let mut list = match list {
            Value::Null => Vec::new(),
            Value::Array(list) => list.clone(),
            _ => return Err(Failure::usage(format!("`{first}` is no list"))),
        };
        let value = json(&self.value);
        // Names of users may be numbers.
        let value = match &value {
            Value::Object(_) | Value::String(_) => value,
            _ => Value::String(self.value.clone()),
        };
        list.retain(|other| *other != value);
        if self.kind == Kind::Add {
            list.push(value);
        }
        patch.insert(first.clone(), list.into());
        Ok(())
    }

    /// The value as JSON if that is what the setting takes, else as a text, else as a list with
    /// commas.
    fn readings(&self, flag: &str, patch: &Map<String, Value>) -> Result<Value, Failure> {
        let text = &self.value;
        let list = || text.split(',').map(str::trim).map(Value::from).collect();
        let mut first_error = None;
        for value in [json(text), Value::from(text.as_str()), list()] {
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
    fn what_is_no_setting_or_no_value_of_it_is_refused() {
        for wrong in ["colour=red", "percentage=101", "enabled=maybe", "owner+=x.y", "owner.a+=b"] {
            let assignments = Assignments::new(vec![parse(wrong).unwrap()]);
            let there = Definition::new().owner("ana");
            assert!(assignments.patch("a", Some(&there)).is_err(), "{wrong}");
        }
        assert!(parse("percentage").is_err());
        assert!(parse("a..b=1").is_err());
    }
}
