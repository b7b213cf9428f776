//! flagstaff.toml: the files of `tests/data/places`, variables of the environment, and passwords.

use std::{collections::BTreeSet, env, fs};

use flagstaff::definition::{
    Code,
    places::{PlacesFile, json_schema},
};
use serde_json::Value;

use crate::{
    definition::{each, snapshot},
    schema::{editor, json},
    support::root,
};

/// Stands for a password everywhere.
const PASSWORD: &str = "hunter2";

fn parse(text: &str) -> PlacesFile {
    PlacesFile::parse("flagstaff.toml", text)
}

/// Every variable has its name in lower case for a value.
fn variable(name: &str) -> Option<String> {
    Some(name.to_lowercase())
}

#[test]
fn good_files_say_where_flags_are() {
    each("places/ok", |name, text| {
        let file = parse(text);
        assert!(file.diagnostics().is_empty(), "{name}: {}", file.diagnostics());

        let places = [None].into_iter().chain(file.names().map(Some));
        let settings = places.map(|place| {
            let settings = file.resolve(place, variable).unwrap().expect("it is named");
            format!("{}: {settings:#?}\n", place.unwrap_or("(top level)"))
        });
        snapshot("places/ok", name, &settings.collect::<String>());
    });
}

#[test]
fn bad_files_are_explained_without_their_passwords() {
    let mut codes = BTreeSet::new();
    each("places/bad", |name, text| {
        let file = parse(text);
        codes.extend(file.diagnostics().iter().map(|problem| problem.code));

        assert!(file.resolve(None, variable).is_err(), "{name}");
        let shown = file.diagnostics().to_string();
        assert!(!shown.contains(PASSWORD) && !format!("{file:?}").contains(PASSWORD), "{shown}");
        snapshot("places/bad", name, &shown);
    });

    assert!(codes.contains(&Code::PasswordInFile) && codes.contains(&Code::UnknownKey));
}

#[test]
fn a_password_is_an_error_wherever_it_is_and_is_never_shown() {
    for value in [
        "redis://:hunter2@h",
        "redis://u:hunter2@h:6379/1",
        "rediss://u:hunter2@h",
        "redis://u:$A-hunter2@h",
        "redis://u:hun/ter2hunter2@h",
        "redis://u%3Ahunter2@h",
        "redis%3A//u:hunter2@h",
        "redis://u:hunter2%40@h",
        "redis://a:6379,redis://u:hunter2@h",
        "unix:///run/redis.sock?db=1&pass=hunter2",
        "redis://h?PassWord=hunter2",
        "redis://h#auth=hunter2",
        "redis://:hunter2",
        "redis://u:${A}hunter2",
        "redis://h:${PORT}%2Fhunter2",
        "redis://:hunter2@h:${PORT}",
    ] {
        let escaped = value.replace(':', "\\u003a");
        for text in [
            format!("redis = \"{value}\"\n"),
            format!("redis = '{value}' # as before\n"),
            format!("redis = \"{escaped}\"\n"),
            format!("redis = \"\"\"\n{value}\"\"\"\n"),
            format!("[places.a]\nsentinel = [\"redis://h\", \"{value}\"]\n"),
            format!("places.a = {{ key = \"{value}\" }}\n"),
        ] {
            let file = parse(&text);

            let codes: Vec<_> = file.diagnostics().iter().map(|problem| problem.code).collect();
            assert_eq!(codes, [Code::PasswordInFile], "{text}");
            let shown = format!("{} {file:?}", file.diagnostics());
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
        // Whatever else is wrong with the line.
        for text in [
            format!("redis = \"{value}\n"),
            format!("redis = {value}\n"),
            format!("rediz = \"{value}\"\n"),
        ] {
            let shown = parse(&text).diagnostics().to_string();
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}

#[test]
fn locations_behind_a_hidden_password_are_those_of_the_file() {
    let file = parse("places.a = { key = 'redis://:ünïcodé€👍@h', b = 1 }\n");

    let locations: Vec<_> =
        file.diagnostics().iter().map(|problem| problem.location.to_string()).collect();

    assert_eq!(locations, ["1:20", "1:44"]);
    assert!(file.diagnostics().to_string().contains("'redis://:·"), "{}", file.diagnostics());
}

#[test]
fn a_url_without_a_password_is_none() {
    for value in [
        "redis://h",
        "redis://h:6379/1",
        "redis://127.0.0.1:${PORT}/7",
        "redis://h:$PORT",
        "redis://u:${PASSWORD}@h:${PORT}/7",
        "redis://u@h",
        "redis://u@[::1]:6379",
        "redis://[::1]:6379/2",
        "redis://$USER:$PASSWORD@h",
        "redis://:${PASSWORD}@h:6379",
        "redis://a:6379,redis://b:6380",
        "unix:///run/redis.sock?db=1",
        "$REDIS_URL",
    ] {
        for text in [format!("redis = \"{value}\"\n"), format!("redis = ['{value}']\n")] {
            let file = parse(&text);
            assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        }
    }
}

#[test]
fn a_variable_that_is_not_set_concerns_the_place_that_names_it() {
    let file = parse(
        "[places.a]\nredis = \"redis://$HOST:${PORT}\"\n[places.b]\nredis = \"$SET\"\nkey = 'x'\n",
    );
    let set = |name: &str| match name {
        "SET" => Some("redis://b".to_owned()),
        "PORT" => Some(String::new()),
        _ => None,
    };

    let b = file.resolve(Some("b"), set).unwrap().unwrap();
    assert_eq!((&*b.redis, b.key.as_deref()), (&["redis://b".to_owned()][..], Some("x")));
    let unset = file.resolve(Some("a"), set).unwrap_err();
    assert_eq!(
        unset.summary(),
        "flagstaff.toml:2:9: error[unset-variable]: environment variable `HOST` is not set"
    );
    assert!(file.clone().without("redis").resolve(Some("a"), set).is_ok());
    assert_eq!(file.resolve(Some("c"), set).unwrap(), None);
}

#[test]
fn a_value_of_a_variable_is_not_expanded_again() {
    let file = parse("redis = \"$LIST\"\nkey = \"$A$$B${C}\"\n");
    let set = |name: &str| match name {
        "LIST" => Some("redis://a,redis://$b".to_owned()),
        name => Some(format!("<${name}>")),
    };

    let place = file.resolve(None, set).unwrap().unwrap();

    assert_eq!(place.redis, ["redis://a", "redis://$b"]);
    assert_eq!(place.key.as_deref(), Some("<$A>$B<$C>"));
}

/// The problems that the schema does not see.
const UNSEEN: &[&str] = &["invalid-word", "password-in-file"];

#[test]
fn the_schema_accepts_what_is_read_and_sees_mistakes() {
    let validator = jsonschema::draft7::new(&json_schema()).unwrap();
    let read = |text: &str| Some(json(text.parse::<toml::Table>().ok()?.into()));

    each("places/ok", |name, text| {
        let errors: Vec<_> =
            validator.iter_errors(&read(text).unwrap()).map(|it| it.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    });
    each("places/bad", |name, text| {
        if let Some(file) = read(text).filter(|_| !UNSEEN.contains(&name)) {
            assert!(!validator.is_valid(&file), "{name}");
        }
    });
}

#[test]
fn editors_take_the_schema_and_see_mistakes() {
    let schema = json_schema();
    for (program, arguments) in [("taplo", &["lint"][..]), ("tombi", &["lint", "--offline"])] {
        each("places/ok", |name, text| {
            let (accepted, said) = editor(&schema, program, arguments, text);
            assert!(accepted, "{program}, {name}: {said}");
        });
        for (mistake, word) in
            [("protect = true", "protect"), ("places.a.reason = \"always\"", "always")]
        {
            let (accepted, said) = editor(&schema, program, arguments, &format!("{mistake}\n"));
            assert!(!accepted && said.contains(word), "{program}, {mistake}: {said}");
        }
    }
}

/// With `UPDATE=1`, the copy is written anew.
#[test]
fn the_copy_of_the_schema_is_up_to_date() {
    let path = root().join("src/docs/flagstaff.schema.json");
    let schema = format!("{:#}\n", json_schema());

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == schema, "run this test with UPDATE=1");
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = json_schema();
    let keys = schema["properties"].as_object().unwrap();

    assert!(keys.len() > 8);
    let is_described =
        |key: &Value| key["description"].as_str().is_some_and(|it| it.ends_with('.'));
    assert!(keys.values().all(is_described));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[a-z\\[\\]=\"'.$@:/#{}%\n é-]{0,80}") {
        let file = parse(&text);
        let _ = (file.diagnostics().to_string(), file.resolve(None, variable));
    }
}
