//! The evaluation context as options and as JSON.

use std::{borrow::Cow, path::Path, time::SystemTime};

use clap::Args;
use flagstaff::{Context, Snapshot, answer::Value};
use serde_json::{Map, Value as Json};

use crate::{
    compared::{self, Uses},
    failure::Failure,
    output::Output,
    reading,
    text::{clean, json_problem},
    time,
};

/// The names of the members that are not attributes; OFREP and OpenFeature write the first.
const TARGETING_KEY: [&str; 2] = ["targetingKey", "targeting_key"];
const GROUPS: &str = "groups";

/// Under these names, other systems and the body of an OFREP request keep what belongs at the top here.
const BOXES: [&str; 2] = ["attributes", "context"];

/// The options for the evaluation context.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Context")]
pub(crate) struct ContextArgs {
    /// User, the targeting key
    #[arg(long, short, value_name = "ID")]
    user: Option<String>,
    /// Group that the user is a member of
    #[arg(long, short, value_name = "NAME")]
    group: Vec<String>,
    /// Attribute, such as plan=pro or seats=12; a string if rules compare strings
    #[arg(long, short, value_name = "NAME=JSON", value_parser = attribute)]
    set: Vec<Attribute>,
    /// Whole context as JSON: {"targetingKey": "ana", "groups": ["beta"], "plan": "pro"}
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    context: Option<String>,
    /// Evaluate at this time: 2026-11-21T09:00:00Z, 2026-11-21, +2h
    #[arg(long, value_name = "TIME", value_parser = time::instant, allow_hyphen_values = true)]
    pub(crate) as_of: Option<SystemTime>,
}

impl ContextArgs {
    pub(crate) fn context(&self, output: &Output) -> Result<Context<'static>, Failure> {
        let context = self.merged()?;
        if let Some(name) = boxed(&context) {
            output.warning(boxed_warning(name));
        }
        Ok(context)
    }

    /// Fits the types of `--set` to the flags of a snapshot. A value without quotes becomes a string if
    /// rules compare the attribute with strings alone: the version 1.10 is not the number 1.1.
    pub(crate) fn fitted(
        &self,
        context: Context<'static>,
        snapshot: &Snapshot,
        output: &Output,
    ) -> Context<'static> {
        let doubtful: Vec<_> = self.set.iter().filter(|set| set.is_doubtful()).collect();
        if doubtful.is_empty() {
            return context;
        }
        let uses = compared::attributes(snapshot);
        doubtful.into_iter().fold(context, |context, Attribute { name, text, value }| {
            let (name_shown, text_shown) = (clean(name), clean(text));
            match uses.get(name) {
                Some(Uses { text: true, other: true, .. }) => {
                    output.warning(format!(
                        "rules compare `{name_shown}` with strings and with other values; here it is {value}, and \
                         --set '{name_shown}=\"{text_shown}\"' makes it a string"
                    ));
                    context
                }
                Some(Uses { text: true, .. }) => context.attribute(name.clone(), text.clone()),
                Some(Uses { other: false, unit: true, .. }) if is_rewritten(value, text) => {
                    context.attribute(name.clone(), text.clone())
                }
                _ => context,
            }
        })
    }

    fn merged(&self) -> Result<Context<'static>, Failure> {
        let mut object = match self.context.as_deref() {
            None => Map::new(),
            Some(text) => object(text)?,
        };
        for Attribute { name, value, .. } in &self.set {
            object.insert(name.clone(), value.clone());
        }
        if let Some(user) = &self.user {
            object.retain(|name, _| !TARGETING_KEY.contains(&&**name));
            object.insert(TARGETING_KEY[0].to_owned(), user.as_str().into());
        }
        let context = from_json(object).map_err(Failure::usage)?;
        Ok(context.groups(self.group.iter().cloned()))
    }
}

/// Returns a context from a JSON object.
pub(crate) fn from_json(object: Map<String, Json>) -> Result<Context<'static>, String> {
    let mut context = Context::anonymous();
    let mut groups = Vec::new();
    let mut attributes = Vec::new();
    for (name, json) in object {
        match json {
            Json::String(user) if TARGETING_KEY.contains(&&*name) => context = Context::user(user),
            Json::Null if TARGETING_KEY.contains(&&*name) => {}
            _ if TARGETING_KEY.contains(&&*name) => {
                return Err(format!("`{name}` has to be a string"));
            }
            json if name == GROUPS => {
                groups = serde_json::from_value::<Vec<String>>(json)
                    .map_err(|_| "`groups` has to be a list of strings".to_owned())?;
            }
            // An attribute that is null counts as missing.
            json => attributes.extend(value(json).map(|value| (name, value))),
        }
    }
    let context = context.groups(groups);
    Ok(context.attributes(attributes))
}

/// Returns the name of an attribute that seems to hold all other attributes. OpenFeature's contexts are flat: a member
/// with members is one attribute.
pub(crate) fn boxed(context: &Context<'_>) -> Option<&'static str> {
    let box_of = |(name, value): (&str, &Value<'_>)| match value {
        Value::Table(_) => BOXES.into_iter().find(|it| *it == name),
        _ => None,
    };
    context.iter_attributes().find_map(box_of)
}

pub(crate) fn boxed_warning(name: &str) -> String {
    format!(
        "`{name}` of a context is a plain attribute, and the names in it are not attributes: contexts are flat, {{\"targetingKey\": \"ana\", \"plan\": \"pro\"}}"
    )
}

/// Reads a JSON object: the argument itself, a file, or stdin.
fn object(text: &str) -> Result<Map<String, Json>, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => Cow::Owned(reading::read(Path::new(path))?),
        None if text == "-" => Cow::Owned(reading::read(Path::new("-"))?),
        None => Cow::Borrowed(text),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("the context is not a JSON object: {}", json_problem(&error)))
    })
}

/// An attribute of the command line.
#[derive(Debug, Clone, PartialEq)]
struct Attribute {
    name: String,
    /// The value as it was given.
    text: String,
    /// The value parsed as JSON.
    value: Json,
}

impl Attribute {
    /// Returns true if JSON reads a number or a boolean where a string may be meant.
    fn is_doubtful(&self) -> bool {
        matches!(self.value, Json::Number(_) | Json::Bool(_))
    }
}

/// Returns true if JSON writes a value in another way than it was given: 1.10 becomes 1.1.
fn is_rewritten(value: &Json, text: &str) -> bool {
    let written = value.to_string();
    written != text
}

/// Parses `NAME=JSON`, or `NAME=TEXT` where the value is not JSON.
fn attribute(text: &str) -> Result<Attribute, String> {
    let (name, text) = text.split_once('=').ok_or("expected `name=value`, such as `plan=pro`")?;
    let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
    Ok(Attribute { name: name.to_owned(), text: text.to_owned(), value })
}

/// Converts a JSON value; `None` for null.
fn value(json: Json) -> Option<Value<'static>> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(on) => on.into(),
        // A service in Rust converts its integers like this. So the same user has the same bucket.
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64()?.into(),
        },
        Json::String(text) => text.into(),
        Json::Array(list) => list.into_iter().filter_map(value).collect(),
        Json::Object(object) => {
            object.into_iter().filter_map(|(name, json)| Some((name, value(json)?))).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_is_not_json_is_a_string() {
        assert_eq!(attribute("seats=12").unwrap().value, Json::from(12));
        assert_eq!(attribute("plan=pro").unwrap().value, Json::from("pro"));
        assert_eq!(attribute("plan=\"12\"").unwrap().value, Json::from("12"));
        assert!(attribute("plan").is_err());
    }

    #[test]
    fn a_large_integer_keeps_all_of_its_digits() {
        let Json::Object(object) = json!({ "id": u64::MAX }) else { unreachable!() };

        let context = from_json(object).unwrap();

        assert_eq!(context, Context::anonymous().attribute("id", u64::MAX));
        assert_eq!(context.iter_attributes().next(), Some(("id", &u64::MAX.to_string().into())));
    }

    #[test]
    fn options_go_before_the_json() {
        let args = ContextArgs {
            user: Some("ana".to_owned()),
            group: vec!["beta".to_owned()],
            set: vec![attribute("plan=pro").unwrap()],
            context: Some(
                r#"{"targetingKey":"bob","groups":["a"],"plan":"free","x":null}"#.to_owned(),
            ),
            as_of: None,
        };

        let context = args.merged().unwrap();

        let expected = Context::user("ana").groups(["a", "beta"]).attribute("plan", "pro");
        assert_eq!(context, expected);
    }

    #[test]
    fn nested_attributes_are_detected() {
        let boxed = |json: Json| {
            let Json::Object(object) = json else { unreachable!() };
            boxed(&from_json(object).unwrap())
        };

        assert_eq!(boxed(json!({ "attributes": { "plan": "pro" } })), Some("attributes"));
        assert_eq!(boxed(json!({ "context": { "targetingKey": "ana" } })), Some("context"));
        assert_eq!(boxed(json!({ "attributes": ["plan"], "cart": { "context": {} } })), None);
    }
}
