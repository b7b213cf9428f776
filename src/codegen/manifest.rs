//! The flag manifest of the OpenFeature CLI.

use serde_json::{Map, Value as Json, json};

use super::error::Error;
use crate::{
    definition::{FlagsFile, to_json},
    model::{Definition, Field},
    text::Untrusted,
};

/// The URL of the manifest's schema.
const SCHEMA: &str = "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json";

/// Returns the flag manifest of `text`, the content of a flags.toml. The [OpenFeature CLI]
/// generates code for other languages from it. `name` is the name of the file in errors.
///
/// A flag is `boolean`, and `false` by default. A flag with a `value` has its type, and that
/// default. A flag with variants has the type of their values. Its default is the value of the
/// variant that is served while the flag is off. Without such a variant it is the empty value of
/// the type, such as `0`, since the schema requires a default.
///
/// Beside the required members, a flag has those of `owner`, `tags`, `expires`, `permanent`,
/// `client`, `testable` and `metadata` that are set, as in JSON.
///
/// # Errors
///
/// Returns an error if the text has errors.
///
/// # Example
///
/// ```
/// let text = r#"
/// [flags.search_timeout_ms]
/// description = "How long a search may take"
/// variants = { slow = { weight = 50, value = 800 }, fast = { weight = 50, value = 200 } }
/// off = "slow"
/// "#;
///
/// let manifest = flagstaff::codegen::manifest("flags.toml", text)?;
///
/// assert_eq!(manifest, r#"{
///   "$schema": "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json",
///   "flags": {
///     "search_timeout_ms": {
///       "flagType": "integer",
///       "defaultValue": 800,
///       "description": "How long a search may take"
///     }
///   }
/// }
/// "#);
/// # Ok::<(), flagstaff::codegen::Error>(())
/// ```
///
/// [OpenFeature CLI]: https://openfeature.dev/docs/reference/other-technologies/cli/
pub fn manifest(name: &str, text: &str) -> Result<String, Error> {
    let file = FlagsFile::parse(name, text);
    if file.diagnostics().has_errors() {
        return Err(Error::Invalid(file.diagnostics().clone()));
    }
    let all = file.everywhere();
    let flags = all.iter().map(|(key, definition)| (key.to_owned(), flag(definition)));
    let flags: Map<_, _> = flags.collect();
    let manifest = format!("{:#}\n", json!({ "$schema": SCHEMA, "flags": flags }));
    Ok(Untrusted::new(&manifest).json().into_owned())
}

fn flag(definition: &Definition) -> Json {
    let (kind, default) = typed(definition);
    let mut flag = json!({ "flagType": kind, "defaultValue": default });
    let mut settings = to_json(definition);
    for field in EXPORTED {
        if let Some(value) = settings.remove(field.as_str()) {
            flag[field.as_str()] = value;
        }
    }
    flag
}

/// The settings that the manifest has unchanged.
const EXPORTED: [Field; 8] = [
    Field::Description,
    Field::Owner,
    Field::Tags,
    Field::Expires,
    Field::Permanent,
    Field::Client,
    Field::Testable,
    Field::Metadata,
];

/// Returns the manifest's name of the type, and the default.
fn typed(definition: &Definition) -> (&'static str, Json) {
    let mut values = values(definition);
    let constant = to_json(definition).remove(Field::Value.as_str());
    if let Some(constant) = constant {
        return (kind(&constant), constant);
    }
    let variants = definition.rare().variants.value();
    let has_variants = variants.is_some_and(|variants| !variants.is_empty());
    let off = definition.off_variant();
    let off = off.map(|off| values.get(off).cloned().unwrap_or_else(|| json!(off)));
    // The type is an integer only if all values are integers.
    let are_whole = values.values().all(Json::is_i64);
    let example = off.clone().or_else(|| values.values_mut().next().map(Json::take));
    let (kind, empty) = match example {
        None if has_variants => ("string", json!("")),
        None | Some(Json::Bool(_) | Json::Null) => ("boolean", json!(false)),
        Some(Json::String(_)) => ("string", json!("")),
        Some(Json::Number(_)) if are_whole => ("integer", json!(0)),
        Some(Json::Number(_)) => ("float", json!(0)),
        Some(Json::Array(_)) => ("object", json!([])),
        Some(Json::Object(_)) => ("object", json!({})),
    };
    (kind, off.unwrap_or(empty))
}

/// Returns the manifest's name of the type of a value.
fn kind(value: &Json) -> &'static str {
    match value {
        Json::Bool(_) | Json::Null => "boolean",
        Json::String(_) => "string",
        Json::Number(number) if number.is_i64() => "integer",
        Json::Number(_) => "float",
        Json::Array(_) | Json::Object(_) => "object",
    }
}

/// Returns the values of the variants that have one, by their names.
fn values(definition: &Definition) -> Map<String, Json> {
    let Some(Json::Object(variants)) = to_json(definition).remove("variants") else {
        return Map::new();
    };
    let value = |(name, mut variant): (String, Json)| {
        Some((name, variant.as_object_mut()?.remove("value")?))
    };
    variants.into_iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(text: &str) -> Vec<(String, String, Json)> {
        let manifest: Json = serde_json::from_str(&manifest("f", text).unwrap()).unwrap();
        let flags = manifest["flags"].as_object().unwrap().iter();
        let flags = flags.map(|(key, flag)| {
            let kind = flag["flagType"].as_str().unwrap().to_owned();
            (key.clone(), kind, flag["defaultValue"].clone())
        });
        flags.collect()
    }

    #[test]
    fn a_flag_has_the_type_of_its_values() {
        let text = r#"
            [flags]
            on = true
            names = { variants = { a = 1, control = 1 } }
            [flags.off.variants]
            a = 1
            b = 1
            [flags.off]
            off = "b"
            [flags.float.variants]
            a = { weight = 1, value = 1 }
            b = { weight = 1, value = 0.5 }
            [flags.object.variants]
            a = { weight = 1, value = { x = [1] } }
            b = { weight = 1, value = { x = [] } }
            [flags.bool.variants]
            a = { weight = 1, value = true }
            b = { weight = 1, value = false }
        "#;
        let row = |key: &str, kind: &str, default: Json| (key.to_owned(), kind.to_owned(), default);

        assert_eq!(
            types(text),
            [
                row("bool", "boolean", json!(false)),
                row("float", "float", json!(0)),
                row("names", "string", json!("control")),
                row("object", "object", json!({})),
                row("off", "string", json!("b")),
                row("on", "boolean", json!(false)),
            ]
        );
    }

    #[test]
    fn a_flag_with_a_value_has_its_type_and_that_default() {
        let text = "[flags]\ncount.value = 50\nratio.value = 2.0\nregion.value = \"eu\"\n\
                    list.value = [1]\ntable.value = { a = 1 }\n";
        let row = |key: &str, kind: &str, default: Json| (key.to_owned(), kind.to_owned(), default);

        assert_eq!(
            types(text),
            [
                row("count", "integer", json!(50)),
                row("list", "object", json!([1])),
                row("ratio", "float", json!(2.0)),
                row("region", "string", json!("eu")),
                row("table", "object", json!({ "a": 1 })),
            ]
        );
    }

    #[test]
    fn a_flag_has_the_type_of_a_value_that_environments_alone_have() {
        let text = "[flags]\na = true\nb = true\nc.value = 5\n[environments.staging]\na.value = 50\n\
                    b.variants = { x = { weight = 1, value = 0.5 } }\nc.value = 6\n";
        let row = |key: &str, kind: &str, default: Json| (key.to_owned(), kind.to_owned(), default);

        assert_eq!(
            types(text),
            [
                row("a", "integer", json!(50)),
                row("b", "float", json!(0)),
                row("c", "integer", json!(5)),
            ]
        );
    }

    #[test]
    fn off_as_the_callers_default_leaves_the_empty_value_of_the_type() {
        let text = "[flags.a]\nvariants = { control = 1, treatment = 1 }\noff = \"default\"\n\
                    [flags.b]\nvariants = { control = { value = 5 } }\nserve = \"control\"\noff = \"default\"\n";
        let row = |key: &str, kind: &str, default: Json| (key.to_owned(), kind.to_owned(), default);

        assert_eq!(types(text), [row("a", "string", json!("")), row("b", "integer", json!(0))]);
    }

    #[test]
    fn descriptions_and_metadata_of_a_flag_are_in_the_manifest() {
        let text = r#"
            [flags.a]
            owner = "payments"
            permanent = true
            client = true
            testable = false
            metadata = { issue = "PAY-412", tier = 1 }
            denied_users = ["mallory"]
        "#;

        let manifest: Json = serde_json::from_str(&manifest("f", text).unwrap()).unwrap();

        assert_eq!(
            manifest["flags"]["a"],
            json!({
                "flagType": "boolean", "defaultValue": false, "owner": "payments",
                "permanent": true, "client": true, "testable": false,
                "metadata": { "issue": "PAY-412", "tier": 1 },
            })
        );
    }

    #[test]
    fn a_file_with_errors_has_no_manifest() {
        assert!(matches!(manifest("f", "[flags]\na = 25\n"), Err(Error::Invalid(_))));
    }
}
