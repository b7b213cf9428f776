//! The JSON Schemas of types that settings can have.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::{
    condition::{
        ALL, ANY, AS, ATTRIBUTES, FLAG, IGNORE_CASE, NOT, NUMBER, RESERVED, SEGMENT, UNLESS,
    },
    encode::Encode,
};
use crate::model::{
    Active, BucketBy, Constant, DEFAULT, Metadata, OnStale, OperandKind, Operator, Percentage,
    Prerequisite, Rollout, Rules, Stage, Variants, Weight,
};

/// A percentage as a string.
pub(super) const PERCENT: &str = r"^(100(\.0+)?|0*[0-9]{1,2}(\.[0-9]{1,4}0*)?)\s*%$";

/// A time without seconds, which TOML has and the format `date-time` does not.
const MINUTES: &str = r"^[0-9-]{10}[Tt ][0-9]{2}:[0-9]{2}([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// The path of an attribute: names without white space around them, with dots between.
const PATH: &str = r"^[^\s.]([^.]*[^\s.])?(\.[^\s.]([^.]*[^\s.])?)*$";

/// A string that is more than white space.
const NOT_BLANK: &str = r"\S";

/// A type that a setting can have, as the decoder reads it from TOML.
pub(super) trait Schema {
    fn schema() -> Value;
}

impl Schema for bool {
    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

impl Schema for String {
    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Schema for Vec<String> {
    fn schema() -> Value {
        json!({ "type": "array", "items": { "type": "string" } })
    }
}

/// Dates of TOML are strings in a schema. Beside a `type`, tombi takes an `anyOf` for something
/// else.
impl Schema for SystemTime {
    fn schema() -> Value {
        json!({ "anyOf": [
            { "type": "string", "format": "date" },
            { "type": "string", "format": "date-time" },
            { "type": "string", "pattern": MINUTES },
        ] })
    }
}

impl Schema for Duration {
    fn schema() -> Value {
        json!({ "type": "string", "pattern": "[0-9]", "examples": ["5m", "1h 30m"] })
    }
}

impl Schema for Percentage {
    fn schema() -> Value {
        json!({ "type": ["number", "string"], "minimum": 0, "maximum": 100, "pattern": PERCENT })
    }
}

impl Schema for Weight {
    fn schema() -> Value {
        json!({ "type": "number", "minimum": 0, "maximum": 1_000_000_000 })
    }
}

impl Schema for BucketBy {
    fn schema() -> Value {
        String::schema()
    }
}

impl Schema for OnStale {
    fn schema() -> Value {
        let words: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
        json!({ "type": "string", "enum": words })
    }
}

impl Schema for Vec<Prerequisite> {
    fn schema() -> Value {
        json!({ "type": "array", "items": reference("prerequisite") })
    }
}

/// Returns the schema of an element of `requires`, and of the part `flag` of a condition.
pub(super) fn prerequisite() -> Value {
    let members = json!({
        "flag": text("The other flag."),
        "on": {
            "description": "True if the flag has to be on, false if off.",
            "type": "boolean",
            "default": true,
        },
        "variant": {
            "description":
                "The variant that the flag has to serve, or a list with this variant. By default, \
                 the flag only has to be on.",
            "type": ["string", "array"],
            "items": { "type": "string" },
            "minItems": 1,
        },
    });
    let mut element =
        table("A flag that has to be on, or a flag and its state.", &["flag"], members);
    element["type"] = json!(["string", "object"]);
    // `on` and `variant` exclude each other.
    element["dependencies"] = json!({ "on": { "not": { "required": ["variant"] } } });
    element
}

impl Schema for Rules {
    fn schema() -> Value {
        let serve = json!({
            "description":
                "The result for users who match: true, false, a percentage such as \"25%\", the \
                 name of a variant, variants with weights, or \"default\" for the caller's default.",
            "type": ["boolean", "string", "object"],
            "additionalProperties": Weight::schema(),
            "minProperties": 1,
            "examples": [DEFAULT, "25%"],
        });
        let members = json!({
            "name": text("The name that explanations show, and that percentages are drawn by."),
            "when": described("The condition of users whom the rule matches. All users by default.", reference("condition")),
            (UNLESS): described("The condition of users whom the rule does not match.", reference("condition")),
            "serve": serve,
            "bucket_by": described(
                "The unit that users are drawn by: an attribute, or `request`.",
                BucketBy::schema(),
            ),
        });
        let mut rule = table(
            "A condition, `when`, `unless`, or both, and the result for users who match.",
            &["serve"],
            members,
        );
        rule["properties"]["when"]["default"] = json!({});
        rule["dependencies"] = json!({ "serve": has_condition() });
        rule["properties"]["name"]["pattern"] = NOT_BLANK.into();
        rule["properties"]["bucket_by"]["pattern"] = NOT_BLANK.into();
        rule["properties"]["bucket_by"]["default"] = BucketBy::default().encode();
        json!({ "type": "array", "items": rule })
    }
}

impl Schema for Active {
    fn schema() -> Value {
        let members = json!({
            "from": described("The time at which the window begins.", SystemTime::schema()),
            "until": described("The time at which the window ends.", SystemTime::schema()),
        });
        table("", &[], members)
    }
}

impl Schema for Rollout {
    fn schema() -> Value {
        let time = |doc: &str| described(doc, SystemTime::schema());
        let members = json!({
            "start": time("The time at which the first stage begins, if the stages have no dates."),
            "stages": described("The stages, one after the other.", Vec::<Stage>::schema()),
            "stage": { "description": "The stage that was started by hand.", "type": "integer", "minimum": 0, "maximum": u32::MAX },
            "stage_started": time("The time at which that stage was started."),
            "paused_at": time("The time since which the rollout is paused."),
        });
        table("", &[], members)
    }
}

impl Schema for Vec<Stage> {
    fn schema() -> Value {
        let members = json!({
            "percentage": described("The share of users that the stage reaches.", Percentage::schema()),
            "for": described("The length of the stage.", Duration::schema()),
            "at": described("The time at which the stage begins, instead of the length of the stage before.", SystemTime::schema()),
            "auto": {
                "description": "True if the next stage begins by itself.",
                "type": "boolean",
                "default": true,
            },
        });
        let stage = table("One stage of a rollout.", &["percentage"], members);
        json!({ "type": "array", "items": stage, "minItems": 1 })
    }
}

impl Schema for Variants {
    fn schema() -> Value {
        let weight =
            "The share of users who draw the variant, relative to the other weights. 0 by default.";
        let value =
            "The value that the variant serves, by default its name. All values have one type.";
        let members = json!({
            "weight": described(weight, Weight::schema()),
            // The value may have any type. For tombi, a table needs `additionalProperties`.
            "value": { "description": value, "additionalProperties": true },
        });
        let mut variant = table("A weight, or a weight and a value.", &[], members);
        variant["properties"]["weight"]["default"] = 0.into();
        variant["type"] = json!(["number", "object"]);
        variant["minimum"] = 0.into();
        variant["maximum"] = 1_000_000_000.into();
        json!({ "type": "object", "additionalProperties": variant })
    }
}

/// The value may have any type but boolean. For tombi, a table needs `additionalProperties`.
impl Schema for Constant {
    fn schema() -> Value {
        json!({ "type": ["number", "string", "array", "object"], "additionalProperties": true })
    }
}

impl Schema for Metadata {
    fn schema() -> Value {
        json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

pub(super) fn condition() -> Value {
    let list =
        |doc: &str| json!({ "description": doc, "type": "array", "items": reference("condition") });
    json!({
        "description": "Attributes with their operands, all of which have to match.",
        "type": "object",
        "properties": {
            (ANY): list("One of these conditions has to hold."),
            (ALL): list("All of these conditions have to hold."),
            (NOT): described(
                "This condition must be false: one that is unknown does not match.",
                reference("condition"),
            ),
            (UNLESS): described(
                "This condition must not be true: it is false, or unknown.",
                reference("condition"),
            ),
            (FLAG): {
                "description": "Another flag that has to be on, a flag and its state, or a list of \
                                these, one of which has to match.",
                "anyOf": [
                    reference("prerequisite"),
                    { "type": "array", "items": reference("prerequisite") },
                ],
            },
            (ATTRIBUTES): {
                "description":
                    "Attributes as in the condition itself, for names that mean something else there.",
                "type": "object",
                "additionalProperties": reference("comparison"),
                "propertyNames": { "pattern": PATH },
            },
            (SEGMENT): {
                "description": "The name of a segment, or a list of names, one of which has to match.",
                "type": ["string", "array"],
                "items": { "type": "string" },
            },
        },
        "additionalProperties": reference("comparison"),
        "propertyNames": { "pattern": PATH, "not": { "enum": RESERVED } },
    })
}

pub(super) fn comparison() -> Value {
    let mut operators: Map<_, _> = Operator::ALL
        .iter()
        .map(|operator| {
            let schema = described(operator.description(), operand(operator.operand()));
            (operator.as_str().to_owned(), schema)
        })
        .collect();
    operators.insert(
        IGNORE_CASE.to_owned(),
        json!({
            "description": "True to compare letters in lower case.",
            "type": "boolean",
            "default": false,
        }),
    );
    operators.insert(
        AS.to_owned(),
        json!({
            "description": "Compares strings as the numbers that they are.",
            "type": "string",
            "enum": [NUMBER],
        }),
    );
    json!({
        "description": "A value, a list of values, one of which has to match, or operators, all of which have to hold.",
        "type": ["boolean", "number", "string", "array", "object"],
        "items": operand(OperandKind::Scalar),
        "minProperties": 1,
        "properties": operators,
        "additionalProperties": false,
        "dependencies": { (IGNORE_CASE): beside_ignore_case(), (AS): beside_as() },
    })
}

/// Requires at least one of these operators.
fn one_of(has: impl Fn(Operator) -> bool) -> Value {
    let operators = Operator::ALL.iter().filter(|&&operator| has(operator));
    operators.map(|operator| json!({ "required": [operator.as_str()] })).collect()
}

/// Requires an operator that compares letters.
fn beside_ignore_case() -> Value {
    let unless_false = json!({
        "properties": { (IGNORE_CASE): { "enum": [false] } },
        "anyOf": one_of(|_| true),
    });
    let mut with_case = one_of(Operator::has_case);
    if let Some(forms) = with_case.as_array_mut() {
        forms.push(unless_false);
    }
    json!({ "anyOf": with_case })
}

/// Requires an operator that compares numbers, and forbids all others but `exists`.
fn beside_as() -> Value {
    let number = json!({ "type": "number" });
    let numbers = Operator::ALL.iter().filter(|operator| operator.has_numbers());
    let mut properties: Map<_, _> = numbers
        .map(|operator| {
            let operand = match operator.operand() {
                OperandKind::Scalars => json!({ "items": number }),
                _ => number.clone(),
            };
            (operator.as_str().to_owned(), operand)
        })
        .collect();
    properties.insert(IGNORE_CASE.to_owned(), json!({ "enum": [false] }));
    json!({
        "anyOf": one_of(Operator::has_numbers),
        "not": { "anyOf": one_of(|it| !it.has_numbers() && it.operand() != OperandKind::Bool) },
        "properties": properties,
    })
}

fn operand(kind: OperandKind) -> Value {
    let scalar = json!({ "type": ["boolean", "number", "string"] });
    match kind {
        OperandKind::Scalar => scalar,
        OperandKind::Scalars => json!({ "type": "array", "items": scalar }),
        OperandKind::Number => json!({ "type": "number" }),
        OperandKind::Texts => {
            json!({ "type": ["string", "array"], "items": { "type": "string" } })
        }
        OperandKind::Instant => SystemTime::schema(),
        OperandKind::Bool => bool::schema(),
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

pub(super) fn text(description: &str) -> Value {
    described(description, String::schema())
}

/// Adds a description. Draft 7 ignores members beside a `$ref`, so a reference goes into `allOf`.
pub(super) fn described(description: &str, mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({ "description": description, "allOf": [schema] });
    }
    schema["description"] = description.into();
    schema
}

/// Returns the schema of an object with these members only.
pub(super) fn table(description: &str, required: &[&str], members: Value) -> Value {
    let mut table = json!({
        "description": description,
        "type": "object",
        "required": required,
        "additionalProperties": false,
    });
    table["properties"] = members;
    table
}

/// Requires a `when` or an `unless`. Beside a `type`, tombi takes an `anyOf` for something else, so
/// this goes into `dependencies`.
pub(super) fn has_condition() -> Value {
    json!({ "anyOf": [{ "required": ["when"] }, { "required": [UNLESS] }] })
}
