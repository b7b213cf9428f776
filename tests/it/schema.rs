//! The JSON Schema of flags.toml against the files that the decoder accepts and refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use flagstaff::definition::json_schema;
use jsonschema::Validator;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The problems that no schema can see, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("allowed-and-denied", "compares two lists"),
    ("blank-text", "only a warning"),
    ("duplicate-rule", "compares rules"),
    ("expires-before-created", "compares two dates"),
    ("failed-test", "runs the tests"),
    ("invalid-duration", "a length of time can be written in many ways"),
    ("mix-broken-segments", "names of segments are looked up"),
    ("mixed-types", "compares variants"),
    ("never-active", "compares two dates"),
    ("percentage-beside-rollout", "only a warning"),
    ("prerequisite-circle", "follows names of flags"),
    ("rollout-backwards", "compares stages"),
    ("rollout-times", "compares stages"),
    ("rollout-without-stages", "only a warning"),
    ("segment-cycle", "follows names of segments"),
    ("too-many-prerequisites", "follows names of flags"),
    ("unknown-prerequisite", "names of flags are looked up"),
    ("unknown-segment", "names of segments are looked up"),
    ("unknown-variant", "names of variants are looked up"),
    ("unnamed-rule", "depends on what the rule serves"),
    ("zero-weights", "only a warning"),
];

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// The files of a directory that are TOML, by name.
fn files(directory: &str) -> BTreeMap<String, Value> {
    let entries = fs::read_dir(Path::new(ROOT).join("tests/data").join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let table: toml::Table = text.trim_start_matches('\u{feff}').parse().ok()?;
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            Some((name, json(table.into())))
        })
        .collect()
}

fn validator() -> Validator {
    jsonschema::draft7::options().should_validate_formats(true).build(&json_schema()).unwrap()
}

#[test]
fn it_accepts_what_the_decoder_accepts() {
    let validator = validator();

    for (name, file) in files("ok") {
        let errors: Vec<_> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    }
}

#[test]
fn it_refuses_what_a_schema_can_see() {
    let validator = validator();
    let accepted = files("bad").into_iter().filter(|(_, file)| validator.is_valid(file));
    let accepted: BTreeSet<_> = accepted.map(|(name, _)| name).collect();

    let unseen: BTreeSet<_> = UNSEEN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(accepted, unseen);
}

/// With `UPDATE=1`, the copy is written anew.
#[test]
fn the_copy_is_up_to_date() {
    let path = Path::new(ROOT).join("src/docs/flags.schema.json");
    let schema = format!("{:#}\n", json_schema());

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == schema, "run this test with UPDATE=1");
}

#[test]
fn everything_that_an_editor_offers_is_described() {
    fn check(schema: &Value, path: &str) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                let described = property["description"].as_str().is_some_and(|doc| !doc.is_empty());
                assert!(described, "{path}/{name}");
            }
        }
        for (name, part) in schema.as_object().into_iter().flatten() {
            check(part, &format!("{path}/{name}"));
        }
    }
    check(&json_schema(), "");
}
