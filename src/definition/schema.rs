//! The JSON Schema of flags.toml, generated from the tables of the decoder.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::{
    condition::UNLESS,
    flag::{FORMS, Form},
    schema_of::{
        PERCENT, Schema, comparison, condition, described, has_condition, prerequisite, reference,
        table, text,
    },
    test,
};
use crate::model::{DEFAULT, Field};

/// Returns the JSON Schema (draft 7) of flags.toml, by which editors complete and check the file.
///
/// The schema is made for taplo and tombi, which look for a first line such as `#:schema
/// https://example.com/flags.schema.json`. The repository has a copy as
/// `src/docs/flags.schema.json`.
///
/// [`FlagsFile`](super::FlagsFile) reports a problem for every file that the schema rejects. But no
/// schema can find some mistakes, such as flags that require each other.
///
/// # Example
///
/// ```
/// let schema = flagstaff::definition::json_schema();
///
/// let settings = &schema["definitions"]["flag"]["properties"];
/// assert_eq!(settings["owner"]["description"], "The team or person responsible for the flag.");
/// ```
#[must_use]
pub fn json_schema() -> Value {
    let mut settings: Map<_, _> =
        FORMS.iter().map(|form| (form.field.as_str().to_owned(), setting(form))).collect();
    settings.insert(test::TESTS.to_owned(), tests());
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flags.toml",
        "description": "Feature flags, as flagstaff reads them.",
        "type": "object",
        "required": ["flags"],
        "additionalProperties": false,
        "properties": {
            "flags": {
                "description": "All flags, by name.",
                "type": "object",
                "additionalProperties": reference("flag"),
            },
            "segments": {
                "description": "Conditions with a name, which rules can use.",
                "type": "object",
                "additionalProperties": reference("segment"),
            },
            "environments": {
                "description": "The changes to `flags` in each environment, by name.",
                "type": "object",
                "additionalProperties": reference("environment"),
            },
        },
        "definitions": {
            "flag": {
                "description":
                    "A flag is true, false, a percentage such as \"25%\", or a table of settings.",
                "type": ["boolean", "string", "object"],
                "pattern": PERCENT,
                "properties": settings,
                "additionalProperties": false,
            },
            "environment": {
                "description":
                    "The flags that differ, by name: true and false force a flag on and off, a percentage or a \
                     table changes it.",
                "type": "object",
                "additionalProperties": reference("flag"),
            },
            "segment": segment(),
            "condition": condition(),
            "prerequisite": prerequisite(),
            "comparison": comparison(),
        },
    })
}

fn segment() -> Value {
    let members = json!({
        "description": text("The purpose of the segment, in a sentence."),
        "when": described("The condition of users who belong to the segment.", reference("condition")),
        (UNLESS): described("The condition of users who do not belong to the segment.", reference("condition")),
    });
    let about = "A condition with a name: `when`, `unless`, or both.";
    let mut segment = table(about, &[], members);
    segment["minProperties"] = 1.into();
    segment["dependencies"] = json!({ "description": has_condition() });
    segment
}

fn setting(form: &Form) -> Value {
    let mut schema = (form.schema)();
    schema["description"] = form.field.description().into();
    if form.field == Field::Off {
        // The only word among the names of variants. Editors offer it.
        schema["examples"] = json!([DEFAULT]);
    }
    let empty = (schema["type"] == "array").then(|| json!([]));
    if let Some(default) = (form.default)().or(empty) {
        schema["default"] = default;
    }
    schema
}

fn tests() -> Value {
    let member = |&(name, doc): &(&str, &str)| {
        let schema = match name {
            test::EXPECT => json!({ "type": ["boolean", "string"] }),
            test::GROUPS => Vec::<String>::schema(),
            test::ATTRIBUTES => json!({ "type": "object", "additionalProperties": true }),
            test::TIME => SystemTime::schema(),
            _ => String::schema(),
        };
        (name.to_owned(), described(doc, schema))
    };
    let members = test::KEYS.iter().map(member).collect();
    let test = table("An evaluation context, and the expected answer.", &[test::EXPECT], members);
    json!({
        "description": "Tests of the flag. A flag whose tests fail keeps its previous definition.",
        "type": "array",
        "items": test,
        "default": [],
    })
}
