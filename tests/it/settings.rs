//! The registry of settings: a row that lacks a part fails here.

use std::{collections::BTreeSet, time::SystemTime};

use flagstaff::{
    Context, Definition, Flags, Memory,
    definition::{
        Field, FlagsFile, Setting, UnknownKeys, from_json, from_json_object, json_schema, to_json,
    },
};
use serde_json::Value;

use crate::support::GUIDE;

/// Returns a setting with the settings that it needs, in the order of the documentation.
fn together(field: Field) -> Vec<Field> {
    let is_needed = |other| field == Field::Serve && other == Field::Variants;
    let all = Field::ALL.iter().copied();
    all.filter(|&other| other == field || is_needed(other)).collect()
}

/// Returns a flag with the example of one setting, and the settings that it needs.
fn text(field: Field) -> String {
    let needed = together(field).into_iter().filter(|&other| other != field);
    let settings = [field].into_iter().chain(needed);
    let lines: String = settings.map(|it| format!("{it} = {}\n", it.example())).collect();
    format!("[flags.a]\n{lines}")
}

fn decoded(field: Field) -> Definition {
    let file = FlagsFile::parse("flags.toml", &text(field));
    assert!(!file.diagnostics().has_errors(), "{field}: {}", file.diagnostics());
    Definition::clone(&file.flags()["a"])
}

#[test]
fn the_example_of_every_setting_is_read_as_that_setting() {
    for &field in Field::ALL {
        let definition = decoded(field);

        assert_eq!(definition.fields().collect::<Vec<_>>(), together(field));
        assert_eq!(Definition::new().differences(&definition), together(field));
    }
}

#[test]
fn every_setting_is_written_as_json_and_read_back() {
    for &field in Field::ALL {
        let definition = decoded(field);

        let object = to_json(&definition);

        assert!(object.keys().eq(together(field).into_iter().map(Field::as_str)), "{object:?}");
        assert_eq!(from_json_object("a", &object, UnknownKeys::Reject), Ok(definition), "{field}");
    }
}

#[test]
fn every_setting_of_the_sources_below_can_be_removed() {
    for &field in Field::ALL {
        let mut definition = decoded(field);
        let patch = from_json("a", format!("{{\"{field}\": null}}")).unwrap();
        assert_eq!(Value::from(to_json(&patch)), serde_json::json!({ (field.as_str()): null }));

        definition.merge(&patch);

        assert!(!definition.differences(&Definition::new()).contains(&field), "{field}");
        assert!(definition.has(field), "{field}");
    }
}

#[test]
fn a_patch_with_any_setting_leaves_every_other_one_alone() {
    // These settings exclude others.
    let others = || Field::ALL.iter().filter(|it| ![Field::Rollout, Field::Value].contains(it));
    let all: String = others().map(|field| format!("{field} = {}\n", field.example())).collect();
    let file = FlagsFile::parse("flags.toml", &format!("[flags.a]\n{all}"));
    // The example of `off` is a variant of the example of `variants`.
    assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());

    for &field in others() {
        let mut below = Definition::clone(&file.flags()["a"]);

        below.merge(&from_json("a", format!("{{\"{field}\": null}}")).unwrap());

        assert_eq!(below.differences(&file.flags()["a"]), [field]);
    }
}

#[test]
fn every_setting_is_in_the_schema_which_takes_its_example() {
    let schema = json_schema();
    let validator = jsonschema::draft7::new(&schema).unwrap();

    for &field in Field::ALL {
        let property = &schema["definitions"]["flag"]["properties"][field.as_str()];
        assert_eq!(property["description"], field.description(), "{field}");

        let table: toml::Table = text(field).parse().unwrap();
        let flags = crate::schema::json(table.into());
        assert!(validator.is_valid(&flags), "{field}: {flags}");
        let wrong = match field {
            Field::Value => serde_json::json!(true),
            _ => serde_json::json!([[1]]),
        };
        let wrong = serde_json::json!({ "flags": { "a": { (field.as_str()): wrong } } });
        assert!(!validator.is_valid(&wrong), "{field}");
    }
}

/// Returns the default in the schema, as flags.toml writes it.
fn default(field: Field) -> String {
    let schema = json_schema();
    match &schema["definitions"]["flag"]["properties"][field.as_str()]["default"] {
        Value::Null => "none".to_owned(),
        default => format!("`{default}`"),
    }
}

/// The registry of settings generates the table of the guide.
#[test]
fn every_setting_has_its_row_in_the_guide() {
    for &field in Field::ALL {
        let (example, default, about) = (field.example(), default(field), field.description());
        let row = format!("| `{field}` | `{example}` | {default} | {about} |");

        assert!(GUIDE.contains(&row), "{row}");
    }
    let rows = GUIDE.lines().skip_while(|line| !line.starts_with("| setting |")).skip(2);
    assert_eq!(rows.take_while(|line| line.starts_with('|')).count(), Field::ALL.len());
}

#[tokio::test]
async fn an_explanation_has_every_setting_with_its_source() {
    for &field in Field::ALL {
        let memory = Memory::new().with("a", decoded(field));
        let flags = Flags::builder().source(memory).start().await.unwrap();

        let explanation = flags.explain("a", &Context::anonymous());

        let settings = &explanation.settings;
        assert!(settings.iter().map(|setting| setting.field).eq(together(field)), "{settings:?}");
        let setting = settings.iter().find(|setting| setting.field == field).unwrap();
        assert_eq!(setting.source, "memory");
        assert!(setting.value.as_ref().is_some_and(|value| !value.is_empty()), "{field}");
    }
}

#[test]
fn every_setting_has_its_location() {
    for &field in Field::ALL {
        let file = FlagsFile::parse("flags.toml", &text(field));

        assert_eq!(file.lines().setting("a", field), Some(2), "{field}");
    }
}

#[test]
fn dates_are_those_settings_that_have_one() {
    for &field in Field::ALL {
        assert_eq!(decoded(field).date(field).is_some(), field.is_date(), "{field}");
    }
}

/// An edit changes the setting, and nothing else in the document.
#[test]
fn every_setting_can_be_edited_in_the_file() {
    use flagstaff::definition::edit::Document;

    for &field in Field::ALL {
        let definition = decoded(field);
        let mut document = Document::parse("flags.toml", "[flags.a]  # mine\n").unwrap();

        document.set("a", &definition).unwrap();

        let file = FlagsFile::parse("flags.toml", document.text());
        assert_eq!(*file.flags()["a"], definition, "{}", document.text());
        assert!(document.text().starts_with("[flags.a]  # mine\n"), "{}", document.text());
    }
}

#[test]
fn a_permanent_flag_needs_no_expiry_and_has_none() {
    use flagstaff::definition::{Code, lint::Lints};

    let found = |settings: &str| -> BTreeSet<_> {
        let lints = Lints::new().warn(Code::MissingExpiry);
        let text = format!("[flags.a]\n{settings}");
        let found = lints.check("flags.toml", &text, SystemTime::now());
        found.iter().map(|problem| problem.code).collect()
    };

    assert_eq!(found("enabled = true"), [Code::MissingExpiry].into());
    assert_eq!(found("permanent = false"), [Code::MissingExpiry].into());
    assert_eq!(found("permanent = true"), [].into());
    assert_eq!(found("expires = 2020-01-01"), [Code::Expired].into());
    assert_eq!(
        found("expires = 2020-01-01\npermanent = true"),
        [Code::SettingWithoutEffect].into()
    );
    assert_eq!(Definition::new().permanent(true).rare().permanent, Setting::Set(true));
}
