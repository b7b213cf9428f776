//! The JSON Schema of flags.toml against the files that the decoder accepts and refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

use flagstaff::definition::{Field, json_schema};
use jsonschema::Validator;
use serde_json::Value;

use crate::support::root;

/// Parts of settings that have no default, or one that follows from something else.
const WITHOUT_DEFAULT: &[&str] = &[
    "environments",
    "segments",
    "prerequisite/variant",
    "flag/rules/name",
    "flag/rules/unless",
    "flag/rollout/start",
    "flag/rollout/stages",
    "flag/rollout/stage",
    "flag/rollout/stage_started",
    "flag/rollout/paused_at",
    "flag/rollout/stages/for",
    "flag/rollout/stages/at",
    "flag/active/from",
    "flag/active/until",
    "flag/variants/value",
    "flag/tests/name",
    "flag/tests/user",
    "flag/tests/groups",
    "flag/tests/attributes",
    "flag/tests/time",
    "segment/description",
    "segment/when",
    "segment/unless",
];

/// The problems that a schema cannot detect, each with the reason.
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
    ("prerequisite-cycle", "follows names of flags"),
    ("rollout-backwards", "compares stages"),
    ("rollout-times", "compares stages"),
    ("rollout-without-stages", "only a warning"),
    ("segment-cycle", "follows names of segments"),
    ("too-many-prerequisites", "follows names of flags"),
    ("unknown-prerequisite", "names of flags are looked up"),
    ("unknown-segment", "names of segments are looked up"),
    ("off-word", "values of variants are looked up"),
    ("unknown-variant", "names of variants are looked up"),
    ("unnamed-rule", "depends on what the rule serves"),
    ("value-beside-variants", "a schema would have to exclude settings of each other"),
    ("zero-weights", "weights are compared"),
];

pub(crate) fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// Returns the TOML files of a directory, by name.
fn files(directory: &str) -> BTreeMap<String, Value> {
    let entries = fs::read_dir(root().join("tests/data").join(directory)).unwrap();
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

pub(crate) fn validator() -> Validator {
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

/// With `UPDATE=1`, the copy is written again.
#[test]
fn the_copy_is_up_to_date() {
    let path = root().join("src/docs/flags.schema.json");
    let schema = format!("{:#}\n", json_schema());

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == schema, "run this test with UPDATE=1");
}

/// Collects every property by its path, with `true` if it is required.
pub(crate) fn properties(schema: &Value, path: &str, into: &mut Vec<(String, Value, bool)>) {
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.contains(&name.as_str().into()));
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        into.push((path.clone(), property.clone(), is_required));
        for inner in [property, &property["items"], &property["additionalProperties"]] {
            properties(inner, &path, into);
        }
    }
}

#[test]
fn everything_that_an_editor_offers_is_described_and_has_its_default() {
    let schema = json_schema();
    let mut offered = Vec::new();
    properties(&schema, "", &mut offered);
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        properties(definition, name, &mut offered);
    }
    assert!(offered.len() > 60, "{}", offered.len());

    for (path, property, _) in &offered {
        assert!(property["description"].as_str().is_some_and(|doc| !doc.is_empty()), "{path}");
    }
    // The parts of a condition have no defaults.
    let is_part = |path: &str| path.starts_with("condition/") || path.starts_with("comparison/");
    let without = offered.iter().filter(|(path, property, is_required)| {
        !is_required && !is_part(path) && property.get("default").is_none()
    });
    // The table of the guide has the defaults of the settings.
    let is_setting = |path: &str| {
        let name = path.strip_prefix("flag/");
        name.is_some_and(|name| Field::ALL.iter().any(|field| field.as_str() == name))
    };
    let without = without.map(|(path, ..)| path.as_str()).filter(|path| !is_setting(path));
    let without: Vec<_> = without.collect();
    let expected: BTreeSet<_> = WITHOUT_DEFAULT.iter().copied().collect();
    assert_eq!(without.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Editors complete nothing in a flag whose schema has alternatives.
#[test]
fn a_flag_is_one_schema() {
    let flag = &json_schema()["definitions"]["flag"];

    for word in ["anyOf", "oneOf", "allOf", "$ref"] {
        assert!(flag.get(word).is_none(), "{word}");
    }
    assert_eq!(flag["type"], serde_json::json!(["boolean", "string", "object"]));
}

/// Returns the verdict of an editor on a file by a schema, with its program in target/venv.
pub(crate) fn editor(
    schema: &Value,
    program: &str,
    arguments: &[&str],
    text: &str,
) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("schema.json"), schema.to_string()).unwrap();
    let text = format!("#:schema ./schema.json\n{}", text.trim_start_matches('\u{feff}'));
    fs::write(folder.path().join("flags.toml"), text).unwrap();
    let program = root().join("target/venv/bin").join(program);
    let output = Command::new(program)
        .args(arguments)
        .arg("flags.toml")
        .current_dir(folder.path())
        .output()
        .expect("tests/run --setup installs it");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let silent = !format!("{out}{err}").to_lowercase().contains("warning");
    (output.status.success() && silent, out + &err)
}

#[test]
fn editors_take_what_the_decoder_takes_and_see_mistakes() {
    // Not all of these programs support TOML 1.1.
    let schema = json_schema();
    let is_old = |name: &str| !["dates", "toml-1.1"].contains(&name);
    for (program, arguments) in [("taplo", &["lint"][..]), ("tombi", &["lint", "--offline"])] {
        for name in files("ok").into_keys().filter(|name| is_old(name)) {
            let path = root().join(format!("tests/data/ok/{name}.toml"));
            let (accepted, said) =
                editor(&schema, program, arguments, &fs::read_to_string(path).unwrap());
            assert!(accepted, "{program}, {name}: {said}");
        }
        for (mistake, word) in [
            ("search = \"125%\"", "125%"),
            ("a.percentge = 10", "percentge"),
            ("a.created = \"soon\"", "soon"),
            ("a.rules = [{ when = { os = { iz = 1 } }, serve = true }]", "iz"),
        ] {
            let (accepted, said) =
                editor(&schema, program, arguments, &format!("[flags]\n{mistake}\n"));
            assert!(!accepted && said.contains(word), "{program}, {mistake}: {said}");
        }
    }
}

/// Fuzzing need not find words letter by letter. With `UPDATE=1`, the dictionary is written again.
#[test]
fn the_dictionary_of_the_fuzz_targets_has_every_word() {
    let path = root().join("tests/fuzz/words.dict");
    let schema = json_schema();
    let mut offered = Vec::new();
    properties(&schema, "", &mut offered);
    for definition in schema["definitions"].as_object().unwrap().values() {
        properties(definition, "", &mut offered);
    }
    let names = offered.iter().filter_map(|(path, ..)| path.rsplit('/').next());
    let values = offered.iter().flat_map(|(_, property, _)| {
        let lists = ["enum", "examples"].into_iter().filter_map(|key| property[key].as_array());
        lists.flatten().filter_map(Value::as_str)
    });
    let places = flagstaff::definition::places::json_schema();
    let places: Vec<_> = places["properties"].as_object().unwrap().keys().collect();
    let words: BTreeSet<_> =
        names.chain(values).chain(places.into_iter().map(String::as_str)).collect();
    let forms = [
        "[environments.staging]",
        "[[flags.a.rules]]",
        "[segments.a]",
        "= [{ ",
        " }]",
        "{ flag = \"a\"",
    ];
    let forms = forms.iter().map(|form| format!("\"{}\"\n", form.replace('"', "\\\"")));
    let mut text =
        "# Made of the schemas by a test, `the_dictionary_of_the_fuzz_targets_has_every_word`.\n"
            .to_owned();
    text.extend(words.iter().map(|word| format!("\"{word}\"\n")));
    text.extend(forms);

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(words.contains("unless") && words.contains("default") && words.contains("starts_with"));
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "run this test with UPDATE=1");
}
